"""What became of a trace's frames when they were synchronised."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

_GAP = 3.0  # median steps: a step that is longer is a gap
_LISTED = 10  # gaps that are listed


@dataclass(frozen=True)
class Gap:
    """A stretch without frames.

    Attributes:
        start: time of the frame before it, in seconds.
        seconds: until the next one.
    """

    start: float
    seconds: float


@dataclass(frozen=True)
class Offsets:
    """How much later than their samples a sensor's frames are, in seconds.

    They are of the samples that were kept: of windows the newest frame, of interpolated values the
    nearer one.

    Attributes:
        mean: of all.
        p5: of 100, 5 are less than this.
        p50: the median.
        p95: of 100, 5 are more than this.
        largest: the one farthest from 0, without its sign.
    """

    mean: float
    p5: float
    p50: float
    p95: float
    largest: float


@dataclass(frozen=True)
class SensorReport:
    """One sensor.

    Attributes:
        name: of the sensor.
        rule: by which its frames were chosen.
        frames: how many it has.
        unused: those that were left out since their timestamps go back or are no numbers.
        start: time of the first frame, in seconds; `None` without frames.
        end: time of the last frame.
        rate: frames per second: 1 over the median step; 0 for less than two frames.
        jitter: standard deviation of the steps that are no gaps, in seconds.
        coverage: how much of the time from the first to the last possible sample the sensor was
            recording in, gaps left out, as a proportion.
        gaps: how many steps are longer than three median ones.
        gap_seconds: of these, in sum.
        longest_gaps: at most ten of them, in order of time.
        offsets: of its frames to the samples; `None` where there are none.
        dropped: for how many possible samples it had nothing, by reason: `before` it began (or
            before it had enough frames), `after` it ended, in a `gap`, `margin` (its own window
            around the frame is not whole), `empty` (it has no frames).
        only: for how many of these all other sensors had something.
    """

    name: str
    rule: str
    frames: int
    unused: int
    start: float | None
    end: float | None
    rate: float
    jitter: float
    coverage: float
    gaps: int
    gap_seconds: float
    longest_gaps: list[Gap]
    offsets: Offsets | None
    dropped: dict[str, int]
    only: int


@dataclass(frozen=True)
class SyncReport:
    """All sensors.

    Attributes:
        reference: what the samples are counted by.
        candidates: at how many times there may have been a sample.
        samples: at how many there is one.
        dropped: at how many there is none.
        start: the first of these times, in seconds; where there is none, the time of the earliest
            frame; `None` without frames.
        end: the last of them.
        sensors: each sensor.
    """

    reference: str
    candidates: int
    samples: int
    dropped: int
    start: float | None
    end: float | None
    sensors: list[SensorReport]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, strings, lists and dictionaries."""
        return asdict(self)

    def __str__(self) -> str:
        """One line in all, and one for each sensor for which samples were dropped."""
        lines = [
            f"{self.samples} samples of {self.candidates} by {self.reference}, "
            f"{self.dropped} dropped"
        ]
        for sensor in self.sensors:
            reasons = [f"{count} {reason}" for reason, count in sensor.dropped.items() if count]
            if reasons:
                lines.append(f"{sensor.name}: {', '.join(reasons)}; {sensor.only} by it alone")
        return "\n".join(lines)


def gaps_of(used: Float64[np.ndarray, " used"]) -> Int64[np.ndarray, " gaps"]:
    """Frames that a gap comes after, given timestamps in order of time."""
    steps = np.diff(used)
    return _wide(steps, float(np.median(steps)) if len(steps) else 0.0)


def _wide(steps: Float64[np.ndarray, " n"], median: float) -> Int64[np.ndarray, " gaps"]:
    if median <= 0:
        # Most frames have the timestamp of the one before: no step tells what a gap is.
        return np.empty(0, np.int64)
    return np.flatnonzero(steps > _GAP * median)


def report_span(
    candidates: Float64[np.ndarray, " n"], used: Sequence[Float64[np.ndarray, " _"]]
) -> tuple[float | None, float | None]:
    """First and last time that a report is about."""
    if len(candidates):
        return float(candidates[0]), float(candidates[-1])
    ends = [(float(stamps[0]), float(stamps[-1])) for stamps in used if len(stamps)]
    return (
        min((begin for begin, _ in ends), default=None),
        max((end for _, end in ends), default=None),
    )


def report_sensor(
    name: str,
    rule: str,
    frames: int,
    used: Float64[np.ndarray, " used"],
    span: tuple[float | None, float | None],
    offsets: Float64[np.ndarray, " m"],
    dropped: dict[str, int],
    only: int,
) -> SensorReport:
    """Report on one sensor.

    Args:
        name: of the sensor.
        rule: by which its frames were chosen.
        frames: how many it has.
        used: timestamps of those that were used, in order of time, in seconds.
        span: the first and the last time of interest.
        offsets: of its frames to the samples, in seconds.
        dropped: how many samples were dropped because of it, by reason.
        only: how many of them because of nothing else.
    """
    steps = np.diff(used)
    median = float(np.median(steps)) if len(steps) else 0.0
    wide = _wide(steps, median)
    regular = np.delete(steps, wide) if len(wide) else steps
    longest = np.sort(wide[np.argsort(-steps[wide], kind="stable")[:_LISTED]])
    return SensorReport(
        name=name,
        rule=rule,
        frames=frames,
        unused=frames - len(used),
        start=float(used[0]) if len(used) else None,
        end=float(used[-1]) if len(used) else None,
        rate=1 / median if median > 0 else 0.0,
        jitter=float(np.std(regular)) if len(regular) else 0.0,
        coverage=_coverage(used, wide, span),
        gaps=len(wide),
        gap_seconds=float(steps[wide].sum()),
        longest_gaps=[Gap(float(used[at]), float(steps[at])) for at in longest],
        offsets=_offsets(offsets) if len(offsets) else None,
        dropped=dropped,
        only=only,
    )


def _coverage(
    used: Float64[np.ndarray, " used"],
    wide: Int64[np.ndarray, " gaps"],
    span: tuple[float | None, float | None],
) -> float:
    begin, end = span
    if begin is None or end is None or not len(used):
        return 0.0
    if end <= begin:
        return float(used[0] <= begin <= used[-1])

    def within(start: Any, stop: Any) -> Any:
        """Seconds that stretches have in common with the span."""
        return np.maximum(0.0, np.minimum(stop, end) - np.maximum(start, begin))

    recorded = within(used[0], used[-1]) - within(used[wide], used[wide + 1]).sum()
    return float(max(0.0, recorded) / (end - begin))


def _offsets(offsets: Float64[np.ndarray, " m"]) -> Offsets:
    p5, p50, p95 = np.percentile(offsets, (5, 50, 95)).tolist()
    return Offsets(float(offsets.mean()), p5, p50, p95, float(np.abs(offsets).max()))
