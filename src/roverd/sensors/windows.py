"""Samples that are windows of frames around an index."""

import operator
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, SupportsIndex, TypeVar

import numpy as np
from abstract_dataloader import abstract, spec
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from roverd.channels.batch import Batch, as_numbers, by_plan, reads_by_plan
from roverd.errors import OutOfRangeError
from roverd.storage import as_path
from roverd.storage.options import state_from_pickle, state_to_pickle
from roverd.storage.paths import basename

TSample = TypeVar("TSample")
TMetadata = TypeVar("TMetadata", bound=spec.Metadata)

Frames = range | Int64[np.ndarray, " window"]
"""Numbers of frames: neighbours in a range of step 1, or any."""


def as_index(frames: Frames) -> slice | Int64[np.ndarray, " window"]:
    """What picks these frames out of an array of all of them."""
    return slice(frames.start, frames.stop) if isinstance(frames, range) else frames


class WindowedSensor(abstract.Sensor[TSample, TMetadata], Generic[TSample, TMetadata]):
    """A recording with timestamps, whose samples are windows of its frames.

    A window that leaves the recording is an `IndexError`; it is never shortened, shifted or padded.

    Args:
        path: where the recording is.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
    """

    def __init__(self, path: str | os.PathLike[str], past: int, future: int) -> None:
        self.path = as_path(path)
        self.name = basename(self.path)
        if past < 0 or future < 0:
            raise ValueError(
                f"{path}: past and future must be numbers of frames, got {past} and {future}"
            )
        self.past = past
        self.future = future

    def __getstate__(self) -> dict[str, Any]:
        return state_to_pickle(self.path, vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state_from_pickle(state))

    @property
    def window(self) -> int:
        """Frames in a sample."""
        return self.past + 1 + self.future

    @property
    @abstractmethod
    def timestamps(self) -> Float64[np.ndarray, " n"]:
        """Time of each frame, in seconds; not to be written to."""

    @property
    @abstractmethod
    def metadata(self) -> TMetadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Timestamps, and what else is known of all frames."""

    @property
    @abstractmethod
    def filesize(self) -> int:
        """Bytes on disk now."""

    @abstractmethod
    def _sample(self, frames: Frames, batch: Batch) -> TSample:
        """Plan the sample that has these frames; all of them are there."""

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.timestamps)

    @property
    def duration(self) -> float:
        """Seconds from the first to the last frame."""
        stamps = self.timestamps
        return float(stamps[-1] - stamps[0]) if len(stamps) else 0.0

    @property
    def framerate(self) -> float:
        """Frames per second; 0 for less than two frames."""
        return (len(self) - 1) / self.duration if self.duration > 0 else 0.0

    @property
    def datarate(self) -> float:
        """Bytes on disk per second of recording; 0 for less than two frames."""
        return self.filesize / self.duration if self.duration > 0 else 0.0

    @by_plan
    def __getitem__(self, index: Any) -> Any:
        """A sample by number.

        Args:
            index: number of the current frame; negative: from the end.

        Returns:
            The sample.

        Raises:
            OutOfRangeError: there is no such frame, or the window around it leaves the recording.
        """
        batch = Batch()
        sample = self.plan(index, batch)
        batch.run()
        return sample

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[TSample]:
        """Samples by number, read together; PyTorch's `DataLoader` calls this.

        Args:
            indices: numbers of the current frames, in any order.

        Returns:
            The samples, none of which shares memory with another one.
        """
        return self._samples(map(self._window, as_numbers(indices, self.path)))

    def plan(self, index: SupportsIndex, batch: Batch) -> TSample:
        """Plan to read a sample together with others.

        Args:
            index: number of the current frame; negative: from the end.
            batch: what reads them.

        Returns:
            The sample, whose arrays have no content before `batch.run()`.

        Raises:
            OutOfRangeError: as `sensor[index]` does.
        """
        return self._sample(self._window(index), batch)

    def plan_frames(
        self, frames: Sequence[SupportsIndex] | NDArray[np.integer[Any]], batch: Batch
    ) -> TSample:
        """Plan to read any frames as one sample, whatever the sensor's own window is.

        Args:
            frames: their numbers, in the order that the sample shall have them; not negative.
            batch: what reads them.

        Returns:
            The sample, with as many frames along its axis t; its arrays have no content before
            `batch.run()`.

        Raises:
            OutOfRangeError: not all of them are there.
            TypeError: they are no integers.
        """
        count = len(self)
        numbers = as_numbers(frames, self.path)
        if numbers and not 0 <= min(numbers) <= max(numbers) < count:
            raise OutOfRangeError(
                f"{self.path}: frames from {min(numbers)} to {max(numbers)} were asked for, but "
                f"there are {count}"
            )
        first = numbers[0] if numbers else 0
        neighbours = range(first, first + len(numbers))
        if numbers == [*neighbours]:
            return self._sample(neighbours, batch)
        return self._sample(np.array(numbers, np.int64), batch)

    def _samples(self, windows: Iterable[range]) -> list[TSample]:
        if not reads_by_plan(self):
            return [self[window.start + self.past] for window in windows]
        batch = Batch()
        samples = [self._sample(window, batch) for window in windows]
        batch.run()
        return samples

    def _window(self, index: SupportsIndex) -> range:
        """The frames of the window around `index`, if all of it is there."""
        count = len(self)
        number = operator.index(index)
        if not -count <= number < count:
            there = f"there are {count}: 0 to {count - 1}" if count else "there are none"
            raise OutOfRangeError(f"{self.path}: sample {number} was asked for, but {there}")
        frame = number % count
        if frame < self.past or frame + self.future >= count:
            raise OutOfRangeError(
                f"{self.path}: the window of sample {frame}, frames {frame - self.past} to "
                f"{frame + self.future}, leaves the recording of {count} frames; in a trace, give "
                f"the synchronisation a margin of ({self.past}, {self.future}) for this sensor"
            )
        return range(frame - self.past, frame + self.future + 1)

    def _stamps(self, frames: Frames) -> Float64[np.ndarray, " window"]:
        """Timestamps of frames; a copy, so that a changed sample leaves the sensor as it is."""
        return self.timestamps[as_index(frames)].copy()

    def __iter__(self) -> Iterator[TSample]:
        return self.stream()

    def stream(self, batch: int | None = None) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """All samples in order, from the first whole window to the last.

        Args:
            batch: how many samples to yield at a time.

        Returns:
            An iterator over samples, or over lists of `batch` samples, the last one shorter where
            they don't divide.
        """
        if batch is not None and batch < 1:
            raise ValueError(f"{self.path}: batch must be at least 1 sample, got {batch}")
        return self._stream(range(max(0, len(self) - self.window + 1)), batch)

    def _stream(self, starts: range, batch: int | None) -> Iterator[Any]:
        for first in range(0, len(starts), batch or 1):
            group = starts[first : first + (batch or 1)]
            samples = self._samples(range(start, start + self.window) for start in group)
            yield samples[0] if batch is None else samples
