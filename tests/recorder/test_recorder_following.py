"""Reading what another process is recording."""

import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import roverd
from roverd.errors import RoverdWarning
from roverd.sensors import DynamicSensor
from support.channels import CASES, wait_until
from support.recording import RATE, START, finish, start

COUNT = 300


@contextmanager
def recording(how: str, trace: Path, *arguments: object) -> "Iterator[subprocess.Popen[str]]":
    """A process that is recording."""
    process = start(how, trace, *arguments)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        _, errors = finish(process)
    assert (process.returncode, errors) == (0, "")


def test_refresh_takes_up_what_another_process_has_recorded(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with recording("steps", trace) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sensor = roverd.Trace.from_config(trace)["all"]
        assert len(sensor) == 0
        for count in (10, 20, 30):
            process.stdin.write("more\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{count}\n"
            assert len(sensor) == count - 10  # what it has seen, it has seen
            assert len(sensor.refresh()) == count
            np.testing.assert_array_equal(sensor.timestamps, START + np.arange(count) / RATE)
            sample = sensor[count - 1]
            for case in CASES:
                case.check(sample[case.name], case.frames(count - 1))
                case.check(sensor[case.name].read(), case.upto(count))


def test_a_reader_never_sees_half_a_frame(tmp_path: Path) -> None:
    """It looks all the time, while another process writes as fast as it can."""
    seen = {case.name: 0 for case in CASES}
    looks = 0
    with recording("run", tmp_path / "trace", COUNT):
        channels = {c.name: c.open(str(tmp_path / "trace" / "all" / c.name)) for c in CASES}
        while min(seen.values()) < COUNT:
            looks += 1
            for case in CASES:
                channel = channels[case.name]
                count = len(channel)
                assert seen[case.name] <= count <= COUNT
                # Not much more than is new: looking often is what this is about.
                first = max(seen[case.name] - 1, count - 3, 0)
                case.check(channel.read(first, count - first), case.upto(count - first, first))
                seen[case.name] = count
    assert looks > 3
    for case in CASES:
        case.check(channels[case.name].read(), case.upto(COUNT))


def test_a_sensor_that_is_followed_has_all_channels_of_each_frame(tmp_path: Path) -> None:
    with recording("run", tmp_path / "trace", COUNT):
        sensor = DynamicSensor(tmp_path / "trace" / "all")

        def more() -> bool:
            with warnings.catch_warnings():
                # Of channels that are a frame ahead of others, at this moment.
                warnings.simplefilter("ignore", RoverdWarning)
                count = len(sensor.refresh())
            if count:
                sample = sensor[-1]
                assert sample["ts"][0] == START + (count - 1) / RATE
                for case in CASES:
                    case.check(sample[case.name], case.frames(count - 1))
            return count == COUNT

        wait_until(more, 60)
