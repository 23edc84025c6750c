"""The synchronisation of a trace's sensors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from abstract_dataloader import spec
from jaxtyping import Float64, Int64, UInt8, UInt32

from roverd.errors import ChannelNotFoundError, SynchronizationError
from roverd.sync.alignment import Alignment, Matched
from roverd.sync.order import Unordered, in_order
from roverd.sync.parts import FramePairs, FrameWindows, Part
from roverd.sync.report import SyncReport
from roverd.sync.rules import Interpolate, Match, Nearest, Reason, Rule, Window

_NO_RULES: Mapping[str, Rule] = {}
_NO_MARGINS: Mapping[str, tuple[int, int]] = {}
_DENSEST = 1000  # times of a rate for each frame that there is


class Synchronization(spec.Synchronization):
    """Makes samples of frames that were taken at about the same time.

    It is used as `abstract_dataloader`'s synchronisations are, and has no state but what `report`
    shows: one may be used for many traces, and by several threads.

    A sample for which a sensor has nothing, as its rule says, is dropped: no sample lacks a sensor.

    Args:
        reference: what the samples are counted by: a sensor's name, for a sample at the time of
            each of its frames; a rate in Hz, for samples at that rate from when all sensors have
            begun until one ends; or times in seconds, in ascending order.
        rules: which frames of a sensor belong to a sample, by sensor: `Nearest`, `Previous`,
            `Next`, `Window` or `Interpolate`.
        default: the rule of sensors that `rules` does not name. The reference, if it is not named,
            gives the very frame that the sample is for.
        unordered: what is done about timestamps that go back or are no numbers: `"error"`; `"sort"`
            uses a sensor's frames in order of time; `"skip"` does not use frames that are earlier
            than one before them, as after a clock was set back. The latter two do not use frames
            without a finite time. Frames with equal timestamps are in order, that of recording.
    """

    def __init__(
        self,
        reference: str | float | Sequence[float] | Float64[np.ndarray, " n"],
        rules: Mapping[str, Rule] = _NO_RULES,
        default: Rule = Nearest(),  # noqa: B008 - has no state
        unordered: Unordered = "error",
    ) -> None:
        for where, rule in {**rules, "default": default}.items():
            if not isinstance(rule, Rule):
                raise TypeError(f"{where}: expected a rule such as Nearest(), got {rule!r:.80}")
        if unordered not in get_args(Unordered):
            raise ValueError(
                f"unordered: expected {', '.join(get_args(Unordered))}, got {unordered!r}"
            )
        self.reference: str | float | Float64[np.ndarray, " n"] = _reference(reference)
        self.rules = dict(rules)
        self.default = default
        self.unordered: Unordered = unordered
        self._last: Alignment | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": None}

    def __repr__(self) -> str:
        return (
            f"Synchronization({self.reference!r}, {self.rules!r}, default={self.default!r}, "
            f"unordered={self.unordered!r})"
        )

    def __call__(
        self, timestamps: Mapping[str, Float64[np.ndarray, " _n"]]
    ) -> dict[str, UInt32[np.ndarray, " m"]]:
        """Frame numbers by sensor, one for each sample, as `abstract_dataloader` has them.

        Where a rule gives more than one frame, it is the newest of a window, and the nearer one of
        those between which values are interpolated. `align` has all.

        Args:
            timestamps: times of each sensor's frames, in seconds.

        Returns:
            For each sensor as many frame numbers.

        Raises:
            SynchronizationError: timestamps are in no order, or have too wide a span for a rate.
            ChannelNotFoundError: a sensor that the reference or a rule names is not there.
        """
        return self.align(timestamps).indices

    def align(
        self,
        timestamps: Mapping[str, Float64[np.ndarray, " _n"]],
        margins: Mapping[str, tuple[int, int]] = _NO_MARGINS,
    ) -> Alignment:
        """Make samples.

        Args:
            timestamps: times of each sensor's frames, in seconds.
            margins: how many frames there have to be before and after the one that a sensor gives,
                where its samples are windows of their own; for rules that give one frame.

        Returns:
            The samples.

        Raises:
            SynchronizationError: timestamps are in no order, or have too wide a span for a rate.
            ChannelNotFoundError: a sensor that the reference or a rule names is not there.
        """
        named = {*self.rules, *([self.reference] if isinstance(self.reference, str) else [])}
        missing = sorted(named - set(timestamps))
        if missing:
            raise ChannelNotFoundError(
                f"the synchronisation is for {', '.join(missing)} as well; there are "
                f"{', '.join(timestamps)}"
            )
        ordered = {name: in_order(name, ts, self.unordered) for name, ts in timestamps.items()}
        times = self._times({name: stamps for name, (stamps, _) in ordered.items()})
        matched: dict[str, Matched] = {}
        matches: dict[str, Match] = {}
        for name, (stamps, order) in ordered.items():
            rule = self._rule(name)
            match = _match(rule, stamps, times)
            if name in margins and not isinstance(rule, Window | Interpolate):
                total = len(timestamps[name])
                match = _with_margin(match, order, total, margins[name])
            matches[name] = match
            text = "the reference" if rule is None else str(rule)
            matched[name] = Matched(text, timestamps[name], stamps, match.reasons)
        kept = np.ones(len(times), np.bool_)
        for match in matches.values():
            kept &= match.reasons == Reason.FOUND
        rows = slice(None) if kept.all() else np.flatnonzero(kept)
        indices: dict[str, UInt32[np.ndarray, " m"]] = {}
        parts: dict[str, Part] = {}
        for name, match in matches.items():
            order = ordered[name][1]
            indices[name] = _numbers(match.one[rows], order)
            part = _part(self._rule(name), match, rows, order)
            if part is not None:
                parts[name] = part
        made = Alignment(times[rows], indices, parts, self._reference_text(), times, matched)
        self._last = made
        return made

    def report(
        self, timestamps: Mapping[str, Float64[np.ndarray, " _n"]] | None = None
    ) -> SyncReport:
        """What was dropped and why, and how the sensors' frames lie in time.

        Args:
            timestamps: of the sensors to report on; without them, it is of those that this object
                has synchronised last. Where it is used for several traces, each has its own:
                `trace.alignment.report()`.

        Returns:
            The report.

        Raises:
            ValueError: nothing was synchronised yet.
        """
        alignment = self._last if timestamps is None else self.align(timestamps)
        if alignment is None:
            raise ValueError("nothing to report: this object has synchronised nothing yet")
        return alignment.report()

    def _rule(self, name: str) -> Rule | None:
        """The rule of a sensor; `None` for the frames of the reference themselves."""
        if name in self.rules:
            return self.rules[name]
        return None if name == self.reference else self.default

    def _reference_text(self) -> str:
        if isinstance(self.reference, str):
            return self.reference
        if isinstance(self.reference, float):
            return f"{self.reference:g} Hz"
        return "given times"

    def _times(self, stamps: Mapping[str, Float64[np.ndarray, " _n"]]) -> Float64[np.ndarray, " n"]:
        if isinstance(self.reference, str):
            return stamps[self.reference]
        if not isinstance(self.reference, int | float):
            return self.reference
        there = [times for times in stamps.values() if len(times)]
        if not there:
            return np.empty(0)
        start = max(float(times[0]) for times in there)
        span = min(float(times[-1]) for times in there) - start
        count = span * self.reference
        most = _DENSEST * max(map(len, there))
        if count > most:
            raise SynchronizationError(
                f"{self.reference:g} Hz over the {span:g} s that the sensors share is more than "
                f"{_DENSEST} times as many samples as there are frames; look at the timestamps, "
                f"or give the times themselves"
            )
        times = start + np.arange(math.floor(count) + 1 if count >= 0 else 0) / self.reference
        # The last one may be past the end by a rounding.
        return times[times <= start + span]


def _reference(
    reference: str | float | Sequence[float] | Float64[np.ndarray, " n"],
) -> str | float | Float64[np.ndarray, " n"]:
    if isinstance(reference, str):
        return reference
    value = np.array(reference, np.float64)
    if value.ndim == 0:
        if not 0 < value < math.inf:
            raise ValueError(f"reference: expected a rate above 0 Hz, got {reference!r}")
        return float(value)
    sound = value.ndim == 1 and bool(np.isfinite(value).all() and np.all(value[1:] >= value[:-1]))
    if not sound:
        raise ValueError("reference: expected finite times of one axis, in ascending order")
    value.flags.writeable = False
    return value


def _match(
    rule: Rule | None, stamps: Float64[np.ndarray, " frames"], times: Float64[np.ndarray, " n"]
) -> Match:
    count = len(times)
    if rule is None:
        frames = np.arange(count)
        return Match(frames, frames + 1, frames, np.zeros(count, np.uint8))
    if not len(stamps):
        none = np.zeros(count, np.int64)
        weights = np.zeros(count) if isinstance(rule, Interpolate) else None
        return Match(none, none, none, np.full(count, Reason.EMPTY, np.uint8), weights)
    return rule.match(stamps, times)


def _with_margin(
    match: Match,
    order: Int64[np.ndarray, " used"] | None,
    frames: int,
    margin: tuple[int, int],
) -> Match:
    """The same, without frames whose windows leave the recording."""
    one = match.one
    if order is not None:
        one = order[one] if len(order) else one
    outside = (one < margin[0]) | (one >= frames - margin[1])
    reasons: UInt8[np.ndarray, " n"] = np.where(
        outside & (match.reasons == Reason.FOUND), Reason.MARGIN, match.reasons
    ).astype(np.uint8)
    return Match(match.first, match.stop, match.one, reasons)


def _numbers(
    positions: Int64[np.ndarray, " m"], order: Int64[np.ndarray, " used"] | None
) -> UInt32[np.ndarray, " m"]:
    if order is not None and len(order):
        positions = order[positions]
    return positions.astype(np.uint32)


def _part(
    rule: Rule | None,
    match: Match,
    rows: slice | Int64[np.ndarray, " m"],
    order: Int64[np.ndarray, " used"] | None,
) -> Part | None:
    if isinstance(rule, Interpolate):
        assert match.weights is not None
        before = _numbers(match.first[rows], order)
        after = _numbers(match.stop[rows] - 1, order)
        return FramePairs(before, after, match.weights[rows], rule.channels)
    if isinstance(rule, Window):
        first, stop = (p[rows].astype(np.uint32) for p in (match.first, match.stop))
        return FrameWindows(first, stop, None if order is None else order.astype(np.uint32))
    return None
