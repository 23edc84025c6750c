"""Where traces are. Needs nothing but the file system, so that it is there at once."""

import os
from collections.abc import Iterable

from roverd.errors import MissingFileError
from roverd.storage.folders import walk_folders

CONFIG = "config.yaml"
"""Name of the file that makes a folder a trace."""

META = "meta.json"
"""Name of the file that makes a folder a sensor."""


def find_traces(
    paths: Iterable[str | os.PathLike[str]], follow_symlinks: bool = False
) -> list[str]:
    """Find traces: folders that hold a `config.yaml`; see `roverd.trace.Dataset.find_traces`.

    Args:
        paths: where to look, at any depth.
        follow_symlinks: whether to look into folders that are links.

    Returns:
        Paths of the traces, sorted.

    Raises:
        MissingFileError: one of `paths` is not there.
    """
    found: set[str] = set()
    visited: set[tuple[int, int]] = set()
    for path in paths:
        folder = os.fspath(path)
        if not os.path.isdir(folder):
            what = "not a folder" if os.path.exists(folder) else "no such folder"
            raise MissingFileError(f"{folder}: {what}; expected one with traces")
        for here, names, subfolders in walk_folders(folder, follow_symlinks, visited):
            if CONFIG in names:
                found.add(here)
                subfolders[:] = [name for name in subfolders if not name.startswith("_")]
            elif META in names and os.path.dirname(here) in found:
                subfolders.clear()  # a sensor
    return sorted(found)
