"""Telling whoever asked for long work how far it is."""

import threading
from collections.abc import Callable, Sequence

Progress = Callable[[int, int], None]
"""Called now and then with what is done and what there is to do, in the unit of the operation."""


class Tally:
    """Adds up what is done, by any number of threads.

    Args:
        total: what there is to do.
        progress: told after each addition, by one thread at a time; nobody is if `None`.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def add(self, amount: int) -> None:
        """Count what was done since the last time."""
        if self._progress is None:
            return
        with self._lock:
            self._done += amount
            self._progress(self._done, self._total)


class Shares:
    """Adds up how far many items are, each of which counts in units of its own.

    Args:
        sizes: what each item is worth, in the unit of `progress`.
        progress: told after each addition, by one thread at a time; nobody is if `None`.
    """

    def __init__(self, sizes: Sequence[int], progress: Progress | None) -> None:
        self._sizes = sizes
        self._tally = Tally(sum(sizes), progress)
        self._counted = [0] * len(sizes)

    def tell(self, number: int, done: int, total: int) -> None:
        """Say how far an item is.

        Args:
            number: of the item.
            done: what is done of it, in any unit.
            total: what there is to do, in the same unit.
        """
        now = round(self._sizes[number] * min(1.0, done / max(1, total)))
        self._tally.add(now - self._counted[number])
        self._counted[number] = now
