"""What a recorder refuses, and that it leaves all as it was then."""

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from roverd import Recorder
from roverd.errors import AlreadyExistsError, InvalidDataError, MetadataError, RecordingError
from roverd.sensors import DynamicSensor
from support.recording import (
    RAW,
    add_all_formats,
    check_all_formats,
    number,
    numbers,
    write,
    write_number,
)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "options",
    [
        {"overflow": "wait"},
        {"queue_bytes": 0},
        {"flush_interval": 0.0},
        {"flush_interval": -1.0},
        {"flush_interval": float("nan")},
        {"flush_interval": 2.0, "sync_interval": 2.0},
        {"sync_interval": 0.1},
        {"sync_interval": float("inf")},
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Recorder(tmp_path / "trace", **options)
    assert tree(tmp_path) == []


def test_an_interval_may_be_longer_than_python_waits(tmp_path: Path) -> None:
    # Warnings are errors, among them what a thread raises.
    with Recorder(tmp_path, sync_interval=1e30) as recorder:
        write_number(recorder.sensor("sensor", RAW), 0)
    assert numbers(tmp_path / "sensor") == [0]


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(ValueError, match="empty path"):
        Recorder("")


def test_a_path_may_be_bytes(tmp_path: Path) -> None:
    with Recorder(cast(str, os.fsencode(tmp_path / "trace"))) as recorder:
        write_number(recorder.sensor("sensor", RAW), 0)
    assert numbers(tmp_path / "trace" / "sensor") == [0]


def test_the_program_may_change_its_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with Recorder("trace", flush_interval=0.01, sync_interval=0.05) as recorder:
        sensor = add_all_formats(recorder)
        write(sensor, range(3))
        monkeypatch.chdir(elsewhere)
        write(sensor, range(3, 6))
        write_number(recorder.sensor("another", RAW), 0)
    check_all_formats(tmp_path / "trace" / "all", 6)
    assert tree(elsewhere) == []


def test_a_trace_that_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine: 1\n")
    with pytest.raises(AlreadyExistsError, match=r"config\.yaml.*append=True"):
        Recorder(tmp_path, config={"new": 1})
    assert tree(tmp_path) == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_text() == "mine: 1\n"


def test_a_config_that_yaml_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match=r"config\.yaml"):
        Recorder(tmp_path / "trace", config={"array": np.zeros(3)})
    assert tree(tmp_path) == []


def test_a_sensor_that_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "radar").mkdir()
    (tmp_path / "radar" / "meta.json").write_text("{}")
    refused = pytest.raises(AlreadyExistsError, match=r"radar.*append=True")
    with Recorder(tmp_path) as recorder, refused:
        recorder.sensor("radar", RAW)
    assert tree(tmp_path / "radar") == ["meta.json"]


