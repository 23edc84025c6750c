"""What is on disk when a recording has ended, read by programs that are not ours."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import roverd
from roverd import Recorder
from roverd.sensors import DynamicSensor
from support.channels import CASES, ffmpeg
from support.recording import (
    CHANNELS,
    RATE,
    RAW,
    START,
    add_all_formats,
    check_all_formats,
    frame,
    number,
    numbers,
    write,
    write_number,
)


def test_every_format_holds_what_was_written_in_order_with_check_sums(tmp_path: Path) -> None:
    with Recorder(tmp_path / "trace") as recorder:
        write(add_all_formats(recorder), range(30))
    check_all_formats(tmp_path / "trace" / "all", 30)


def test_a_sensor_that_was_written_nothing_is_there_and_empty(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        add_all_formats(recorder)
    sensor = DynamicSensor(tmp_path / "all")
    assert len(sensor) == 0
    assert all(len(channel) == 0 for channel in sensor.channels.values())


def test_buffers_that_are_used_again_do_not_change_what_was_written(tmp_path: Path) -> None:
    value = np.empty(3, "i4")
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", RAW)
        for i in range(50):
            value[:] = [i, i + 1, i + 2]
            sensor.write(START + i / RATE, value=value)
            value[:] = -1
    assert numbers(tmp_path / "sensor") == list(range(50))


def test_frames_of_another_memory_layout_or_byte_order_and_numbers_are_taken(
    tmp_path: Path,
) -> None:
    channels = {
        "matrix": {"format": "raw", "type": "i2", "shape": [2, 3]},
        "flag": {"format": "raw", "type": "u1", "shape": []},
    }
    matrix = np.arange(6, dtype="i2").reshape(2, 3)
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", channels)
        assert sensor.write(1, matrix=matrix, flag=1)
        assert sensor.write(np.float64(2), {"flag": np.uint8(2)}, matrix=np.asfortranarray(matrix))
        assert sensor.write(np.array(3.5), {"matrix": matrix.astype(">i2"), "flag": True})
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "sensor" / "matrix", "<i2").reshape(3, 2, 3), [matrix] * 3
    )
    assert np.fromfile(tmp_path / "sensor" / "flag", "u1").tolist() == [1, 2, 1]
    assert np.fromfile(tmp_path / "sensor" / "ts", "<f8").tolist() == [1, 2, 3.5]


def test_config_and_files_are_what_was_given(tmp_path: Path) -> None:
    config = {"place": "Zürich", "sensors": ["radar"], "rate": 20.0}
    files: dict[str, Any] = {"radar.json": {"range_resolution": 0.04}, "a": "text", "b": b"\0\1"}
    with Recorder(tmp_path / "new" / "trace", config=config) as recorder:
        recorder.sensor("radar", RAW, files=files)
        # All is there before the first frame.
        trace = tmp_path / "new" / "trace"
        assert yaml.safe_load((trace / "config.yaml").read_text("utf-8")) == config
        assert json.loads((trace / "radar" / "radar.json").read_text()) == files["radar.json"]
    assert (trace / "radar" / "a").read_text() == "text"
    assert (trace / "radar" / "b").read_bytes() == b"\0\1"


@pytest.mark.parametrize(("config", "text"), [("# as it is\n", "# as it is\n"), (None, "{}\n")])
def test_config_may_be_text_or_nothing(tmp_path: Path, config: Any, text: str) -> None:
    Recorder(tmp_path, config=config).close()
    assert (tmp_path / "config.yaml").read_text() == text


def test_meta_json_describes_the_channels(tmp_path: Path) -> None:
    described = {"value": {**RAW["value"], "desc": "Counts.", "unit": "1"}}
    with Recorder(tmp_path) as recorder:
        recorder.sensor("sensor", described)
    meta = json.loads((tmp_path / "sensor" / "meta.json").read_text())
    assert list(meta) == ["ts", "value"]
    assert meta["value"] == {
        "format": "raw",
        "type": "i4",
        "shape": [3],
        "desc": "Counts.",
        "unit": "1",
        "checksum": "xxh3_64",
    }
    assert meta["ts"]["checksum"] == "xxh3_64"


def test_without_check_sums_there_are_no_files_of_them(tmp_path: Path) -> None:
    with Recorder(tmp_path, checksums=False) as recorder:
        write(add_all_formats(recorder), range(3))
    assert not list((tmp_path / "all").glob("*_x"))
    assert "checksum" not in (tmp_path / "all" / "meta.json").read_text()


def test_a_channel_named_like_check_sums_takes_their_place(tmp_path: Path) -> None:
    channels = {"value": RAW["value"], "value_x": RAW["value"]}
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", channels)
        for i in range(3):
            sensor.write(START + i / RATE, value=number(i)["value"], value_x=number(9)["value"])
    assert numbers(tmp_path / "sensor") == [0, 1, 2]
    found = np.fromfile(tmp_path / "sensor" / "value_x", "<i4").reshape(3, 3)
    np.testing.assert_array_equal(found, [[9, 10, 11]] * 3)
    assert len(DynamicSensor(tmp_path / "sensor")) == 3


def test_videos_have_the_rate_of_the_sensor(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("camera", {"video.avi": CHANNELS["mjpg"]}, rate=12.5)
        for i in range(5):
            sensor.write(i, {"video.avi": frame(i)["mjpg"]})
    path = str(tmp_path / "camera" / "video.avi")
    # As raw video in a container that tells the rate, it comes out again.
    header = ffmpeg("-i", path, "-f", "yuv4mpegpipe", "-pix_fmt", "yuv420p", "-").split(b"\n")[0]
    assert b"F25:2" in header.split()
    assert roverd.channels.VideoChannel(path, "u1", CASES[5].shape).frame_rate == 12.5


def test_several_sensors_are_recorded_beside_each_other(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        sensors = [recorder.sensor(f"sensor{k}", RAW) for k in range(5)]
        for i in range(40):
            for sensor in sensors:
                write_number(sensor, i)
    for k in range(5):
        assert numbers(tmp_path / f"sensor{k}") == list(range(40))
    assert roverd.Trace.find_sensors(tmp_path) == [f"sensor{k}" for k in range(5)]


def test_many_threads_may_write_to_one_sensor(tmp_path: Path) -> None:
    threads, each = 8, 60
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", RAW)

        def produce(first: int) -> None:
            for i in range(first, first + each):
                write_number(sensor, i)

        running = [threading.Thread(target=produce, args=(k * each,)) for k in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    found = numbers(tmp_path / "sensor")  # each timestamp with its frame
    assert sorted(found) == list(range(threads * each))
    for k in range(threads):
        mine = [i for i in found if i // each == k]
        assert mine == sorted(mine)
