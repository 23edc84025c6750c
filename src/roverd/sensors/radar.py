"""Radars of TI's AWR and IWR series."""

import json
import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Float64

from roverd import timestamps
from roverd.channels.batch import Batch
from roverd.errors import MetadataError, RoverdWarning
from roverd.sensors.generic import Sensor
from roverd.sensors.windows import Frames
from roverd.storage import storage_for
from roverd.types import XWRRadarIQ

__all__ = ["RadarMetadata", "XWRRadar"]


@dataclass
class RadarMetadata:
    """What is known of all frames of a radar.

    Attributes:
        range_resolution: metres per range bin, Float64[1].
        doppler_resolution: metres per second per Doppler bin, Float64[1].
        timestamps: time of each frame, in seconds.
    """

    range_resolution: Float64[np.ndarray, "1"]
    doppler_resolution: Float64[np.ndarray, "1"]
    timestamps: Float64[np.ndarray, " n"]


class XWRRadar(Sensor[XWRRadarIQ[np.ndarray], RadarMetadata]):
    """A radar that recorded raw I/Q: channels `iq` and `valid`, and `radar.json`.

    Where there is no `radar.json`, a warning says so and both resolutions are 0.

    Args:
        path: the sensor's folder.
        correction: what is done to the timestamps; `"auto"` smooths them over 30 s.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        args: further constructor arguments, by channel name.
    """

    auto_correction = staticmethod(timestamps.smooth)

    def _open(self) -> None:
        super()._open()
        self._resolutions: tuple[float, float] | None = None

    @property
    def metadata(self) -> RadarMetadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Resolutions, and timestamps of all frames."""
        return RadarMetadata(*self._resolution_arrays(), self.timestamps)

    def _resolution_arrays(self) -> tuple[Any, Any]:
        if self._resolutions is None:
            self._resolutions = self._read_resolutions()
        range_resolution, doppler_resolution = self._resolutions
        return np.array([range_resolution]), np.array([doppler_resolution])

    def _read_resolutions(self) -> tuple[float, float]:
        path = f"{self.path}/radar.json"
        try:
            text = storage_for(path).read(path)
        except FileNotFoundError:
            warnings.warn(
                f"{path}: no such file; range and Doppler resolution are unknown and given as 0",
                RoverdWarning,
                stacklevel=4,
            )
            return 0.0, 0.0
        try:
            intrinsics = cast(dict[str, Any], json.loads(text))
            return float(intrinsics["range_resolution"]), float(intrinsics["doppler_resolution"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise MetadataError(
                f"{path}: expected range_resolution and doppler_resolution in a JSON object "
                f"({type(error).__name__}: {error})"
            ) from error

    def _sample(self, frames: Frames, batch: Batch) -> XWRRadarIQ[np.ndarray]:
        iq, valid = self._read(["iq", "valid"], frames, batch)
        range_resolution, doppler_resolution = self._resolution_arrays()
        return XWRRadarIQ(
            iq=iq[None],
            timestamps=self._stamps(frames)[None],
            range_resolution=range_resolution,
            doppler_resolution=doppler_resolution,
            valid=valid[None],
        )