def test_a_sensor_is_recorded_once(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        write_number(recorder.sensor("radar", RAW), 0)
        with pytest.raises(AlreadyExistsError, match="radar"):
            recorder.sensor("radar", RAW)
    assert numbers(tmp_path / "radar") == [0]


@pytest.mark.parametrize("name", ["_recorder", "_scratch", "config.yaml"])
def test_a_sensor_does_not_take_the_name_of_something_else(tmp_path: Path, name: str) -> None:
    with Recorder(tmp_path) as recorder:
        before = tree(tmp_path)
        with pytest.raises(MetadataError, match=f"'{name}'"):
            recorder.sensor(name, RAW)
        assert tree(tmp_path) == before


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf"), "20", 10**400, [20.0]])
@pytest.mark.parametrize("format", ["raw", "mjpg"])
def test_a_rate_that_cannot_be_is_refused_and_the_sensor_can_still_be_made(
    tmp_path: Path, rate: Any, format: str
) -> None:
    channels = {"value": {"format": format, "type": "u1", "shape": (16, 24, 3)}}
    with Recorder(tmp_path) as recorder:
        with pytest.raises(MetadataError, match=r"sensor.*positive rate"):
            recorder.sensor("sensor", channels, rate=rate)
        sensor = recorder.sensor("sensor", channels, rate=cast(float, np.float32(20.0)))
        sensor.write(0.0, value=np.zeros((16, 24, 3), "u1"))
    assert len(DynamicSensor(tmp_path / "sensor")) == 1


def test_a_sensor_that_could_not_be_opened_can_be_made_again(tmp_path: Path) -> None:
    wide = {**RAW, "video": {"format": "mjpg", "type": "u1", "shape": (2, 40_000, 3)}}
    with Recorder(tmp_path) as recorder:
        with pytest.raises(ValueError, match=r"video.*width"):
            recorder.sensor("sensor", wide)
        write_number(recorder.sensor("sensor", RAW), 0)
    assert numbers(tmp_path / "sensor") == [0]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp/x", "../x", "a\\b", "a\0b", 5, None])
def test_a_sensor_is_named_by_one_path_component(tmp_path: Path, name: Any) -> None:
    with Recorder(tmp_path / "trace") as recorder, pytest.raises(MetadataError, match="name"):
        recorder.sensor(name, RAW)
    assert tree(tmp_path) == [
        "trace",
        "trace/_recorder",
        "trace/_recorder/log.jsonl",
        "trace/config.yaml",
    ]


@pytest.mark.parametrize(
    "channels",
    [
        {},
        None,
        {"ts": RAW["value"]},
        {"meta.json": RAW["value"]},
        {"../value": RAW["value"]},
        {"value": {"format": "raw", "type": "i4"}},
        {"value": {**RAW["value"], "format": "zip"}},
        {"value": {**RAW["value"], "type": "O"}},
        {"value": {**RAW["value"], "shape": [0]}},
        {"value": {**RAW["value"], "args": {"unknown": 1}}},
        {"value": "raw"},
        {"value": {**RAW["value"], "format": "lzmaf"}, "value_i": RAW["value"]},
        {"value": {**RAW["value"], "desc": np.zeros(3)}},
    ],
)
def test_channels_that_cannot_be_are_refused_and_nothing_is_made(
    tmp_path: Path, channels: Any
) -> None:
    with Recorder(tmp_path) as recorder:
        with pytest.raises(MetadataError, match=r"meta\.json|sensor"):
            recorder.sensor("sensor", channels)
        assert "sensor/meta.json" not in tree(tmp_path)
        # The name is free still.
        write_number(recorder.sensor("sensor", RAW), 0)
    assert numbers(tmp_path / "sensor") == [0]


@pytest.mark.parametrize(
    "files",
    [
        {"ts": ""},
        {"meta.json": {}},
        {"value": ""},
        {"value_x": ""},
        {"a/b": ""},
        {"..": ""},
        {"a.json": {"x": np.zeros(2)}},
    ],
)
def test_files_that_cannot_be_are_refused_and_nothing_is_made(tmp_path: Path, files: Any) -> None:
    with Recorder(tmp_path) as recorder, pytest.raises(InvalidDataError, match="sensor"):
        recorder.sensor("sensor", RAW, files=files)
    assert "sensor" not in tree(tmp_path)


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (0.0, {}, "no 'value'"),
    (0.0, {**number(0), "other": 1}, "unknown 'other'"),
    (0.0, {"valve": number(0)["value"]}, "no 'value' and unknown 'valve'"),
    (0.0, {"value": np.zeros(4, "i4")}, r"shape \[4\]"),
    (0.0, {"value": np.zeros((1, 3), "i4")}, r"shape \[1, 3\]"),
    (0.0, {"value": np.zeros(3, "i8")}, "type i8"),
    (0.0, {"value": [0, 1, 2]}, "list"),
    (0.0, {"value": None}, "None"),
    (float("nan"), number(0), "finite"),
    (float("inf"), number(0), "finite"),
    (np.longdouble("1e400"), number(0), "finite"),  # which an f8 does not hold
    ("0", number(0), "finite"),
    (None, number(0), "finite"),
    (True, number(0), "finite"),
    ([0.0], number(0), "finite"),
]


@pytest.mark.parametrize(("timestamp", "frames", "message"), WRONG)
def test_a_frame_that_does_not_fit_leaves_no_trace_and_the_next_is_recorded(
    tmp_path: Path, timestamp: Any, frames: Any, message: str
) -> None:
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", RAW)
        write_number(sensor, 0)
        with pytest.raises(InvalidDataError, match=f"sensor.*{message}"):
            sensor.write(timestamp, frames)
        write_number(sensor, 1)
    assert numbers(tmp_path / "sensor") == [0, 1]


def test_nan_is_no_whole_number(tmp_path: Path) -> None:
    channels = {"n": {"format": "raw", "type": "u1", "shape": ()}}
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", channels)
        with pytest.raises(InvalidDataError, match="n: expected a frame of type u1"):
            sensor.write(0.0, n=float("nan"))


def test_a_channel_given_twice_is_refused(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", RAW)
        with pytest.raises(InvalidDataError, match="'value' twice"):
            sensor.write(0.0, number(0), **number(0))


def test_a_frame_is_refused_whole_when_one_of_its_channels_does_not_fit(tmp_path: Path) -> None:
    channels = {"a": RAW["value"], "b": RAW["value"]}
    good = number(0)["value"]
    with Recorder(tmp_path) as recorder:
        sensor = recorder.sensor("sensor", channels)
        with pytest.raises(InvalidDataError, match=r"sensor/b"):
            sensor.write(0.0, a=good, b=good[:2])
        sensor.write(1.0, a=good, b=good)
    for name, size in (("a", 12), ("b", 12), ("ts", 8)):
        assert (tmp_path / "sensor" / name).stat().st_size == size


def test_closing_again_does_nothing_and_writing_then_is_an_error(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    sensor = recorder.sensor("sensor", RAW)
    write_number(sensor, 0)
    recorder.close()
    recorder.close()
    with pytest.raises(RecordingError, match=r"sensor.*closed"):
        write_number(sensor, 1)
    with pytest.raises(RecordingError, match="closed"):
        recorder.sensor("other", RAW)
    assert numbers(tmp_path / "sensor") == [0]
    assert recorder.stats()["sensor"].frames == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        Recorder(tmp_path / "trace")


def test_a_path_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=str(tmp_path / "file")):
        Recorder(tmp_path / "file" / "trace")
    with Recorder(tmp_path / "trace") as recorder:
        (tmp_path / "trace" / "sensor").write_text("in the way")
        with pytest.raises(OSError, match="sensor"):
            recorder.sensor("sensor", RAW)
        write_number(recorder.sensor("other", RAW), 0)
    assert numbers(tmp_path / "trace" / "other") == [0]
