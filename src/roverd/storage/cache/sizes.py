"""Sizes as people write them."""

import math
import re

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", start=1):
    _UNITS[f"{_letter}b"] = 1000**_power
    _UNITS[f"{_letter}ib"] = 1024**_power
_WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]*)\s*", re.ASCII)


def parse_size(size: int | str) -> int:
    """Bytes that a size stands for.

    Args:
        size: a number of bytes, or text such as `200GB` (10⁹ bytes each), `1.5TiB` (2⁴⁰ bytes
            each) or `1000000`. Capital and small letters are the same.

    Returns:
        Bytes, rounded down.

    Raises:
        ValueError: it is no size, or less than 1 byte.
    """
    if isinstance(size, bool) or not isinstance(size, int | str):
        raise _no_size(size)
    if isinstance(size, int):
        count = size
    else:
        match = _WRITTEN.fullmatch(size)
        unit = _UNITS.get(match[2].lower()) if match else None
        if match is None or unit is None:
            raise _no_size(size)
        number = float(match[1])
        if not math.isfinite(number * unit):
            raise _no_size(size)
        count = int(match[1]) * unit if match[1].isdecimal() else int(number * unit)
    if count < 1:
        raise _no_size(size)
    return count


def _no_size(size: object) -> ValueError:
    return ValueError(f"expected a size such as 200GB, 1.5TiB or a number of bytes, got {size!r}")
