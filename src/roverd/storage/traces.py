"""Where traces are. Needs nothing but the file system, so that it is there at once."""

import os
from collections.abc import Iterable

from roverd.errors import MissingFileError
from roverd.storage.folders import walk_folders
from roverd.storage.paths import as_path, is_url

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
        folder = as_path(path)
        if is_url(folder):
            found.update(_traces_in_store(folder))
            continue
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


def _traces_in_store(top: str) -> list[str]:
    """Traces below a URL, from one listing of all that is there."""
    from roverd.storage import remote_storage

    traces: set[tuple[str, ...]] = set()
    sensors: set[tuple[str, ...]] = set()
    empty = True
    for name, _ in remote_storage().walk(top):
        empty = False
        *folder, file = name.split("/")
        if file == CONFIG:
            traces.add(tuple(folder))
        elif file == META:
            sensors.add(tuple(folder))
    if empty:
        raise MissingFileError(f"{top}: nothing is there; expected a folder with traces")
    found: set[tuple[str, ...]] = set()
    for parts in sorted(traces, key=len):
        inside = (parts[:end] for end in range(len(parts)) if parts[:end] in found)
        below = [(trace, parts[: len(trace) + 1]) for trace in inside]
        # Neither what is virtual in a trace nor its sensors are looked into.
        hidden = any(
            part[-1].startswith("_") or (part in sensors and part not in traces)
            for _, part in below
        )
        if not hidden:
            found.add(parts)
    return ["/".join((top, *parts)) for parts in found]
