"""Frames that come from far away: all requests are begun at once, and decoded as they arrive."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue

from roverd.parallel import for_each

Work = Callable[[], object]

WAITING_BYTES = 256 << 20
"""Bytes that a batch has asked for and not decoded yet, at most; one request may exceed it."""

LONG = float("inf")
"""How long work takes of which nothing is known, or that is one step after the other. It is begun
before all else."""


class Fetch:
    """Bytes that have to be waited for, and what is done with them.

    Args:
        begin: asks for them.
        take: makes frames of them.
        size: how many they are, about.
    """

    __slots__ = ("begin", "size", "take")

    def __init__(
        self, begin: Callable[[], "Future[bytes]"], take: Callable[[bytes], object], size: int
    ) -> None:
        self.begin = begin
        self.take = take
        self.size = size


_Arrived = tuple[Fetch, "Future[bytes]"]


class _Window:
    """Begins requests in order, as many as may wait."""

    def __init__(self, fetches: Sequence[Fetch]) -> None:
        self._pending = deque(fetches)
        self._lock = threading.Lock()
        self._waiting = 0
        self._stopped = False
        self._begun: set[Future[bytes]] = set()
        self.arrived: SimpleQueue[_Arrived | None] = SimpleQueue()

    def begin(self, done: int = 0) -> None:
        """Begin more, now that `done` bytes do not wait any more."""
        with self._lock:
            self._waiting -= done
            while self._pending and not self._stopped:
                size = self._pending[0].size
                if self._waiting and self._waiting + size > WAITING_BYTES:
                    return
                fetch = self._pending.popleft()
                self._waiting += size
                future = fetch.begin()
                self._begun.add(future)
                future.add_done_callback(
                    lambda future, fetch=fetch: self.arrived.put((fetch, future))
                )

    def take(self, fetch: Fetch, future: "Future[bytes]") -> None:
        """Decode what has arrived, and make room for more."""
        self._begun.discard(future)
        data = future.result()
        fetch.take(data)
        del data
        self.begin(fetch.size)

    def work_of(self, arrived: "_Arrived | None") -> Work | None:
        """What is to be done with what has arrived; nothing if all has been given up."""
        if arrived is None:
            self.arrived.put(None)  # for the next one who waits
            return None
        return partial(self.take, *arrived)

    def stop(self) -> None:
        """Give up what has not arrived, and let go whoever waits for it."""
        with self._lock:
            self._stopped = True
            begun = list(self._begun)
        self.arrived.put(None)
        for future in begun:
            future.cancel()


def run_fetching(fetches: Sequence[Fetch], work: Sequence[tuple[float, Work]]) -> None:
    """Fetch and decode, and do other work meanwhile.

    Args:
        fetches: what has to be waited for.
        work: what can be done at once, and how long each takes; the longest first.

    Raises:
        BaseException: what any of it raised.
    """
    window = _Window(fetches)
    urgent = deque(piece for cost, piece in work if cost == LONG)
    rest = deque(piece for cost, piece in work if cost != LONG)

    def next_work() -> Work | None:
        if urgent and (piece := _popped(urgent)):
            return piece
        with suppress(Empty):
            return window.work_of(window.arrived.get_nowait())
        # As many steps as things to do: one will arrive for each that waits here.
        return _popped(rest) or window.work_of(window.arrived.get())

    def step(_: int) -> None:
        try:
            piece = next_work()
            if piece is not None:
                piece()
        except BaseException:
            # Others may be waiting for what this thread would have begun.
            window.stop()
            raise

    try:
        window.begin()
        for_each(step, range(len(fetches) + len(work)))
    finally:
        window.stop()


def _popped(pieces: deque[Work]) -> Work | None:
    try:
        return pieces.popleft()
    except IndexError:
        return None  # another thread has taken the last one
