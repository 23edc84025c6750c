"""The sensor: channels that share their timestamps."""

import contextlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar, cast

import numpy as np
from abstract_dataloader import spec
from jaxtyping import Float64
from numpy.typing import NDArray

from roverd import channels, timestamps
from roverd.channels import Channel
from roverd.channels.batch import Batch, by_plan
from roverd.errors import (
    ChannelNotFoundError,
    CorruptFileError,
    MetadataError,
    MissingFileError,
    RoverdWarning,
)
from roverd.parallel import SIDE_BY_SIDE, map_all
from roverd.sensors.meta import (
    TIMESTAMPS,
    Entries,
    constructor_arguments,
    read_meta,
)
from roverd.sensors.windows import Frames, WindowedSensor
from roverd.storage import is_url, storage_for

__all__ = ["Correction", "Sensor"]

TSample = TypeVar("TSample")
TMetadata = TypeVar("TMetadata", bound=spec.Metadata)

Correction = Callable[[Float64[np.ndarray, " n"]], Float64[np.ndarray, " n"]]
"""Maps recorded timestamps to corrected ones; see `roverd.timestamps`."""

_NO_ARGS: Mapping[str, Mapping[str, Any]] = {}


class Sensor(WindowedSensor[TSample, TMetadata], Generic[TSample, TMetadata]):
    """A sensor's folder, read as a sequence of samples.

    A sample is the window of frames from `past` before an index to `future` after it. A window
    that leaves the recording is an `IndexError`; it is never shortened, shifted or padded.
    Lengths and timestamps are those of when they were first asked for, or of the last `refresh`.

    Args:
        path: the sensor's folder.
        correction: what is done to the recorded timestamps: a function, the name of one in
            `roverd.timestamps`, or nothing. Sensors of a known type also take `"auto"`.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        args: further constructor arguments, by channel name.

    Attributes:
        path: the sensor's folder.
        channels: by name, in the order of `meta.json`.
        config: description of each channel, as `DynamicSensor.create` takes it.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        window: frames in a sample.
        correction: the function that corrects timestamps.
    """

    auto_correction: Correction | None = None
    """What `correction="auto"` means for this type of sensor."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        correction: str | Correction | None = None,
        past: int = 0,
        future: int = 0,
        args: Mapping[str, Mapping[str, Any]] = _NO_ARGS,
    ) -> None:
        super().__init__(path, past, future)
        self.correction = self._correction(correction)
        self._args = args
        self._timestamps: Float64[np.ndarray, " n"] | None = None
        self._count: int | None = None  # frames that all channels had when they were looked at
        self.config: Entries = {}
        self.channels: dict[str, Channel] = {}
        self._open()

    def _open(self) -> None:
        """Read `meta.json`; channels that were there already are kept."""
        entries = read_meta(storage_for(self.path), self.path)
        known = {name: self.channels.get(name) for name in entries}
        self.channels = {
            name: channel
            if (channel := known[name]) is not None and self.config.get(name) == entry
            else self._make_channel(name, entry)
            for name, entry in entries.items()
        }
        for channel in self.channels.values():
            channel.give_way(entries)
        self.config = entries

    def _make_channel(
        self, name: str, entry: Mapping[str, Any], args: Mapping[str, Any] | None = None
    ) -> Channel:
        arguments = constructor_arguments(dict(entry))
        extra = self._args.get(name, {}) if args is None else args
        arguments["args"] = {**arguments.get("args", {}), **extra}
        return channels.from_config(f"{self.path}/{name}", **arguments)

    def _correction(self, correction: str | Correction | None) -> Correction:
        if correction is None:
            return timestamps.identity
        if not isinstance(correction, str):
            return correction
        if correction == "auto" and self.auto_correction is not None:
            return self.auto_correction
        if correction not in timestamps.__all__:
            known = [*timestamps.__all__, *(["auto"] if self.auto_correction else [])]
            raise ValueError(
                f"{self.path}: unknown correction {correction!r}; the known ones are "
                f"{', '.join(known)}, or a function"
            )
        return cast(Correction, getattr(timestamps, correction))

    # What is there

    @property
    def timestamps(self) -> Float64[np.ndarray, " n"]:
        """Corrected timestamps of all frames that every channel has, in seconds."""
        if self._timestamps is None:
            if self._count is None:
                self._count = self._common_length()
            recorded = np.empty(0, np.float64)
            if self._count:
                recorded = self.channels[TIMESTAMPS].read(0, self._count)
            stamps = np.array(self.correction(recorded), np.float64)
            # Whoever gets to see it shares it: samples have copies.
            stamps.flags.writeable = False
            self._timestamps = stamps
        return self._timestamps

    def _common_length(self) -> int:
        """Number of frames that every channel has."""
        lengths: dict[str, int] = {}
        if is_url(self.path):
            # What they find out is kept: all at once, what is one request after the other below.
            map_all(_look_ahead, list(self.channels.values()), SIDE_BY_SIDE)
        for name, channel in self.channels.items():
            try:
                count = channel.whole_frames()
            except (CorruptFileError, OSError) as error:
                if name == TIMESTAMPS:
                    raise
                # Reading it will fail; the other channels need not.
                warnings.warn(f"unreadable channel: {error}", RoverdWarning, stacklevel=4)
                continue
            if count is not None:
                lengths[name] = count
        if TIMESTAMPS not in lengths:
            if not any(lengths.values()):
                return 0
            raise MissingFileError(
                f"{self.path}/{TIMESTAMPS}: no such file; expected the timestamps of "
                f"{max(lengths.values())} frames"
            )
        channel = self.channels[TIMESTAMPS]
        if channel.type != np.float64 or channel.shape:
            raise MetadataError(
                f"{self.path}/{TIMESTAMPS}: expected type f8 and shape [], got type "
                f"{channel.type.str[1:]} and shape {list(channel.shape)}"
            )
        common = min(lengths.values())
        if common != max(lengths.values()):
            found = ", ".join(f"{name} {length}" for name, length in lengths.items())
            warnings.warn(
                f"{self.path}: channels differ in length ({found}); the {common} frames that all "
                f"of them have are used",
                RoverdWarning,
                stacklevel=4,
            )
        return common

    def refresh(self) -> Self:
        """Look again: take up the frames (and channels) that were recorded since.

        Returns:
            The sensor itself.
        """
        self._timestamps = self._count = None
        storage_for(self.path).forget(self.path)
        self._open()
        return self

    def __getstate__(self) -> dict[str, Any]:
        # How many there are goes along, so that indices mean the same; the rest is read again.
        return {**super().__getstate__(), "_timestamps": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, [{', '.join(self.channels)}])"

    @property
    def filesize(self) -> int:
        """Bytes on disk now, of all channels."""
        return sum(channel.filesize for channel in self.channels.values())

    # Samples

    def channel(self, name: str) -> Channel:
        """A channel by name.

        Raises:
            ChannelNotFoundError: `meta.json` names no such channel.
        """
        try:
            return self.channels[name]
        except KeyError:
            raise ChannelNotFoundError(
                f"{self.path}: no channel {name!r}; meta.json names {', '.join(self.channels)}"
            ) from None

    @by_plan
    def __getitem__(self, index: Any) -> Any:
        """A sample by number, or a channel by name.

        Args:
            index: number of the current frame (negative: from the end), or a channel's name.

        Returns:
            The sample; or the channel.

        Raises:
            OutOfRangeError: the window around that frame leaves the recording.
            ChannelNotFoundError: there is no such channel.
        """
        return self.channel(index) if isinstance(index, str) else super().__getitem__(index)

    def _read(self, names: Sequence[str], frames: Frames, batch: Batch) -> list[NDArray[Any]]:
        """Plan to read frames `(len(frames), *shape)` of several channels."""
        channels = [self.channel(name) for name in names]
        if isinstance(frames, range):
            return [batch.read(channel, frames.start, len(frames)) for channel in channels]
        return [batch.read_each(channel, frames.tolist()) for channel in channels]


def _look_ahead(channel: Channel) -> None:
    # What goes wrong here goes wrong again where it is asked for in earnest.
    with contextlib.suppress(ValueError, OSError):
        channel.whole_frames()
