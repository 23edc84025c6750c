"""Timing two ways of doing the same thing, so that a noisy machine cancels out."""

import ctypes
import gc
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import Data

Call = Callable[[int], Any]

# What one side of a round takes at least: long against the clock, short against the noise.
_SIDE_SECONDS = 2e-3

# Parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_THRESHOLD = 32 << 20  # arrays of more bytes always come from fresh pages
_KEPT_BYTES = 1 << 30


@dataclass(frozen=True)
class Pair:
    """The same work by roverd and by bare library calls.

    Attributes:
        ours: what to time; called with 0, 1, 2, …
        limit: what it can be no faster than; called with the same numbers.
        check: raises if the results of the two, for the same number, are not the same.
    """

    ours: Call
    limit: Call
    check: Callable[[Any, Any], object] = np.testing.assert_array_equal


@dataclass(frozen=True)
class Measured:
    """What is held against a target.

    Attributes:
        value: the figure.
        low: the lower quartile of all rounds.
        high: the upper quartile of all rounds.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Target:
    """What must be reached: a ratio to the limit, the median over the rounds.

    Attributes:
        most: the ratio; for differences and times, seconds.
    """

    most: float

    def measured(self, ours: NDArray[Any], limit: NDArray[Any]) -> Measured:
        """What is held against the target, given the seconds of each round."""
        low, value, high = np.quantile(ours / limit, (0.25, 0.5, 0.75)).tolist()
        return Measured(value, low, high)

    def text(self, value: float) -> str:
        """A measured value for people."""
        return f"{value:.2f}"

    def missed(self, value: float, slack: float = 0.0) -> bool:
        """Whether a measured value is more than it must be, by more than a proportion of it."""
        return value > self.most * (1 + slack)

    def __str__(self) -> str:
        return f"≤ {self.text(self.most)}" if math.isfinite(self.most) else "–"


class Over(Target):
    """So many seconds more than the limit: the fastest round of each, since noise only adds."""

    def measured(self, ours: NDArray[Any], limit: NDArray[Any]) -> Measured:
        """Seconds over the limit."""
        low, high = np.quantile(ours - limit, (0.25, 0.75)).tolist()
        return Measured(float(ours.min() - limit.min()), low, high)

    def text(self, value: float) -> str:
        """A difference for people."""
        return f"{'+' if value >= 0 else ''}{seconds_text(value)}"


class Time(Target):
    """So many seconds, whatever the limit: the fastest round, since noise only adds."""

    def measured(self, ours: NDArray[Any], limit: NDArray[Any]) -> Measured:
        """Seconds of ours."""
        low, high = np.quantile(ours, (0.25, 0.75)).tolist()
        return Measured(float(ours.min()), low, high)

    def text(self, value: float) -> str:
        """A time for people."""
        return seconds_text(value)


NO_TARGET = Target(math.inf)
"""For a row that is there to be known."""


@dataclass(frozen=True)
class Job:
    """A row of the table.

    Attributes:
        name: what is done.
        limit: what it is compared with.
        target: what must be reached.
        prepare: makes the pair; what it opens is closed when the context is left.
    """

    name: str
    limit: str
    target: Target
    prepare: Callable[[Data], AbstractContextManager[Pair]]


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        ours: seconds of one call in each round.
        limit: the same of the limit.
    """

    ours: NDArray[Any]
    limit: NDArray[Any]

    @property
    def ratio(self) -> float:
        """Median over the rounds."""
        return float(np.median(self.ours / self.limit))


def keep_memory() -> None:
    """Have the C library keep memory that is freed, where it can be told to.

    By default it now and then gives an array's pages back at each call and gets them anew, which
    costs several times as much as reading a frame does, and on one side only.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def measure(pair: Pair, seconds: float, least_rounds: int) -> Result:
    """Time both sides in turns.

    Args:
        pair: what to time; checked first.
        seconds: when to stop.
        least_rounds: rounds to do whatever the time.
    """
    pair.check(pair.ours(0), pair.limit(0))
    fastest = min(_time(pair.ours, range(1)), _time(pair.limit, range(1)))
    calls = max(1, math.ceil(_SIDE_SECONDS / fastest))
    gc.collect()
    gc.disable()
    try:
        rounds = list(_rounds(pair, calls, time.perf_counter() + seconds, least_rounds))
    finally:
        gc.enable()
    ours, limit = np.array(rounds).T
    return Result(ours, limit)


def _rounds(pair: Pair, calls: int, deadline: float, least: int) -> Iterator[tuple[float, float]]:
    done = 0
    while done < least or time.perf_counter() < deadline:
        numbers = range(done * calls, (done + 1) * calls)
        # Which side goes first alternates: it may find the caches warmer or colder.
        if done % 2:
            ours, limit = _time(pair.ours, numbers), _time(pair.limit, numbers)
        else:
            limit, ours = _time(pair.limit, numbers), _time(pair.ours, numbers)
        yield ours, limit
        done += 1


def _time(call: Call, numbers: range) -> float:
    """Mean seconds of a call."""
    begin = time.perf_counter()
    for number in numbers:
        call(number)
    return (time.perf_counter() - begin) / len(numbers)


def seconds_text(seconds: float) -> str:
    """A time for people."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if abs(seconds) >= 0.95 * size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.1f} µs"
