"""`roverd extract`."""

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Optional, Union

import tyro

from roverd.cli.arguments import (
    NO_DEFAULT,
    Flag,
    Json,
    NewTrace,
    TracePath,
    Words,
    float_or_none,
    number,
    texts,
    value,
)
from roverd.cli.engines import Address, EngineName, chosen_engine
from roverd.cli.many_traces import holds_traces, show_made
from roverd.cli.progress import progress_bar
from roverd.cli.reading import with_cache
from roverd.cli.text import json_text, moment_text, printable, table
from roverd.cli.usage import UsageError, required

if TYPE_CHECKING:
    from roverd.ops import Extracted


def _moment(word: str) -> float | datetime:
    seconds = float_or_none(word)
    if seconds is not None and math.isfinite(seconds):
        return seconds
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        raise ValueError(
            f"expected seconds or a time such as 2024-10-02T20:30, got {word!r}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_Moment = Annotated[
    Optional[Union[float, datetime]],  # noqa: UP007 (as UP045, see pyproject.toml)
    value("TIME", _moment),
    NO_DEFAULT,
]
_Seconds = Annotated[Optional[float], number("S", above=0), NO_DEFAULT]
_Names = Annotated[Optional[Words], texts("NAME..."), NO_DEFAULT]


@with_cache
def extract(
    src: Annotated[TracePath, tyro.conf.arg(metavar="SRC")],
    dst: NewTrace,
    start: _Moment = None,
    end: _Moment = None,
    length: _Seconds = None,
    relative: Flag = False,
    sensors: _Names = None,
    channels: _Names = None,
    as_json: Json = False,
    engine: EngineName = None,
    address: Address = None,
) -> int:
    """Make a trace of a part of another one, by two of --start, --end and --length.

    A time is a number of seconds from the trace's beginning, which is its earliest frame, or such
    as 2024-10-02T20:30:05.5 (UTC unless it names a zone). Frames from the start up to, but not
    including, the end are taken; an end at the end of the trace takes the last frame along.
    Frames are copied as they are stored. The new trace appears when it is complete. From a folder
    of traces, that part of each is taken; those that are there already stay.

    Example: `roverd extract /data/recordings/walk /tmp/part --start 1 --length 2`.

    Args:
        src: the trace's folder, or a folder with traces at any depth.
        dst: the new trace's folder; there must be none. Or the folder of the new traces.
        start: where to begin.
        end: where to end; a negative number counts from the end of the trace.
        length: seconds.
        relative: the three are proportions of the trace, 0 to 1.
        sensors: the sensors to take; all by default.
        channels: the channels to take, such as rng, lidar/rng or 'lidar/*'; all by default.
        as_json: print one JSON object instead.
        engine: where the work is done: local, or in a Ray cluster; local by default.
        address: of the Ray cluster; else RAY_ADDRESS, one on this machine, or one that is started.
    """
    _check({"--start": start, "--end": end, "--length": length}, relative)
    for flag, names in (("--sensors", sensors), ("--channels", channels)):
        if names is not None:
            required(f"{flag} NAME", names)
    from roverd import ops

    times = (start, end, length, relative)
    with (
        chosen_engine(engine, address) as chosen,
        progress_bar("extracting") as progress,
    ):
        if chosen is not None or holds_traces(src):
            found = ops.extract_all(src, dst, *times, sensors, channels, progress, chosen)
        else:
            found = ops.extract(src, dst, *times, sensors, channels, progress)
    if isinstance(found, ops.MadeTraces):
        return show_made(found, "Extract", as_json)
    print(json_text(found.to_dict()) if as_json else _text(found))
    return 0


def _check(times: dict[str, float | datetime | None], relative: bool) -> None:
    """Refuse times of which no trace has what is asked for."""
    given = {flag: time for flag, time in times.items() if time is not None}
    if len(given) != 2:
        got = " and ".join(given) if len(given) < 3 else "all three"
        raise UsageError(f"expected two of --start, --end and --length, got {got or 'none'}")
    for flag, time in given.items():
        if relative and (isinstance(time, datetime) or abs(time) > 1):
            raise UsageError(f"{flag}: expected a proportion from 0 to 1, got {time}")


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
