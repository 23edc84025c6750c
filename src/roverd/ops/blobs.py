"""The same trace with a file per frame, and back."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, cast, get_args

from roverd.channels import Channel, VideoChannel
from roverd.ops.already_made import check_is_there
from roverd.ops.derive import BEFORE_BLOBIFY as _BEFORE
from roverd.ops.derive import (
    ChannelPlan,
    PosesPlan,
    derive,
    plan_sensors,
    pose_folders,
)
from roverd.ops.engines import Engine, ThreadEngine
from roverd.ops.many_traces import MadeTraces, make_below
from roverd.ops.new_trace import is_taken
from roverd.ops.progress import Progress
from roverd.sensors import DynamicSensor
from roverd.storage import as_path

# Frames up to this size are not worth a file each.
_SMALL = 4096

_BLOB_ARGUMENTS = ("workers", "length")
_USUAL_RATE = 10.0  # as `VideoChannel.write` has it
_LOWEST_RATE, _HIGHEST_RATE = 1e-5, 1e6

ArrayFormat = Literal["raw", "lzma", "lzmaf", "pcof", "zstdf"]
_ARRAY_FORMATS = get_args(ArrayFormat)
_COMPRESSED = tuple(name for name in _ARRAY_FORMATS if name != "raw")


@dataclass
class ConvertedChannel:
    """What became of a channel.

    Attributes:
        name: `sensor/channel`.
        before: its format before.
        after: its format now.
        frames: how many there are.
    """

    name: str
    before: str
    after: str
    frames: int


@dataclass
class Converted:
    """What became of a trace.

    Attributes:
        path: the new trace.
        channels: its channels, those that are as they were included.
    """

    path: str
    channels: list[ConvertedChannel]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain strings, numbers, lists and dictionaries."""
        return asdict(self)


def blobify(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    workers: int = 8,
    progress: Progress | None = None,
    resume: bool = False,
) -> Converted:
    """Make a trace whose large channels keep each frame in a file of its own.

    `mjpg` becomes `jpg`, its JPEGs as they are; `raw` with frames of more than 4 KiB becomes stored
    `npz`; `lzma`, `lzmaf`, `pcof`, `zstdf`, and an AVI with another codec than JPEG become deflated
    `npz`. Everything else is as it was, and channels keep their names.

    Args:
        source: folder of the trace.
        target: folder or URL of the new trace; there must be none.
        workers: how many files to write at a time.
        progress: told the bytes that were converted, and that there are.
        resume: whether `target` may be there already, if it is what would be made (sensors,
            channels, formats, lengths, timestamps); it is left alone then.

    Returns:
        What became of each channel.

    Raises:
        ValueError: `workers` is below 1.
        AlreadyExistsError: `target` exists.
        MissingFileError: `source` is no trace.
        CorruptFileError: a frame cannot be read.
    """
    if workers < 1:
        raise ValueError(f"{os.fspath(target)}: expected at least 1 worker, got {workers}")

    def blobs(sensor: DynamicSensor, name: str, channel: Channel) -> ChannelPlan:
        entry = sensor.config[name]
        frames = 0, len(channel)
        before: dict[str, Any] = {"format": entry["format"]}
        if isinstance(channel, VideoChannel) and channel.codec == "jpeg":
            before["fps"] = channel.frame_rate
            after = {**entry, "format": "jpg", _BEFORE: before}
            return ChannelPlan(channel, after, *frames, args={"workers": workers})
        compressed = entry["format"] in (*_COMPRESSED, "mjpg")
        if not compressed and (entry["format"] != "raw" or channel.size <= _SMALL):
            return ChannelPlan(channel, entry, *frames)
        if "args" in entry:
            before["args"] = entry["args"]
        after = {key: value for key, value in entry.items() if key != "args"}
        after |= {"format": "npz", _BEFORE: before}
        args = {"workers": workers, "compress": compressed}
        return ChannelPlan(channel, after, *frames, args=args)

    return _convert(source, target, blobs, progress, resume)


