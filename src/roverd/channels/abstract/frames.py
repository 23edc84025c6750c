"""What a frame can be: its type and shape, and how messages describe it."""

import math
import operator
import re
from typing import Any, cast

import numpy as np

from roverd.errors import MetadataError

_TYPE_NAME = re.compile(r"[<>=|]?([biufc]\d{1,2}|\?|[a-z]+\d{0,3})")

# NumPy has 64 axes, one of which counts the frames; and no array has more than 2**63 bytes.
_MOST_AXES = 63
_MOST_VALUES = 2**58

KINDS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
"""Rank of each kind of number; each holds those of a lower rank."""


def description(data: Any) -> str:
    """What messages say of data that is not what was expected."""
    if isinstance(data, np.ndarray | np.generic):
        array = np.asarray(cast(Any, data))
        return f"type {array.dtype.str.lstrip('<|=')} and shape {list(array.shape)}"
    if isinstance(data, bytes | bytearray | memoryview):
        return f"{memoryview(cast(bytes, data)).nbytes} bytes"
    return f"{type(data).__name__} {data!r:.60}"


def frame_type(dtype: Any, path: str) -> np.dtype[Any]:
    """The type of a channel's values, little-endian.

    Raises:
        MetadataError: not a type of numbers. `path` says of which channel.
    """
    # NumPy's own notation for types says more than ours: fields, shapes, objects.
    if isinstance(dtype, str) and not _TYPE_NAME.fullmatch(dtype):
        found = None
    else:
        try:
            found = np.dtype(dtype)
        except TypeError:
            found = None
    if found is None or found.kind not in "biufc":
        raise MetadataError(
            f"{path}: expected a type of numbers, such as u1, i2, f4 or c8, got {dtype!r}"
        )
    return found.newbyteorder("<")


def frame_shape(shape: Any, path: str) -> tuple[int, ...]:
    """The shape of a channel's frames.

    Raises:
        MetadataError: not a shape that an array can have. `path` says of which channel.
    """
    try:
        found = tuple(operator.index(axis) for axis in shape)
    except TypeError:
        found = (0,)
    if any(axis < 1 for axis in found):
        raise MetadataError(f"{path}: expected a shape of positive integers, got {shape!r}")
    if len(found) > _MOST_AXES or math.prod(found) > _MOST_VALUES:
        raise MetadataError(f"{path}: expected a frame that fits into memory, got {shape!r:.100}")
    return found
