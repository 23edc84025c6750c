"""Ouster lidars."""

import warnings
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float64

from roverd import timestamps
from roverd.channels.batch import Batch
from roverd.errors import RoverdWarning
from roverd.sensors.generic import Sensor
from roverd.sensors.windows import Frames
from roverd.storage import storage_for
from roverd.types import OSData, OSDepth

__all__ = ["LidarMetadata", "OSLidar", "OSLidarDepth"]

TSample = TypeVar("TSample")


@dataclass
class LidarMetadata:
    """What is known of all frames of a lidar.

    Attributes:
        timestamps: time of each frame, in seconds.
        intrinsics: path of the sensor's `lidar.json`; empty where there is none.
    """

    timestamps: Float64[np.ndarray, " n"]
    intrinsics: str


class _Lidar(Sensor[TSample, LidarMetadata]):
    """What lidars have in common; where there is no `lidar.json`, a warning says so."""

    # A lidar spins at a fixed rate, and frames may have been dropped.
    auto_correction = staticmethod(timestamps.discretize)

    def _open(self) -> None:
        super()._open()
        self._intrinsics: str | None = None

    @property
    def metadata(self) -> LidarMetadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Timestamps of all frames, and the path of the intrinsics."""
        return LidarMetadata(self.timestamps, self._intrinsics_path())

    def _intrinsics_path(self) -> str:
        if self._intrinsics is None:
            path = f"{self.path}/lidar.json"
            if storage_for(path).size(path) is None:
                warnings.warn(
                    f"{path}: no such file; the lidar's intrinsics are unknown and given as ''",
                    RoverdWarning,
                    stacklevel=4,
                )
                path = ""
            self._intrinsics = path
        return self._intrinsics


class OSLidarDepth(_Lidar[OSDepth[np.ndarray]]):
    """An Ouster lidar, of which only the range image is read: channel `rng`.

    Args:
        path: the sensor's folder.
        correction: what is done to the timestamps; `"auto"` puts them on the fixed rate of the
            sensor, in blocks of 10 s.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        args: further constructor arguments, by channel name.
    """

    def _sample(self, frames: Frames, batch: Batch) -> OSDepth[np.ndarray]:
        (rng,) = self._read(["rng"], frames, batch)
        return OSDepth(
            rng=rng[None],
            timestamps=self._stamps(frames)[None],
            intrinsics=self._intrinsics_path(),
        )


class OSLidar(_Lidar[OSData[np.ndarray]]):
    """An Ouster lidar with all its images: channels `rng`, `rfl` and `nir`.

    Args:
        path: the sensor's folder.
        correction: what is done to the timestamps; `"auto"` puts them on the fixed rate of the
            sensor, in blocks of 10 s.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        args: further constructor arguments, by channel name.
    """

    def _sample(self, frames: Frames, batch: Batch) -> OSData[np.ndarray]:
        rng, rfl, nir = self._read(["rng", "rfl", "nir"], frames, batch)
        return OSData(
            rng=rng[None],
            rfl=rfl[None],
            nir=nir[None],
            timestamps=self._stamps(frames)[None],
            intrinsics=self._intrinsics_path(),
        )
