"""Rules: which frames of one sensor belong to a time."""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from roverd.sync.interpolation import Kind, check_kinds

_LIMIT = 0.1  # seconds: as the tolerance of `abstract_dataloader.generic.Nearest`


class Reason(IntEnum):
    """Why a sensor has nothing for a time."""

    FOUND = 0
    """It has."""
    BEFORE = 1
    """The sensor had not begun, or had not enough frames yet."""
    AFTER = 2
    """The sensor had ended."""
    GAP = 3
    """Its frames are too far away, or too few: there is a gap."""
    MARGIN = 4
    """The frame is there, but the sensor's own window (`past`, `future`) around it is not."""
    EMPTY = 5
    """The sensor has no frames at all."""


@dataclass(frozen=True)
class Match:
    """What a rule found for each of n times, in frames that are in order of time.

    Attributes:
        first: the first frame; of no meaning where nothing was found.
        stop: the one after the last.
        one: the frame that stands for them all where only one number can be given.
        reasons: a `Reason` for each time; 0 where frames were found.
        weights: of the last frame against the first, from 0 to 1, where values between the two are
            wanted; else `None`.
    """

    first: Int64[np.ndarray, " n"]
    stop: Int64[np.ndarray, " n"]
    one: Int64[np.ndarray, " n"]
    reasons: UInt8[np.ndarray, " n"]
    weights: Float64[np.ndarray, " n"] | None = None


class Rule(ABC):
    """Which frames of a sensor belong to a time."""

    def __str__(self) -> str:
        """The rule with what was given, for people."""
        given = (f"{name}={value}" for name, value in vars(self).items() if value not in (None, {}))
        return f"{type(self).__name__}({', '.join(given)})"

    @abstractmethod
    def match(
        self, stamps: Float64[np.ndarray, " frames"], times: Float64[np.ndarray, " n"]
    ) -> Match:
        """Find the frames for many times.

        Args:
            stamps: times of the sensor's frames in seconds, at least one, none less than the one
                before it.
            times: in seconds; none less than the one before it.

        Returns:
            The frames.
        """


@dataclass(frozen=True)
class Nearest(Rule):
    """The frame nearest in time.

    Of frames that are equally near, it is the earlier one; of frames with one timestamp, the one
    that was recorded first.

    Args:
        tolerance: how far away it may be, in seconds, inclusively; `math.inf` for any distance.
    """

    tolerance: float = _LIMIT

    def __post_init__(self) -> None:
        _check_limit("Nearest", "tolerance", self.tolerance)

    def match(
        self, stamps: Float64[np.ndarray, " frames"], times: Float64[np.ndarray, " n"]
    ) -> Match:
        """Find the frames for many times; see `Rule`."""
        right = np.searchsorted(stamps, times)
        left = np.maximum(right - 1, 0)
        right = np.minimum(right, len(stamps) - 1)
        to_left, to_right = np.abs(times - stamps[left]), np.abs(stamps[right] - times)
        one = np.where(to_left <= to_right, left, right)
        again = (one > 0) & (stamps[one - 1] == stamps[one])
        if again.any():
            one[again] = np.searchsorted(stamps, stamps[one[again]])
        found = np.minimum(to_left, to_right) <= self.tolerance
        return _single(one, found, stamps, times)


@dataclass(frozen=True)
class Previous(Rule):
    """The last frame at or before a time: what was known by then.

    Of frames with one timestamp, it is the one that was recorded last.

    Args:
        staleness: how old it may be, in seconds, inclusively; `math.inf` for any age.
    """

    staleness: float = _LIMIT

    def __post_init__(self) -> None:
        _check_limit("Previous", "staleness", self.staleness)

    def match(
        self, stamps: Float64[np.ndarray, " frames"], times: Float64[np.ndarray, " n"]
    ) -> Match:
        """Find the frames for many times; see `Rule`."""
        one = np.searchsorted(stamps, times, "right") - 1
        found = (one >= 0) & (times - stamps[one] <= self.staleness)
        return _single(one, found, stamps, times)


@dataclass(frozen=True)
class Next(Rule):
    """The first frame at or after a time.

    Of frames with one timestamp, it is the one that was recorded first.

    Args:
        tolerance: how much later it may be, in seconds, inclusively; `math.inf` for any time.
    """

    tolerance: float = _LIMIT

    def __post_init__(self) -> None:
        _check_limit("Next", "tolerance", self.tolerance)

    def match(
        self, stamps: Float64[np.ndarray, " frames"], times: Float64[np.ndarray, " n"]
    ) -> Match:
        """Find the frames for many times; see `Rule`."""
        right = np.searchsorted(stamps, times)
        one = np.minimum(right, len(stamps) - 1)
        found = (right < len(stamps)) & (stamps[one] - times <= self.tolerance)
        return _single(one, found, stamps, times)


