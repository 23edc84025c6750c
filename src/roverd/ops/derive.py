"""Making a trace from another one, channel by channel."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from roverd.channels import Channel, from_config
from roverd.channels.copying import Moved
from roverd.errors import MetadataError, MissingFileError, RoverdWarning
from roverd.ops.new_trace import NewTrace, new_trace
from roverd.ops.poses import POSES, cut_poses
from roverd.ops.progress import Progress, Tally
from roverd.sensors import DynamicSensor
from roverd.sensors.meta import META, Entries, constructor_arguments, write_meta
from roverd.storage import storage_for
from roverd.storage.files import copy_file
from roverd.storage.traces import CONFIG
from roverd.trace import Trace

BEFORE_BLOBIFY = "before_blobify"
"""Key of a channel's entry in `meta.json`: what `unblobify` brings back."""


@dataclass
class ChannelPlan:
    """A channel of the new trace.

    Attributes:
        source: where its frames come from.
        entry: its description in `meta.json`.
        start: the first frame.
        stop: the one after the last.
        args: constructor arguments for writing, beyond those in `entry`.
        options: what is given to `Channel.copy_from`.
    """

    source: Channel
    entry: dict[str, Any]
    start: int
    stop: int
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def frame_size(self) -> float:
        """Bytes on disk of a frame, in the mean."""
        return self.source.filesize / max(1, len(self.source))

    @property
    def counted_entry(self) -> dict[str, Any]:
        """The description with the right length, if it says one."""
        args = self.entry.get("args", {})
        if "length" not in args:
            return self.entry
        return {**self.entry, "args": {**args, "length": self.stop - self.start}}


@dataclass
class SensorPlan:
    """A sensor of the new trace.

    Attributes:
        source: the sensor that it is made from.
        channels: by name, in the order of `meta.json`.
    """

    source: DynamicSensor
    channels: dict[str, ChannelPlan]


@dataclass
class PosesPlan:
    """A file of poses in the new trace.

    Attributes:
        folder: of the file, within the trace.
        keep: the first pose and the one after the last; all if `None`.
    """

    folder: str
    keep: tuple[int, int] | None = None


def sensor_names(folder: str) -> list[str]:
    """Names of the sensors of a trace, virtual ones included.

    Raises:
        MissingFileError: there is no trace.
    """
    names = Trace.find_sensors(folder, virtual=True)
    if not names and storage_for(folder).folder_version(folder) is None:
        raise MissingFileError(f"{folder}: no such folder; expected a trace")
    if not names and storage_for(folder).size(f"{folder}/{CONFIG}") is None:
        raise MissingFileError(
            f"{folder}: not a trace; expected a folder with a {CONFIG} or with sensors"
        )
    return names


def pose_folders(folder: str) -> list[str]:
    """Folders of a trace that hold poses, for a sensor each."""
    storage = storage_for(folder)
    return [
        name
        for name in storage.names(folder)
        if name.startswith("_") and storage.size(f"{folder}/{name}/{POSES}") is not None
    ]


def present_channels(sensor: DynamicSensor) -> dict[str, Channel]:
    """The channels of a sensor that have data, which published recordings may lack."""
    present: dict[str, Channel] = {}
    for name, channel in sensor.channels.items():
        if channel.exists():
            present[name] = channel
        else:
            warnings.warn(
                f"{channel.path}: left out, there is no such file", RoverdWarning, stacklevel=3
            )
    return present


Check = Callable[[ChannelPlan, Channel, Moved], None]
"""Called with a channel that was made, while the trace has no name yet.

It gets the plan, the channel as its description opens it, and what to call with the number of
frames that were looked at; it raises if these are not what they should be.
"""


def plan_sensors(
    source: str, plan: Callable[[DynamicSensor, str, Channel], ChannelPlan]
) -> list[SensorPlan]:
    """What to make of all sensors of a trace; channels without data are left out, with a warning.

    Args:
        source: folder of the trace.
        plan: called with each sensor, and the name and the object of each of its channels.

    Raises:
        MissingFileError: there is no trace.
    """
    sensors = [DynamicSensor(f"{source}/{name}") for name in sensor_names(source)]
    plans = [
        SensorPlan(
            sensor,
            {
                name: plan(sensor, name, channel)
                for name, channel in present_channels(sensor).items()
            },
        )
        for sensor in sensors
    ]
    for sensor in plans:
        _warn_of_lengths(sensor)
    return plans


