"""Finding all files under a folder, through links."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from stat import S_ISDIR, S_ISREG

from roverd.ops.checksums.digests import FileToHash
from roverd.storage import remote_storage

_BROKEN_LINK = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass
class Listing:
    """What is under a folder.

    Attributes:
        files: its files, sorted by name.
        unreadable: why by name, of folders that cannot be looked into, links that lead nowhere,
            and what is neither file nor folder.
    """

    files: list[FileToHash] = field(default_factory=lambda: list[FileToHash]())
    unreadable: dict[str, str] = field(default_factory=lambda: dict[str, str]())


def list_files(
    top: str, select: Callable[[str], bool] | None = None, leave_out: str | None = None
) -> Listing:
    """Find all files under a folder.

    Links to files and folders are followed, so that what two names lead to is found under both. A
    link to a folder that it lies in is left out: there, the same would come again without end.

    Args:
        top: the folder.
        select: asked of each name (the path relative to `top`, with `/` between its parts)
            whether it belongs; all do if `None`.
        leave_out: path of a file that does not belong, whatever its name under the folder.

    Returns:
        What was found.
    """
    found = Listing()
    pending: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(top, "", _folders_above(top))]
    while pending:
        path, prefix, above = pending.pop()
        try:
            status = os.stat(path)
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                continue
            with os.scandir(path) as scan:
                entries = list(scan)
        except OSError as error:
            found.unreadable[prefix.rstrip("/")] = f"not looked into ({error.strerror})"
            continue
        for entry in entries:
            name = prefix + entry.name
            try:
                status = entry.stat()
            except OSError as error:
                if select is None or select(name):
                    found.unreadable[name] = _why(entry, error)
                continue
            if S_ISDIR(status.st_mode):
                pending.append((entry.path, f"{name}/", above | {identity}))
                continue
            if leave_out is not None and _is_same(entry, status, leave_out):
                continue
            if select is not None and not select(name):
                continue
            if S_ISREG(status.st_mode):
                found.files.append(FileToHash(entry.path, name, status.st_size))
            else:
                found.unreadable[name] = "neither a file nor a folder"
    found.files.sort(key=lambda file: file.name)
    return found


def list_objects(top: str, select: Callable[[str], bool] | None = None) -> Listing:
    """Find all objects below a URL; see `list_files`."""
    found = Listing()
    for name, size in remote_storage().walk(top):
        if select is None or select(name):
            found.files.append(FileToHash(f"{top}/{name}", name, size or 0))
    found.files.sort(key=lambda file: file.name)
    return found


def _folders_above(path: str) -> frozenset[tuple[int, int]]:
    """Device and number of the folders that a folder lies in."""
    here = os.path.dirname(os.path.realpath(path))
    found: set[tuple[int, int]] = set()
    while True:
        status = os.stat(here)
        found.add((status.st_dev, status.st_ino))
        if here == os.path.dirname(here):
            return frozenset(found)
        here = os.path.dirname(here)


def _why(entry: os.DirEntry[str], error: OSError) -> str:
    if error.errno in _BROKEN_LINK and entry.is_symlink():
        return f"broken link to {os.readlink(entry.path)}"
    return error.strerror or str(error)


def _is_same(entry: os.DirEntry[str], status: os.stat_result, path: str) -> bool:
    # Only `os.stat` tells files from one another on every system: an entry's own does not on
    # Windows. Sizes differ for nearly all.
    return status.st_size == os.stat(path).st_size and os.path.samefile(entry.path, path)
