"""The samples that a synchronisation made of one trace's sensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8, UInt32

from roverd.sync.parts import Part
from roverd.sync.report import SyncReport, report_sensor, report_span
from roverd.sync.rules import Reason


@dataclass(frozen=True)
class Matched:
    """What was found of one sensor, for all times there may have been a sample at.

    Attributes:
        rule: by which it was found, for people.
        timestamps: of all frames, in seconds, as recorded.
        used: of those that were used, in order of time.
        reasons: a `Reason` for each time.
    """

    rule: str
    timestamps: Float64[np.ndarray, " frames"]
    used: Float64[np.ndarray, " used"]
    reasons: UInt8[np.ndarray, " n"]


class Alignment:
    """The samples of one trace: which frames each sensor gives to each of them.

    A slice of it is one of these samples; its report is still that of the whole.

    A pickle of it is as small as the frame numbers; the report goes along, but not what the report
    was made of, so that `dropped` is not known there.

    Attributes:
        times: time of each sample, in seconds, Float64[m].
        indices: one frame number by sensor for each sample, UInt32[m]: of a window its newest, of
            two frames to interpolate between the nearer one.
        parts: of the sensors that give more than one frame, which these are.
    """

    def __init__(
        self,
        times: Float64[np.ndarray, " m"],
        indices: Mapping[str, UInt32[np.ndarray, " m"]],
        parts: Mapping[str, Part],
        reference: str,
        candidates: Float64[np.ndarray, " n"],
        matched: Mapping[str, Matched],
    ) -> None:
        self.times = times
        self.indices = dict(indices)
        self.parts = dict(parts)
        self._reference = reference
        self._report: SyncReport | None = None
        self._sources: _Sources | None = _Sources(candidates, dict(matched), self.indices, times)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.times)

    def __getitem__(self, wanted: slice) -> "Alignment":
        """Some of the samples."""
        part = object.__new__(Alignment)
        vars(part).update(vars(self))
        part.times = self.times[wanted]
        part.indices = {name: numbers[wanted] for name, numbers in self.indices.items()}
        part.parts = {name: frames.part(wanted) for name, frames in self.parts.items()}
        return part

    def __getstate__(self) -> dict[str, Any]:
        # The report is small; what it is made of is as large as the timestamps of all frames.
        return {**vars(self), "_report": self.report(), "_sources": None}

    def __repr__(self) -> str:
        return f"Alignment({len(self)} samples of {', '.join(self.indices)})"

    def report(self) -> SyncReport:
        """What was dropped and why, and how the sensors' frames lie in time."""
        if self._report is None:
            assert self._sources is not None
            self._report = self._sources.report(self._reference)
        return self._report

    @property
    def dropped(self) -> dict[str, Float64[np.ndarray, " _"]]:
        """For each sensor, the times that there is no sample at because of it, in seconds.

        Raises:
            ValueError: this is a copy from a pickle.
        """
        sources = self._sources
        if sources is None:
            raise ValueError("a pickle has the report of what was dropped, but not the times")
        return {
            name: sources.candidates[one.reasons != Reason.FOUND]
            for name, one in sources.matched.items()
        }

    @property
    def timestamps(self) -> dict[str, Float64[np.ndarray, " _"]]:
        """Timestamps of each sensor's frames that were used, in order of time, in seconds.

        Raises:
            ValueError: this is a copy from a pickle.
        """
        if self._sources is None:
            raise ValueError("a pickle does not have the timestamps of all frames")
        return {name: one.used for name, one in self._sources.matched.items()}


@dataclass(frozen=True)
class _Sources:
    """What a report is made of."""

    candidates: Float64[np.ndarray, " n"]
    matched: dict[str, Matched]
    indices: dict[str, UInt32[np.ndarray, " m"]]
    times: Float64[np.ndarray, " m"]

    def report(self, reference: str) -> SyncReport:
        failing = np.zeros(len(self.candidates), np.int64)
        for one in self.matched.values():
            failing += one.reasons != Reason.FOUND
        span = report_span(self.candidates, [one.used for one in self.matched.values()])
        sensors = [
            report_sensor(
                name,
                one.rule,
                len(one.timestamps),
                one.used,
                span,
                one.timestamps[self.indices[name]] - self.times,
                {
                    reason.name.lower(): int(np.count_nonzero(one.reasons == reason))
                    for reason in Reason
                    if reason != Reason.FOUND
                },
                int(np.count_nonzero((one.reasons != Reason.FOUND) & (failing == 1))),
            )
            for name, one in self.matched.items()
        ]
        return SyncReport(
            reference=reference,
            candidates=len(self.candidates),
            samples=len(self.times),
            dropped=len(self.candidates) - len(self.times),
            start=span[0],
            end=span[1],
            sensors=sensors,
        )
