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
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, target: Syncable) -> None:
        """Sync `target` from now on, until it is collected or discarded."""
        with self._changed:
            self._targets.add(target)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="roverd-sync", daemon=True)
                self._thread.start()

    def discard(self, target: Syncable) -> None:
        """Sync `target` no more; the thread is gone when that was the last one."""
        with self._changed:
            self._targets.discard(target)
            if self._targets:
                return
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while targets := self._due():
            for target in targets:
                target.sync()
            del targets

    def _due(self) -> list[Syncable]:
        """What is to be synced, when it is time; nothing when the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._targets, self._period)
            if not self._targets and self._thread is threading.current_thread():
                self._thread = None
            return list(self._targets) if self._thread is threading.current_thread() else []


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
