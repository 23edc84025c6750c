"""What happens when frames come faster than they can be written."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd import Recorder
from roverd.errors import RecordingError
from roverd.recorder import queue as queues
from roverd.recorder.queue import FrameQueue, QueuedFrame
from support.channels import wait_until
from support.gated_channel import LIMIT, Gate, gated
from support.recording import RATE, START, log_of, number, numbers, write_number

GATED = {"value": {"format": "gated", "type": "i4", "shape": (3,)}}
SIZE = 12  # bytes of a frame


@pytest.fixture
def gate() -> Iterator[Gate]:
    with gated() as gate:
        yield gate


def test_a_full_queue_makes_write_wait_and_nothing_is_lost(tmp_path: Path, gate: Gate) -> None:
    with Recorder(tmp_path, queue_bytes=2 * SIZE, flush_interval=1e3, sync_interval=1e4) as rec:
        sensor = rec.sensor("sensor", GATED)
        done = threading.Event()

        def produce() -> None:
            for i in range(10):
                assert write_number(sensor, i)
            done.set()

        thread = threading.Thread(target=produce)
        thread.start()
        wait_until(lambda: rec.stats()["sensor"].queued_frames == 2, LIMIT)
        assert not done.wait(0.05)
        stats = rec.stats()["sensor"]
        assert (stats.queued_frames, stats.queued_bytes) == (2, 2 * SIZE)
        assert (stats.frames, stats.dropped) == (0, 0)
        gate.open()
        thread.join()
    assert numbers(tmp_path / "sensor") == list(range(10))
    assert rec.stats()["sensor"].dropped == 0


def test_a_full_queue_drops_frames_and_counts_them(tmp_path: Path, gate: Gate) -> None:
    options: dict[str, Any] = {"flush_interval": 1e3, "sync_interval": 1e4}
    with Recorder(tmp_path, overflow="drop", queue_bytes=3 * SIZE, **options) as rec:
        sensor = rec.sensor("sensor", GATED)
        assert [write_number(sensor, i) for i in range(8)] == [True] * 3 + [False] * 5
        assert rec.stats()["sensor"].dropped == 5
        gate.open()
        wait_until(lambda: rec.stats()["sensor"].queued_frames == 0, LIMIT)
        assert write_number(sensor, 8)
    assert numbers(tmp_path / "sensor") == [0, 1, 2, 8]
    assert sum(entry["frames"] for entry in log_of(tmp_path, "drop")) == 5
    assert log_of(tmp_path, "stats")[-1]["dropped"] == 5
    (closed,) = log_of(tmp_path, "close")
    assert closed["sensors"]["sensor"] == {"frames": 4, "dropped": 5, "error": None}


def test_an_empty_queue_takes_a_frame_of_any_size(tmp_path: Path) -> None:
    with Recorder(tmp_path, overflow="drop", queue_bytes=1) as recorder:
        sensor = recorder.sensor("sensor", {"value": {**GATED["value"], "format": "raw"}})
        assert write_number(sensor, 0)
    assert numbers(tmp_path / "sensor") == [0]


def test_no_frame_is_taken_while_one_has_waited_too_long(tmp_path: Path, gate: Gate) -> None:
    with Recorder(tmp_path, overflow="drop", flush_interval=0.05) as recorder:
        sensor = recorder.sensor("sensor", GATED)
        taken = 0

        def full() -> bool:
            nonlocal taken
            was = write_number(sensor, taken)
            taken += was
            return not was

        wait_until(full, LIMIT)
        assert recorder.stats()["sensor"].lag >= 0.025
        gate.open()
    assert numbers(tmp_path / "sensor") == list(range(taken))


def test_frames_are_taken_only_as_far_as_they_can_be_written_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(queues.time, "monotonic", lambda: now[0])
    queue = FrameQueue(1 << 30, soon=1.0, block=False)

    def put() -> bool:
        return queue.put(QueuedFrame(np.array(0.0), (), SIZE))

    assert put()
    assert len(queue.take()) == 1
    now[0] += 0.3
    queue.written()  # so a frame takes 0.3 s, and two are written within 0.75
    assert [put() for _ in range(4)] == [True, True, False, False]
    assert len(queue.take()) == 2
    now[0] += 0.2  # 0.4 s are left of those
    assert [put() for _ in range(2)] == [True, False]
    now[0] += 0.4
    assert not put()  # the oldest has waited for 0.6 s
    queue.written()
    assert put()
    assert queue.waiting() == (2, 2 * SIZE, pytest.approx(0.4))


def test_close_writes_all_that_waits(tmp_path: Path, gate: Gate) -> None:
    recorder = Recorder(tmp_path, flush_interval=1e3, sync_interval=1e4)
    sensor = recorder.sensor("sensor", GATED)
    for i in range(100):
        write_number(sensor, i)
    closing = threading.Thread(target=recorder.close)
    closing.start()
    gate.open()
    closing.join()
    assert numbers(tmp_path / "sensor") == list(range(100))


def test_who_waits_for_room_is_told_that_the_recorder_was_closed(
    tmp_path: Path, gate: Gate
) -> None:
    recorder = Recorder(tmp_path, queue_bytes=1)
    sensor = recorder.sensor("sensor", GATED)
    write_number(sensor, 0)
    assert gate.reached.wait(LIMIT)
    raised: list[BaseException] = []

    def wait() -> None:
        with pytest.raises(RecordingError, match="closed") as caught:
            write_number(sensor, 1)
        raised.append(caught.value)

    waiting = threading.Thread(target=wait)
    closing = threading.Thread(target=recorder.close)
    waiting.start()
    closing.start()
    waiting.join(LIMIT)
    assert raised
    gate.open()
    closing.join()
    assert numbers(tmp_path / "sensor") == [0]


def test_who_waits_for_room_is_told_that_the_sensor_failed(tmp_path: Path, gate: Gate) -> None:
    recorder = Recorder(tmp_path, queue_bytes=1)
    sensor = recorder.sensor("sensor", GATED)
    write_number(sensor, 0)
    assert gate.reached.wait(LIMIT)
    failure = threading.Timer(0.01, gate.fail, [RuntimeError("the disk burns")])
    failure.start()
    with pytest.raises(RecordingError, match="the disk burns"):
        for i in range(1, 10):
            sensor.write(START + i / RATE, number(i))
    failure.join()
    with pytest.raises(RecordingError, match="the disk burns"):
        recorder.close()
    assert numbers(tmp_path / "sensor") == []


@pytest.mark.parametrize(("size", "seconds"), [(100_000, 0.05), (12, 0.001)])
def test_before_any_frame_was_written_no_more_are_taken_than_can_be_soon(
    size: int, seconds: float
) -> None:
    soon = 0.25
    queue = FrameQueue(1 << 30, soon, block=False)
    frame = np.zeros(size, "u1")
    taken = 0
    while queue.put(QueuedFrame(np.array(0.0), (frame,), size)):
        taken += 1
    assert taken
    # What takes long to encode, such as noise by LZMA, is taken so, too.
    assert taken * seconds <= soon
