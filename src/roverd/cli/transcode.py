"""`roverd transcode`."""

import os
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal, Optional, cast, get_args

import tyro

from roverd.cli.arguments import NO_DEFAULT, Flag, Json, NewTrace, TracePath, one_of, value, whole
from roverd.cli.engines import Address, EngineName, chosen_engine
from roverd.cli.messages import print_errors
from roverd.cli.progress import progress_bar
from roverd.cli.reading import with_cache
from roverd.cli.text import bytes_text, json_text, printable, table
from roverd.cli.usage import UsageError

if TYPE_CHECKING:
    from roverd.ops import Format, Transcoded, TranscodedTrace

_Preset = Literal["fast", "small", "compatible"]
_STATES = {"made": "made", "there": "there already", "planned": "to be made", "failed": "failed"}


def _choice(word: str) -> tuple[str, "Format"]:
    """A pattern and a format. Patterns may have an equals sign, formats have none."""
    head, comma, arguments = word.partition(",")
    pattern, equals, name = head.rpartition("=")
    if not pattern or not equals:
        raise ValueError(f"expected PATTERN=FORMAT, such as lidar/*=lzmaf, got {word!r}")
    from roverd.ops import Format

    return pattern, Format.read(f"{name}{comma}{arguments}")


@with_cache
def transcode(
    src: Annotated[TracePath, tyro.conf.arg(metavar="SRC")],
    dst: NewTrace,
    channel: Annotated[
        tuple[Annotated[object, value("PATTERN=FORMAT", _choice)], ...],
        tyro.conf.UseAppendAction,
        NO_DEFAULT,
    ] = (),
    preset: Annotated[Optional[_Preset], one_of(*get_args(_Preset)), NO_DEFAULT] = None,
    workers: Annotated[Optional[int], whole("N", 1), NO_DEFAULT] = None,
    dry_run: Flag = False,
    as_json: Json = False,
    engine: EngineName = None,
    address: Address = None,
) -> int:
    """Make the same trace, or all traces below a folder, in other formats, without any loss.

    Every channel is read again and compared before its trace gets its name. Started again after an
    interruption, the command goes on with what is missing. Exit status 1: a trace could not be
    made, or one that is there is another one; the others are made all the same.

    Example: `roverd transcode /data/recordings /tmp/fast --preset fast --channel 'imu/*=raw'`.

    Args:
        src: a trace, or a folder with traces at any depth.
        dst: the new trace, or the folder of the new traces.
        channel: the format of channels, such as 'lidar/*=lzmaf' or 'lidar/rng=lzmaf,preset=9'; can
            be given again, and the last one that matches counts.
        preset: for all other channels: fast to read, small, or compatible with every reader; by
            default they stay as they are.
        workers: traces that are worked on side by side; else as many as there are cores.
        dry_run: say what would be made, and make nothing.
        as_json: print one JSON object instead.
        engine: where the work is done: local, or in a Ray cluster; local by default.
        address: of the Ray cluster; else RAY_ADDRESS, one on this machine, or one that is started.
    """
    formats: dict[str, Format] = {}
    for pattern, chosen in cast("tuple[tuple[str, Format], ...]", channel):
        formats.pop(pattern, None)  # so that it comes last
        formats[pattern] = chosen
    if not formats and preset is None:
        raise UsageError("expected --channel or --preset, got neither")
    from roverd import ops

    with (
        chosen_engine(engine, address, workers) as chosen,
        progress_bar("transcoding") as progress,
    ):
        found = ops.transcode(src, dst, formats, preset, workers, dry_run, progress, chosen)
    print(json_text(found.to_dict()) if as_json else _text(found))
    print_errors(trace.problem for trace in found.traces if trace.problem is not None)
    print_errors(found.not_searched)
    return 0 if found.ok else 1


def _text(found: "Transcoded") -> str:
    lines = [f"{'trace ' if found.single else 'traces'}  {printable(found.path)}", ""]
    lines += table(_channel_rows(found), right=range(3, 7))
    if not found.single:
        rows = [["trace", "before", "after", "ratio", ""]]
        rows += [_trace_row(found, trace) for trace in found.traces]
        lines += ["", *table(rows, right=(1, 2, 3))]
    counts = Counter(trace.state for trace in found.traces)
    names = ", ".join(f"{counts[state]} {text}" for state, text in _STATES.items() if counts[state])
    dry = " Nothing was made (dry run)." if found.dry_run else ""
    return "\n".join([*lines, "", f"Transcode: {names}.{dry}"])


def _channel_rows(found: "Transcoded") -> list[list[str]]:
    """A row for each channel; in several traces, those of one name and the same formats as one."""
    sums: dict[tuple[str, str, str], tuple[int, int, int | None]] = {}
    for trace in found.traces:
        for channel in trace.channels:
            key = channel.name, channel.before, channel.after
            frames, before, after = sums.get(key, (0, 0, 0))
            frames, before = frames + channel.frames, before + channel.size_before
            sums[key] = frames, before, _plus(after, channel.size_after)
    rows = [["channel", "was", "is", "frames", "before", "after", "ratio"]]
    rows += [
        [*key, str(frames), *_sizes(before, after)]
        for key, (frames, before, after) in (sums.items())
    ]
    totals = [trace for trace in found.traces if trace.state != "failed"]
    before, after = sum(trace.size_before for trace in totals), 0
    for trace in totals:
        after = _plus(after, trace.size_after)
    rows.append(["total", "", "", "", *_sizes(before, after)])
    return rows


def _plus(one: int | None, other: int | None) -> int | None:
    """A sum; unknown where a part is."""
    return None if one is None or other is None else one + other


def _trace_row(found: "Transcoded", trace: "TranscodedTrace") -> list[str]:
    name = os.path.relpath(trace.path, found.path)
    if trace.state == "failed":
        return [name, "", "", "", _STATES[trace.state]]
    state = "" if trace.state == "made" else _STATES[trace.state]
    return [name, *_sizes(trace.size_before, trace.size_after), state]


def _sizes(before: int, after: int | None) -> list[str]:
    if after is None:
        return [bytes_text(before), "–", "–"]
    ratio = f"{before / after:.2f}" if after else "–"
    return [bytes_text(before), bytes_text(after), ratio]
