"""Traces that are made from others, at the same places below another folder, by any engine."""

import os
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

from roverd.errors import MissingFileError
from roverd.ops.engines import Died, Engine
from roverd.ops.new_trace import is_taken
from roverd.ops.progress import Progress, Shares
from roverd.ops.traces import problem_text, trace_size, traces_below
from roverd.ops.unfinished import is_temporary, remove_dead
from roverd.storage import as_path, is_url
from roverd.storage.paths import join
from roverd.storage.traces import CONFIG

Report = TypeVar("Report")


@dataclass
class MadeTrace(Generic[Report]):
    """What became of one of several traces.

    Attributes:
        source: its folder.
        path: the new one's.
        state: `made`; `there` already, as it would be made; `failed`.
        report: what is known of the new one; `None` where it failed.
        problem: why it failed, in a line that names the file.
    """

    source: str
    path: str
    state: Literal["made", "there", "failed"]
    report: Report | None = None
    problem: str | None = None


@dataclass
class MadeTraces(Generic[Report]):
    """What became of several traces.

    Attributes:
        source: the folder that they are below.
        path: the folder of the new ones.
        traces: what became of each, sorted by path.
        not_searched: folders in which traces could be, and why nobody could look.
    """

    source: str
    path: str
    traces: list[MadeTrace[Report]]
    not_searched: list[str] = field(default_factory=list[str])

    @property
    def ok(self) -> bool:
        """Whether all traces are there."""
        failed = any(trace.state == "failed" for trace in self.traces)
        return not failed and not self.not_searched

    def to_dict(self) -> dict[str, Any]:
        """The same as plain strings, numbers, lists and dictionaries."""
        return {"ok": self.ok, **asdict(self)}


def make_below(
    make: Callable[..., Report],
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    engine: Engine,
    progress: Progress | None = None,
) -> MadeTraces[Report]:
    """Make a trace from each one below a folder, at the same place below another one.

    One that is there already stays, if it is what would be made; what a dead process has left half
    made of one is removed. One that cannot be made does not keep the others from being made.

    Args:
        make: makes one from another one: called with both paths, `resume` and `progress`, as
            `extract` is.
        source: the folder.
        target: the other one, or a URL.
        engine: where they are made.
        progress: told about how many bytes of the sources are done, and how many there are.

    Returns:
        What became of each.

    Raises:
        ValueError: `target` lies in `source`.
        MissingFileError: there is no trace.
    """
    folder, new = as_path(source), as_path(target)
    places, not_searched = places_below(folder, new)
    sizes = {path: trace_size(path) if progress else 1 for path in places}
    traces = make_each(
        partial(_make_or_find, make), _failed, places, sizes, engine, progress, single=False
    )
    return MadeTraces(folder, new, traces, not_searched)


def _make_or_find(
    make: Callable[..., Report], source: str, target: str, progress: Progress
) -> MadeTrace[Report]:
    there = is_taken(target)
    if not there:
        remove_dead(target)
    report = make(source, target, resume=True, progress=progress)
    return MadeTrace(source, target, "there" if there else "made", report)


def _failed(source: str, target: str, problem: str) -> MadeTrace[Any]:
    return MadeTrace(source, target, "failed", problem=problem)


def places_below(folder: str, new: str) -> tuple[dict[str, str], list[str]]:
    """Each trace below a folder, and where the one that is made from it goes.

    Args:
        folder: a trace, or a folder with traces at any depth.
        new: what takes its place.

    Returns:
        The places by trace, sorted; and which folders nobody may look into, and why.

    Raises:
        ValueError: `new` lies in `folder`.
        MissingFileError: there is no trace.
    """
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
    return places, not_searched


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


Made = TypeVar("Made")


class _State(Protocol):
    @property
    def state(self) -> str: ...


MadeState = TypeVar("MadeState", bound=_State)


def make_each(
    make: Callable[[str, str, Progress], MadeState],
    failed: Callable[[str, str, str], MadeState],
    places: Mapping[str, str],
    sizes: Mapping[str, int],
    engine: Engine,
    progress: Progress | None,
    single: bool,
) -> list[MadeState]:
    """Make all traces; those within others after them.

    Args:
        make: called with a trace, where the new one goes, and whom to tell how far it is.
        failed: makes the report of one that failed, from both paths and the reason.
        places: where the new ones go, by trace.
        sizes: what each trace is worth, in the unit of `progress`.
        engine: where they are made.
        progress: told how far all are.
        single: whether errors are raised instead.

    Returns:
        The reports, in the order of `places`.
    """
    numbers = {path: number for number, path in enumerate(places)}
    shares = Shares([sizes[path] for path in places], progress)
    waves: dict[int, list[str]] = {}
    for path in places:
        waves.setdefault(_depth(path, places), []).append(path)
    found: dict[str, MadeState] = {}
    for _, paths in sorted(waves.items()):
        for path in paths:
            if (outer := _failed_around(path, found)) is not None:
                # Its folder would be where the other one has to go when that is tried again.
                problem = f"{path}: not tried, since it lies in {outer}, which failed"
                found[path] = failed(path, places[path], problem)
                shares.tell(numbers[path], 1, 1)
        paths = [path for path in paths if path not in found]
        made = engine.run(
            partial(_make, make, failed, single),
            [(path, places[path]) for path in paths],
            lambda number, done, total, paths=paths: shares.tell(
                numbers[paths[number]], done, total
            ),
        )
        for path, report in zip(paths, made, strict=True):
            if isinstance(report, Died):
                problem = f"{path}: {Died.describe('makes a trace of it')}"
                report = failed(path, places[path], problem)
            found[path] = report
    return [found[path] for path in places]


def _make(
    make: Callable[[str, str, Progress], MadeState],
    failed: Callable[[str, str, str], MadeState],
    single: bool,
    place: tuple[str, str],
    progress: Progress,
) -> MadeState:
    source, target = place
    try:
        return make(source, target, progress)
    except (OSError, ValueError, LookupError) as error:
        if single:
            raise
        return failed(source, target, problem_text(error, source))


def _failed_around(path: str, found: Mapping[str, _State]) -> str | None:
    """The trace that a folder lies in, if there is one that could not be made."""
    while (parent := os.path.dirname(path)) != path:
        if parent in found and found[parent].state == "failed":
            return parent
        path = parent
    return None


def _depth(path: str, others: Container[str]) -> int:
    """In how many of the others a folder lies."""
    depth = 0
    while (parent := os.path.dirname(path)) != path:
        depth += parent in others
        path = parent
    return depth
