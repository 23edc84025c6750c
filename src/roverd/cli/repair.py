"""`roverd repair`."""

from typing import TYPE_CHECKING, Annotated, Optional

from roverd.cli.arguments import NO_DEFAULT, Flag, Json, TracePaths, whole
from roverd.cli.messages import print_errors
from roverd.cli.progress import progress_bar
from roverd.cli.text import bytes_text, json_text, printable
from roverd.cli.usage import required

if TYPE_CHECKING:
    from roverd.ops.repairs import ChannelRepair, RepairReport, SensorRepair, TraceRepair


def repair(
    paths: TracePaths,
    dry_run: Flag = False,
    deep: Flag = False,
    as_json: Json = False,
    workers: Annotated[Optional[int], whole("N", 1), NO_DEFAULT] = None,
) -> int:
    """Bring traces that were cut off to a sound state.

    Rebuilds indexes and headers, cuts torn tails, brings the channels of each sensor to one length.
    What is cut off is kept in _scratch/repair-…; a sound trace is not touched. Exit status 0: sound
    or repaired without loss, 3: whole frames were cut off, 1: not repairable, or no trace found.
    Example: `roverd repair /data/recordings --dry-run`.

    Args:
        paths: traces, or folders with traces at any depth.
        dry_run: say what would be done, with the same exit status, and change nothing.
        deep: read all frames, not only the last ones, and report those that are damaged.
        as_json: print one JSON object instead.
        workers: traces that are repaired side by side; else as many as there are cores.
    """
    required("PATH", paths)
    from roverd import ops

    with progress_bar("repairing", "B" if deep else "traces") as progress:
        report = ops.repair(paths, dry_run, deep, workers, progress)
    if as_json:
        print(json_text(report.to_dict()))
    else:
        print(repair_text(report))
    print_errors(text for trace in report.traces for text in trace.all_problems)
    print_errors(report.not_searched)
    if not report.traces:
        print_errors([f"{', '.join(paths)}: no trace found; one has a config.yaml"])
    return report.status


def repair_text(report: "RepairReport") -> str:
    """What `roverd repair` prints."""
    lines = [line for trace in report.traces for line in _trace_lines(trace)]
    failed = sum(bool(trace.all_problems) for trace in report.traces)
    repaired = sum(trace.changed and not trace.all_problems for trace in report.traces)
    lost = sum(trace.lost for trace in report.traces)
    dry = " Nothing was changed (dry run)." if report.dry_run else ""
    return "\n".join(
        [
            *lines,
            f"Repair: {len(report.traces)} traces, {repaired} to be repaired, {failed} not "
            f"repairable, {lost} whole frames to be cut off.{dry}"
            if report.dry_run
            else f"Repair: {len(report.traces)} traces, {repaired} repaired, {failed} not "
            f"repairable, {lost} whole frames cut off.",
        ]
    )


def _trace_lines(trace: "TraceRepair") -> list[str]:
    lines = [f"  {name}: left behind by a program that died, moved away" for name in trace.moved]
    lines += [line for sensor in trace.sensors for line in _sensor_lines(sensor)]
    if trace.rescue is not None:
        lines.append(f"  what was cut off is in {trace.rescue}")
    return [printable(line) for line in [trace.path, *lines]] if lines else []


def _sensor_lines(sensor: "SensorRepair") -> list[str]:
    texts = [
        *((name, "left behind by a program that died, moved away") for name in sensor.moved),
        *((name, "has no data, dropped from meta.json") for name in sensor.dropped),
        *((name, "is an lzma file, which meta.json says now") for name in sensor.relabelled),
        *((name, "its replacement was interrupted, undone") for name in sensor.restored),
        *((channel.name, _channel_text(channel)) for channel in sensor.channels),
    ]
    return [f"  {sensor.name}/{name}: {text}" for name, text in texts if text]


def _channel_text(channel: "ChannelRepair") -> str:
    """What is said of a channel; nothing of one that was sound."""
    parts: list[str] = []
    if channel.changed:
        parts.append(f"{channel.kept} frames kept")
        if channel.lost:
            parts.append(f"{channel.lost} cut off")
        if channel.cut:
            parts.append(f"{bytes_text(channel.cut)} cut off" if not channel.lost else "")
        if channel.rebuilt:
            parts.append(f"{' and '.join(channel.rebuilt)} rebuilt")
    if channel.reason:
        parts.append(channel.reason)
    if channel.note:
        parts.append(f"left as it is: {channel.note}")
    return ", ".join(filter(None, parts))
