"""Folders in which something is being made: those of the living are told from those of the dead."""

import contextlib
import os
import re
from collections.abc import Generator

from roverd.storage import is_url, storage_for

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

_LOCK = ".lock"


@contextlib.contextmanager
def unfinished(folder: str) -> Generator[None]:
    """Mark a folder as one that this process works on, while the context lasts.

    A file in it is locked, and gone when the context is left without error. Of a process that
    died, the file is there and not locked. Without locks (on Windows, on some file systems) there
    is no such file.

    Args:
        folder: which is there.
    """
    if fcntl is None:
        yield
        return
    path = f"{folder}/{_LOCK}"
    descriptor = os.open(f"{path}.new", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _lock(descriptor):
            # Under its name, it is locked from the beginning.
            os.replace(f"{path}.new", path)
        else:
            os.unlink(f"{path}.new")
        yield
        # After an error it stays until all is removed, which may be interrupted in turn.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    finally:
        os.close(descriptor)


def temporary_name(name: str, token: str) -> str:
    """What a folder is called before it is complete.

    Args:
        name: what it will be called.
        token: eight hexadecimal digits.
    """
    return f".{name}.{token}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a folder with this name is one that is not complete."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", name) is not None


def remove_dead(path: str) -> list[str]:
    """Remove what processes that died have left beside the folder that they were to make.

    What a living process works on stays, and so does what cannot be told.

    Args:
        path: the folder that they were to make.

    Returns:
        Paths of the folders that were removed.
    """
    if is_url(path):
        return []  # whoever makes something there removes them
    parent, name = os.path.split(os.path.abspath(path))
    beginning = temporary_name(name, "").removesuffix(".tmp")
    removed: list[str] = []
    for entry in storage_for(parent).names(parent):
        folder = f"{parent}/{entry}"
        if is_temporary(entry) and entry[: -len("xxxxxxxx.tmp")] == beginning and _is_dead(folder):
            storage_for(folder).remove_folder(folder)
            removed.append(folder)
    return removed


def is_living(folder: str) -> bool:
    """Whether a process works on a folder, as far as can be told."""
    return os.path.exists(f"{folder}/{_LOCK}") and not _is_dead(folder)


def _is_dead(folder: str) -> bool:
    try:
        descriptor = os.open(f"{folder}/{_LOCK}", os.O_RDWR)
    except OSError:
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file that nobody has locked, this process included."""
    if fcntl is None:
        return False
    try:
        # Unlike those of `lockf`, such a lock keeps out other threads, too.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
