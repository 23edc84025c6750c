"""Text for a terminal."""

import json
import math
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any, cast

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def bytes_text(count: float) -> str:
    """A number of bytes with three figures and a decimal unit, such as `1.23 MB`."""
    unit = 0
    while count >= 999.5 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    if unit == 0:
        return f"{count:.0f} B"
    digits = 2 if count < 9.995 else 1 if count < 99.95 else 0
    return f"{count:.{digits}f} {_UNITS[unit]}"


def printable(text: str) -> str:
    """Text on one line that no terminal takes for a command, whatever files are called."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def moment_text(seconds: float) -> str:
    """A time, given in seconds since the epoch, to the millisecond; as it is if none of our time.

    Some programs store milliseconds or nanoseconds.
    """
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.3f} s"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def json_text(found: dict[str, Any]) -> str:
    """What `--json` prints. Numbers that JSON does not have, NaN and infinity, become null."""
    return json.dumps(_finite(found), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_finite(part) for part in cast(list[Any], value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Lines of a table.

    Args:
        rows: cells of each row, the heading first; a row may end early. Names of files and the
            like come as they are.
        right: columns that are set flush right.

    Returns:
        The heading, a rule, and the rows.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(len(row[column]) for row in rows if column < len(row))
        for column in range(max(map(len, rows)))
    ]

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        return "  ".join(cells).rstrip()

    return [line(rows[0]), "─" * len(line(rows[0])), *map(line, rows[1:])]
