"""Traces in other formats: the same frames, read again and compared before they get their name."""

import os
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from roverd.errors import (
    ChannelNotFoundError,
    MissingFileError,
)
from roverd.ops.progress import Progress, Tally
from roverd.ops.target_formats import Format, Preset
from roverd.ops.traces import problem_text, trace_size, traces_below
from roverd.ops.transcoding_trace import (
    TranscodedTrace,
    checked_formats,
    transcode_trace,
)
from roverd.ops.unfinished import is_temporary
from roverd.parallel import map_all, thread_count
from roverd.sensors.meta import TIMESTAMPS, read_meta
from roverd.storage import as_path, is_url, storage_for
from roverd.storage.paths import join
from roverd.storage.traces import CONFIG
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
    found, not_searched = traces_below([folder])
    places = {
        path: _place(new, name)
        for path, name in ((path, _relative(path, folder)) for path in found)
        if not any(map(is_temporary, name.split(os.sep)))
    }
    if not places:
        why = f" ({'; '.join(not_searched)})" if not_searched else ""
        raise MissingFileError(f"{folder}: no trace found; one has a {CONFIG}{why}")
    if _lies_in(new, folder):
        raise ValueError(f"{new}: lies in {folder}, which is to be read; name another folder")
    _check_patterns(folder, formats, list(places))
    single = list(places) == [folder]
    run = _Run(formats, preset, dry_run, single, places, progress)
    traces = run.all(workers or thread_count())
    return Transcoded(folder, new, single, traces, not_searched, dry_run)


def _place(target: str, name: str) -> str:
    if name == os.curdir:
        return target
    return join(target, name.replace(os.sep, "/")) if is_url(target) else join(target, name)


def _relative(path: str, folder: str) -> str:
    """What a path has below a folder, as parts of a path of this machine."""
    if not is_url(folder):
        return os.path.relpath(path, folder)
    return path[len(folder) + 1 :].replace("/", os.sep) or os.curdir


def _lies_in(path: str, folder: str) -> bool:
    if is_url(path) or is_url(folder):
        return f"{path}/".startswith(f"{folder}/")
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    return os.path.join(inner, "").startswith(os.path.join(outer, ""))


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


class _Stopped(BaseException):
    """Another thread was interrupted."""


class _Run:
    """Traces that are brought to other formats side by side."""

    def __init__(
        self,
        formats: Mapping[str, Format],
        preset: Preset | None,
        dry_run: bool,
        single: bool,
        places: Mapping[str, str],
        progress: Progress | None,
    ) -> None:
        self._make = partial(transcode_trace, channels=formats, preset=preset, dry_run=dry_run)
        self._single = single
        self._places = places
        self._sizes = {path: 2 * trace_size(path) for path in places} if progress else {}
        self._tally = Tally(sum(self._sizes.values()), progress)
        self._interrupt: BaseException | None = None

    def all(self, width: int) -> list[TranscodedTrace]:
        """Make all traces; those within others after them."""
        waves: dict[int, list[str]] = {}
        for path in self._places:
            waves.setdefault(_depth(path, self._places), []).append(path)
        found: dict[str, TranscodedTrace] = {}
        for _, paths in sorted(waves.items()):
            for path in paths:
                if (outer := self._failed_around(path, found)) is not None:
                    # Its folder would be where the other one has to go when that is tried again.
                    found[path] = TranscodedTrace(
                        path,
                        self._places[path],
                        "failed",
                        problem=f"{path}: not tried, since it lies in {outer}, which failed",
                    )
                    self._tally.add(self._sizes.get(path, 0))
            paths = [path for path in paths if path not in found]
            try:
                made = map_all(self._one, paths, width)
            except _Stopped:
                assert self._interrupt is not None
                raise self._interrupt from None
            except BaseException as error:
                self._interrupt = error  # for those that still run
                raise
            found.update(zip(paths, made, strict=True))
        return [found[path] for path in self._places]

    def _failed_around(self, path: str, found: Mapping[str, TranscodedTrace]) -> str | None:
        """The trace that a folder lies in, if there is one that could not be made."""
        while (parent := os.path.dirname(path)) != path:
            if parent in found and found[parent].state == "failed":
                return parent
            path = parent
        return None

    def _one(self, path: str) -> TranscodedTrace:
        size, counted = self._sizes.get(path, 0), 0

        def count(done: int, total: int) -> None:
            nonlocal counted
            if self._interrupt is not None:
                raise _Stopped
            now = round(size * min(1.0, done / max(1, total)))
            self._tally.add(now - counted)
            counted = now

        try:
            if self._interrupt is not None:
                raise _Stopped
            return self._make(path, self._places[path], progress=count)
        except (OSError, ValueError, LookupError) as error:
            if self._single:
                raise
            return TranscodedTrace(
                path, self._places[path], "failed", problem=problem_text(error, path)
            )
        except BaseException as error:
            self._interrupt = self._interrupt or error
            raise
        finally:
            self._tally.add(size - counted)


def _depth(path: str, others: Container[str]) -> int:
    """In how many of the others a folder lies."""
    depth = 0
    while (parent := os.path.dirname(path)) != path:
        depth += parent in others
        path = parent
    return depth
