"""What every trace must hold: sensors with their channels, and files."""

import os
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from roverd.errors import MetadataError, MissingFileError
from roverd.storage import storage_for

Schema = Mapping[str, Sequence[str]]
"""Channels by sensor; under the key `_`, paths of files relative to the trace."""

FILES = "_"

DEFAULT_SCHEMA: Schema = {
    "lidar": ["ts", "rfl", "nir", "rng"],
    "radar": ["ts", "iq", "valid"],
    "camera": ["ts", "video.avi"],
    "imu": ["ts", "rot", "acc", "avel"],
}
"""What is expected of a trace where nobody says otherwise."""


def read_schema(path: str | os.PathLike[str]) -> Schema:
    """Read a schema from a YAML file.

    Args:
        path: the file: a mapping from each sensor that a trace must have to a list of the channels
            that the sensor must have, and from `_` to a list of files.

    Returns:
        The schema.

    Raises:
        MissingFileError: there is no such file.
        MetadataError: it is not such a mapping.
    """
    import yaml

    where = os.fspath(path)
    try:
        text = storage_for(where).read(where)
    except FileNotFoundError:
        raise MissingFileError(f"{where}: no such file; expected a schema in YAML") from None
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MetadataError(f"{where}: not valid YAML ({error})") from error
    return check_schema(found, where)


def check_schema(schema: Any, where: str) -> Schema:
    """Refuse what is no schema.

    Args:
        schema: what may be one.
        where: for the message.

    Returns:
        The schema.

    Raises:
        MetadataError: not a mapping from sensors to lists of names.
    """
    if not isinstance(schema, Mapping):
        raise MetadataError(
            f"{where}: expected a mapping from sensors to lists of channels (an empty one is "
            f"written {{}}), found {reprlib.repr(schema)}"
        )
    for sensor, names in cast(Mapping[Any, Any], schema).items():
        # Shown in part, since YAML can make much of little.
        sensor_shown, names_shown = reprlib.repr(sensor), reprlib.repr(names)
        if not _is_inside(sensor) or os.path.basename(sensor) != sensor:
            raise MetadataError(f"{where}: expected the name of a sensor, found {sensor_shown}")
        if not isinstance(names, list | tuple) or not all(
            _is_inside(name) for name in cast(Sequence[Any], names)
        ):
            what = "files within the trace" if sensor == FILES else "channels"
            raise MetadataError(
                f"{where}: {sensor}: expected a list of {what}, found {names_shown}"
            )
    return cast(Schema, schema)


def _is_inside(path: Any) -> bool:
    """Whether this is a relative path that stays in its folder."""
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    return not os.path.isabs(path) and ".." not in path.split("/")
