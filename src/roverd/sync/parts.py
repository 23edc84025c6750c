"""What one sensor gives to samples where that is more than one frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt32

from roverd.channels.batch import Batch
from roverd.sensors.windows import Frames, WindowedSensor
from roverd.sync.interpolation import Kind, plan_between


@dataclass(frozen=True)
class FrameWindows:
    """A window of frames for each of m samples.

    Attributes:
        first: position of the window's first frame, in order of time.
        stop: of the one after its last.
        order: the frames in order of time; `None` where they were recorded in that order, so that
            positions are frame numbers.
    """

    first: UInt32[np.ndarray, " m"]
    stop: UInt32[np.ndarray, " m"]
    order: UInt32[np.ndarray, " frames"] | None = None

    def frames(self, number: int) -> Frames:
        """Numbers of the frames of a sample."""
        window = range(int(self.first[number]), int(self.stop[number]))
        if self.order is None:
            return window
        return self.order[window.start : window.stop].astype(np.int64)

    def plan(self, sensor: WindowedSensor[Any, Any], number: int, time: float, batch: Batch) -> Any:
        """Plan to read a sensor's part of a sample; it has no content before `batch.run()`.

        Args:
            sensor: what the frames are of.
            number: of the sample.
            time: of the sample, in seconds.
            batch: what reads it.

        Returns:
            The sensor's sample, with the frames of the window on its axis t.
        """
        del time
        return sensor.plan_frames(self.frames(number), batch)

    def part(self, wanted: slice) -> "FrameWindows":
        """The same of some of the samples."""
        return FrameWindows(self.first[wanted], self.stop[wanted], self.order)


@dataclass(frozen=True)
class FramePairs:
    """Two frames for each of m samples, between which values are interpolated.

    Attributes:
        before: number of the last frame at or before the sample's time.
        after: of the next one; of the same one where that is at the sample's time.
        weights: of the later one, from 0 to 1.
        channels: how fields are interpolated; see `Interpolate`.
    """

    before: UInt32[np.ndarray, " m"]
    after: UInt32[np.ndarray, " m"]
    weights: Float64[np.ndarray, " m"]
    channels: Mapping[str, Kind]

    def frames(self, number: int) -> Int64[np.ndarray, "2"]:
        """Numbers of the two frames of a sample."""
        return np.array([self.before[number], self.after[number]], np.int64)

    def plan(self, sensor: WindowedSensor[Any, Any], number: int, time: float, batch: Batch) -> Any:
        """Plan to read a sensor's part of a sample; it has no content before `batch.run()`.

        Args:
            sensor: what the frames are of.
            number: of the sample.
            time: of the sample, in seconds.
            batch: what reads it.

        Returns:
            The sensor's sample at that time, with an axis t of 1.

        Raises:
            TypeError: a field cannot be interpolated.
            ValueError: a field has no rotations, though it is said to.
        """
        frames = self.frames(number)
        if frames[0] == frames[1]:
            return sensor.plan_frames(frames[:1], batch)
        return plan_between(sensor, frames, float(self.weights[number]), time, self.channels, batch)

    def part(self, wanted: slice) -> "FramePairs":
        """The same of some of the samples."""
        return FramePairs(
            self.before[wanted], self.after[wanted], self.weights[wanted], self.channels
        )


Part = FrameWindows | FramePairs
