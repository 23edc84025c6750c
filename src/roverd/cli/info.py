"""`roverd info`."""

import math
from typing import TYPE_CHECKING

from roverd.cli.arguments import Json, TracePath
from roverd.cli.messages import print_errors
from roverd.cli.reading import with_cache
from roverd.cli.text import bytes_text, json_text, moment_text, printable, table

if TYPE_CHECKING:
    from roverd.ops import ChannelInfo, SensorInfo, TraceInfo


_SHOWN = 1e-3  # seconds: smaller ones are not seen in what is printed


@with_cache
def info(path: TracePath, as_json: Json = False) -> int:
    """Show what is in a trace: sensors, channels, sizes, rates, lengths.

    Example: `roverd info /data/recordings/walk`.

    Args:
        path: the trace's folder.
        as_json: print one JSON object instead.
    """
    from roverd import ops

    found = ops.info(path)
    if as_json:
        print(json_text(found.to_dict()))
    else:
        print(info_text(found))
    print_errors(found.problems)
    return 1 if found.problems else 0


def info_text(trace: "TraceInfo") -> str:
    """What `roverd info` prints of a trace."""
    lines = [
        f"trace   {printable(trace.path)}",
        f"start   {'no frames' if trace.start is None else moment_text(trace.start)}",
        f"length  {_seconds(trace.length)}",
        *_whole_lines(trace),
        f"size    {bytes_text(trace.size)}, {bytes_text(trace.datarate)}/s",
        "",
    ]
    rows = [["sensor / channel", "format", "type", "shape"]]
    rows[0] += ["size", "rate", "n", "duration", "frames/s", "ratio"]
    for sensor in trace.sensors:
        rows.append(_sensor_row(sensor))
        rows += [_channel_row(channel) for channel in sensor.channels]
    return "\n".join([*lines, *table(rows, right=range(4, 10))])


def _whole_lines(trace: "TraceInfo") -> list[str]:
    """What is said of the time that some sensors have frames in, where that is more."""
    if trace.start is None or trace.first is None or trace.last is None:
        return []
    before, whole = trace.start - trace.first, trace.last - trace.first
    if before < _SHOWN and whole - trace.length < _SHOWN:
        return []
    earlier = f", beginning {_seconds(before)} earlier" if before >= _SHOWN else ""
    return [f"whole   {_seconds(whole)}{earlier}; not all sensors have all of it"]


def _sensor_row(sensor: "SensorInfo") -> list[str]:
    return [
        sensor.name,
        "",
        "",
        "",
        bytes_text(sensor.size),
        f"{bytes_text(sensor.datarate)}/s",
        str(sensor.n),
        _seconds(sensor.duration),
        f"{sensor.rate:.2f}",
        _ratio(sensor.ratio),
    ]


def _channel_row(channel: "ChannelInfo") -> list[str]:
    row = [f"  {channel.name}", channel.format, channel.type]
    row.append("×".join(map(str, channel.shape)) or "–")
    if channel.problem and channel.n == 0:
        return [*row, bytes_text(channel.size), "unreadable"]
    if channel.ratio is None and channel.n == 0:
        return [*row, "none"]
    return [
        *row,
        bytes_text(channel.size),
        f"{bytes_text(channel.datarate)}/s",
        str(channel.n),
        _seconds(channel.duration),
        "",
        _ratio(channel.ratio),
    ]


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _seconds(seconds: float) -> str:
    if seconds < 600 or not math.isfinite(seconds):
        return f"{seconds:.3f} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:06.3f}"
