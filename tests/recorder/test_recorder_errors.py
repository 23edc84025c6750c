"""Errors while recording stop one sensor, are told, and leave what was written before."""

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from roverd import Recorder
from roverd.errors import InvalidDataError, RecordingError
from roverd.sensors import DynamicSensor
from support.channels import CASES, wait_until
from support.gated_channel import LIMIT, Gate, gated
from support.recording import (
    RAW,
    START,
    add_all_formats,
    check_all_formats,
    finish,
    frame,
    log_of,
    number,
    numbers,
    read_plainly,
    start,
    write,
    write_number,
)

GATED = {"value": {"format": "gated", "type": "i4", "shape": (3,)}}


@pytest.fixture
def gate() -> Iterator[Gate]:
    with gated() as gate:
        yield gate


def test_an_error_comes_up_at_the_next_write_and_at_close_and_stops_that_sensor_only(
    tmp_path: Path, gate: Gate
) -> None:
    gate.open()
    recorder = Recorder(tmp_path)
    bad = recorder.sensor("bad", {**GATED, "before": RAW["value"]})
    good = recorder.sensor("good", RAW)
    both = {**number(0), "before": number(0)["value"]}
    bad.write(START, both)
    wait_until(lambda: recorder.stats()["bad"].frames == 1, LIMIT)
    cause = RuntimeError("no such luck")
    gate.error = cause
    bad.write(START + 1, both)
    wait_until(lambda: recorder.stats()["bad"].error is not None, LIMIT)
    for _ in range(2):
        with pytest.raises(RecordingError, match=r"bad: channel 'value': .*no such luck") as caught:
            bad.write(START + 2, both)
        assert caught.value.__cause__ is cause
        assert "it has 1 frames, 1 more that waited are lost" in str(caught.value)
    for i in range(20):
        write_number(good, i)
    assert recorder.stats()["good"].error is None
    with pytest.raises(RecordingError, match=r"bad: channel 'value'") as caught:
        recorder.close()
    assert caught.value.__cause__ is cause
    recorder.close()  # has been told once
    assert numbers(tmp_path / "good") == list(range(20))
    # One length, whatever was written when it happened.
    for name, size in (("value", 12), ("before", 12), ("ts", 8), ("before_x", 8), ("ts_x", 8)):
        assert (tmp_path / "bad" / name).stat().st_size == size, name
    (told,) = log_of(tmp_path, "error")
    assert told["sensor"] == "bad"
    assert "no such luck" in told["error"]
    (last,) = log_of(tmp_path, "failed")
    assert log_of(tmp_path)[-1] == last
    assert not log_of(tmp_path, "close")


def test_all_errors_are_told_at_close(tmp_path: Path, gate: Gate) -> None:
    gate.fail(RuntimeError("no such luck"))
    recorder = Recorder(tmp_path)
    for name in ("a", "b", "c"):
        write_number(recorder.sensor(name, GATED), 0)
    with pytest.raises(RecordingError, match="/a: ") as caught:
        recorder.close()
    notes = "\n".join(caught.value.__notes__)
    assert "/b: " in notes
    assert "/c: " in notes


def test_what_the_body_raises_is_not_hidden(tmp_path: Path, gate: Gate) -> None:
    gate.fail(RuntimeError("no such luck"))
    with pytest.raises(KeyError, match="mine") as caught, Recorder(tmp_path) as recorder:
        write_number(recorder.sensor("bad", GATED), 0)
        write_number(recorder.sensor("good", RAW), 0)
        raise KeyError("mine")
    (note,) = caught.value.__notes__
    assert "no such luck" in note
    assert numbers(tmp_path / "good") == [0]


