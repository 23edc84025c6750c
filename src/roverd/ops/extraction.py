"""Cutting a stretch of time out of a trace."""

import math
import os
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from roverd.errors import ChannelNotFoundError, OutOfRangeError, RoverdWarning
from roverd.ops.already_made import check_is_there
from roverd.ops.derive import (
    ChannelPlan,
    PosesPlan,
    SensorPlan,
    derive,
    pose_folders,
    present_channels,
    sensor_names,
)
from roverd.ops.engines import Engine, ThreadEngine
from roverd.ops.many_traces import MadeTraces, make_below
from roverd.ops.new_trace import is_taken
from roverd.ops.poses import POSES, pose_times
from roverd.ops.progress import Progress
from roverd.sensors import DynamicSensor
from roverd.sensors.meta import TIMESTAMPS
from roverd.storage import as_path

# Times of today are stored to a quarter of a microsecond. An end that differs from the trace's by
# rounding alone is the trace's.
_ROUNDING = 1e-6

Moment = float | datetime


@dataclass
class ExtractedSensor:
    """What was taken of a sensor.

    Attributes:
        name: of the sensor.
        first: number of the first frame, in the trace that it was taken from.
        frames: how many were taken.
        of: how many there were.
    """

    name: str
    first: int
    frames: int
    of: int


