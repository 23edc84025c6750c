"""How much memory the indexes of all channels take together.

A channel keeps what it found out about its file for the next read. With thousands of traces open,
that would be gigabytes; so the oldest of them are forgotten, and found out again when needed.
"""

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

# Half of what a thousand traces of ten minutes have. To find one out again takes a millisecond.
_LIMIT = 192 << 20


class IndexMemory:
    """Bounds what many owners keep.

    Args:
        limit: bytes that all of them may keep together. The latest one may exceed it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0  # may count what was freed meanwhile
        self._kept: WeakKeyDictionary[Any, tuple[int, Callable[[Any], object]]]
        self._kept = WeakKeyDictionary()
        self.renew()

    def renew(self) -> None:
        """To be called in a forked child, where another thread's lock would stay locked."""
        self._lock = threading.Lock()

    def keep(self, owner: Any, size: int, forget: Callable[[Any], object]) -> None:
        """Count what an owner keeps, and have others forget theirs if it has become too much.

        Args:
            owner: who keeps it, in the place of what it kept before.
            size: bytes.
            forget: called with the owner when it is to let go of it.
        """
        with self._lock:
            before = self._kept.pop(owner, None)
            self._kept[owner] = (size, forget)
            self._total += size - (before[0] if before else 0)
            if self._total <= self._limit:
                return
            self._total = sum(kept for kept, _ in self._kept.values())
            for oldest in list(self._kept)[:-1]:
                if self._total <= self._limit:
                    return
                kept, let_go = self._kept.pop(oldest)
                self._total -= kept
                let_go(oldest)


INDEXES = IndexMemory(_LIMIT)
"""Of all channels of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=INDEXES.renew)
