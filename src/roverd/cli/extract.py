"""`roverd extract`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Optional

import tyro

from roverd.cli.arguments import Flag, NewTrace, TracePath
from roverd.cli.progress import progress_bar
from roverd.cli.text import json_text, moment_text, printable, table

if TYPE_CHECKING:
    from roverd.ops import Extracted

_Moment = Annotated[Optional[str], tyro.conf.arg(metavar="TIME")]
_Seconds = Annotated[Optional[float], tyro.conf.arg(metavar="S")]
_Names = Annotated[Optional[tuple[str, ...]], tyro.conf.arg(metavar="NAME...")]


def extract(
    src: Annotated[TracePath, tyro.conf.arg(metavar="SRC")],
    dst: NewTrace,
    start: _Moment = None,
    end: _Moment = None,
    length: _Seconds = None,
    relative: Flag = False,
    sensors: _Names = None,
    channels: _Names = None,
    as_json: Annotated[Flag, tyro.conf.arg(name="json")] = False,
) -> int:
    """Make a trace of a part of another one, given by two of --start, --end and --length.

    A time is a number of seconds from the trace's beginning, which is its earliest frame, or such
    as 2024-10-02T20:30:05.5 (UTC unless it names a zone). Frames from the start up to, but not
    including, the end are taken; an end at the end of the trace takes the last frame along.
    Frames are copied as they are stored. The new trace appears when it is complete.

    Example: `roverd extract /data/recordings/walk /tmp/part --start 1 --length 2`.

    Args:
        src: the trace's folder.
        dst: the new trace's folder; there must be none.
        start: where to begin.
        end: where to end; a negative number counts from the end of the trace.
        length: seconds.
        relative: the three are proportions of the trace, 0 to 1.
        sensors: the sensors to take; all by default.
        channels: the channels to take, such as rng, lidar/rng or 'lidar/*'; all by default.
        as_json: print one JSON object instead.
    """
    from roverd import ops

    with progress_bar("extracting") as progress:
        found = ops.extract(
            src,
            dst,
            _moment("--start", start),
            _moment("--end", end),
            length,
            relative,
            sensors,
            channels,
            progress,
        )
    print(json_text(found.to_dict()) if as_json else _text(found))
    return 0


def _moment(flag: str, text: str | None) -> float | datetime | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{flag}: expected seconds or a time such as 2024-10-02T20:30, got {text!r}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(found: "Extracted") -> str:
    rows = [["sensor", "frames", "of", "from"]]
    rows += [[s.name, str(s.frames), str(s.of), str(s.first)] for s in found.sensors]
    lines = [
        f"trace   {printable(found.path)}",
        f"start   {moment_text(found.start)}",
        f"length  {found.length:.3f} s",
        "",
        *table(rows, right=range(1, 4)),
    ]
    return "\n".join(lines)
