"""What must be left of a recording of the rig of `support.rig`."""

import os
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from support.killed_recorder import add_sensors
from support.rig import JUMP, LAST, RIG, Array, ChannelOfRig, check_numbers, told_by
from support.rig_files import Numbers, check_files


@dataclass(frozen=True)
class Safe:
    """How many frames of each sensor must be there.

    Attributes:
        recorded: of those from number 0 on.
        added: of those from `JUMP` on.
    """

    recorded: Mapping[str, int]
    added: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not any(self.recorded.values()) and not any(self.added.values())

    @property
    def is_continued(self) -> bool:
        """Whether a second recorder was started on it."""
        return bool(self.added)

    def check(self, sensor: str, numbers: Sequence[int]) -> None:
        """Fail unless a sensor's frames are in order, none left out, and the safe ones there."""
        first = sum(number < JUMP for number in numbers)
        second = len(numbers) - first
        assert list(numbers) == _two_runs(first, second), sensor
        assert first >= self.recorded.get(sensor, 0), f"{sensor}: frames that were safe are lost"
        assert second >= self.added.get(sensor, 0), f"{sensor}: frames that were safe are lost"


def _two_runs(recorded: int, added: int) -> list[int]:
    return [*range(recorded), *range(JUMP, JUMP + added)]


@contextmanager
def _expecting_warnings() -> Generator[None]:
    """Lengths may differ, and numbers may be missing."""
    from roverd.errors import RoverdWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RoverdWarning)
        yield


@_expecting_warnings()
def check_readable(path: str, safe: Safe) -> dict[str, list[int]]:
    """Open and read a trace through roverd, repaired or not.

    Args:
        path: of the trace.
        safe: what must be there.

    Returns:
        The numbers of the frames of each sensor.
    """
    found: dict[str, list[int]] = {name: [] for name in RIG}
    for name, sensor in opened(path):
        if not sensor.channels["ts"].exists():  # killed before the sensor had any file
            assert not len(sensor)
            continue
        stamps = sensor.channels["ts"].read()
        numbers = told_by(name, stamps)
        found[name] = numbers[: len(sensor)]
        safe.check(name, numbers)
        check_numbers(name, "ts", stamps, numbers)
        for channel in RIG[name].channels:
            if channel not in sensor.channels or not sensor.channels[channel].exists():
                # Consumers begin one by one: that of the timestamps may be ahead of this one.
                safe.check(name, [])
                continue
            frames = sensor.channels[channel].read()
            check_numbers(name, channel, frames[: len(numbers)], numbers[: len(frames)])
            _check_ahead(name, channel, frames[len(numbers) :], numbers, safe)
    for name in RIG:
        safe.check(name, found[name])
    return found


def _check_ahead(
    sensor: str, channel: str, frames: Array, numbers: Sequence[int], safe: Safe
) -> None:
    """Fail unless frames that were written before their timestamps were are the next ones.

    That is the frame behind the last timestamp, or the first of a continued recording, which has
    cut off what its predecessor had left.
    """
    if not len(frames):
        return
    further = numbers[-1] + 1 if numbers else 0
    try:
        check_numbers(sensor, channel, frames, range(further, further + len(frames)))
    except AssertionError:
        if not safe.is_continued or further > JUMP:
            raise
        check_numbers(sensor, channel, frames, range(JUMP, JUMP + len(frames)))


_UNCHECKED = ("raw", "pcof", "mjpg", "jpg", "npz")


