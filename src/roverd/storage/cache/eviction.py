"""Making room: the blocks that were not used for the longest time go first."""

import contextlib
import os
import threading
from array import array
from collections.abc import Generator

from roverd.storage.cache.folder import CacheFolder, remove
from roverd.storage.cache.usage import Usage

# So much is made free that all files need to be looked at only now and then.
_SPARE = 16

_here = threading.Lock()


def spare(limit: int) -> int:
    """Bytes that are made free at a time, in a cache of so many."""
    return limit // _SPARE


def make_room(folder: CacheFolder, usage: Usage, limit: int) -> bool:
    """Count the bytes of a cache; where they are too many, remove what was not used for long.

    One process does so at a time; others do not wait for it.

    Args:
        folder: of the cache.
        usage: the estimate, which is replaced by what was counted.
        limit: bytes that the cache may have.

    Returns:
        Whether it has no more than that now. If not, others are writing or counting just now.

    Raises:
        OSError: files cannot be listed.
    """
    with _alone(folder.lock) as alone:
        if not alone:
            return False
        # What others write meanwhile is not forgotten, but maybe counted twice: what they have
        # written is in `temporaries` before it is in the estimate, and leaves it for `blocks`.
        before = usage.read()
        used = folder.clean()
        times, sizes = array("q"), array("q")
        for entry in folder.blocks():
            times.append(entry.used)
            sizes.append(entry.size)
        used += sum(sizes)
        if used > limit:
            used -= _remove_oldest(folder, times, sizes, used - limit + spare(limit))
        usage.write(used + max(0, usage.read() - before))
        return used <= limit


def _remove_oldest(
    folder: CacheFolder, times: "array[int]", sizes: "array[int]", excess: int
) -> int:
    """Remove blocks of at least `excess` bytes, if there are so many; returns how many it were."""
    import numpy as np

    if not times:
        return 0
    # Paths of millions of blocks would take much memory; so all are looked at once more.
    used = np.frombuffer(times, np.int64)
    order = np.argsort(used, kind="stable")
    summed = np.cumsum(np.frombuffer(sizes, np.int64)[order])
    newest = int(used[order[min(int(np.searchsorted(summed, excess)), len(order) - 1)]])
    freed = 0
    for entry in folder.blocks():
        if entry.used <= newest and freed < excess and remove(entry.path):
            freed += entry.size
    return freed


@contextlib.contextmanager
def _alone(path: str) -> Generator[bool]:
    """Whether no other thread or process is in here: the operating system forgets dead ones."""
    if not _here.acquire(blocking=False):
        yield False
        return
    try:
        with open(path, "ab") as file:
            yield _lock(file.fileno())
    finally:
        _here.release()


try:
    from fcntl import LOCK_EX, LOCK_NB, lockf

    def _lock(descriptor: int) -> bool:
        # Forked children do not inherit this kind of lock. It goes when the file is closed.
        try:
            lockf(descriptor, LOCK_EX | LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # a file system without locks; two at a time do no harm
        return True

except ImportError:  # Windows

    def _lock(descriptor: int) -> bool:
        del descriptor
        return True


def _forget_lock() -> None:
    global _here
    _here = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
