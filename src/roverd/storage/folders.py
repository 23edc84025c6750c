"""Walking through folders, each once, in the same order on every machine."""

import os
import warnings
from collections.abc import Iterator

from roverd.errors import RoverdWarning


def walk_folders(
    top: str, follow_symlinks: bool, visited: set[tuple[int, int]]
) -> Iterator[tuple[str, set[str], list[str]]]:
    """Go through a folder and those below it.

    A folder that may not be looked into is warned of and left out.

    Args:
        top: where to begin.
        follow_symlinks: whether to enter folders that are links.
        visited: device and number of the folders that were visited, which are not entered again:
            loops of links end. Those visited now are added.

    Yields:
        Path of the folder, the names in it, and the names of its folders; those that the caller
        takes out of the list are not entered.
    """
    pending = [top]
    while pending:
        here = pending.pop()
        stat = os.stat(here)
        if (stat.st_dev, stat.st_ino) in visited:
            continue
        visited.add((stat.st_dev, stat.st_ino))
        try:
            with os.scandir(here) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except PermissionError as error:
            message = f"{here}: not looked into ({error.strerror})"
            warnings.warn(message, RoverdWarning, stacklevel=4)
            continue
        folders = [entry.name for entry in entries if _is_folder(entry, follow_symlinks)]
        yield here, {entry.name for entry in entries}, folders
        pending.extend(os.path.join(here, name) for name in reversed(folders))


def _is_folder(entry: os.DirEntry[str], follow_symlinks: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow_symlinks)
    except OSError:
        return False  # a link that leads to itself
