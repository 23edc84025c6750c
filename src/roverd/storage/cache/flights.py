"""Blocks that this process is fetching just now, so that no two threads fetch the same."""

import os
import threading
from collections.abc import Iterable

from roverd.storage.cache.names import BlockName


class Flight:
    """A block that is being fetched.

    Attributes:
        block: its bytes, once they are there; `None` too when they could not be had.
    """

    __slots__ = ("_over", "block")

    def __init__(self) -> None:
        self.block: memoryview | None = None
        self._over = threading.Event()

    def end(self) -> None:
        """Let those go on who wait."""
        self._over.set()

    def wait(self) -> memoryview | None:
        """The block's bytes, when it is known whether there are any."""
        self._over.wait()
        return self.block


class Flights:
    """The blocks that threads of this process are fetching."""

    def __init__(self) -> None:
        self._flights: dict[BlockName, Flight] = {}
        self._lock = threading.Lock()
        self._process = os.getpid()

    def join(
        self, names: Iterable[BlockName]
    ) -> tuple[dict[BlockName, Flight], dict[BlockName, Flight]]:
        """Take on blocks that nobody is fetching.

        Args:
            names: of the blocks that are wanted.

        Returns:
            Flights that the caller has to see to, and has to `leave` in any case; and those that
            others see to.
        """
        if self._process != os.getpid():
            # A forked child has none of the threads that are fetching.
            self._flights, self._lock = {}, threading.Lock()
            self._process = os.getpid()
        mine: dict[BlockName, Flight] = {}
        others: dict[BlockName, Flight] = {}
        with self._lock:
            for name in names:
                flight = self._flights.get(name)
                if flight is None:
                    mine[name] = self._flights[name] = Flight()
                else:
                    others[name] = flight
        return mine, others

    def leave(self, flights: dict[BlockName, Flight]) -> None:
        """End flights."""
        with self._lock:
            for name in flights:
                del self._flights[name]
        for flight in flights.values():
            flight.end()
