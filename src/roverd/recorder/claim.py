"""One recorder at a time: two would cut each other's files."""

import contextlib
import errno
import os

from roverd.errors import RecordingError
from roverd.recovery.log import FOLDER

_HELD = (errno.EACCES, errno.EAGAIN)

_here: set[str] = set()


class Claim:
    """A trace that this process records; a death gives it back.

    Args:
        trace: its folder. A file in it is there as long as it is claimed.

    Raises:
        RecordingError: the trace is being recorded, by this process or another one.
    """

    def __init__(self, trace: str) -> None:
        path = self._path = _file(trace)
        self._descriptor: int | None = None
        if self._path in _here:
            raise _taken(path, "this process")
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                _lock(descriptor)
            except OSError as error:
                os.close(descriptor)
                if error.errno in _HELD:
                    raise _taken(path, "another process") from None
                return  # a file system without locks
            if _is_file(descriptor, path):
                break
            # Whoever had claimed it removed the file meanwhile; others would make it anew.
            os.close(descriptor)
        _here.add(self._path)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; again does nothing."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        os.close(self._descriptor)
        self._descriptor = None
        _here.discard(self._path)


def is_claimed(trace: str) -> bool:
    """Whether a trace is being recorded; asking changes nothing in it."""
    path = _file(trace)
    if path in _here:
        return True
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        _lock(descriptor)
    except OSError as error:
        return error.errno in _HELD
    finally:
        os.close(descriptor)
    return False


def _is_file(descriptor: int, path: str) -> bool:
    """Whether what is open is what has the name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _file(trace: str) -> str:
    return os.path.realpath(f"{trace}/{FOLDER}/lock")


def _taken(path: str, who: str) -> RecordingError:
    return RecordingError(
        f"{path}: the trace is being recorded by {who}; expected it to be free. Close the other "
        f"recorder first, or record to another folder"
    )


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # on Windows
        return
    # Of the kind that a forked child does not inherit: it may outlive the recorder.
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


if hasattr(os, "register_at_fork"):
    # A forked child has claimed nothing: the locks are its parent's.
    os.register_at_fork(after_in_child=_here.clear)
