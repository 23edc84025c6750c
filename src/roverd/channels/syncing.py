"""Making what is being recorded survive a loss of power, now and then, beside the writing.

One thread of the process does it for everything that is being written: waiting for the disk in the
thread that writes would keep frames waiting.
"""

import os
import threading
import weakref
from typing import Protocol

PERIOD = 0.75
"""Seconds between two rounds. A round that takes less than that, too, keeps to two seconds in all:
a quarter for a frame to be written, the period, and the round."""


class Syncable(Protocol):
    """Something that is being written."""

    def sync(self) -> None:
        """Make all that was written so far survive a loss of power; raises nothing."""
        ...


class Syncer:
    """Syncs what is registered, again and again, until nothing is.

    Args:
        period: seconds between two rounds.
    """

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._targets: weakref.WeakSet[Syncable] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._running = False

    def add(self, target: Syncable) -> None:
        """Sync `target` from now on, until it is collected or discarded."""
        with self._lock:
            self._targets.add(target)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="roverd-sync", daemon=True).start()

    def discard(self, target: Syncable) -> None:
        """Sync `target` no more."""
        with self._lock:
            self._targets.discard(target)

    def _run(self) -> None:
        wait = threading.Event().wait
        while True:
            wait(self._period)
            with self._lock:
                targets = list(self._targets)
                if not targets:
                    self._running = False
                    return
            for target in targets:
                target.sync()
            del targets


_shared = Syncer()


def shared_syncer() -> Syncer:
    """The process's own."""
    return _shared


def _forget() -> None:
    # A forked child has neither the thread nor anything of its own to sync.
    global _shared
    _shared = Syncer()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
