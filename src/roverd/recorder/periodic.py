"""Something that is done again and again in a thread of its own."""

import threading
import time
from collections.abc import Callable


class Periodic:
    """Calls a function at fixed intervals, in a thread that does not keep the program from exiting.

    Args:
        function: what to call; it handles its errors itself.
        period: seconds from one call to the next; a call that takes longer is followed at once.
        name: of the thread.
    """

    def __init__(self, function: Callable[[], None], period: float, name: str) -> None:
        self._function = function
        self._period = period
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic() + self._period
        while not self._stopped.wait(self._left(due)):
            if self._left(due):
                continue
            self._function()
            due = max(due + self._period, time.monotonic())

    @staticmethod
    def _left(due: float) -> float:
        # Python refuses to wait for centuries.
        return min(max(0.0, due - time.monotonic()), threading.TIMEOUT_MAX)

    def stop(self) -> None:
        """Call it no more, and wait for a call that has begun."""
        self._stopped.set()
        self._thread.join()
