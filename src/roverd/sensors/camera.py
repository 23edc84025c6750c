"""Cameras, and what is computed from their images."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from roverd import timestamps
from roverd.channels.batch import Batch
from roverd.sensors.dynamic import Metadata
from roverd.sensors.generic import Correction, Sensor
from roverd.sensors.windows import Frames
from roverd.types import CameraData, CameraSemseg

__all__ = ["Camera", "Semseg"]

_NO_ARGS: Mapping[str, Mapping[str, Any]] = {}


class Camera(Sensor[CameraData[np.ndarray], Metadata]):
    """A camera, whatever format its images are stored in (`mjpg` or `jpg`).

    Args:
        path: the sensor's folder.
        key: channel that has the images.
        correction: what is done to the timestamps; `"auto"` smooths them over 30 s.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        resolution: `(width, height)` that images are resized to.
        interp: how they are resized: nearest, linear, cubic, area or lanczos.
        args: further constructor arguments, by channel name.
    """

    auto_correction = staticmethod(timestamps.smooth)

    def __init__(
        self,
        path: str | os.PathLike[str],
        key: str = "video.avi",
        correction: str | Correction | None = None,
        past: int = 0,
        future: int = 0,
        resolution: Sequence[int] | None = None,
        interp: str = "area",
        args: Mapping[str, Mapping[str, Any]] = _NO_ARGS,
    ) -> None:
        self.key = key
        if resolution is not None:
            args = {**args, key: {"resolution": resolution, "interp": interp, **args.get(key, {})}}
        super().__init__(path, correction, past, future, args)

    @property
    def metadata(self) -> Metadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Timestamps of all frames."""
        return Metadata(self.timestamps)

    def _sample(self, frames: Frames, batch: Batch) -> CameraData[np.ndarray]:
        (image,) = self._read([self.key], frames, batch)
        return CameraData(image=image[None], timestamps=self._stamps(frames)[None])


class Semseg(Sensor[CameraSemseg[np.ndarray], Metadata]):
    """Semantic segmentation of a camera's images.

    Args:
        path: the sensor's folder.
        key: channel that has the class maps.
        correction: what is done to the timestamps; `"auto"` smooths them over 30 s.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        args: further constructor arguments, by channel name.
    """

    auto_correction = staticmethod(timestamps.smooth)

    def __init__(
        self,
        path: str | os.PathLike[str],
        key: str = "segment",
        correction: str | Correction | None = None,
        past: int = 0,
        future: int = 0,
        args: Mapping[str, Mapping[str, Any]] = _NO_ARGS,
    ) -> None:
        self.key = key
        super().__init__(path, correction, past, future, args)

    @property
    def metadata(self) -> Metadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Timestamps of all frames."""
        return Metadata(self.timestamps)

    def _sample(self, frames: Frames, batch: Batch) -> CameraSemseg[np.ndarray]:
        (semseg,) = self._read([self.key], frames, batch)
        return CameraSemseg(semseg=semseg[None], timestamps=self._stamps(frames)[None])
