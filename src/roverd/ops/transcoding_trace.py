"""One trace in other formats: what is to be made of its channels, and whether that was made."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal, get_args

from roverd.channels import Channel, JPEGBlobChannel, VideoChannel
from roverd.channels.checksums import METHOD
from roverd.channels.comparing import first_difference
from roverd.channels.copying import Moved
from roverd.errors import (
    CorruptFileError,
    UnsupportedError,
)
from roverd.ops.already_made import check_is_there
from roverd.ops.blobs import mean_rate
from roverd.ops.derive import (
    BEFORE_BLOBIFY,
    ChannelPlan,
    PosesPlan,
    SensorPlan,
    derive,
    plan_sensors,
    pose_folders,
)
from roverd.ops.new_trace import is_taken
from roverd.ops.progress import Progress
from roverd.ops.target_formats import Format, Preset, as_format, open_as, preset_format
from roverd.ops.unfinished import remove_dead
from roverd.recorder.claim import is_claimed
from roverd.sensors import DynamicSensor
from roverd.sensors.meta import TIMESTAMPS

State = Literal["made", "there", "planned", "failed"]

_IMAGES = (VideoChannel, JPEGBlobChannel)
_IMAGE_ARGS = ("resolution", "interp", "exact", "quality")

# Formats that find no damage by themselves, although a bit of theirs is worth many of a frame.
_UNCHECKED = ("pcof",)


@dataclass
class TranscodedChannel:
    """What became of a channel.

    Attributes:
        name: `sensor/channel`.
        before: its format before.
        after: its format now, with the arguments that were asked for.
        frames: how many there are.
        size_before: bytes of its files before.
        size_after: bytes of its files now; `None` where they are not there.
    """

    name: str
    before: str
    after: str
    frames: int
    size_before: int
    size_after: int | None


@dataclass
class TranscodedTrace:
    """What became of a trace.

    Attributes:
        source: its folder.
        path: the new one's.
        state: `made`; `there` already, as it would be made; `planned` in a dry run; `failed`.
        channels: its channels, those that are as they were included; none where it failed.
        problem: why it failed, in a line that names the file.
    """

    source: str
    path: str
    state: State
    channels: list[TranscodedChannel] = field(default_factory=list[TranscodedChannel])
    problem: str | None = None

    @property
    def size_before(self) -> int:
        """Bytes of all channels before."""
        return sum(channel.size_before for channel in self.channels)

    @property
    def size_after(self) -> int | None:
        """Bytes of all channels now; `None` where they are not there."""
        return None if self.state in ("planned", "failed") else _sum_after(self.channels)


def _sum_after(channels: Iterable[TranscodedChannel]) -> int:
    return sum(channel.size_after or 0 for channel in channels)


def checked_formats(
    channels: Mapping[str, Format | str] | None, preset: str | None
) -> dict[str, Format]:
    """The formats asked for, all of which there are."""
    if preset is not None and preset not in get_args(Preset):
        raise ValueError(
            f"expected preset to be {', '.join(get_args(Preset))} or None, got {preset!r}"
        )
    formats = {pattern: as_format(value) for pattern, value in (channels or {}).items()}
    if not formats and preset is None:
        raise ValueError("expected formats for channels, or a preset, got neither")
    return formats


def transcode_trace(
    source: str,
    target: str,
    channels: Mapping[str, Format | str] | None = None,
    preset: Preset | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> TranscodedTrace:
    """Bring one trace to other formats; see `transcode`.

    Args:
        source: its folder.
        target: the new one's, or its URL.
        channels: formats by pattern of `sensor/channel`; those that match nothing are passed over.
        preset: what becomes of all others.
        dry_run: whether to make nothing.
        progress: told the bytes that were copied and compared, and those to be.

    Returns:
        What became of it.

    Raises:
        AlreadyExistsError: `target` exists, and is not what would be made.
        UnsupportedError: a channel would lose something, or the trace is being recorded.
        CorruptFileError: a frame cannot be read, or is another one when it is read again. Nothing
            was made.
        MetadataError: a format does not take a channel's type.
        MissingFileError: `source` is no trace.
    """
    formats = checked_formats(channels, preset)
    if is_claimed(source):
        raise UnsupportedError(
            f"{source}: is being recorded; transcode it when its recorder is closed"
        )
    plans = plan_sensors(source, partial(_plan, formats, preset))
    if is_taken(target):
        check_is_there(plans, source, target)
        return TranscodedTrace(source, target, "there", _report(plans, target))
    if dry_run:
        return TranscodedTrace(source, target, "planned", _report(plans, None))
    remove_dead(target)
    check = partial(_check_copy, target)
    poses = [PosesPlan(name) for name in pose_folders(source)]
    derive(source, target, plans, poses, progress, check)
    return TranscodedTrace(source, target, "made", _report(plans, target))


def _plan(
    formats: Mapping[str, Format],
    preset: Preset | None,
    sensor: DynamicSensor,
    name: str,
    channel: Channel,
) -> ChannelPlan:
    entry = sensor.config[name]
    wanted = None
    if name != TIMESTAMPS:
        full = f"{os.path.basename(sensor.path)}/{name}"
        matching = [value for pattern, value in formats.items() if fnmatchcase(full, pattern)]
        if matching:
            wanted = matching[-1]
        elif preset is not None:
            wanted = preset_format(preset, entry, channel)
    if wanted is None or _is_already(entry, wanted):
        return ChannelPlan(channel, entry, 0, len(channel))
    _check_is_lossless(open_as(channel, entry, wanted), channel, wanted)
    return _changed(sensor, entry, channel, wanted)


def _is_already(entry: Mapping[str, Any], wanted: Format) -> bool:
    if entry["format"] != wanted.name or wanted.options or wanted.writing_args:
        return False
    args = entry.get("args", {})
    return all(key in args and args[key] == value for key, value in wanted.kept_args.items())


def _check_is_lossless(target: Channel, channel: Channel, wanted: Format) -> None:
    if isinstance(target, _IMAGES) and channel.codec != "jpeg":
        raise UnsupportedError(
            f"{channel.path}: as {wanted.name!r} it would lose something: only JPEGs become "
            f"JPEGs; choose a format for arrays, such as 'lzmaf'"
        )
    if isinstance(target, _IMAGES) and "quality" in wanted.args:
        raise UnsupportedError(
            f"{channel.path}: as {str(wanted)!r} it would lose something: its JPEGs stay as they "
            f"are; leave out the quality"
        )


def _changed(
    sensor: DynamicSensor, entry: Mapping[str, Any], channel: Channel, wanted: Format
) -> ChannelPlan:
    """The plan of a channel that does not stay as it is."""
    after = {key: value for key, value in entry.items() if key not in ("args", BEFORE_BLOBIFY)}
    after["format"] = wanted.name
    args: dict[str, Any] = {}
    options = wanted.options
    if channel.codec == "jpeg" and wanted.name in ("mjpg", "jpg"):
        # The same JPEGs, to be read in the same way.
        before = entry.get("args", {})
        args = {key: before[key] for key in _IMAGE_ARGS if key in before}
        if wanted.name == "mjpg" and not isinstance(channel, VideoChannel):
            options.setdefault("fps", mean_rate(sensor))
    elif wanted.name == entry["format"] and channel.codec is not None:
        options["anew"] = True
    args |= wanted.kept_args
    if args:
        after["args"] = args
    if wanted.name in _UNCHECKED:
        after["checksum"] = METHOD
    return ChannelPlan(channel, after, 0, len(channel), wanted.writing_args, options)


def _check_copy(target: str, plan: ChannelPlan, made: Channel, moved: Moved) -> None:
    """Read a channel that was made again, and compare it with its source."""
    number = first_difference(
        plan.source, made, plan.start, plan.stop, moved, plan.options.get("anew", False)
    )
    if number is None:
        return
    sensor = os.path.basename(os.path.dirname(made.path))
    raise CorruptFileError(
        f"{target}/{sensor}/{os.path.basename(made.path)}: frame {number}, read again, is not that "
        f"of {plan.source.path}; the new trace was discarded. Check the disk and the memory of "
        f"this machine, and try again"
    )


def _report(plans: list[SensorPlan], target: str | None) -> list[TranscodedChannel]:
    found: list[TranscodedChannel] = []
    for plan in plans:
        name = os.path.basename(plan.source.path)
        made = None if target is None else DynamicSensor(f"{target}/{name}")
        for channel, part in plan.channels.items():
            found.append(
                TranscodedChannel(
                    name=f"{name}/{channel}",
                    before=plan.source.config[channel]["format"],
                    after=_after(part, plan.source.config[channel]),
                    frames=part.stop,
                    size_before=part.source.filesize,
                    size_after=None if made is None else made.channels[channel].filesize,
                )
            )
    return found


def _after(plan: ChannelPlan, before: Mapping[str, Any]) -> str:
    if plan.entry is before:
        return plan.entry["format"]
    args = {**plan.entry.get("args", {}), **plan.args, **plan.options}
    return str(Format(plan.entry["format"], {k: v for k, v in args.items() if k != "anew"}))
