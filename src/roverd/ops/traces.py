"""The traces that an operation is for."""

import os
import warnings
from collections.abc import Iterable

from roverd.errors import RoverdWarning
from roverd.sensors import DynamicSensor
from roverd.storage import as_path, storage_for
from roverd.storage.traces import CONFIG, find_traces
from roverd.trace import Trace


def traces_below(folders: Iterable[str | os.PathLike[str]]) -> tuple[list[str], list[str]]:
    """Find traces.

    A folder with sensors, but without the `config.yaml` that makes it a trace, is taken for one
    where it is named itself.

    Args:
        folders: where to look, at any depth.

    Returns:
        Paths of the traces, sorted; and which folders nobody may look into, and why.

    Raises:
        MissingFileError: one of `folders` is not there.
    """
    wanted = [as_path(folder) for folder in folders]
    with warnings.catch_warnings(record=True) as problems:
        warnings.simplefilter("always", RoverdWarning)
        found = set(find_traces(wanted))
    not_searched = [str(problem.message) for problem in problems]
    for folder in wanted:
        try:
            marked = storage_for(folder).size(f"{folder}/{CONFIG}") is not None
            if not marked and Trace.find_sensors(folder, virtual=True):
                found.add(folder)
        except OSError:
            continue  # not looked into, as was said above
    return sorted(found), not_searched


def holds_traces(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is no trace itself, but has some below."""
    path = as_path(folder)
    try:
        if storage_for(path).size(f"{path}/{CONFIG}") is not None:
            return False
        found, _ = traces_below([path])
    except OSError:
        return False  # whoever reads it will say so
    return bool(found) and path not in found


def trace_size(path: str) -> int:
    """About how many bytes there are to read in a trace; 0 of what cannot be opened."""
    size = 0
    try:
        for name in Trace.find_sensors(path, virtual=True):
            try:
                size += DynamicSensor(f"{path}/{name}").filesize
            except (ValueError, LookupError, OSError):
                continue  # whoever reads it will say so
    except OSError:
        pass
    return size


def problem_text(error: Exception, path: str) -> str:
    """An error in a line that names the file."""
    if isinstance(error, OSError) and error.errno is not None:
        where = error.filename if isinstance(error.filename, str) else path
        return f"{where}: {error.strerror or error}"
    return " ".join(str(error).split())