def test_what_came_before_the_body_raised_is_complete(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine"), Recorder(tmp_path) as recorder:
        write(add_all_formats(recorder), range(12))
        raise KeyError("mine")
    check_all_formats(tmp_path / "all", 12)


def test_a_wrong_shape_in_the_middle_stops_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        sensor = add_all_formats(recorder)
        write(sensor, range(5))
        for case in CASES:
            with pytest.raises(InvalidDataError, match=case.name):
                sensor.write(START, {**frame(5), case.name: np.zeros((2, 2), case.dtype)})
        write(sensor, range(5, 10))
    check_all_formats(tmp_path / "all", 10)


def test_a_folder_that_is_removed_stops_its_sensor(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, flush_interval=0.01, sync_interval=0.05)
    gone, kept = recorder.sensor("gone", RAW), recorder.sensor("kept", RAW)
    write_number(gone, 0)
    write_number(kept, 0)
    wait_until(lambda: recorder.stats()["gone"].frames == 1, LIMIT)
    shutil.rmtree(tmp_path / "gone")

    def told() -> bool:
        try:
            write_number(gone, 1)
        except RecordingError as error:
            assert isinstance(error.__cause__, FileNotFoundError)
            assert str(tmp_path / "gone") in str(error)
            return True
        return False

    wait_until(told, LIMIT)
    write_number(kept, 1)
    with pytest.raises(RecordingError, match="gone"):
        recorder.close()
    assert numbers(tmp_path / "kept") == [0, 1]
    assert not (tmp_path / "gone").exists()


def test_what_cannot_be_synced_while_the_recorder_closes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, raised = threading.Event(), threading.Event(), threading.Event()
    fsync = os.fsync

    def sync(descriptor: int) -> None:
        if threading.current_thread().name != "roverd-recorder-sync" or raised.is_set():
            fsync(descriptor)
            return
        begun.set()
        assert go.wait(LIMIT)
        raised.set()  # as a disk does, once
        raise OSError(errno.EIO, "the disk is broken")

    recorder = Recorder(tmp_path, flush_interval=0.01, sync_interval=0.05)
    sensor = recorder.sensor("sensor", RAW)
    (thread,) = (one for one in threading.enumerate() if one.name == "roverd-sensor")
    monkeypatch.setattr(os, "fsync", sync)
    write_number(sensor, 0)
    assert begun.wait(LIMIT)
    errors: list[Exception] = []

    def close() -> None:
        try:
            recorder.close()
        except RecordingError as error:
            errors.append(error)

    closing = threading.Thread(target=close)
    closing.start()
    thread.join(0.5)  # it may or may not wait for the other one
    go.set()
    closing.join(LIMIT)
    assert [str(error.__cause__) for error in errors] == ["[Errno 5] the disk is broken"]


def test_a_blob_folder_that_is_removed_stops_its_sensor(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    sensor = add_all_formats(recorder)
    write(sensor, range(3))
    wait_until(lambda: recorder.stats()["all"].frames == 3, LIMIT)
    shutil.rmtree(tmp_path / "all" / "jpg")

    def told() -> bool:
        try:
            write(sensor, [3])
        except RecordingError as error:
            assert "channel 'jpg'" in str(error)
            return True
        return False

    wait_until(told, LIMIT)
    with pytest.raises(RecordingError, match="jpg"):
        recorder.close()
    for case in CASES:
        if case.name != "jpg":
            case.check(read_plainly(case, tmp_path / "all" / case.name), case.upto(3))


def test_a_log_that_cannot_be_written_is_told_and_stops_no_sensor(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, flush_interval=0.01, sync_interval=0.05)
    sensor = recorder.sensor("sensor", RAW)
    shutil.rmtree(tmp_path / "_recorder")
    for i in range(5):
        write_number(sensor, i)
    with pytest.raises(RecordingError, match=r"log\.jsonl"):
        recorder.close()
    assert numbers(tmp_path / "sensor") == [0, 1, 2, 3, 4]


# ── no room ──────────────────────────────────────────────────────────────────────────────────────


def check_filled(trace: Path, output: str, code: int) -> None:
    """All channels have the same whole frames, and it was told how much room there is."""
    raised, cause, at_close = output.splitlines()
    assert raised.startswith(f"{trace}/all: channel ")
    assert "MB are free there" in raised
    assert cause.startswith(f"OSError({code}, ")
    assert raised.split("; it has ")[1].split()[0] == at_close.split("; it has ")[1].split()[0]
    count = len(np.fromfile(trace / "all" / "ts", "<f8"))
    assert count > 0
    assert f"it has {count} frames" in at_close
    for case in CASES:
        path = trace / "all" / case.name
        case.check(read_plainly(case, path), case.upto(count))
    sensor = DynamicSensor(trace / "all")
    assert {name: len(channel) for name, channel in sensor.channels.items()} == dict.fromkeys(
        sensor.channels, count
    )
    assert numbers(trace / "small") == [0]


def test_a_file_that_may_not_grow_leaves_whole_frames_in_all_channels(tmp_path: Path) -> None:
    process = start("limit", tmp_path / "trace", 60_000)
    out, errors = finish(process)
    assert (process.returncode, errors) == (0, "")
    check_filled(tmp_path / "trace", out, errno.EFBIG)
    assert log_of(tmp_path / "trace")[-1]["event"] == "failed"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        problem = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        problem = "there is no program `mount`"
    if problem:
        pytest.skip(f"a file system of 1 MiB cannot be mounted here: {problem}")
    yield folder
    # Lazily, since readers keep files open.
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_whole_frames_in_all_channels(small_disk: Path) -> None:
    process = start("fill", small_disk / "trace")
    out, errors = finish(process)
    assert (process.returncode, errors) == (0, "")
    check_filled(small_disk / "trace", out, errno.ENOSPC)


def test_there_is_room_again_and_the_recording_goes_on(small_disk: Path) -> None:
    finish(start("fill", small_disk / "trace"))
    count = len(np.fromfile(small_disk / "trace" / "all" / "ts", "<f8"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    with Recorder(small_disk / "trace", append=True) as recorder:
        write(add_all_formats(recorder), range(count, count + 10))
    check_all_formats(small_disk / "trace" / "all", count + 10)
