"""What is there before the first frame: the trace's folder, sensors' folders and descriptions."""

import contextlib
import json
import math
from collections.abc import Mapping
from typing import Any

from roverd.channels import from_config
from roverd.channels.checksums import METHOD
from roverd.errors import AlreadyExistsError, InvalidDataError, MetadataError
from roverd.recovery.log import FOLDER
from roverd.recovery.rescue import SCRATCH
from roverd.sensors.meta import (
    META,
    RESERVED,
    TIMESTAMPS,
    TIMESTAMPS_ENTRY,
    Entries,
    check_entry,
    constructor_arguments,
    write_meta,
)
from roverd.storage import storage_for
from roverd.storage.traces import CONFIG

ChannelSpecs = Mapping[str, Mapping[str, Any]]
FileContents = Mapping[str, Mapping[str, Any] | str | bytes]
Config = Mapping[str, Any] | str | None

# What a trace's folder holds besides sensors.
_TAKEN = {CONFIG, FOLDER, SCRATCH}


def config_text(path: str, config: Config) -> str:
    """What `config.yaml` is to hold.

    Raises:
        InvalidDataError: YAML cannot express it.
    """
    if isinstance(config, str):
        return config
    import yaml

    try:
        text: str = yaml.safe_dump(dict(config or {}), sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as error:
        raise InvalidDataError(
            f"{path}/{CONFIG}: expected a config of plain values, lists and mappings, got what "
            f"YAML does not express ({' '.join(str(error).split())})"
        ) from error
    return text


def make_trace(path: str, config: Config, append: bool) -> bool:
    """Make a trace's folder and its `config.yaml`, unless it is to be continued.

    Args:
        path: the folder.
        config: content of `config.yaml`.
        append: whether the trace may be there already; its `config.yaml` then stays.

    Returns:
        Whether there was a trace.

    Raises:
        AlreadyExistsError: there is a trace that is not to be continued.
    """
    storage = storage_for(path)
    text = config_text(path, config)
    there = storage.size(f"{path}/{CONFIG}") is not None
    if there and not append:
        raise AlreadyExistsError(
            f"{path}/{CONFIG}: there is a trace already, which was not touched; append=True "
            f"continues it"
        )
    storage.make_folder(path, durable=True)
    if not there:
        storage.write(f"{path}/{CONFIG}", text.encode(), durable=True)
    return there


def check_sensor_name(path: str, name: Any) -> None:
    """Refuse a name that is not that of a folder in the trace's."""
    if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
        raise MetadataError(f"{path}: {name!r} is not a sensor's name; expected one path component")
    if name in _TAKEN:
        raise MetadataError(
            f"{path}: {name!r} is not a sensor's name: the trace has something else of that name; "
            f"expected none of {', '.join(sorted(_TAKEN))}"
        )


def checked_rate(path: str, rate: Any) -> float | None:
    """Frames per second, as a float.

    Raises:
        MetadataError: it is not a positive number.
    """
    if rate is None:
        return None
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        made = float(rate)
        if 0 < made < math.inf and not isinstance(rate, str):
            return made
    raise MetadataError(f"{path}: expected a positive rate in frames per second, got {rate!r:.60}")


def channel_entries(folder: str, channels: ChannelSpecs, checksums: bool) -> Entries:
    """The content of a sensor's `meta.json`.

    Args:
        folder: the sensor's folder.
        channels: description of each channel.
        checksums: whether the check sums of frames are to be kept.

    Raises:
        MetadataError: a name or a description is not usable, or two channels want the same file.
    """
    where = f"{folder}/{META}"
    if not isinstance(channels, Mapping) or not channels:
        raise MetadataError(f"{where}: expected a mapping of channels, got {channels!r:.60}")
    entries: Entries = {TIMESTAMPS: dict(TIMESTAMPS_ENTRY)}
    for name, description in channels.items():
        if name in RESERVED:
            raise MetadataError(f"{where}: the name {name!r} is reserved; timestamps come with it")
        if not isinstance(description, Mapping):
            raise MetadataError(
                f"{where}: channel {name!r}: expected a mapping, got {description!r:.60}"
            )
        entries[name] = dict(description)
        check_entry(where, name, entries[name])
    taken: dict[str, str] = {META: META}
    for name, entry in entries.items():
        # A channel of that name comes before the other one's check sums.
        if checksums and f"{name}_x" not in entries:
            entry.setdefault("checksum", METHOD)
        channel = from_config(f"{folder}/{name}", **constructor_arguments(entry))
        entry["shape"] = list(channel.shape)
        for file in sorted(channel.files):
            if file in taken:
                raise MetadataError(
                    f"{where}: channels {taken[file]!r} and {name!r} would both have the file "
                    f"{file!r}"
                )
            taken[file] = name
    return entries


def file_contents(folder: str, files: FileContents, entries: Entries) -> dict[str, bytes]:
    """The other files of a sensor, as bytes.

    Args:
        folder: the sensor's folder.
        files: content by name: bytes, text, or what becomes JSON.
        entries: the sensor's channels.

    Raises:
        InvalidDataError: a name is not usable, or a content not expressible.
    """
    made: dict[str, bytes] = {}
    taken = {META}
    for name, entry in entries.items():
        taken |= from_config(f"{folder}/{name}", **constructor_arguments(entry)).files
    for name, content in files.items():
        if name in taken or name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
            raise InvalidDataError(
                f"{folder}: {name!r} cannot be the name of a file beside the channels; expected "
                f"one path component that no channel uses"
            )
        if isinstance(content, str):
            made[name] = content.encode()
        elif isinstance(content, bytes | bytearray | memoryview):
            made[name] = bytes(content)
        else:
            try:
                made[name] = (json.dumps(content, indent=4) + "\n").encode()
            except (TypeError, ValueError) as error:
                raise InvalidDataError(
                    f"{folder}/{name}: not expressible in JSON ({error})"
                ) from error
    return made


def make_sensor(folder: str, entries: Entries, files: Mapping[str, bytes]) -> None:
    """Make a sensor's folder, its files and, last, its `meta.json`, all of them durable.

    Raises:
        AlreadyExistsError: the sensor is there already.
    """
    storage = storage_for(folder)
    if storage.size(f"{folder}/{META}") is not None:
        raise AlreadyExistsError(
            f"{folder}/{META}: the sensor is there already, and was not touched; a Recorder with "
            f"append=True continues it"
        )
    storage.make_folder(folder, durable=True)
    for name, content in files.items():
        storage.write(f"{folder}/{name}", content, durable=True)
    write_meta(storage, folder, entries)


def forget_sensor(folder: str) -> None:
    """Undo `make_sensor`, such that the sensor can be made again: other files do not matter."""
    with contextlib.suppress(OSError):
        storage_for(folder).remove(f"{folder}/{META}")
