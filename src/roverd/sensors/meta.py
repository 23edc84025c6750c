"""`meta.json`: which channels a sensor has."""

import json
import os
from typing import Any, cast

from roverd.errors import MetadataError, MissingFileError
from roverd.storage import Storage
from roverd.storage.traces import META

TIMESTAMPS = "ts"
RESERVED = (META, TIMESTAMPS)

TIMESTAMPS_ENTRY: dict[str, Any] = {
    "format": "raw",
    "type": "f8",
    "shape": [],
    "desc": "Timestamp, in seconds.",
}

# File systems take 255 bytes, some of which temporary names and companion files need.
_LONGEST_NAME = 200

Entries = dict[str, dict[str, Any]]
"""Description of each channel, by name."""

_REQUIRED = ("format", "type", "shape")
_USED = (*_REQUIRED, "desc", "description", "args", "checksum")


def read_meta(storage: Storage, folder: str) -> Entries:
    """Read a sensor's `meta.json`.

    Args:
        storage: where the sensor is.
        folder: its folder.

    Returns:
        Description of each channel, with all keys that are there.

    Raises:
        MissingFileError: there is no `meta.json`, so the folder is no sensor.
        MetadataError: it is not a JSON object of channel descriptions.
    """
    path = f"{folder}/{META}"
    try:
        text = storage.read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(
            f"{path}: no such file; expected the folder of a sensor, which has one"
        ) from None
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(entries, dict):
        raise MetadataError(f"{path}: expected an object of channels, got {text[:40]!r}")
    for name, entry in cast(dict[str, Any], entries).items():
        check_entry(path, name, entry)
    return cast(Entries, entries)


def write_meta(storage: Storage, folder: str, entries: Entries) -> None:
    """Write a sensor's `meta.json`, the old one or the new one being there at any time."""
    path = f"{folder}/{META}"
    try:
        text = json.dumps(entries, indent=4) + "\n"
    except (TypeError, ValueError) as error:
        raise MetadataError(f"{path}: not expressible in JSON ({error})") from error
    storage.write(path, text.encode(), durable=True)


def constructor_arguments(entry: dict[str, Any]) -> dict[str, Any]:
    """The keys of a channel's description that `channels.from_config` takes."""
    return {key: entry[key] for key in _USED if key in entry}


def _check_name(path: str, name: Any) -> None:
    try:
        size = len(name.encode()) if isinstance(name, str) else 0
    except UnicodeEncodeError:
        size = 0
    if size > _LONGEST_NAME:
        raise MetadataError(
            f"{path}: a channel name has at most {_LONGEST_NAME} bytes, got {size}: {name[:40]}…"
        )
    separators = {"/", "\\", "\0", os.sep, os.altsep or "/"}
    if not isinstance(name, str) or name in ("", ".", "..") or not size or separators & set(name):
        raise MetadataError(
            f"{path}: {name!r} is not a channel name; expected one path component, without "
            f"separators"
        )


def check_entry(path: str, name: Any, entry: Any) -> None:
    """Refuse a channel description that no channel can be made from.

    Args:
        path: of the `meta.json` that has it.
        name: the channel's name.
        entry: the description.

    Raises:
        MetadataError: the name would leave the folder, or a key is missing or of another kind.
    """
    _check_name(path, name)
    if name == META:
        raise MetadataError(f"{path}: a channel cannot be named {META!r}")
    if not isinstance(entry, dict):
        raise MetadataError(f"{path}: channel {name!r}: expected an object, got {entry!r:.60}")
    fields = cast(dict[str, Any], entry)
    missing = [key for key in _REQUIRED if key not in fields]
    if missing:
        raise MetadataError(f"{path}: channel {name!r} lacks {', '.join(missing)}")
    if not isinstance(fields["type"], str) or not isinstance(fields["format"], str):
        raise MetadataError(f"{path}: channel {name!r}: expected format and type to be strings")
    if not isinstance(fields["shape"], list | tuple):
        raise MetadataError(f"{path}: channel {name!r}: expected a shape, got {fields['shape']!r}")
    if not isinstance(fields.get("args", {}), dict):
        raise MetadataError(f"{path}: channel {name!r}: expected args to be an object")
