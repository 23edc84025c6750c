"""Traces in other formats: the same frames, read again and compared before they get their name."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from roverd.errors import ChannelNotFoundError
from roverd.ops.engines import Engine, ThreadEngine
from roverd.ops.many_traces import make_each, places_below
from roverd.ops.progress import Progress
from roverd.ops.target_formats import Format, Preset
from roverd.ops.traces import trace_size
from roverd.ops.transcoding_trace import (
    TranscodedTrace,
    checked_formats,
    transcode_trace,
)
from roverd.parallel import map_all
from roverd.sensors.meta import TIMESTAMPS, read_meta
from roverd.storage import as_path, storage_for
from roverd.trace import Trace

Path = str | os.PathLike[str]


@dataclass
class Transcoded:
    """What became of traces.

    Attributes:
        source: the trace, or the folder of traces.
        path: the new one.
        single: whether `source` is a trace.
        traces: what became of each, sorted by path.
        not_searched: folders in which traces could be, and why nobody could look.
        dry_run: whether nothing was made, and all this says what would be.
    """

    source: str
    path: str
    single: bool
    traces: list[TranscodedTrace]
    not_searched: list[str] = field(default_factory=list[str])
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether all traces are there, or would be."""
        failed = any(trace.state == "failed" for trace in self.traces)
        return not failed and not self.not_searched

    def to_dict(self) -> dict[str, Any]:
        """The same as plain strings, numbers, lists and dictionaries."""
        found = asdict(self)
        for entry, trace in zip(found["traces"], self.traces, strict=True):
            entry.update(size_before=trace.size_before, size_after=trace.size_after)
        return {"ok": self.ok, **found}


def transcode(
    source: Path,
    target: Path,
    channels: Mapping[str, Format | str] | None = None,
    preset: Preset | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> Transcoded:
    """Bring a trace, or all traces below a folder, to other formats, without any loss.

    Every channel that was made is read again and compared with the source, frame by frame, before
    the new trace gets its name. Channels that stay as they are, and JPEGs in any container, move
    as they are stored. Timestamps stay `raw`.

    Traces that are there already are left alone if they are what would be made, so that a run that
    was interrupted can be started again. What a dead one has left half made is removed.

    Args:
        source: folder of a trace, or of traces at any depth.
        target: folder or URL of the new trace, or of the new traces, at the same places as below
            `source`.
        channels: formats by pattern of `sensor/channel`, as a `Format` or as text such as
            `"zstdf,filter=planes"`. Of those that match, the last one counts.
        preset: what becomes of all others: with `"fast"`, what is slow to decompress becomes fast;
            `"small"` makes everything as small as it gets; with `"compatible"`, only formats
            come out that every reader of such recordings knows. `None`: they stay as they are.
        workers: how many traces are brought along side by side; as many as there are cores if
            `None`.
        dry_run: whether to make nothing, and say what would be made.
        progress: told the bytes that were copied and compared, and those to be.
        engine: where traces are brought along instead of in `workers` threads, such as
            `roverd.ops.engines.RayEngine()`.

    Returns:
        What became of each trace. A trace in a folder that could not be made is in it, too.

    Raises:
        ValueError: there is no such format or preset, it does not take these arguments, `workers`
            is below 1, or `target` lies in `source`.
        ChannelNotFoundError: a pattern matches no channel of any trace.
        MissingFileError: there is no trace.
        Exception: where `source` is a trace, whatever `transcode_trace` raises.
    """
    folder, new = as_path(source), as_path(target)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    formats = checked_formats(channels, preset)
    places, not_searched = places_below(folder, new)
    _check_patterns(folder, formats, list(places))
    single = list(places) == [folder]
    # Each byte is copied, and compared.
    sizes = {path: 2 * trace_size(path) if progress else 1 for path in places}
    make = partial(_make, formats, preset, dry_run)
    chosen = ThreadEngine(workers) if engine is None else engine
    traces = make_each(make, _failed, places, sizes, chosen, progress, single)
    return Transcoded(folder, new, single, traces, not_searched, dry_run)


def _check_patterns(folder: str, formats: Mapping[str, Format], traces: list[str]) -> None:
    names = {name for found in map_all(_channel_names, traces) for name in found}
    for pattern in formats:
        if names and not any(fnmatchcase(name, pattern) for name in names):
            raise ChannelNotFoundError(
                f"{folder}: no channel matches {pattern!r}, as sensor/channel; there are "
                f"{', '.join(sorted(names))} (and {TIMESTAMPS}, which stay as they are)"
            )


def _channel_names(trace: str) -> set[str]:
    """Names of the channels of a trace, as far as they can be read."""
    names: set[str] = set()
    try:
        for sensor in Trace.find_sensors(trace, virtual=True):
            entries = read_meta(storage_for(trace), f"{trace}/{sensor}")
            names |= {f"{sensor}/{name}" for name in entries if name != TIMESTAMPS}
    except (ValueError, OSError):
        pass  # what becomes of the trace will say so
    return names


def _make(
    formats: Mapping[str, Format],
    preset: Preset | None,
    dry_run: bool,
    source: str,
    target: str,
    progress: Progress,
) -> TranscodedTrace:
    return transcode_trace(source, target, formats, preset, dry_run, progress)


def _failed(source: str, target: str, problem: str) -> TranscodedTrace:
    return TranscodedTrace(source, target, "failed", problem=problem)
