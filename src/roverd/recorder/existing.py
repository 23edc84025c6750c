"""Sensors that are there already, to be continued."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from roverd.channels import from_config
from roverd.errors import CorruptFileError, MetadataError
from roverd.recovery import Rescue, SensorRepair, mend_sensor
from roverd.sensors.meta import META, TIMESTAMPS, Entries, constructor_arguments, read_meta
from roverd.storage import storage_for


def continue_sensor(
    trace: str, folder: str, entries: Entries, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Bring a sensor into a state in which frames can be added to it.

    Args:
        trace: the trace's folder.
        folder: the sensor's.
        entries: the channels that are to be recorded.
        files: content of other files, which are written where they are not there.

    Returns:
        What was mended, for the log; nothing where all was sound.

    Raises:
        MetadataError: it has other channels, or channels of other kinds. Nothing was touched.
        CorruptFileError: it is damaged such that it cannot be continued.
    """
    storage = storage_for(folder)
    where = f"{folder}/{META}"
    _check_same(where, entries, read_meta(storage, folder))
    rescue = Rescue(trace)
    try:
        report = mend_sensor(folder, rescue)
    finally:
        rescue.close()
    if report.problems:
        raise CorruptFileError(report.problems[0])
    # Mending may have found that a channel is none, or one of another format.
    _check_same(where, entries, read_meta(storage, folder))
    for name, content in files.items():
        if storage.size(f"{folder}/{name}") is None:
            storage.write(f"{folder}/{name}", content, durable=True)
    return _summary(report, rescue)


def _summary(report: SensorRepair, rescue: Rescue) -> dict[str, Any]:
    if not report.changed:
        return {}
    channels = [asdict(channel) for channel in report.channels if channel.changed]
    return {"mended": channels, "rescued": rescue.folder}


def _check_same(where: str, wanted: Entries, found: Entries) -> None:
    """Refuse to add to channels of other kinds."""
    if wanted.keys() != found.keys():
        raise MetadataError(
            f"{where}: expected the channels {_names(wanted)}, found {_names(found)}; a sensor "
            f"that is continued keeps its channels"
        )
    for name, entry in wanted.items():
        if _kind(entry) != _kind(found[name]):
            raise MetadataError(
                f"{where}: channel {name!r}: expected {_text(entry)}, found {_text(found[name])}; "
                f"a channel that is continued keeps its format, type and shape"
            )


def _kind(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    channel = from_config("", **constructor_arguments(dict(entry)))
    return entry["format"], channel.type, channel.shape


def _text(entry: Mapping[str, Any]) -> str:
    return f"format {entry['format']}, type {entry['type']} and shape {list(entry['shape'])}"


def _names(entries: Entries) -> str:
    return ", ".join(repr(name) for name in entries if name != TIMESTAMPS)
