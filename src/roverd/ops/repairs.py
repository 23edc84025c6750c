"""Repairing traces that were cut off: a recorder was killed, or the power failed."""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from roverd.errors import RecordingError
from roverd.ops.progress import Progress, Tally
from roverd.ops.traces import trace_size, traces_below
from roverd.parallel import map_all, thread_count
from roverd.recorder.claim import Claim, is_claimed
from roverd.recovery import ChannelRepair, Rescue, SensorRepair, mend_sensor
from roverd.recovery.leftovers import clear, leftovers
from roverd.recovery.log import FOLDER
from roverd.sensors.meta import META, TIMESTAMPS
from roverd.storage import storage_for
from roverd.storage.paths import expect_local

__all__ = ["ChannelRepair", "RepairReport", "SensorRepair", "TraceRepair", "repair"]

SOUND, FAILED, LOST = 0, 1, 3

Path = str | os.PathLike[str]


@dataclass
class TraceRepair:
    """What became of a trace.

    Attributes:
        path: its folder.
        sensors: what became of each sensor; twice where channels are shared by links.
        moved: files of no sensor that a program had left behind, relative to the trace.
        rescue: folder that what was cut off is in, relative to the trace; `None` where nothing was.
        problems: what is wrong that is of no sensor that could be opened.
    """

    path: str
    sensors: list[SensorRepair] = field(default_factory=list[SensorRepair])
    moved: list[str] = field(default_factory=list[str])
    rescue: str | None = None
    problems: list[str] = field(default_factory=list[str])

    @property
    def all_problems(self) -> list[str]:
        """All that cannot be mended, each in a line that names the file."""
        return [*self.problems, *(text for sensor in self.sensors for text in sensor.problems)]

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or would be."""
        return bool(self.moved) or any(sensor.changed for sensor in self.sensors)

    @property
    def lost(self) -> int:
        """Whole frames that were cut off, of all channels."""
        return sum(sensor.lost for sensor in self.sensors)

    @property
    def status(self) -> int:
        """0: sound, or repaired without loss; 3: frames were lost; 1: not all can be repaired."""
        if self.all_problems:
            return FAILED
        return LOST if self.lost else SOUND


@dataclass
class RepairReport:
    """What became of traces.

    Attributes:
        traces: one report for each, sorted by path.
        not_searched: folders in which traces could be, and why nobody could look.
        dry_run: whether nothing was changed, and all this says what would be.
    """

    traces: list[TraceRepair]
    not_searched: list[str] = field(default_factory=list[str])
    dry_run: bool = False

    @property
    def status(self) -> int:
        """0: all are sound, or repaired without loss; 3: repaired, and whole frames were cut off.

        1: something cannot be repaired or looked into, or there is no trace.
        """
        found = {trace.status for trace in self.traces}
        if not self.traces or self.not_searched or FAILED in found:
            return FAILED
        return LOST if LOST in found else SOUND

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, strings, lists and dictionaries."""
        found = asdict(self)
        for entry, trace in zip(found["traces"], self.traces, strict=True):
            entry.update(status=trace.status, changed=trace.changed, lost=trace.lost)
            for inner, sensor in zip(entry["sensors"], trace.sensors, strict=True):
                inner.update(status=sensor.status, changed=sensor.changed, lost=sensor.lost)
        return {"status": self.status, **found}


