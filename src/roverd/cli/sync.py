"""`roverd sync`."""

from typing import TYPE_CHECKING, Annotated, Literal, Optional, get_args

from roverd.cli.arguments import (
    NO_DEFAULT,
    Json,
    TracePath,
    Words,
    float_or_none,
    number,
    one_of,
    text,
    texts,
)
from roverd.cli.messages import print_errors
from roverd.cli.reading import with_cache
from roverd.cli.text import json_text, moment_text, printable, table
from roverd.cli.usage import UsageError, required

if TYPE_CHECKING:
    from roverd.ops import TraceSync
    from roverd.sync import SensorReport

_Unordered = Literal["error", "sort", "skip"]


@with_cache
def sync(
    path: TracePath,
    reference: Annotated[Optional[str], text("SENSOR|HZ"), NO_DEFAULT] = None,
    tolerance: Annotated[float, number("S", least=0)] = 0.1,
    sensors: Annotated[Optional[Words], texts("NAME..."), NO_DEFAULT] = None,
    unordered: Annotated[_Unordered, one_of(*get_args(_Unordered))] = "error",
    plot: Annotated[Optional[str], text("FILE.png"), NO_DEFAULT] = None,
    as_json: Json = False,
) -> int:
    """Show how a trace's sensors lie in time, and which samples they make.

    A sample is made for each frame of the reference, of the nearest frames of the other sensors.
    Shown is how many samples there are and why others are dropped; and for each sensor its rate,
    jitter, gaps, coverage of the reference's time, and offsets to the samples. Only timestamps are
    read. The exit status is 1 where no sample is left.

    Example: `roverd sync /data/recordings/walk --tolerance 0.05`.

    Args:
        path: the trace's folder.
        reference: the sensor whose frames make samples, or a rate in Hz; else lidar, and where
            there is none, the slowest sensor.
        tolerance: how far from the reference's the nearest frame may be, in seconds.
        sensors: only these; else all but the virtual ones.
        unordered: what to do about timestamps that go back or are no numbers: stop with an error,
            take frames in order of time, or skip such frames.
        plot: draw the timeline to this file (needs matplotlib: pip install 'roverd[plot]').
        as_json: print one JSON object instead.
    """
    if sensors is not None:
        required("the name of a sensor", sensors)
    wanted: str | float | None = reference
    if reference is not None and (rate := float_or_none(reference)) is not None:
        if not 0 < rate < float("inf"):
            raise UsageError(f"--reference: expected a rate above 0 Hz, got {reference!r}")
        wanted = rate
    from roverd import ops

    found = ops.sync(path, wanted, tolerance, sensors, unordered, plot)
    if as_json:
        print(json_text(found.to_dict()))
    else:
        print(_text(found))
    if found.report.samples:
        return 0
    why = str(found.report).replace("\n", "; ")
    print_errors([f"{found.path}: no samples are left: {why}"])
    return 1


def _text(found: "TraceSync") -> str:
    report = found.report
    share = f" ({report.samples / report.candidates:.1%})" if report.candidates else ""
    span = (report.end or 0.0) - (report.start or 0.0)
    lines = [
        f"trace      {printable(found.path)}",
        f"start      {'no frames' if report.start is None else moment_text(report.start)}",
        f"reference  {printable(report.reference)}: {report.candidates} times in {span:.3f} s",
        f"samples    {report.samples}{share}, {report.dropped} dropped",
        *([f"picture    {printable(found.picture)}"] if found.picture else []),
        "",
    ]
    rows = [["sensor", "frames", "rate", "jitter", "coverage", "gaps", "longest"]]
    rows[0] += ["offset: mean", "5 %", "95 %", "largest", "dropped", "why"]
    rows += [_row(sensor) for sensor in report.sensors]
    lines += table(rows, right=range(1, 12))
    gaps = [
        [sensor.name, f"{gap.start - (report.start or 0.0):.3f} s", f"{gap.seconds:.3f} s"]
        for sensor in report.sensors
        for gap in sensor.longest_gaps
    ]
    if gaps:
        lines += ["", *table([["gap in", "from", "length"], *gaps], right=range(1, 3))]
    return "\n".join(lines)


def _row(sensor: "SensorReport") -> list[str]:
    offsets = sensor.offsets
    longest = max((gap.seconds for gap in sensor.longest_gaps), default=None)
    why = [f"{count} {reason}" for reason, count in sensor.dropped.items() if count]
    if sensor.unused:
        why.append(f"{sensor.unused} frames not used")
    return [
        sensor.name,
        str(sensor.frames),
        f"{sensor.rate:.2f} Hz",
        _milliseconds(sensor.jitter),
        f"{sensor.coverage:.1%}",
        str(sensor.gaps),
        "–" if longest is None else f"{longest:.3f} s",
        *(
            ["–"] * 4
            if offsets is None
            else map(_milliseconds, (offsets.mean, offsets.p5, offsets.p95, offsets.largest))
        ),
        str(sum(sensor.dropped.values())),
        ", ".join(why),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms"
