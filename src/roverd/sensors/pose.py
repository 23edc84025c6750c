"""Poses of the rig."""

import io
import os
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from roverd import types
from roverd.channels.batch import Batch
from roverd.errors import CorruptFileError, MissingFileError
from roverd.formats.npz import UNREADABLE
from roverd.sensors.dynamic import Metadata
from roverd.sensors.windows import Frames, WindowedSensor, as_index
from roverd.storage import storage_for
from roverd.storage.paths import join, parent

__all__ = ["Pose"]

_SHAPES: Mapping[str, tuple[int, ...]] = {"pos": (3,), "vel": (3,), "acc": (3,), "rot": (3, 3)}
_TIMES = "t"


class Pose(WindowedSensor[types.Pose[np.ndarray], Metadata]):
    """Poses at the timestamps of another sensor, from `_{reference}/pose.npz` beside `path`.

    Args:
        path: `pose` in the trace's folder; nothing has to be there.
        past: poses before the current one in a sample.
        future: poses after the current one in a sample.
        reference: sensor whose timestamps the poses are for.

    Attributes:
        path: `pose` in the trace's folder.
        filename: the file with the poses.
        past: poses before the current one in a sample.
        future: poses after the current one in a sample.
        channels: none: poses are not kept in channels.
        config: none.
        correction: none.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        past: int = 0,
        future: int = 0,
        reference: str = "radar",
    ) -> None:
        super().__init__(path, past, future)
        self.reference = reference
        self.filename = join(join(parent(self.path), f"_{reference}"), "pose.npz")
        self.channels: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.correction = None
        self._times: Float64[np.ndarray, " n"] | None = None
        self._arrays: dict[str, NDArray[Any]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Timestamps go along; where the rest is wanted, the file is read again.
        return {**super().__getstate__(), "_arrays": None}

    def refresh(self) -> Self:
        """Read the file again when next needed.

        Returns:
            The sensor itself.
        """
        self._times = self._arrays = None
        storage_for(self.filename).forget(self.filename)
        return self

    def _poses(self) -> dict[str, NDArray[Any]]:
        arrays = self._arrays
        if arrays is None:
            times, arrays = self._load()
            # Timestamps came along with a pickle: a window must be that of the same poses.
            if self._times is not None and not np.array_equal(times, self._times, equal_nan=True):
                raise CorruptFileError(
                    f"{self.filename}: expected the {len(self._times)} poses that were there "
                    f"before, found {len(times)} others; refresh() takes them up"
                )
            self._times, self._arrays = times, arrays
        return arrays

    def _load(self) -> tuple[Float64[np.ndarray, " n"], dict[str, NDArray[Any]]]:
        try:
            data = storage_for(self.filename).read(self.filename)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingFileError(
                f"{self.filename}: no such file; expected poses for sensor {self.reference!r}"
            ) from None
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                times = np.asarray(file[_TIMES], np.float64)
                arrays = {name: np.asarray(file[name], np.float32) for name in _SHAPES}
        except UNREADABLE as error:
            raise CorruptFileError(
                f"{self.filename}: expected an npz file with the arrays t, {', '.join(_SHAPES)} "
                f"({error})"
            ) from error
        if times.ndim != 1:
            raise CorruptFileError(
                f"{self.filename}: expected {_TIMES} of one axis, found shape {list(times.shape)}"
            )
        for name, shape in _SHAPES.items():
            if arrays[name].shape != (len(times), *shape):
                raise CorruptFileError(
                    f"{self.filename}: expected {name} of shape {[len(times), *shape]}, found "
                    f"{list(arrays[name].shape)}"
                )
        times.flags.writeable = False
        return times, arrays

    @property
    def timestamps(self) -> Float64[np.ndarray, " n"]:
        """Time of each pose, in seconds."""
        times = self._times
        if times is None:
            times, self._arrays = self._load()
            self._times = times
        return times

    @property
    def metadata(self) -> Metadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Timestamps of all poses."""
        return Metadata(self.timestamps)

    @property
    def filesize(self) -> int:
        """Bytes of the file; 0 if there is none."""
        return storage_for(self.filename).size(self.filename) or 0

    def __repr__(self) -> str:
        return f"Pose({self.filename!r})"

    def _sample(self, frames: Frames, batch: Batch) -> types.Pose[np.ndarray]:
        del batch  # they are in memory
        # Copied, so that a changed sample leaves the sensor as it is.
        poses = self._poses()
        window = {name: poses[name][as_index(frames)][None].copy() for name in _SHAPES}
        return types.Pose(**window, timestamps=self._stamps(frames)[None])
