"""Telling whoever asked for long work how far it is."""

import threading
from collections.abc import Callable

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