@dataclass(frozen=True)
class Window(Rule):
    """The frames of the last seconds, or the last so many frames.

    With `end = time + offset`:

    - `seconds` alone: the frames with `end - seconds < timestamp <= end`, which are not always as
      many. Windows that adjoin share no frame and lose none. A window that begins before the
      sensor's first frame is none: it would be shorter for no reason of the sensor's.
    - `frames` alone: the last so many at or before `end`.
    - both: the last so many at or before `end`, all of them later than `end - seconds`.

    Args:
        seconds: length of the window.
        frames: number of frames.
        staleness: how old the newest frame may be at `end`, in seconds, inclusively.
        minimum: least number of frames in a window of `seconds`.
        offset: moves the window, in seconds; half of `seconds` puts the time into its middle.
    """

    seconds: float | None = None
    frames: int | None = None
    staleness: float = _LIMIT
    minimum: int = 1
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.seconds is None and self.frames is None:
            raise ValueError("Window: give seconds, frames, or both")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ValueError(f"Window: expected seconds above 0, got {self.seconds}")
        if self.frames is not None and operator.index(self.frames) < 1:
            raise ValueError(f"Window: expected at least 1 in frames, got {self.frames}")
        if operator.index(self.minimum) < 1 or (self.frames is not None and self.minimum != 1):
            raise ValueError(
                f"Window: expected a minimum of at least 1, and none with frames, got {self}"
            )
        if not math.isfinite(self.offset):
            raise ValueError(f"Window: expected a finite offset, got {self.offset}")
        _check_limit("Window", "staleness", self.staleness)

    def match(
        self, stamps: Float64[np.ndarray, " frames"], times: Float64[np.ndarray, " n"]
    ) -> Match:
        """Find the frames for many times; see `Rule`."""
        ends = times + self.offset
        stop = np.searchsorted(stamps, ends, "right")
        one = stop - 1
        found = (stop > 0) & (ends - stamps[one] <= self.staleness)
        if self.frames is not None:
            first = stop - self.frames
            early = first < 0
            found &= ~early
            if self.seconds is not None:
                found &= stamps[np.maximum(first, 0)] > ends - self.seconds
        else:
            assert self.seconds is not None
            begins = ends - self.seconds
            first = np.searchsorted(stamps, begins, "right")
            early = begins < stamps[0]
            found &= ~early & (stop - first >= self.minimum)
        reasons = _reasons(found, stamps, ends)
        reasons[early] = Reason.BEFORE
        return Match(first, stop, one, reasons)


@dataclass(frozen=True)
class Interpolate(Rule):
    """Values at the very time, between the last frame at or before it and the next one.

    Nothing is extrapolated: before the first and after the last frame there is nothing. At the time
    of a frame, the values are that frame's (of frames with one timestamp, the one recorded last).

    Args:
        gap: how far apart the two frames may be, in seconds, inclusively; `math.inf` for any gap.
        channels: how fields of samples (of a `DynamicSensor`: channels) are interpolated:
            `"linear"`; `"nearest"`, the nearer frame's, for flags and counters; and for rotations
            at a constant angular velocity the shorter way (slerp) `"matrix"` `[..., 3, 3]`,
            `"quaternion"` `[..., 4]` (in any order of its parts; the result is of length 1), or
            `"euler"` `[..., 3]` (intrinsic XYZ, radians). What is not named is linear where it is
            of floating point, but for `rot` of a `roverd.types.Pose` (a matrix) and of an `IMUData`
            (Euler angles). Integers that are not named are refused when a sample is read.
    """

    gap: float = _LIMIT
    channels: Mapping[str, Kind] = field(default_factory=dict[str, Kind])

    def __post_init__(self) -> None:
        _check_limit("Interpolate", "gap", self.gap)
        check_kinds(self.channels)

    def match(
        self, stamps: Float64[np.ndarray, " frames"], times: Float64[np.ndarray, " n"]
    ) -> Match:
        """Find the frames for many times; see `Rule`."""
        before = np.searchsorted(stamps, times, "right") - 1
        inside = before >= 0
        before = np.maximum(before, 0)
        exact = stamps[before] == times
        after = np.where(exact, before, np.minimum(before + 1, len(stamps) - 1))
        steps = stamps[after] - stamps[before]
        found = inside & (exact | ((steps > 0) & (steps <= self.gap)))
        passed = times - stamps[before]
        weights = np.divide(passed, steps, out=np.zeros(len(times)), where=found & ~exact)
        # In an integer's place: `one` is the nearer of the two, and the earlier of equally near.
        one = np.where(weights > 0.5, after, before)
        return Match(before, after + 1, one, _reasons(found, stamps, times), weights)


def _check_limit(rule: str, name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{rule}: expected a {name} of at least 0 seconds, got {value}")


def _single(
    one: Int64[np.ndarray, " n"],
    found: Bool[np.ndarray, " n"],
    stamps: Float64[np.ndarray, " frames"],
    times: Float64[np.ndarray, " n"],
) -> Match:
    return Match(one, one + 1, one, _reasons(found, stamps, times))


def _reasons(
    found: Bool[np.ndarray, " n"],
    stamps: Float64[np.ndarray, " frames"],
    times: Float64[np.ndarray, " n"],
) -> UInt8[np.ndarray, " n"]:
    """Why nothing was found, as far as times tell."""
    reasons = np.where(found, Reason.FOUND, Reason.GAP).astype(np.uint8)
    # Times ascend: those before the first frame and after the last one are at the ends.
    begin = int(np.searchsorted(times, float(stamps[0])))
    end = int(np.searchsorted(times, float(stamps[-1]), "right"))
    reasons[:begin][~found[:begin]] = Reason.BEFORE
    reasons[end:][~found[end:]] = Reason.AFTER
    return reasons
