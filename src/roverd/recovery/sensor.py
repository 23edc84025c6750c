"""Mending a sensor: every channel is brought to the frames that all of them have whole."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd import channels
from roverd.errors import RoverdError
from roverd.recovery.channel import Part
from roverd.recovery.frames import TAIL, zero_check
from roverd.recovery.leftovers import clear, leftovers
from roverd.recovery.log import ended
from roverd.recovery.report import SensorRepair
from roverd.recovery.rescue import Rescue
from roverd.sensors.meta import (
    META,
    TIMESTAMPS,
    Entries,
    constructor_arguments,
    read_meta,
    write_meta,
)
from roverd.storage import storage_for
from roverd.storage.paths import expect_local

Done = Callable[[int], None]

# Without timestamps, this many frames are no recording that has just begun.
_FEW = 1000


def mend_sensor(
    folder: str | os.PathLike[str],
    rescue: Rescue,
    dry_run: bool = False,
    deep: bool = False,
    progress: Done | None = None,
) -> SensorRepair:
    """Bring a sensor to its longest sound state.

    Torn tails are cut, indexes and headers rebuilt from the data, and all channels cut to the
    frames that every one of them has. Of frames that may not have been written in time, the last
    ones are judged (`roverd.recovery.frames`). Whatever is removed or written over is in the rescue
    folder first. Where all is sound, nothing is written. Killed anywhere, it can be done again, and
    comes to the same end. Nobody may be recording into the folder; others may read.

    Args:
        folder: the sensor's folder, in the folder of its trace.
        rescue: keeps what is removed. The caller closes it.
        dry_run: whether to say what would be done, and to change nothing.
        deep: whether to judge all frames. Those that are damaged further in front are reported, and
            left: cutting would not mend them.
        progress: called with the bytes that were judged since the last time; with all of the
            sensor's in the end.

    Returns:
        What was found and done. What cannot be mended is in it, too.

    Raises:
        OSError: a file cannot be read or written; it says which. What is done until then is sound.
    """
    expect_local(os.fspath(folder), "sensors are repaired where they were recorded")
    mender = _Mender(os.fspath(folder), rescue, dry_run, deep, progress or (lambda _: None))
    mender.mend()
    return mender.report


class _Mender:
    """Mends one sensor; see `mend_sensor`."""

    def __init__(
        self, folder: str, rescue: Rescue, dry_run: bool, deep: bool, progress: Done
    ) -> None:
        self._folder = folder
        self._storage = storage_for(folder)
        self._rescue = rescue
        self._dry_run = dry_run
        self._deep = deep
        self._progress = progress
        self._ended = ended(os.path.dirname(os.path.abspath(folder)))
        self._entries: Entries = {}
        self._parts: dict[str, Part] = {}
        self.report = SensorRepair(os.path.basename(os.path.abspath(folder)), folder)

    def mend(self) -> None:
        """Find out everything, and then do it."""
        report = self.report
        try:
            self._entries = read_meta(self._storage, self._folder)
        except RoverdError as error:
            report.problems.append(str(error))
            return
        left = leftovers(self._folder)
        report.moved += left
        for name, entry in self._entries.items():
            self._add(name, entry)
        report.channels = [part.report for part in self._parts.values()]
        stamps = self._stamps()
        if stamps is None:
            return
        self._drop_empty(stamps)
        count = self._agree(stamps)
        for part in self._parts.values():
            part.plan(count)
        report.frames = count
        if not self._dry_run:
            clear(self._folder, left, self._rescue)
            for part in self._parts.values():
                part.prepare(self._rescue)
            self._write_meta()
            self._mend_channels(count)
        report.channels = [part.report for part in self._parts.values() if not part.gone]
        report.problems += [found.problem for found in report.channels if found.problem]

    def _add(self, name: str, entry: dict[str, Any]) -> None:
        path = f"{self._folder}/{name}"
        try:
            channel = channels.from_config(path, **constructor_arguments(entry))
        except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
            if os.path.lexists(path) or name == TIMESTAMPS:
                self.report.problems.append(str(error))
            else:
                self.report.dropped.append(name)
            return
        channel.give_way(self._entries)
        part = Part(name, channel, entry["format"], self._entries)
        self._parts[name] = part
        if part.is_relabelled:
            self.report.relabelled.append(name)
        if part.restores:
            self.report.restored.append(name)
        self.report.moved += part.left

    def _stamps(self) -> NDArray[np.float64] | None:
        """The timestamps as they are stored; `None` where nothing can be done without them."""
        part = self._parts.get(TIMESTAMPS)
        path = f"{self._folder}/{TIMESTAMPS}"
        others = [p.whole or 0 for p in self._parts.values() if p is not part]
        most = max(others, default=0)
        if part is None:
            if not self.report.problems:
                self.report.problems.append(
                    f"{self._folder}/{META}: expected a channel {TIMESTAMPS!r}, found "
                    f"{', '.join(self._entries) or 'none'}; without timestamps, nothing tells how "
                    f"long the recording is"
                )
            return None
        if part.failed:
            self.report.problems.append(part.report.problem)
            return None
        if part.channel.type != np.float64 or part.channel.shape:
            self.report.problems.append(
                f"{path}: expected type f8 and shape [], found type "
                f"{part.channel.type.str[1:]} and shape {list(part.channel.shape)} in meta.json"
            )
            return None
        if not part.whole and (most > _FEW or (most and not part.exists)):
            self.report.problems.append(
                f"{path}: expected the timestamps of {most} frames, found none; bring the file "
                f"back, or make one, and try again"
            )
            return None
        return part.channel.read(0, part.whole) if part.whole else np.empty(0, np.float64)

    def _drop_empty(self, stamps: NDArray[np.float64]) -> None:
        """Drop channels that have no data though there are frames."""
        if not len(stamps):
            return
        times = _times(stamps)
        span = float(times[-1] - times[0])
        # A recorder that died in its first seconds has had data for it, as for all others.
        begins = self._ended is False and span <= TAIL
        for name, part in self._parts.items():
            if name == TIMESTAMPS or part.failed or part.whole:
                continue
            if part.holds_nothing and part.is_dangling:
                part.leave("it is a link whose target is not there, and may come back")
            elif part.holds_nothing and not begins:
                self.report.dropped.append(name)
                part.gone = True
            elif span > TAIL:
                part.fail(
                    f"{part.channel.path}: expected frames, as there are {len(stamps)} timestamps, "
                    f"found not a whole one; move it away, and try again"
                )

    def _agree(self, stamps: NDArray[np.float64]) -> int:
        """How many frames every channel has sound."""
        parts = [part for part in self._parts.values() if part.counts]
        died = self._died(parts)
        for part in parts:
            part.probe(_times(stamps), died)
        parts = [part for part in parts if part.counts]
        count = min((part.whole or 0 for part in parts), default=0)
        times = _times(stamps[:count])
        for part in parts:
            size = part.channel.filesize
            own = zero_check(stamps[:count]) if part.name == TIMESTAMPS else None
            part.make_judge(times, died, self._deep, own, self._counter(size, count))
        # Where one channel has to be cut, those that were sound up to there have another end.
        before = -1
        while before != count:
            before = count
            for part in parts:
                if part.counts:
                    count = part.judge(count)
        if self._deep:
            for part in parts:
                part.look_for_damage(count)
        return count

    def _died(self, parts: list[Part]) -> bool | None:
        """Whether the recorder died; `None` where nobody knows."""
        if self._ended is None:
            return None
        # What was added later may have died before the log said that there was something.
        even = len({part.whole for part in parts}) < 2
        return not (self._ended and even and all(part.is_complete for part in parts))

    def _counter(self, size: int, frames: int) -> Done:
        """Tells bytes of a channel by its frames."""
        return lambda judged: self._progress(size * judged // max(1, frames))

    def _write_meta(self) -> None:
        dropped, relabelled = self.report.dropped, self.report.relabelled
        if not dropped and not relabelled:
            return
        entries = {
            name: {**entry, "format": "lzma"} if name in relabelled else entry
            for name, entry in self._entries.items()
            if name not in dropped
        }
        self._rescue.keep_whole(f"{self._folder}/{META}")
        write_meta(self._storage, self._folder, entries)

    def _mend_channels(self, count: int) -> None:
        for part in sorted(self._parts.values(), key=lambda part: part.name != TIMESTAMPS):
            part.mend(count, self._rescue)


def _times(stamps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Timestamps that never fall, whatever was stored."""
    return np.maximum.accumulate(np.nan_to_num(stamps, nan=-np.inf, neginf=-np.inf))