def _warn_of_lengths(sensor: SensorPlan) -> None:
    lengths = {name: channel.stop for name, channel in sensor.channels.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        warnings.warn(
            f"{sensor.source.path}: channels differ in length ({found}); whole frames are "
            f"converted, torn tails are not",
            RoverdWarning,
            stacklevel=4,
        )


def derive(
    source: str,
    target: str,
    sensors: Sequence[SensorPlan],
    poses: Sequence[PosesPlan],
    progress: Progress | None = None,
    check: Check | None = None,
) -> None:
    """Make a trace from another one.

    What is not a channel comes along: intrinsics and whatever other files the sensors have, the
    `config.yaml` and other files of the trace. The trace appears when it is complete.

    Args:
        source: folder of the trace.
        target: folder or URL of the new one; there must be none.
        sensors: what to take of the sensors.
        poses: what to take of the poses.
        progress: told the bytes that were copied, and that are to be; with a check, those that were
            looked at count as well, and so do those that were uploaded.
        check: looks at each channel that was made.

    Raises:
        AlreadyExistsError: `target` exists.
    """
    plans = [channel for sensor in sensors for channel in sensor.channels.values()]
    total = sum(round(plan.frame_size * (plan.stop - plan.start)) for plan in plans)
    with new_trace(target, source) as made:
        folder = made.folder
        storage = storage_for(folder)
        tally = Tally(total * (1 + (check is not None) + made.uploads), progress)
        linked = _linked_files(sensors)
        for plan in sensors:
            name = os.path.basename(plan.source.path)
            _derive_sensor(plan, made, name, linked, tally, check)
        for plan in poses:
            storage.make_folder(f"{folder}/{plan.folder}")
            path = f"{plan.folder}/{POSES}"
            cut_poses(f"{source}/{path}", f"{folder}/{path}", plan.keep)
            made.keep([f"{folder}/{path}"])
        names = _other_files(source, (CONFIG,))
        for name in names:
            copy_file(storage_for(source), f"{source}/{name}", storage, f"{folder}/{name}")
        made.keep([f"{folder}/{name}" for name in names])
        # The last file makes it a trace.
        if storage_for(source).size(f"{source}/{CONFIG}") is not None:
            copy_file(storage_for(source), f"{source}/{CONFIG}", storage, f"{folder}/{CONFIG}")
        else:
            storage.write(f"{folder}/{CONFIG}", b"{}\n")
        made.keep([f"{folder}/{CONFIG}"])


def _linked_files(sensors: Sequence[SensorPlan]) -> set[str]:
    """Where the links among the channels lead: that is data, wherever it lies."""
    paths = [
        f"{plan.source.path}/{file}"
        for plan in sensors
        for channel in plan.source.channels.values()
        for file in channel.files
    ]
    return {os.path.realpath(path) for path in paths if os.path.islink(path)}


def _derive_sensor(
    plan: SensorPlan,
    made: NewTrace,
    name: str,
    linked: set[str],
    tally: Tally,
    check: Check | None,
) -> None:
    folder = f"{made.folder}/{name}"
    storage = storage_for(folder)
    storage.make_folder(folder)
    source = plan.source
    taken = {META}.union(*(channel.files for channel in source.channels.values()))
    if os.path.basename(source.path).startswith("_"):
        taken.add(POSES)  # which has a plan of its own
    others = [
        file
        for file in _other_files(source.path, taken)
        if os.path.realpath(f"{source.path}/{file}") not in linked
    ]
    targets = _targets(plan, folder, {META, POSES, *others})
    entries: Entries = {}
    for key, channel in plan.channels.items():
        target = targets[key]
        size = channel.frame_size * (channel.stop - channel.start)

        def moved(count: int, size: float = channel.frame_size) -> None:
            tally.add(round(count * size))

        target.copy_from(channel.source, channel.start, channel.stop, moved, **channel.options)
        entries[key] = channel.counted_entry
        if check is not None:
            arguments = constructor_arguments(entries[key])
            check(channel, from_config(target.path, **arguments), moved)
        files = [f"{folder}/{file}" for file in sorted(target.files)]
        made.keep(files, lambda share, size=size: tally.add(round(share * size)))
    for file in others:
        copy_file(storage_for(source.path), f"{source.path}/{file}", storage, f"{folder}/{file}")
    made.keep([f"{folder}/{file}" for file in others])
    write_meta(storage, folder, entries)
    made.keep([f"{folder}/{META}"])


def _targets(plan: SensorPlan, folder: str, taken: set[str]) -> dict[str, Channel]:
    """The channels to be made, by name; none of them takes a file of another one, or of `taken`."""
    targets: dict[str, Channel] = {}
    for name, channel in plan.channels.items():
        arguments = constructor_arguments(channel.entry)
        arguments["args"] = {**arguments.get("args", {}), **channel.args}
        target = from_config(f"{folder}/{name}", **arguments)
        target.give_way(plan.channels)
        if clash := sorted(taken & target.files):
            raise MetadataError(
                f"{channel.source.path}: as {channel.entry['format']!r} it would need the file "
                f"{clash[0]}, which is there for something else; rename one of them"
            )
        taken |= target.files
        targets[name] = target
    return targets


def _other_files(folder: str, taken: Sequence[str] | set[str]) -> list[str]:
    """Names of the files in a folder but for those taken, and what was being written."""
    storage = storage_for(folder)
    return [
        name
        for name in storage.names(folder)
        if name not in taken
        and not name.startswith(".")
        and storage.folder_version(f"{folder}/{name}") is None
        and storage.size(f"{folder}/{name}") is not None
        and not _is_special(f"{folder}/{name}")
    ]


def _is_special(path: str) -> bool:
    """Whether this is a pipe, a socket or a device, which may be read for ever."""
    return os.path.exists(path) and not os.path.isfile(path)