def repair(
    paths: Iterable[Path] | Path,
    dry_run: bool = False,
    deep: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> RepairReport:
    """Bring traces to their longest sound state.

    Torn tails are cut, indexes and headers are rebuilt from the data, the channels of each sensor
    are brought to one length; see `roverd.recovery.mend_sensor`. What is cut off is in a folder
    `_scratch/repair-…` of the trace, with a `repair.json` that says where it came from. On a sound
    trace, no byte is changed. Nobody may be recording into a trace meanwhile; others may read.

    Args:
        paths: traces, or folders with traces at any depth. A folder with sensors, but without the
            `config.yaml` that makes it a trace, is taken for one where it is named itself.
        dry_run: whether to say what would be done, and to change nothing.
        deep: whether to judge all frames, not only those that a loss of power may have spoilt.
        workers: how many traces are repaired side by side; as many as there are cores if `None`.
        progress: told the bytes that were judged and those to be judged where `deep`, and otherwise
            the traces.

    Returns:
        A report for each trace, sorted by path; none where no trace was found. What cannot be
        repaired, or not be written to, is in it.

    Raises:
        MissingFileError: one of `paths` is not there.
        ValueError: `workers` is below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    folders = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    for folder in folders:
        expect_local(os.fspath(folder), "traces are repaired where they were recorded")
    traces, not_searched = traces_below(folders)
    sizes = {path: trace_size(path) for path in traces} if deep and progress else {}
    tally = Tally(sum(sizes.values()) if deep else len(traces), progress)

    def repair_one(path: str) -> TraceRepair:
        found = _repair_trace(path, dry_run, deep, tally if deep else None)
        tally.add(0 if deep else 1)
        return found

    found = map_all(repair_one, traces, workers or thread_count())
    return RepairReport(found, not_searched, dry_run)


def _repair_trace(path: str, dry_run: bool, deep: bool, tally: Tally | None) -> TraceRepair:
    report = TraceRepair(path)
    try:
        claim = None if dry_run else _claim(path)
        if claim is None and is_claimed(path):
            raise RecordingError
    except RecordingError:
        # What its recorder has not finished yet would be taken for torn.
        report.problems.append(f"{path}: is being recorded; repair it when its recorder is closed")
        return report
    rescue = Rescue(path)
    try:
        _repair_claimed(path, rescue, dry_run, deep, tally, report)
    finally:
        if claim is not None:
            claim.release()
    return report


def _claim(path: str) -> Claim | None:
    """Keep recorders away; `None` where none has been, or nothing can be changed anyway."""
    if storage_for(path).folder_version(f"{path}/{FOLDER}") is None:
        return None
    try:
        return Claim(path)
    except OSError:
        return None


def _repair_claimed(
    path: str, rescue: Rescue, dry_run: bool, deep: bool, tally: Tally | None, report: TraceRepair
) -> None:
    try:
        _clear(path, rescue, dry_run, report)
        names = _sensors(path, report)
        report.sensors = _mend(path, names, rescue, dry_run, deep, tally)
        # A channel may be another one's, too. Lengths only fall, so that this ends.
        linked = not dry_run and _has_links(path, names)
        changed = linked and any(sensor.changed for sensor in report.sensors)
        while changed:
            again = _mend(path, names, rescue, dry_run, False, None)
            report.sensors += [sensor for sensor in again if sensor.changed]
            changed = any(sensor.changed for sensor in again)
    except OSError as error:
        report.problems.append(_text(error, path))
    try:
        rescue.close()
    except OSError as error:
        report.problems.append(_text(error, path))
    if rescue.folder is not None:
        report.rescue = os.path.relpath(rescue.folder, path)


def _clear(path: str, rescue: Rescue, dry_run: bool, report: TraceRepair) -> None:
    """Move away what was left in the trace's own folder."""
    storage = storage_for(path)
    left = leftovers(path)
    for name in storage.names(path):
        folder = f"{path}/{name}"
        if not name.startswith(("_", ".")) and storage.names(folder):
            known = {TIMESTAMPS, *leftovers(folder)}
            # The recorder died before it had described the sensor, so that there is no frame.
            if set(storage.names(folder)) <= known and not storage.size(f"{folder}/{TIMESTAMPS}"):
                left.append(name)
    report.moved += left
    if not dry_run:
        clear(path, left, rescue)


def _sensors(path: str, report: TraceRepair) -> list[str]:
    storage = storage_for(path)
    names: list[str] = []
    for name in storage.names(path):
        folder = f"{path}/{name}"
        if name in report.moved:
            continue
        if storage.size(f"{folder}/{META}") is not None:
            names.append(name)
        elif not name.startswith("_") and TIMESTAMPS in storage.names(folder):
            report.problems.append(
                f"{folder}/{META}: no such file; expected the description of a sensor's channels, "
                f"since there are timestamps; write one, and try again"
            )
    return names


def _mend(
    path: str, names: list[str], rescue: Rescue, dry_run: bool, deep: bool, tally: Tally | None
) -> list[SensorRepair]:
    found: list[SensorRepair] = []
    for name in names:
        folder = f"{path}/{name}"
        try:
            progress = None if tally is None else tally.add
            found.append(mend_sensor(folder, rescue, dry_run, deep, progress))
        except OSError as error:
            found.append(SensorRepair(name, folder, problems=[_text(error, folder)]))
    return found


def _has_links(path: str, names: list[str]) -> bool:
    return any(
        os.path.islink(f"{path}/{name}")
        or any(os.path.islink(f"{path}/{name}/{file}") for file in os.listdir(f"{path}/{name}"))
        for name in names
    )


def _text(error: OSError, path: str) -> str:
    where = error.filename if isinstance(error.filename, str) else path
    return f"{where}: expected to read and write it, found: {error.strerror or error}"