def blobify_all(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    workers: int = 8,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> MadeTraces[Converted]:
    """Do with all traces below a folder what `blobify` does with one.

    Traces that are there already are left alone if they are what would be made, so that a run that
    was interrupted can be started again. What a dead one has left half made is removed.

    Args:
        source: folder of traces, at any depth.
        target: folder or URL of the new ones, at the same places.
        workers: how many files of a trace to write at a time.
        progress: told about how many bytes of the traces are done, and how many there are.
        engine: where traces are made; by default in as many threads as there are cores.

    Returns:
        What became of each trace.

    Raises:
        ValueError: `workers` is below 1, or `target` lies in `source`.
        MissingFileError: there is no trace.
    """
    if workers < 1:
        raise ValueError(f"{os.fspath(target)}: expected at least 1 worker, got {workers}")
    make = partial(blobify, workers=workers)
    return make_below(make, source, target, engine or ThreadEngine(), progress)


def unblobify(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    format: ArrayFormat | None = None,
    fps: float | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Make a trace without files for single frames: the way back from `blobify`.

    `jpg` becomes an AVI of the same JPEGs, `npz` the format asked for.

    Args:
        source: folder of the trace.
        target: folder or URL of the new trace; there must be none.
        format: what `npz` becomes: `raw`, `lzma`, `lzmaf`, `pcof` or `zstdf`. By default what it
            was before `blobify`, and `raw` where that is not known.
        fps: frames per second of AVIs, for players. By default what they had before `blobify`, and
            the sensor's mean rate where that is not known.
        progress: told the bytes that were converted, and that there are.

    Returns:
        What became of each channel.

    Raises:
        ValueError: `fps` is no rate that an AVI can have.
        AlreadyExistsError: `target` exists.
        MissingFileError: `source` is no trace.
        CorruptFileError: a frame cannot be read.
    """
    if fps is not None and not _is_rate(fps):
        raise ValueError(
            f"{os.fspath(target)}: expected fps to be {_LOWEST_RATE} to {_HIGHEST_RATE:.0f} frames "
            f"per second, got {fps}"
        )

    def single(sensor: DynamicSensor, name: str, channel: Channel) -> ChannelPlan:
        entry = sensor.config[name]
        if entry["format"] not in ("jpg", "npz"):
            return ChannelPlan(channel, entry, 0, len(channel))
        before = _before(entry)
        after = {key: value for key, value in entry.items() if key not in (_BEFORE, "args")}
        options: dict[str, Any] = {}
        if entry["format"] == "jpg":
            after["format"] = "mjpg"
            options["fps"] = fps or before.get("fps", mean_rate(sensor))
            args = {k: v for k, v in entry.get("args", {}).items() if k not in _BLOB_ARGUMENTS}
            if args:
                after["args"] = args
        else:
            after["format"] = format or before.get("format", "raw")
            if "args" in before and after["format"] == before.get("format"):
                after["args"] = before["args"]
        return ChannelPlan(channel, after, 0, len(channel), options=options)

    return _convert(source, target, single, progress)


def _before(entry: dict[str, Any]) -> dict[str, Any]:
    """What `blobify` noted, as far as it makes sense."""
    noted = entry.get(_BEFORE)
    found = cast(dict[str, Any], noted) if isinstance(noted, dict) else {}
    before: dict[str, Any] = {}
    if found.get("format") in _ARRAY_FORMATS:
        before["format"] = found["format"]
        if isinstance(found.get("args"), dict):
            before["args"] = found["args"]
    if _is_rate(found.get("fps")):
        before["fps"] = found["fps"]
    return before


def mean_rate(sensor: DynamicSensor) -> float:
    """Frames per second of a sensor, as an AVI can have them."""
    return sensor.framerate if _is_rate(sensor.framerate) else _USUAL_RATE


def _is_rate(fps: object) -> bool:
    return isinstance(fps, int | float) and _LOWEST_RATE <= fps <= _HIGHEST_RATE


def _convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    plan: Callable[[DynamicSensor, str, Channel], ChannelPlan],
    progress: Progress | None,
    resume: bool = False,
) -> Converted:
    folder, new = as_path(source), as_path(target)
    plans = plan_sensors(folder, plan)
    if resume and is_taken(new):
        check_is_there(plans, folder, new)
    else:
        derive(folder, new, plans, [PosesPlan(name) for name in pose_folders(folder)], progress)
    return Converted(
        new,
        [
            ConvertedChannel(
                name=f"{os.path.basename(sensor.source.path)}/{name}",
                before=sensor.source.config[name]["format"],
                after=channel.entry["format"],
                frames=channel.stop,
            )
            for sensor in plans
            for name, channel in sensor.channels.items()
        ],
    )
