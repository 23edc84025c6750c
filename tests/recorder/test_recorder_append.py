"""Recordings that are continued, in every format, however they ended."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from roverd import Recorder
from roverd.channels import VideoChannel
from roverd.errors import CorruptFileError, MetadataError, RecordingError
from roverd.sensors import DynamicSensor
from support.channels import CASES, Case
from support.recording import (
    CHANNELS,
    RATE,
    RAW,
    START,
    add_all_formats,
    check_all_formats,
    finish,
    frame,
    log_of,
    number,
    numbers,
    start,
    write,
    write_number,
)

COUNT = 20


def record(trace: Path, first: int, last: int, **options: Any) -> None:
    with Recorder(trace, **options) as recorder:
        write(add_all_formats(recorder), range(first, last))


def test_a_trace_that_is_not_there_is_made(tmp_path: Path) -> None:
    record(tmp_path / "trace", 0, 3, append=True, config={"a": 1})
    check_all_formats(tmp_path / "trace" / "all", 3)
    assert yaml.safe_load((tmp_path / "trace" / "config.yaml").read_text()) == {"a": 1}


def test_after_a_clean_close_recording_goes_on_in_every_format(tmp_path: Path) -> None:
    for first in (0, 12, 24):
        record(tmp_path, first, first + 12, append=True)
    check_all_formats(tmp_path / "all", 36)
    # Nothing had to be mended.
    assert not (tmp_path / "_scratch").exists()
    told = log_of(tmp_path, "sensor")
    assert [entry["frames"] for entry in told] == [0, 12, 24]
    assert not any("mended" in entry for entry in told)


def test_after_a_kill_recording_goes_on_in_every_format(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for first in (0, COUNT):
        process = start("wait", trace, first, "append")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        finish(process)
        assert log_of(trace)[-1]["event"] != "close"
        # Nothing was closed, and everything is there all the same.
        sensor = DynamicSensor(trace / "all")
        assert {name: len(channel) for name, channel in sensor.channels.items()} == dict.fromkeys(
            sensor.channels, first + COUNT
        )
    record(trace, 2 * COUNT, 3 * COUNT, append=True)
    check_all_formats(trace / "all", 3 * COUNT)
    assert [entry["frames"] for entry in log_of(trace, "sensor")] == [0, COUNT, 2 * COUNT]


def tear(path: Path, case: Case) -> None:
    """What a death while the last frame was written leaves behind."""
    if case.folder:
        (path / ".01234567.tmp").mkdir()
        (path / ".01234567.tmp" / f"{COUNT:06d}.{case.format}").write_bytes(b"half")
    else:
        os.truncate(path, path.stat().st_size - 3)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_torn_channel_is_mended_and_the_others_are_cut_to_its_length(
    tmp_path: Path, case: Case
) -> None:
    record(tmp_path, 0, COUNT)
    tear(tmp_path / "all" / case.name, case)
    (tmp_path / "_recorder" / "log.jsonl").unlink()
    left = len(DynamicSensor(tmp_path / "all")[case.name])
    assert left >= COUNT - 8
    with Recorder(tmp_path, append=True) as recorder:
        write(add_all_formats(recorder), range(left, left + 10))
    check_all_formats(tmp_path / "all", left + 10)
    assert (tmp_path / "_scratch").is_dir()
    (told,) = log_of(tmp_path, "sensor")
    assert told["frames"] == left
    assert os.path.isdir(told["rescued"])


def test_sensors_may_be_added_and_left_out(tmp_path: Path) -> None:
    for first, names in ((0, ("a", "b")), (5, ("b", "c"))):
        with Recorder(tmp_path, append=True) as recorder:
            for name in names:
                sensor = recorder.sensor(name, RAW)
                for i in range(first, first + 5):
                    write_number(sensor, i)
    assert numbers(tmp_path / "a") == list(range(5))
    assert numbers(tmp_path / "b") == list(range(10))
    assert numbers(tmp_path / "c") == list(range(5, 10))


def test_config_and_files_that_are_there_stay(tmp_path: Path) -> None:
    with Recorder(tmp_path, config={"first": 1}) as recorder:
        recorder.sensor("sensor", RAW, files={"a.json": {"first": 1}})
    with Recorder(tmp_path, config={"second": 2}, append=True) as recorder:
        recorder.sensor("sensor", RAW, files={"a.json": {"second": 2}, "b.json": {"second": 2}})
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == {"first": 1}
    assert json.loads((tmp_path / "sensor" / "a.json").read_text()) == {"first": 1}
    assert json.loads((tmp_path / "sensor" / "b.json").read_text()) == {"second": 2}
    # What was given the second time is told.
    assert yaml.safe_load(log_of(tmp_path, "start")[1]["config"]) == {"second": 2}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"value": {**RAW["value"], "format": "lzma"}}, "format lzma.*format raw"),
        ({"value": {**RAW["value"], "type": "i2"}}, "type i2.*type i4"),
        ({"value": {**RAW["value"], "shape": [4]}}, r"shape \[4\].*shape \[3\]"),
        ({"value": RAW["value"], "more": RAW["value"]}, "'value', 'more', found 'value'"),
        ({"other": RAW["value"]}, "'other', found 'value'"),
    ],
)
def test_channels_of_another_kind_are_not_mixed(tmp_path: Path, other: Any, message: str) -> None:
    with Recorder(tmp_path) as recorder:
        write_number(recorder.sensor("sensor", RAW), 0)
    before = {path: path.read_bytes() for path in (tmp_path / "sensor").iterdir()}
    with Recorder(tmp_path, append=True) as recorder:
        with pytest.raises(MetadataError, match=f"sensor/meta.json.*{message}"):
            recorder.sensor("sensor", other)
        assert {path: path.read_bytes() for path in (tmp_path / "sensor").iterdir()} == before
        write_number(recorder.sensor("sensor", RAW), 1)
    assert numbers(tmp_path / "sensor") == [0, 1]


def test_a_sensor_keeps_having_no_check_sums(tmp_path: Path) -> None:
    for first, sums in ((0, False), (3, True)):
        with Recorder(tmp_path, append=True, checksums=sums) as recorder:
            sensor = recorder.sensor("sensor", RAW)
            for i in range(first, first + 3):
                write_number(sensor, i)
    assert numbers(tmp_path / "sensor") == list(range(6))
    assert not list((tmp_path / "sensor").glob("*_x"))


def test_a_recording_of_another_program_is_continued(tmp_path: Path) -> None:
    folder = tmp_path / "sensor"
    folder.mkdir()
    (tmp_path / "config.yaml").write_text("")
    meta = {"ts": {"format": "raw", "type": "f8", "shape": []}, "value": RAW["value"]}
    (folder / "meta.json").write_text(json.dumps(meta))
    np.stack([number(i)["value"] for i in range(4)]).tofile(folder / "value")
    (START + np.arange(4) / RATE).tofile(folder / "ts")
    with Recorder(tmp_path, append=True) as recorder:
        write_number(recorder.sensor("sensor", RAW), 4)
    assert numbers(folder) == list(range(5))


def test_a_video_keeps_its_frame_rate(tmp_path: Path) -> None:
    channels = {"video.avi": CHANNELS["mjpg"]}
    for i, rate in enumerate((12.5, 30.0)):
        with Recorder(tmp_path, append=True) as recorder:
            sensor = recorder.sensor("camera", channels, rate=rate)
            sensor.write(i, {"video.avi": frame(i)["mjpg"]})
    video = VideoChannel(tmp_path / "camera" / "video.avi", "u1", CHANNELS["mjpg"]["shape"])
    assert (len(video), video.frame_rate) == (2, 12.5)


def test_a_sensor_that_cannot_be_mended_is_refused_and_others_are_recorded(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        bad, good = recorder.sensor("bad", RAW), recorder.sensor("good", RAW)
        write_number(bad, 0)
        write_number(good, 0)
    shutil.rmtree(tmp_path / "bad" / "value", ignore_errors=True)
    (tmp_path / "bad" / "ts").unlink()
    with Recorder(tmp_path, append=True) as recorder:
        with pytest.raises(CorruptFileError, match="bad/ts"):
            recorder.sensor("bad", RAW)
        write_number(recorder.sensor("good", RAW), 1)
    assert numbers(tmp_path / "good") == [0, 1]


def test_after_an_error_recording_goes_on(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    finish(start("limit", trace, 60_000))
    count = len(np.fromfile(trace / "all" / "ts"))
    record(trace, count, count + 10, append=True)
    check_all_formats(trace / "all", count + 10)


def test_a_trace_that_is_being_recorded_is_left_to_its_recorder(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    process = start("wait", trace)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(RecordingError, match="recorded by another process"):
        Recorder(trace, append=True)
    process.terminate()
    finish(process)
    with Recorder(trace, append=True) as recorder:
        with pytest.raises(RecordingError, match="recorded by this process"):
            Recorder(trace, append=True)
        write(add_all_formats(recorder), range(COUNT, COUNT + 5))
    check_all_formats(trace / "all", COUNT + 5)
    assert os.listdir(trace / "_recorder") == ["log.jsonl"]