@dataclass
class Extracted:
    """What was taken of a trace.

    Attributes:
        path: the new trace.
        start: beginning of the stretch, in seconds since the epoch.
        length: of the stretch, in seconds.
        sensors: what was taken of each sensor.
    """

    path: str
    start: float
    length: float
    sensors: list[ExtractedSensor]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, strings, lists and dictionaries."""
        return asdict(self)


def extract(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    start: Moment | None = None,
    end: Moment | None = None,
    length: float | None = None,
    relative: bool = False,
    sensors: Iterable[str] | None = None,
    channels: Iterable[str] | None = None,
    progress: Progress | None = None,
    resume: bool = False,
) -> Extracted:
    """Make a trace of a part of another one.

    Two of `start`, `end` and `length` say which: the frames from `start` up to, but not including,
    `end`. Stretches that adjoin share no frame and lose none; an end at the end of the trace takes
    the last frame along. The trace begins with the earliest frame of any sensor and ends with the
    latest.

    What is taken of a sensor has no holes: a frame whose timestamp is no number goes with the one
    before, and where timestamps do not ascend, everything from the first frame in the stretch to
    the last one in it is taken, so that adjoining stretches may then share frames.

    Frames of `raw`, `lzmaf`, `pcof`, `zstdf`, `mjpg`, `jpg` and `npz` are copied as they are
    stored. Those of `lzma`, and of an AVI with another codec than JPEG, are encoded anew unless all
    are taken.

    Args:
        source: folder of the trace.
        target: folder or URL of the new trace; there must be none.
        start: where to begin: seconds from the beginning of the trace, or a time (UTC if it has no
            zone).
        end: where to end; a negative number counts from the end of the trace.
        length: seconds.
        relative: whether the three are proportions of the trace, 0 to 1.
        sensors: names of the sensors to take; all if `None`.
        channels: names of the channels to take, `channel` or `sensor/channel`, with `*` for
            anything; all if `None`. Timestamps always come along; sensors with no such channel
            are left out.
        progress: told the bytes that were copied, and that are to be.
        resume: whether `target` may be there already, if it is what would be made (sensors,
            channels, formats, lengths, timestamps); it is left alone then.

    Returns:
        What was taken.

    Raises:
        ValueError: not two of the three, or the stretch is empty.
        OutOfRangeError: it begins outside the trace, or holds no frame.
        ChannelNotFoundError: there is no such sensor or channel.
        AlreadyExistsError: `target` exists.
        MissingFileError: `source` is no trace.
    """
    folder, new = as_path(source), as_path(target)
    opened = {name: DynamicSensor(f"{folder}/{name}") for name in sensor_names(folder)}
    poses = pose_folders(folder)
    stamps = {name: sensor.timestamps for name, sensor in opened.items()}
    stretch = _stretch(folder, list(stamps.values()), start, end, length, relative)

    wanted = _Selection(folder, opened, poses, sensors, channels)
    kept = {name: stretch.frames(stamps[name]) for name in wanted.channels}
    if not any(stop > first for first, stop in kept.values()):
        raise OutOfRangeError(
            f"{folder}: no frame lies in the {stretch.end - stretch.start:.6f} s from "
            f"{stretch.start - stretch.trace_start:.6f} s on"
        )
    for name, (first, stop) in kept.items():
        if stop == first and len(stamps[name]):
            warnings.warn(f"{folder}/{name}: has no frame in it", RoverdWarning, stacklevel=2)
    sensor_plans = [
        SensorPlan(
            opened[name],
            {
                channel: ChannelPlan(source, opened[name].config[channel], *kept[name])
                for channel, source in present_channels(opened[name]).items()
                if channel in wanted.channels[name]
            },
        )
        for name in wanted.channels
    ]
    pose_plans = [
        PosesPlan(name, _kept_poses(f"{folder}/{name}/{POSES}", name[1:], stamps, stretch))
        for name in wanted.poses
    ]
    if resume and is_taken(new):
        check_is_there(sensor_plans, folder, new)
    else:
        derive(folder, new, sensor_plans, pose_plans, progress)
    return Extracted(
        path=new,
        start=stretch.start,
        length=stretch.end - stretch.start,
        sensors=[
            ExtractedSensor(name, first, stop - first, len(stamps[name]))
            for name, (first, stop) in kept.items()
        ],
    )


def extract_all(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    start: Moment | None = None,
    end: Moment | None = None,
    length: float | None = None,
    relative: bool = False,
    sensors: Iterable[str] | None = None,
    channels: Iterable[str] | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> MadeTraces[Extracted]:
    """Do with all traces below a folder what `extract` does with one.

    Traces that are there already are left alone if they are what would be made, so that a run that
    was interrupted can be started again. What a dead one has left half made is removed.

    Args:
        source: folder of traces, at any depth.
        target: folder or URL of the new ones, at the same places.
        start: where to begin in each trace; see `extract`.
        end: where to end.
        length: seconds.
        relative: whether the three are proportions of each trace.
        sensors: names of the sensors to take; each trace must have them.
        channels: names of the channels to take; each trace must have them.
        progress: told about how many bytes of the traces are done, and how many there are.
        engine: where traces are made; by default in as many threads as there are cores.

    Returns:
        What became of each trace.

    Raises:
        ValueError: `target` lies in `source`.
        MissingFileError: there is no trace.
    """
    make = partial(
        extract,
        start=start,
        end=end,
        length=length,
        relative=relative,
        sensors=None if sensors is None else list(sensors),
        channels=None if channels is None else list(channels),
    )
    return make_below(make, source, target, engine or ThreadEngine(), progress)


@dataclass
class _Stretch:
    """A stretch of time, in seconds since the epoch; the end belongs to it if `closed`."""

    start: float
    end: float
    closed: bool
    trace_start: float

    def frames(self, stamps: Float64[np.ndarray, " n"]) -> tuple[int, int]:
        """The first frame in it, and the one after the last."""
        stamps = _without_gaps(stamps, self.trace_start)
        before_end = stamps <= self.end if self.closed else stamps < self.end
        within = np.flatnonzero((stamps >= self.start) & before_end)
        if len(within):
            return int(within[0]), int(within[-1]) + 1
        # None; where they would be, if timestamps ascend.
        first = int(np.searchsorted(stamps, self.start))
        return first, first


def _without_gaps(
    stamps: Float64[np.ndarray, " n"], trace_start: float
) -> Float64[np.ndarray, " n"]:
    """Timestamps with, for those that are no number, the one before, so that no frame is lost."""
    known = np.isfinite(stamps)
    if known.all():
        return stamps
    before = np.maximum.accumulate(np.where(known, np.arange(len(stamps)), -1))
    return np.where(before < 0, trace_start, stamps[before])


def _stretch(
    folder: str,
    stamps: list[Float64[np.ndarray, " n"]],
    start: Moment | None,
    end: Moment | None,
    length: float | None,
    relative: bool,
) -> _Stretch:
    times = np.concatenate([*stamps, np.empty(0)])
    times = times[np.isfinite(times)]
    if not len(times):
        raise OutOfRangeError(f"{folder}: there are no frames to extract")
    first, last = float(times.min()), float(times.max())
    duration = last - first
    unit = duration if relative else 1.0

    def checked(name: str, moment: Moment) -> float:
        """A moment, in units from the beginning of the trace."""
        if isinstance(moment, datetime):
            if relative:
                raise ValueError(f"{folder}: {name} is a time of day, but relative is asked for")
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return zoned.timestamp() - first
        if not math.isfinite(moment) or (relative and abs(moment) > 1):
            what = "a proportion from 0 to 1" if relative else "a number of seconds"
            raise ValueError(f"{folder}: expected {name} to be {what}, got {moment}")
        return moment

    given = {"start": start, "end": end, "length": length}
    if sum(value is not None for value in given.values()) != 2:
        got = ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)
        raise ValueError(
            f"{folder}: expected two of start, end and length, got {got or 'none of them'}"
        )
    span = None if length is None else checked("length", length)
    begin = None if start is None else checked("start", start)
    stop = None if end is None else checked("end", end)
    if isinstance(end, int | float) and stop is not None and end < 0:
        stop += 1.0 if relative else duration
    if begin is None:
        assert stop is not None and span is not None
        begin = stop - span
    elif stop is None:
        assert span is not None
        stop = begin + span
    # As they were given: a proportion of a trace of a single moment is no time, but not nothing.
    if stop <= begin or (span is not None and span <= 0):
        raise ValueError(
            f"{folder}: expected an end after the start, got {begin * unit:.6f} s to "
            f"{stop * unit:.6f} s"
        )
    closed = relative and stop >= 1
    begin, stop = begin * unit, stop * unit
    if begin > duration + _ROUNDING or stop < -_ROUNDING:
        raise OutOfRangeError(
            f"{folder}: the trace is {duration:.6f} s long, so that there is nothing from "
            f"{begin:.6f} s to {stop:.6f} s"
        )
    if begin < -_ROUNDING:
        early = f"{folder}: the trace begins {-begin:.6f} s after the start that was asked for"
        if not isinstance(start, datetime):
            raise OutOfRangeError(
                f"{early}; seconds count from its beginning, and are not negative"
            )
        warnings.warn(early, RoverdWarning, stacklevel=3)
    if stop > duration + _ROUNDING:
        warnings.warn(
            f"{folder}: the trace is {duration:.6f} s long; there is nothing up to {stop:.6f} s",
            RoverdWarning,
            stacklevel=3,
        )
    if duration > 0 or not relative:
        closed = closed or stop >= duration - _ROUNDING
    return _Stretch(first + max(0.0, begin), last if closed else first + stop, closed, first)


class _Selection:
    """Which sensors, channels and poses of a trace to take.

    Attributes:
        channels: names of the channels, by sensor.
        poses: folders of poses.
    """

    def __init__(
        self,
        folder: str,
        opened: dict[str, DynamicSensor],
        poses: list[str],
        sensors: Iterable[str] | None,
        channels: Iterable[str] | None,
    ) -> None:
        self.channels = {name: set(sensor.channels) for name, sensor in opened.items()}
        self.poses = poses
        if sensors is not None:
            names = list(sensors)
            there = sorted({*opened, *poses})
            missing = [name for name in names if name not in there]
            if missing or not names:
                raise ChannelNotFoundError(
                    f"{folder}: no sensor {', '.join(missing)}; there are {', '.join(there)}"
                )
            self.channels = {name: self.channels[name] for name in opened if name in names}
            self.poses = [name for name in poses if name in names]
        if channels is not None:
            self._select_channels(folder, list(channels), sensors is not None)

    def _select_channels(self, folder: str, patterns: list[str], sensors_named: bool) -> None:
        everything = {
            f"{sensor}/{name}" for sensor in self.channels for name in self.channels[sensor]
        }
        found = {pattern: _matching(everything, pattern) for pattern in patterns}
        missing = [pattern for pattern, paths in found.items() if not paths]
        if missing or not patterns:
            raise ChannelNotFoundError(
                f"{folder}: no channel {', '.join(missing)}; there are "
                f"{', '.join(sorted(everything))}"
            )
        chosen = set[str]().union(*found.values())
        self.channels = {
            sensor: {name for name in names if f"{sensor}/{name}" in chosen} | {TIMESTAMPS}
            for sensor, names in self.channels.items()
            if any(f"{sensor}/{name}" in chosen for name in names)
        }
        if not sensors_named:
            self.poses = [name for name in self.poses if name in self.channels]


def _matching(paths: set[str], pattern: str) -> set[str]:
    whole = pattern if "/" in pattern else f"*/{pattern}"
    return {path for path in paths if fnmatchcase(path, whole)}


def _kept_poses(
    path: str, reference: str, stamps: dict[str, Float64[np.ndarray, " n"]], stretch: _Stretch
) -> tuple[int, int]:
    times = pose_times(path)
    recorded = stamps.get(reference)
    # Poses are for the frames of a sensor, whose timestamps may have been corrected for them.
    if recorded is not None and len(recorded) == len(times):
        return stretch.frames(recorded)
    return stretch.frames(times)
