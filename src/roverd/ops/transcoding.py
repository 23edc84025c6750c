"""Traces in other formats: the same frames, read again and compared before they get their name."""

import os
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal, get_args

from roverd.channels import Channel, JPEGBlobChannel, VideoChannel
from roverd.channels.checksums import METHOD
from roverd.channels.comparing import first_difference
from roverd.channels.copying import Moved
from roverd.errors import (
    AlreadyExistsError,
    ChannelNotFoundError,
    CorruptFileError,
    MissingFileError,
    UnsupportedError,
)
from roverd.ops.blobs import mean_rate
from roverd.ops.derive import (
    BEFORE_BLOBIFY,
    ChannelPlan,
    PosesPlan,
    SensorPlan,
    derive,
    plan_sensors,
    pose_folders,
    sensor_names,
)
from roverd.ops.progress import Progress, Tally
from roverd.ops.target_formats import Format, Preset, as_format, open_as, preset_format
from roverd.ops.traces import trace_size, traces_below
from roverd.ops.unfinished import is_temporary, remove_dead
from roverd.parallel import map_all, thread_count
from roverd.recorder.claim import is_claimed
from roverd.sensors import DynamicSensor
from roverd.sensors.meta import META, TIMESTAMPS, read_meta
from roverd.storage import storage_for
from roverd.storage.traces import CONFIG
from roverd.trace import Trace

Path = str | os.PathLike[str]
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


