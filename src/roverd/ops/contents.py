"""What is in a trace: sizes, rates, lengths."""

import math
import os
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from roverd.channels import Channel
from roverd.channels.abstract import BlobChannel
from roverd.errors import RoverdError, RoverdWarning
from roverd.ops.derive import sensor_names
from roverd.sensors import DynamicSensor
from roverd.storage import as_path

__all__ = ["ChannelInfo", "SensorInfo", "TraceInfo", "info"]


_UNREADABLE = (RoverdError, OSError)


@dataclass
class ChannelInfo:
    """A channel.

    Attributes:
        name: of the channel.
        format: on disk.
        type: of the values, such as `i2`.
        shape: of one frame.
        size: bytes on disk.
        datarate: bytes on disk per second of recording.
        n: whole frames.
        duration: seconds from the first to the last frame of the sensor.
        ratio: uncompressed bytes for each byte on disk; `None` where there are none.
        problem: why it, or what is beyond `n`, cannot be read; empty where it can.
    """

    name: str
    format: str
    type: str
    shape: list[int]
    size: int
    datarate: float
    n: int
    duration: float
    ratio: float | None
    problem: str


@dataclass
class SensorInfo:
    """A sensor.

    Attributes:
        name: of the sensor.
        size: bytes on disk.
        datarate: bytes on disk per second of recording.
        n: frames that all channels have.
        start: time of the first frame, in seconds since the epoch; `None` without frames.
        duration: seconds from the first to the last frame.
        rate: frames per second.
        ratio: uncompressed bytes for each byte on disk; `None` where there are none.
        channels: its channels.
        problem: why it cannot be read, empty where it can.
    """

    name: str
    size: int
    datarate: float
    n: int
    start: float | None
    duration: float
    rate: float
    ratio: float | None
    channels: list[ChannelInfo]
    problem: str


@dataclass
class TraceInfo:
    """A trace.

    Attributes:
        path: its folder.
        start: where the time begins that all sensors with frames share, in seconds since the
            epoch; `None` where there is none.
        length: of that time, in seconds.
        first: time of the earliest frame of any sensor, from which `extract` counts; `None`
            without frames.
        last: time of the latest frame of any sensor.
        size: bytes on disk.
        datarate: bytes on disk per second of recording.
        sensors: its sensors, virtual ones included.
    """

    path: str
    start: float | None
    length: float
    first: float | None
    last: float | None
    size: int
    datarate: float
    sensors: list[SensorInfo]

    @property
    def problems(self) -> list[str]:
        """Why parts of it cannot be read, each reason once; none where all is well."""
        parts = [part for sensor in self.sensors for part in (sensor, *sensor.channels)]
        return list(dict.fromkeys(part.problem for part in parts if part.problem))

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, strings, lists and dictionaries."""
        return asdict(self)


def info(path: str | os.PathLike[str]) -> TraceInfo:
    """Look at a trace.

    A channel or sensor that cannot be read is described by its `problem`; it does not keep the
    others from being described. A channel whose files are not there is no problem: published
    recordings lack some.

    Args:
        path: the trace's folder.

    Returns:
        What is in it.

    Raises:
        MissingFileError: there is no trace.
    """
    folder = as_path(path)
    sensors = [_sensor_info(folder, name) for name in sensor_names(folder)]
    spans = [
        (s.start, s.start + s.duration)
        for s in sensors
        if s.start is not None and math.isfinite(s.start) and math.isfinite(s.duration)
    ]
    start = max((begin for begin, _ in spans), default=None)
    end = min((end for _, end in spans), default=0.0)
    return TraceInfo(
        path=folder,
        start=start,
        length=0.0 if start is None else max(0.0, end - start),
        first=min((begin for begin, _ in spans), default=None),
        last=max((end for _, end in spans), default=None),
        size=sum(sensor.size for sensor in sensors),
        datarate=sum(sensor.datarate for sensor in sensors),
        sensors=sensors,
    )


def _sensor_info(folder: str, name: str) -> SensorInfo:
    count, duration, rate, problem = 0, 0.0, 0.0, ""
    channels: list[ChannelInfo] = []
    start: float | None = None
    try:
        sensor = DynamicSensor(f"{folder}/{name}")
        channels = [
            _channel_info(key, sensor.config[key], channel)
            for key, channel in sensor.channels.items()
        ]
        with warnings.catch_warnings():
            # What it warns of is among the channels' problems.
            warnings.filterwarnings("ignore", "unreadable channel", RoverdWarning)
            with np.errstate(over="ignore", invalid="ignore"):
                count, duration, rate = len(sensor), sensor.duration, sensor.framerate
        start = float(sensor.timestamps[0]) if count else None
    except _UNREADABLE as error:
        problem = str(error)
    for channel in channels:
        channel.duration = duration if channel.n else 0.0
        channel.datarate = channel.size / duration if duration else 0.0
    size = sum(channel.size for channel in channels)
    content = sum(channel.size * (channel.ratio or 0.0) for channel in channels)
    return SensorInfo(
        name=name,
        size=size,
        datarate=size / duration if duration else 0.0,
        n=count,
        start=start,
        duration=duration,
        rate=rate,
        ratio=content / size if size else None,
        channels=channels,
        problem=problem,
    )


def _channel_info(name: str, entry: dict[str, Any], channel: Channel) -> ChannelInfo:
    """A channel, but for its sensor's duration."""
    count, size, problem = 0, 0, ""
    try:
        size = channel.filesize
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RoverdWarning)  # of a gap, which is a problem here
            count = len(channel)
        if isinstance(channel, BlobChannel) and (gap := channel.gap()):
            problem = f"{channel.path}: number {gap[0]} is missing, though {gap[1]} is there"
    except _UNREADABLE as error:
        problem = str(error)
    return ChannelInfo(
        name=name,
        format=str(entry["format"]),
        type=channel.type.str[1:],
        shape=list(channel.shape),
        size=size,
        datarate=0.0,
        n=count,
        duration=0.0,
        ratio=count * channel.size / size if size else None,
        problem=problem,
    )
