"""Checks of a sensor: its description, its channels, their lengths, its timestamps."""

import os

import numpy as np

from roverd import channels
from roverd.channels import Channel, LzmaFrameChannel
from roverd.channels.frame_streams import FrameStreamChannel
from roverd.ops.validation.extras import check_intrinsics, check_other_files
from roverd.ops.validation.frames import check_all_frames, check_end_frames
from roverd.ops.validation.options import Options
from roverd.ops.validation.report import Findings, SensorStatistics
from roverd.ops.validation.structure import check_structure
from roverd.ops.validation.sums import check_sums
from roverd.ops.validation.timestamps import check_timestamps
from roverd.sensors.meta import (
    META,
    TIMESTAMPS,
    Entries,
    constructor_arguments,
    read_meta,
    write_meta,
)
from roverd.storage import storage_for


def check_sensor(
    folder: str, name: str, findings: Findings, options: Options
) -> SensorStatistics | None:
    """Check a sensor.

    Args:
        folder: of the trace.
        name: of the sensor.
        findings: takes the problems.
        options: what is asked.

    Returns:
        Its numbers; `None` where it cannot be opened.
    """
    path = f"{folder}/{name}"
    try:
        entries = read_meta(storage_for(path), path)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others go on
        findings.add_failure(f"{path}/{META}", error, "bad-meta")
        return None
    made = _make_channels(path, entries, findings)
    statistics = SensorStatistics(name, 0, {})
    missing: list[str] = []
    for key, channel in made.items():
        if _is_there(channel):
            statistics.frames[key] = _check_channel(channel, key, findings, options)
        else:
            missing.append(key)
    dropped: list[str] = []
    if options.fix_errors:
        dropped = _drop_entries(path, made, missing, statistics, findings)
    for key in missing:
        if key not in dropped:
            findings.add_missing(made[key].path, "the data of a channel that meta.json names")
    named = [key for key in entries if key not in dropped]
    _check_names(path, name, named, findings, options)
    _check_lengths(path, statistics, findings)
    if statistics.frames.get(TIMESTAMPS) is not None:
        _check_stamps(made[TIMESTAMPS], findings, statistics)
    check_intrinsics(path, name, findings)
    files = {file for channel in made.values() for file in channel.files}
    check_other_files(path, name, files, findings)
    return statistics


def _make_channels(path: str, entries: Entries, findings: Findings) -> dict[str, Channel]:
    """The channels that can be made of their descriptions, and whose files are theirs alone."""
    made: dict[str, Channel] = {}
    owners: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            channel = channels.from_config(f"{path}/{name}", **constructor_arguments(entry))
        except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
            reason = str(error).removeprefix(f"{path}/{name}: ")
            findings.add("bad-meta", f"{path}/{META}", f"channel {name!r}: {reason}")
            continue
        channel.give_way(entries)
        made[name] = channel
        for file in sorted(channel.files):
            other = owners.setdefault(file, name)
            if other != name:
                findings.add(
                    "bad-meta",
                    f"{path}/{META}",
                    f"expected files of one channel each, found {file!r} to be of {other!r} and "
                    f"{name!r}",
                )
    return made


def _is_there(channel: Channel) -> bool:
    """Whether there is anything to look at; where that cannot be told, looking will tell why."""
    try:
        return channel.exists()
    except Exception:  # noqa: BLE001 - users' own formats raise what they like
        return True


def _check_channel(channel: Channel, name: str, findings: Findings, options: Options) -> int | None:
    """Check a channel whose files are there; gives its whole frames, if they can be told."""
    try:
        layout = channel._layout()  # pyright: ignore[reportPrivateUsage]
        count = len(layout)
    except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
        findings.add_failure(
            channel.path, error, "mislabelled" if _is_mislabelled(channel, error) else "damaged"
        )
        return None
    try:
        check_structure(channel, layout, findings, options.deep)
        if options.deep and name != TIMESTAMPS:
            check_all_frames(channel, layout, findings, options)
        else:
            check_end_frames(channel, layout, findings)
        if channel.has_checksums:
            check_sums(channel, count, findings, options.deep)
    except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
        findings.add_failure(channel.path, error)
    return count


def _is_mislabelled(channel: Channel, error: Exception) -> bool:
    if not isinstance(channel, LzmaFrameChannel) or not isinstance(error, ValueError):
        return False
    return channel.is_mislabelled()


def _drop_entries(
    path: str,
    made: dict[str, Channel],
    missing: list[str],
    statistics: SensorStatistics,
    findings: Findings,
) -> list[str]:
    """Drop the entries of channels without data from `meta.json`; gives their names.

    Timestamps are kept, and so are links whose target is elsewhere: that may come back.
    """
    wanted = [key for key in missing if not os.path.islink(made[key].path)]
    if statistics.frames.get(TIMESTAMPS):
        wanted += [
            key
            for key, count in statistics.frames.items()
            if count == 0 and _holds_nothing(made[key])
        ]
    wanted = [key for key in wanted if key != TIMESTAMPS]
    if not wanted:
        return []
    storage = storage_for(path)
    try:
        # Read again: another program may have added channels meanwhile.
        entries = read_meta(storage, path)
        write_meta(storage, path, {key: e for key, e in entries.items() if key not in wanted})
    except Exception as error:  # noqa: BLE001 - what is dropped is an improvement, not a must
        findings.add_failure(f"{path}/{META}", error, "bad-meta")
        return []
    for key in wanted:
        statistics.frames.pop(key, None)
        findings.add(
            "dropped-entry", f"{path}/{META}", f"dropped channel {key!r}, which had no data"
        )
    return wanted


def _holds_nothing(channel: Channel) -> bool:
    """Whether there is not a byte of frames (an index may be there)."""
    if isinstance(channel, FrameStreamChannel):
        return storage_for(channel.path).size(channel.path) == 0
    return channel.filesize == 0


def _check_names(
    path: str, name: str, named: list[str], findings: Findings, options: Options
) -> None:
    """Check that `meta.json` names timestamps, and what the schema asks for."""
    for key in dict.fromkeys((TIMESTAMPS, *options.schema.get(name, ()))):
        if key not in named:
            findings.add(
                "missing-channel",
                f"{path}/{META}",
                f"expected a channel {key!r}, found {', '.join(named) or 'no channel'}",
            )


def _check_lengths(path: str, statistics: SensorStatistics, findings: Findings) -> None:
    known = {key: count for key, count in statistics.frames.items() if count is not None}
    statistics.n = min(known.values(), default=0)
    reference = TIMESTAMPS if TIMESTAMPS in known else next(iter(known), "")
    for key, count in known.items():
        if count != known[reference]:
            findings.add(
                "length-mismatch",
                f"{path}/{key}",
                f"expected {known[reference]} frames, as {reference} has, found {count}",
            )


def _check_stamps(channel: Channel, findings: Findings, statistics: SensorStatistics) -> None:
    if channel.type != np.float64 or channel.shape:
        findings.add(
            "timestamps-type",
            channel.path,
            f"expected type f8 and shape [], found type {channel.type.str[1:]} and shape "
            f"{list(channel.shape)} in meta.json",
        )
        return
    try:
        stamps = channel.read()
    except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
        findings.add_failure(channel.path, error)
        return
    check_timestamps(channel.path, stamps, findings, statistics)