@dataclass
class Transcoded:
    """What became of traces.

    Attributes:
        source: the trace, or the folder of traces.
        path: the new one.
        single: whether `source` is a trace.
        traces: what became of each, sorted by path.
        not_searched: folders in which traces could be, and why nobody could look.
        dry_run: whether nothing was made, and all this says what would be.
    """

    source: str
    path: str
    single: bool
    traces: list[TranscodedTrace]
    not_searched: list[str] = field(default_factory=list[str])
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether all traces are there, or would be."""
        failed = any(trace.state == "failed" for trace in self.traces)
        return not failed and not self.not_searched

    def to_dict(self) -> dict[str, Any]:
        """The same as plain strings, numbers, lists and dictionaries."""
        found = asdict(self)
        for entry, trace in zip(found["traces"], self.traces, strict=True):
            entry.update(size_before=trace.size_before, size_after=trace.size_after)
        return {"ok": self.ok, **found}


def _sum_after(channels: Iterable[TranscodedChannel]) -> int:
    return sum(channel.size_after or 0 for channel in channels)


def transcode(
    source: Path,
    target: Path,
    channels: Mapping[str, Format | str] | None = None,
    preset: Preset | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Transcoded:
    """Bring a trace, or all traces below a folder, to other formats, without any loss.

    Every channel that was made is read again and compared with the source, frame by frame, before
    the new trace gets its name. Channels that stay as they are, and JPEGs in any container, move
    as they are stored. Timestamps stay `raw`.

    Traces that are there already are left alone if they are what would be made, so that a run that
    was interrupted can be started again. What a dead one has left half made is removed.

    Args:
        source: folder of a trace, or of traces at any depth.
        target: folder of the new trace, or of the new traces, at the same places as below `source`.
        channels: formats by pattern of `sensor/channel`, as a `Format` or as text such as
            `"zstdf,filter=planes"`. Of those that match, the last one counts.
        preset: what becomes of all others: with `"fast"`, what is slow to decompress becomes fast;
            `"small"` makes everything as small as it gets; with `"compatible"`, only formats
            come out that every reader of such recordings knows. `None`: they stay as they are.
        workers: how many traces are brought along side by side; as many as there are cores if
            `None`.
        dry_run: whether to make nothing, and say what would be made.
        progress: told the bytes that were copied and compared, and those to be.

    Returns:
        What became of each trace. A trace in a folder that could not be made is in it, too.

    Raises:
        ValueError: there is no such format or preset, it does not take these arguments, `workers`
            is below 1, or `target` lies in `source`.
        ChannelNotFoundError: a pattern matches no channel of any trace.
        MissingFileError: there is no trace.
        Exception: where `source` is a trace, whatever `transcode_trace` raises.
    """
    folder, new = os.fspath(source), os.fspath(target)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    formats = _checked(channels, preset)
    found, not_searched = traces_below([folder])
    places = {
        path: _place(new, os.path.relpath(path, folder))
        for path in found
        if not any(map(is_temporary, os.path.relpath(path, folder).split(os.sep)))
    }
    if not places:
        why = f" ({'; '.join(not_searched)})" if not_searched else ""
        raise MissingFileError(f"{folder}: no trace found; one has a {CONFIG}{why}")
    if _lies_in(new, folder):
        raise ValueError(f"{new}: lies in {folder}, which is to be read; name another folder")
    _check_patterns(folder, formats, list(places))
    single = list(places) == [folder]
    run = _Run(formats, preset, dry_run, single, places, progress)
    traces = run.all(workers or thread_count())
    return Transcoded(folder, new, single, traces, not_searched, dry_run)


def _place(target: str, name: str) -> str:
    return target if name == os.curdir else os.path.join(target, name)


def _lies_in(path: str, folder: str) -> bool:
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    return os.path.join(inner, "").startswith(os.path.join(outer, ""))


def _checked(channels: Mapping[str, Format | str] | None, preset: str | None) -> dict[str, Format]:
    """The formats asked for, all of which there are."""
    if preset is not None and preset not in get_args(Preset):
        raise ValueError(
            f"expected preset to be {', '.join(get_args(Preset))} or None, got {preset!r}"
        )
    formats = {pattern: as_format(value) for pattern, value in (channels or {}).items()}
    if not formats and preset is None:
        raise ValueError("expected formats for channels, or a preset, got neither")
    return formats


def _check_patterns(folder: str, formats: Mapping[str, Format], traces: list[str]) -> None:
    names = {name for found in map_all(_channel_names, traces) for name in found}
    for pattern in formats:
        if names and not any(fnmatchcase(name, pattern) for name in names):
            raise ChannelNotFoundError(
                f"{folder}: no channel matches {pattern!r}, as sensor/channel; there are "
                f"{', '.join(sorted(names))} (and {TIMESTAMPS}, which stay as they are)"
            )


def _channel_names(trace: str) -> set[str]:
    """Names of the channels of a trace, as far as they can be read."""
    names: set[str] = set()
    try:
        for sensor in Trace.find_sensors(trace, virtual=True):
            entries = read_meta(storage_for(trace), f"{trace}/{sensor}")
            names |= {f"{sensor}/{name}" for name in entries if name != TIMESTAMPS}
    except (ValueError, OSError):
        pass  # what becomes of the trace will say so
    return names


class _Stopped(BaseException):
    """Another thread was interrupted."""


class _Run:
    """Traces that are brought to other formats side by side."""

    def __init__(
        self,
        formats: Mapping[str, Format],
        preset: Preset | None,
        dry_run: bool,
        single: bool,
        places: Mapping[str, str],
        progress: Progress | None,
    ) -> None:
        self._make = partial(transcode_trace, channels=formats, preset=preset, dry_run=dry_run)
        self._single = single
        self._places = places
        self._sizes = {path: 2 * trace_size(path) for path in places} if progress else {}
        self._tally = Tally(sum(self._sizes.values()), progress)
        self._interrupt: BaseException | None = None

    def all(self, width: int) -> list[TranscodedTrace]:
        """Make all traces; those within others after them."""
        waves: dict[int, list[str]] = {}
        for path in self._places:
            waves.setdefault(_depth(path, self._places), []).append(path)
        found: dict[str, TranscodedTrace] = {}
        for _, paths in sorted(waves.items()):
            try:
                made = map_all(self._one, paths, width)
            except _Stopped:
                assert self._interrupt is not None
                raise self._interrupt from None
            except BaseException as error:
                self._interrupt = error  # for those that still run
                raise
            found.update(zip(paths, made, strict=True))
        return [found[path] for path in self._places]

    def _one(self, path: str) -> TranscodedTrace:
        size, counted = self._sizes.get(path, 0), 0

        def count(done: int, total: int) -> None:
            nonlocal counted
            if self._interrupt is not None:
                raise _Stopped
            now = round(size * min(1.0, done / max(1, total)))
            self._tally.add(now - counted)
            counted = now

        try:
            if self._interrupt is not None:
                raise _Stopped
            return self._make(path, self._places[path], progress=count)
        except (OSError, ValueError, LookupError) as error:
            if self._single:
                raise
            return TranscodedTrace(
                path, self._places[path], "failed", problem=_problem(error, path)
            )
        except BaseException as error:
            self._interrupt = self._interrupt or error
            raise
        finally:
            self._tally.add(size - counted)


def _depth(path: str, others: Container[str]) -> int:
    """In how many of the others a folder lies."""
    depth = 0
    while (parent := os.path.dirname(path)) != path:
        depth += parent in others
        path = parent
    return depth


def _problem(error: Exception, path: str) -> str:
    """An error in a line that names the file."""
    if isinstance(error, OSError) and error.errno is not None:
        where = error.filename if isinstance(error.filename, str) else path
        return f"{where}: {error.strerror or error}"
    return " ".join(str(error).split())


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
        target: the new one's.
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
    formats = _checked(channels, preset)
    if is_claimed(source):
        raise UnsupportedError(
            f"{source}: is being recorded; transcode it when its recorder is closed"
        )
    plans = plan_sensors(source, partial(_plan, formats, preset))
    if os.path.lexists(target or os.curdir):
        _check_there(plans, source, target)
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


def _check_there(plans: list[SensorPlan], source: str, target: str) -> None:
    """Refuse a trace that is there and is not what would be made."""
    difference = _difference(plans, source, target)
    if difference:
        raise AlreadyExistsError(
            f"{target}: exists already, and is not what would be made of {source}: {difference}. "
            f"Move it away, or name another folder"
        )


def _difference(plans: list[SensorPlan], source: str, target: str) -> str | None:
    """What is found in a trace instead of what was expected; `None` where that is the same."""
    storage = storage_for(target)
    if storage.size(f"{target}/{CONFIG}") is None:
        return f"it has no {CONFIG}"
    names = [os.path.basename(plan.source.path) for plan in plans]
    found = sensor_names(target)
    if sorted(found) != sorted(names):
        return f"expected sensors {_listed(names)}, found {_listed(found)}"
    for name, plan in zip(names, plans, strict=True):
        try:
            difference = _difference_of_sensor(plan, f"{target}/{name}")
        except (ValueError, LookupError, OSError) as error:
            difference = str(error)
        if difference is not None:
            return difference
    return None


def _difference_of_sensor(plan: SensorPlan, folder: str) -> str | None:
    entries = read_meta(storage_for(folder), folder)
    expected = {name: channel.counted_entry for name, channel in plan.channels.items()}
    if sorted(entries) != sorted(expected):
        return f"{folder}/{META}: expected channels {_listed(expected)}, found {_listed(entries)}"
    sensor = DynamicSensor(folder)
    for name, channel in plan.channels.items():
        if entries[name] != expected[name]:
            keys = sorted({*entries[name], *expected[name]})
            key = next(k for k in keys if entries[name].get(k) != expected[name].get(k))
            return (
                f"{folder}/{META}: channel {name!r}: expected {key} "
                f"{expected[name].get(key)!r}, found {entries[name].get(key)!r}"
            )
        count = sensor.channels[name].whole_frames()
        if count != channel.stop:
            return f"{folder}/{name}: expected {channel.stop} frames, found {count}"
    stamps = plan.channels.get(TIMESTAMPS)
    if (
        stamps is not None
        and stamps.source.read().tobytes() != sensor.channels[TIMESTAMPS].read().tobytes()
    ):
        return f"{folder}/{TIMESTAMPS}: expected the timestamps of {plan.source.path}, found others"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


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
