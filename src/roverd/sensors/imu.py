"""Inertial measurement units."""

import numpy as np

from roverd import timestamps
from roverd.channels.batch import Batch
from roverd.sensors.dynamic import Metadata
from roverd.sensors.generic import Sensor
from roverd.sensors.windows import Frames
from roverd.types import IMUData

__all__ = ["IMU"]


class IMU(Sensor[IMUData[np.ndarray], Metadata]):
    """An inertial measurement unit: channels `acc`, `rot` and `avel`.

    Args:
        path: the sensor's folder.
        correction: what is done to the timestamps; `"auto"` smooths them over 30 s.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        args: further constructor arguments, by channel name.
    """

    auto_correction = staticmethod(timestamps.smooth)

    @property
    def metadata(self) -> Metadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Timestamps of all frames."""
        return Metadata(self.timestamps)

    def _sample(self, frames: Frames, batch: Batch) -> IMUData[np.ndarray]:
        acc, rot, avel = self._read(["acc", "rot", "avel"], frames, batch)
        return IMUData(
            acc=acc[None], rot=rot[None], avel=avel[None], timestamps=self._stamps(frames)[None]
        )
