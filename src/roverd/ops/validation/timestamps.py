"""Checks of timestamps: their order, gaps, rate and jitter."""

import math
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.ops.validation.report import Findings, SensorStatistics

GAP = 1.75
"""Steps longer than so many median ones are gaps: a frame is missing, and no jitter explains it."""

IRREGULAR = 0.25
"""Standard deviation of the steps, in median steps, from which on there is no rate to speak of."""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_DAY = 86400.0


def check_timestamps(
    path: str, stamps: NDArray[np.float64], findings: Findings, statistics: SensorStatistics
) -> None:
    """Check the timestamps of a sensor.

    Args:
        path: the file that they are in.
        stamps: Float64[n], seconds since the epoch.
        findings: takes the problems.
        statistics: takes the numbers.
    """
    if not len(stamps):
        findings.add("no-frames", path, "expected timestamps, found none: the sensor has no frames")
        return
    finite = np.isfinite(stamps)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        findings.add(
            "timestamps-not-finite",
            path,
            f"expected finite timestamps, found {stamps[bad[0]]} as number {bad[0]}"
            f"{_and_more(len(bad) - 1)}",
        )
        return
    first, last = float(stamps[0]), float(stamps[-1])
    with np.errstate(over="ignore"):
        steps = np.diff(stamps)
    _check_order(path, stamps, steps, findings)
    for stamp in (float(stamps.min()), float(stamps.max())):
        if not _EARLIEST <= stamp <= time.time() + _DAY:
            findings.add(
                "timestamps-epoch",
                path,
                f"expected seconds since 1970 between the year 2000 and now, found {stamp:.9g}",
            )
            break
    statistics.start, statistics.end = first, last
    if not np.isfinite(steps).all():
        return
    duration = last - first
    if not math.isfinite(duration):
        return
    statistics.duration = duration
    if not len(steps) or duration <= 0:
        return
    statistics.rate = len(steps) / duration
    statistics.longest_step = float(steps.max())
    statistics.period = period = float(np.median(steps))
    if period > 0:
        _check_rate(path, stamps, steps, period, findings, statistics)


def _check_order(
    path: str, stamps: NDArray[np.float64], steps: NDArray[np.float64], findings: Findings
) -> None:
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong):
        at = int(wrong[0])
        how = "the same" if steps[at] == 0 else f"{-steps[at]:.6g} s earlier"
        findings.add(
            "timestamps-order",
            path,
            f"expected ascending timestamps, found number {at + 1} ({stamps[at + 1]:.6f}) {how} "
            f"{'as' if steps[at] == 0 else 'than'} number {at}{_and_more(len(wrong) - 1)}",
        )


def _check_rate(
    path: str,
    stamps: NDArray[np.float64],
    steps: NDArray[np.float64],
    period: float,
    findings: Findings,
    statistics: SensorStatistics,
) -> None:
    regular: NDArray[Any] = steps <= GAP * period
    jitter = float(np.std(steps[regular]))
    gaps = np.flatnonzero(~regular)
    statistics.jitter = jitter
    statistics.gaps = len(gaps)
    statistics.missed = int(np.sum(np.minimum(np.round(steps[gaps] / period), 2.0**40) - 1))
    if jitter > IRREGULAR * period:
        findings.add(
            "timestamps-irregular",
            path,
            f"expected frames at a rate, found steps of {period:.6g} s in the median that vary by "
            f"{jitter:.6g} s (standard deviation)",
        )
    if len(gaps):
        longest = int(np.argmax(steps))
        findings.add(
            "timestamps-gap",
            path,
            f"expected a frame every {period:.6g} s, found {len(gaps)} longer step"
            f"{'s' if len(gaps) > 1 else ''} (about {statistics.missed} frames are missing); the "
            f"longest, {steps[longest]:.6g} s, follows frame {longest} ({stamps[longest]:.6f})",
        )


def _and_more(count: int) -> str:
    return f", and {count} more" if count > 0 else ""