@_expecting_warnings()
def check_survives(path: str, safe: Safe) -> None:
    """Open and read a trace after a loss of power, before it is repaired.

    All frames that are safe are there. Others, in formats with a check of their own, are right or
    an error; in `raw`, JPEGs and stored `npz` they may be wrong, which only check sums tell.
    """
    from roverd.errors import RoverdError

    there = dict(opened(path))
    for name, rig in RIG.items():
        recorded = safe.recorded.get(name, 0)
        wanted = _two_runs(recorded, safe.added.get(name, 0))
        if name not in there:
            assert not wanted, f"{name} is not there"
            continue
        sensor = there[name]
        for channel in ["ts", *rig.channels]:
            if not sensor.channels[channel].exists():
                assert not wanted
                continue
            data = sensor.channels[channel]
            if not recorded and _fails(data):
                continue
            first = data.read(0, recorded) if recorded else data.read(0, 0)
            check_numbers(name, channel, first, range(recorded))
            spec = rig.channels.get(channel)
            for i in range(recorded, len(data)):
                try:
                    got = data.read(i, 1)
                except RoverdError:
                    continue
                unchecked = spec is None or (spec.format in _UNCHECKED and not spec.args)
                assert unchecked or _is_any(got[0], spec), (
                    f"frame {i} of {name}/{channel} was never written"
                )


def _fails(channel: Any) -> bool:
    """Whether there is nothing at all that can be read, not even of no frames."""
    from roverd.errors import CorruptFileError

    try:
        channel.read(0, 0)
    except CorruptFileError:
        return True
    return False


def _is_any(frame: Array, spec: ChannelOfRig) -> bool:
    numbers = [*range(200), *range(JUMP, JUMP + 200)]
    return any(frame.tobytes() == spec.frame(number).tobytes() for number in numbers)


def opened(path: str) -> Generator[tuple[str, Any]]:
    """The sensors of a trace that are there, by name."""
    from roverd import Trace

    if not os.path.exists(f"{path}/config.yaml"):
        return
    yield from Trace.from_config(path).sensors.items()


def check_sound(path: str, numbers: Numbers, tools: bool = True) -> None:
    """Fail unless a trace is sound and holds exactly the frames of these numbers.

    Args:
        path: of the trace.
        numbers: of each sensor.
        tools: whether to have other programs look at the files, too.
    """
    from roverd import ops

    report = ops.validate(path, schema={}, deep=True)
    problems = [str(problem) for trace in report.traces for problem in trace.errors]
    assert not problems, problems
    check_files(path, numbers, tools)


def digest(path: str) -> dict[str, str]:
    """What is in a folder: of each file its content, of each folder that it is there."""
    found: dict[str, str] = {}
    for folder, names, files in os.walk(path):
        for name in names:
            found[os.path.relpath(f"{folder}/{name}", path)] = "folder"
        for name in files:
            with open(f"{folder}/{name}", "rb") as file:
                found[os.path.relpath(f"{folder}/{name}", path)] = sha256(file.read()).hexdigest()
    return found


def check_repair(path: str, safe: Safe, tools: bool = True) -> dict[str, list[int]]:
    """Repair a trace, and check that it is as it should be.

    Args:
        path: of the trace.
        safe: what must be there.
        tools: whether to have other programs look at the files, too.

    Returns:
        The numbers of the frames of each sensor.
    """
    from roverd import ops

    if not os.path.exists(f"{path}/config.yaml"):  # killed before there was a trace
        return check_readable(path, safe)
    report = ops.repair(path)
    assert report.status in (0, 3), report.traces[0].all_problems
    before = digest(path)
    again = ops.repair(path)
    assert again.status == 0, again.traces[0].all_problems
    assert digest(path) == before, "repairing it again has changed it"
    numbers = check_readable(path, safe)
    check_sound(path, numbers, tools)
    return numbers


def check_append(path: str, safe: Safe, count: int = 3) -> None:
    """Add frames to a trace with a `Recorder`, and check all of them."""
    from roverd import Recorder

    with Recorder(path, append=True) as recorder:
        takes = add_sensors(recorder)
        for i in range(count):
            for name, take in takes.items():
                rig = RIG[name]
                frames = {channel: spec.frame(LAST + i) for channel, spec in rig.channels.items()}
                take(rig.time(LAST + i), frames)
    numbers: dict[str, list[int]] = {}
    for name in RIG:
        told = told_by(name, np.fromfile(f"{path}/{name}/ts", "<f8"))
        assert told[-count:] == [*range(LAST, LAST + count)]
        safe.check(name, told[:-count])
        numbers[name] = told
    check_sound(path, numbers)
