"""What is found out about traces: problems, of which each has a kind, and numbers."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from roverd.storage import storage_for

Severity = Literal["error", "warning", "fixed"]
"""`error`: the trace is not what was meant to be recorded. `warning`: odd, and legal. `fixed`: was
an error, and has been mended."""

KINDS: Mapping[str, Severity] = {
    # What should be there
    "missing-config": "error",
    "missing-sensor": "error",
    "missing-channel": "error",
    "missing-file": "error",
    "unreadable": "error",
    "bad-meta": "error",
    # Files of channels
    "torn-tail": "error",
    "extra-bytes": "error",
    "damaged": "error",
    "bad-frames": "error",
    "bad-checksum": "error",
    "checksum-count": "warning",
    "length-mismatch": "error",
    "shape-mismatch": "error",
    "missing-index": "error",
    "torn-index": "error",
    "short-index": "error",
    "long-index": "error",
    "bad-index": "error",
    "unfinished": "error",
    "mislabelled": "error",
    "frame-gap": "error",
    # Timestamps and what belongs to a sensor
    "timestamps-type": "error",
    "timestamps-not-finite": "error",
    "timestamps-order": "error",
    "bad-intrinsics": "error",
    "bad-poses": "error",
    # The check itself
    "worker-died": "error",
    "unexpected": "error",
    # Odd, and legal
    "no-frames": "warning",
    "timestamps-gap": "warning",
    "timestamps-irregular": "warning",
    "timestamps-epoch": "warning",
    "no-overlap": "warning",
    "not-finite": "warning",
    "missing-intrinsics": "warning",
    "pose-length": "warning",
    "extra-file": "warning",
    "stray-temporary": "warning",
    # Mended
    "dropped-entry": "fixed",
}
"""Every kind of problem, and how severe it is. The names stay: programs may rely on them."""


@dataclass(frozen=True)
class Problem:
    """Something about a trace that is not as it should be.

    Attributes:
        severity: `error`, `warning` or `fixed`.
        kind: one of `KINDS`.
        file: which file or folder, relative to the trace; `.` for the trace itself.
        message: what was expected and what was found, in one line.
    """

    severity: Severity
    kind: str
    file: str
    message: str


@dataclass
class SensorStatistics:
    """Numbers of a sensor.

    Attributes:
        name: of the sensor.
        n: frames that `ts` and every channel that is there have.
        frames: whole frames of each channel; `None` where they cannot be told.
        start: first timestamp, in seconds since the epoch; `None` without (usable) timestamps, as
            all that follow.
        end: last timestamp.
        duration: seconds from the first to the last.
        rate: frames per second.
        period: median step from one timestamp to the next, in seconds.
        jitter: standard deviation of the steps, gaps left out, in seconds.
        longest_step: in seconds.
        gaps: steps that are longer than 1.75 periods.
        missed: frames that would have fitted into those.
    """

    name: str
    n: int
    frames: dict[str, int | None]
    start: float | None = None
    end: float | None = None
    duration: float | None = None
    rate: float | None = None
    period: float | None = None
    jitter: float | None = None
    longest_step: float | None = None
    gaps: int | None = None
    missed: int | None = None


@dataclass
class TraceReport:
    """What was found out about a trace.

    Attributes:
        path: its folder.
        problems: all that was found, errors, warnings and what was fixed.
        sensors: numbers of each sensor that could be opened.
    """

    path: str
    problems: list[Problem] = field(default_factory=list[Problem])
    sensors: list[SensorStatistics] = field(default_factory=list[SensorStatistics])

    @property
    def errors(self) -> list[Problem]:
        """The problems that are errors."""
        return [problem for problem in self.problems if problem.severity == "error"]


@dataclass
class ValidationReport:
    """What was found out about traces.

    Attributes:
        traces: one report for each, sorted by path.
        not_searched: folders in which traces could be, and why nobody could look.
        deep: whether every frame was read.
    """

    traces: list[TraceReport]
    not_searched: list[str] = field(default_factory=list[str])
    deep: bool = False

    @property
    def broken(self) -> int:
        """How many traces have errors."""
        return sum(bool(trace.errors) for trace in self.traces)

    @property
    def ok(self) -> bool:
        """Whether there are traces, all could be looked for, and none has an error."""
        return bool(self.traces) and not self.not_searched and not self.broken

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, strings, lists and dictionaries."""
        return {"ok": self.ok, "broken": self.broken, **asdict(self)}


class Findings:
    """Collects the problems of one trace.

    Args:
        root: the trace's folder.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.problems: list[Problem] = []

    def add(self, kind: str, path: str, message: str) -> None:
        """Take note of a problem.

        Args:
            kind: one of `KINDS`.
            path: the file or folder.
            message: what was expected and what was found; a path at its beginning is left out.
        """
        text = " ".join(message.split())
        for known in (path, self.root):
            text = text.removeprefix(f"{known}: ")
        file = os.path.relpath(path, self.root)
        self.problems.append(Problem(KINDS[kind], kind, file, text))

    def add_failure(self, path: str, error: Exception, kind: str = "damaged") -> None:
        """Take note of what went wrong when a file was read.

        Args:
            path: the file or folder.
            error: what was raised.
            kind: what it is where the operating system had no part in it.
        """
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            kind = "missing-file"
        elif isinstance(error, OSError):
            kind = "unreadable"
        text = str(error)
        if isinstance(error, OSError) and error.strerror:
            text = f"expected to read it, found: {error.strerror}"
            # Which of the channel's files it is.
            if isinstance(error.filename, str) and error.filename.startswith(f"{self.root}/"):
                path = error.filename
        self.add(kind, path, text or type(error).__name__)

    def add_missing(self, path: str, expected: str) -> None:
        """Take note of a file or folder that is not there."""
        found = "found nothing"
        if os.path.islink(path):
            found = f"found a link to {os.readlink(path)}, where nothing is"
        elif storage_for(path).size(path) is not None:
            found = "found something else of that name"
        self.add("missing-file", path, f"expected {expected}, {found}")
