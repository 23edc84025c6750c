"""Files of poses: arrays by name, most of them with an entry for each pose."""

import io
import zipfile
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from roverd.errors import CorruptFileError
from roverd.formats.npz import UNREADABLE
from roverd.storage import storage_for
from roverd.storage.files import copy_file

POSES = "pose.npz"
"""Name of such a file, in the folder of a virtual sensor."""

_TIMES = "t"


def pose_times(path: str) -> Float64[np.ndarray, " n"]:
    """Times of the poses in a file, in seconds.

    Raises:
        CorruptFileError: it is no file of poses.
    """
    arrays = _arrays(path, [_TIMES])
    times = arrays[_TIMES]
    if times.ndim != 1 or times.dtype.kind not in "fiu":
        raise CorruptFileError(
            f"{path}: expected {_TIMES} of one axis, found type {times.dtype.str} and shape "
            f"{list(times.shape)}"
        )
    return times.astype(np.float64)


def cut_poses(path: str, copy: str, keep: tuple[int, int] | None) -> None:
    """Copy some of the poses in a file; arrays of another length are copied whole.

    Args:
        path: the file.
        copy: where to.
        keep: the first pose and the one after the last; all if `None`.

    Raises:
        CorruptFileError: it is no file of poses.
    """
    if keep is None:
        copy_file(storage_for(path), path, storage_for(copy), copy)
        return
    count = len(pose_times(path))
    file = io.BytesIO()
    # Not with np.savez, which takes an array called "file" for something else.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in _arrays(path, None).items():
            kept = array[slice(*keep)] if array.ndim and len(array) == count else array
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, kept, allow_pickle=False)
    storage_for(copy).write(copy, file.getvalue())


def _arrays(path: str, names: list[str] | None) -> dict[str, NDArray[Any]]:
    data = storage_for(path).read(path)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in names or file.files}
    except UNREADABLE as error:
        raise CorruptFileError(
            f"{path}: expected an npz file with the array {_TIMES} and others ({error})"
        ) from error
