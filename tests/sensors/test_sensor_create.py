"""Making sensors and adding channels: what is refused leaves everything as it was."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.sensors import DynamicSensor
from support.traces import TS_ENTRY, jpegs_of, numbered, record_lidar, xz_frames

RAW = {"format": "raw", "type": "i2", "shape": [2]}


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the content of files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def meta_of(sensor: DynamicSensor) -> dict[str, Any]:
    return json.loads((Path(sensor.path) / "meta.json").read_text())


@pytest.fixture
def sensor(tmp_path: Path) -> DynamicSensor:
    made = DynamicSensor(tmp_path / "trace" / "thing", create=True)
    made.create("value", RAW)
    made.create("rng", {"format": "lzmaf", "type": "u2", "shape": [2, 3]})
    made.create("tag_i", {"format": "raw", "type": "u1", "shape": []})
    made.create("shots", {"format": "jpg", "type": "u1", "shape": [8, 8, 3]})
    return made


def test_a_new_sensor_has_timestamps_and_nothing_else(tmp_path: Path):
    sensor = DynamicSensor(tmp_path / "deep" / "er" / "s", create=True)
    meta = meta_of(sensor)
    assert set(meta) == {"ts"}
    assert {key: meta["ts"][key] for key in ("format", "type", "shape")} == {
        key: TS_ENTRY[key] for key in ("format", "type", "shape")
    }
    assert set(sensor.channels) == {"ts"}
    assert len(sensor) == 0
    sensor["ts"].write(np.array([1.0, 2.0]))
    assert len(sensor.refresh()) == 2


def test_a_sensor_that_is_there_is_not_made_again(sensor: DynamicSensor):
    before = tree(Path(sensor.path))
    with pytest.raises(FileExistsError, match="thing"):
        DynamicSensor(sensor.path, create=True)
    assert tree(Path(sensor.path)) == before


def test_exist_ok_opens_a_sensor_as_it_is(sensor: DynamicSensor, tmp_path: Path):
    sensor["ts"].write(np.array([1.0, 2.0]))
    before = tree(Path(sensor.path))
    again = DynamicSensor(sensor.path, create=True, exist_ok=True)
    assert tree(Path(sensor.path)) == before
    assert set(again.channels) == {"ts", "value", "rng", "tag_i", "shots"}
    assert again["ts"].read().tolist() == [1.0, 2.0]
    assert len(DynamicSensor(tmp_path / "new", create=True, exist_ok=True)) == 0


NAMES = {
    "reserved: ts": "ts",
    "reserved: meta.json": "meta.json",
    "empty": "",
    "here": ".",
    "above": "..",
    "escapes": "../value2",
    "escapes twice": "../../value2",
    "below": "a/b",
    "backslash": "a\\b",
    "absolute": "/tmp/roverd_escaped",
    "NUL": "a\0b",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_reserved_and_escaping_names_are_refused(sensor: DynamicSensor, tmp_path: Path, name: str):
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=r"thing/meta\.json"):
        sensor.create(name, RAW)
    assert tree(tmp_path) == before
    assert not os.path.exists("/tmp/roverd_escaped")
    assert meta_of(sensor) == sensor.config


LZMAF = {"format": "lzmaf", "type": "u2", "shape": [2]}


@pytest.mark.parametrize(
    "name, meta",
    [
        ("value", RAW),
        ("value", LZMAF),
        ("rng_i", RAW),
        ("rng_i", LZMAF),
        ("rng", RAW),
        ("tag", LZMAF),
        ("shots", {"format": "npz", "type": "f4", "shape": [2]}),
    ],
    ids=lambda value: value if isinstance(value, str) else value["format"],
)
def test_names_that_collide_with_files_of_another_channel_are_refused(
    sensor: DynamicSensor, tmp_path: Path, name: str, meta: dict[str, Any]
):
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=name):
        sensor.create(name, meta)
    assert tree(tmp_path) == before


def test_names_that_only_look_alike_are_accepted(sensor: DynamicSensor):
    for name, meta in (
        ("value_i", RAW),
        ("tag", RAW),
        ("rng_i_i", RAW),
        ("rngs", LZMAF),
        ("_hidden", RAW),
        ("näme with blanks.bin", RAW),
        ("..almost", RAW),
        ("ts_i", RAW),
    ):
        channel = sensor.create(name, meta)
        assert sensor[name] is channel


BAD: dict[str, dict[str, Any]] = {
    "no format": {"type": "u1", "shape": []},
    "no type": {"format": "raw", "shape": []},
    "no shape": {"format": "raw", "type": "u1"},
    "unknown format": {**RAW, "format": "tape"},
    "unknown type": {**RAW, "type": "banana"},
    "type of objects": {**RAW, "type": "O"},
    "negative axis": {**RAW, "shape": [2, -1]},
    "axis of a half": {**RAW, "shape": [0.5]},
    "shape of text": {**RAW, "shape": "23"},
    "arguments it does not take": {**RAW, "args": {"tempo": 3}},
    "arguments of another kind": {**RAW, "args": [1]},
    "not expressible in JSON": {**RAW, "desc": object()},
    "no image": {"format": "jpg", "type": "f4", "shape": [8, 8, 3]},
}


@pytest.mark.parametrize("meta", BAD.values(), ids=BAD.keys())
def test_an_unusable_description_leaves_everything_as_it_was(
    sensor: DynamicSensor, tmp_path: Path, meta: dict[str, Any]
):
    before, channels, config = tree(tmp_path), set(sensor.channels), dict(sensor.config)
    with pytest.raises((ValueError, TypeError)):
        sensor.create("other", meta)
    assert tree(tmp_path) == before
    assert set(sensor.channels) == channels
    assert sensor.config == config
    sensor.create("other", RAW)


def test_arguments_that_the_format_does_not_take_leave_everything_as_it_was(
    sensor: DynamicSensor, tmp_path: Path
):
    before = tree(tmp_path)
    with pytest.raises((ValueError, TypeError)):
        sensor.create("other", RAW, args={"tempo": 3})
    assert tree(tmp_path) == before


def test_a_disk_that_fails_leaves_everything_as_it_was(
    sensor: DynamicSensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = tree(tmp_path)
    with monkeypatch.context() as patch:
        for name in ("replace", "rename"):
            patch.setattr(os, name, fail)
        with pytest.raises(OSError, match="No space"):
            sensor.create("other", RAW)
    assert tree(tmp_path) == before
    assert "other" not in sensor.config
    sensor.create("other", RAW)


def test_meta_json_is_whole_at_any_moment(tmp_path: Path):
    sensor = DynamicSensor(tmp_path / "s", create=True)
    path = tmp_path / "s" / "meta.json"
    lengths: list[int] = []
    failures: list[Exception] = []
    done = threading.Event()

    def watch() -> None:
        try:
            while not done.is_set():
                lengths.append(len(json.loads(path.read_bytes())))
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(60):
            sensor.create(f"channel{number}", {**RAW, "desc": "long " * 400})
    finally:
        done.set()
        watcher.join()
    assert not failures
    assert lengths == sorted(lengths)
    assert len(meta_of(sensor)) == 61
    assert sorted(file.name for file in (tmp_path / "s").iterdir()) == ["meta.json", "ts"]


def test_two_objects_may_add_channels_to_one_sensor(sensor: DynamicSensor):
    other = DynamicSensor(sensor.path)
    other.create("theirs", RAW)
    sensor.create("ours", RAW)
    assert {"theirs", "ours"} <= set(meta_of(sensor))
    assert {"theirs", "ours"} <= set(sensor.channels)
    assert {"theirs", "ours"} <= set(other.refresh().channels)
    with pytest.raises(ValueError, match="ours"):
        DynamicSensor(sensor.path).create("ours", RAW)


def test_unknown_keys_of_meta_json_are_kept_and_ignored(tmp_path: Path):
    truth = record_lidar(tmp_path / "lidar", 3)
    truth.meta["rng"].update({"unit": "mm", "calibration": {"by": ["us", 3]}})
    truth.meta["nir"]["description"] = truth.meta["nir"].pop("desc")
    truth.write_meta()
    sensor = DynamicSensor(tmp_path / "lidar")
    assert sensor.config == truth.meta
    sensor.create("extra", {**RAW, "colour": "blue"})
    assert meta_of(sensor) == {**truth.meta, "extra": {**RAW, "colour": "blue"}}
    assert list(meta_of(sensor)) == [*truth.meta, "extra"]
    np.testing.assert_array_equal(sensor["rng"].read(), truth.frames["rng"])


FORMATS: dict[str, dict[str, Any]] = {
    "a": {"format": "raw", "type": "c8", "shape": [2, 3], "desc": "text"},
    "b": {"format": "lzma", "type": "f8", "shape": [], "description": "text"},
    "c": {"format": "lzmaf", "type": "u2", "shape": [4], "unit": "mm"},
    "d": {"format": "npz", "type": "f4", "shape": [5], "args": {"compress": True}},
    "e": {"format": "jpg", "type": "u1", "shape": [8, 8, 3], "args": {"workers": 2}},
    "f.avi": {
        "format": "mjpg",
        "type": "u1",
        "shape": [8, 8, 3],
        "args": {"resolution": [4, 4], "interp": "linear"},
    },
}


def test_the_config_of_a_sensor_makes_the_same_channels_in_another(tmp_path: Path):
    first = DynamicSensor(tmp_path / "first", create=True)
    for name, meta in FORMATS.items():
        first.create(name, meta)
    second = DynamicSensor(tmp_path / "second", create=True)
    for name, meta in DynamicSensor(first.path).config.items():
        if name != "ts":
            second.create(name, meta)
    expected = {"ts": first.config["ts"], **FORMATS}
    assert meta_of(second) == meta_of(first) == expected
    assert first.config == second.config == DynamicSensor(second.path).config == expected
    assert json.loads(json.dumps(second.config)) == expected
    for name, channel in DynamicSensor(second.path).channels.items():
        assert type(channel) is type(first[name])
        assert (channel.type, channel.shape) == (first[name].type, first[name].shape)


def test_creating_a_channel_leaves_its_description_as_it_was_given(tmp_path: Path):
    sensor = DynamicSensor(tmp_path / "s", create=True)
    meta: dict[str, Any] = {"format": "raw", "type": "u1", "shape": (2, 3)}
    sensor.create("x", meta)
    assert meta == {"format": "raw", "type": "u1", "shape": (2, 3)}
    assert meta_of(sensor)["x"]["shape"] == [2, 3]
    meta["format"] = "changed"
    assert sensor.config["x"]["format"] == "raw"


def test_arguments_in_a_description_are_every_readers_and_others_are_ones_own(tmp_path: Path):
    sensor = DynamicSensor(tmp_path / "s", create=True)
    entry = {"format": "mjpg", "type": "u1", "shape": [16, 16, 3]}
    stored = sensor.create("stored.avi", {**entry, "args": {"resolution": [8, 8]}})
    given = sensor.create("given.avi", entry, args={"resolution": (8, 8)})
    frames = np.full((2, 16, 16, 3), 200, np.uint8)
    for channel in (stored, given):
        channel.write(frames)
        assert channel.read().shape == (2, 8, 8, 3)
    assert "args" not in meta_of(sensor)["given.avi"]
    sensor["ts"].write(np.array([0.0, 1.0]))
    reader = DynamicSensor(tmp_path / "s")
    assert reader[0]["stored.avi"].shape == (1, 8, 8, 3)
    assert reader[0]["given.avi"].shape == (1, 16, 16, 3)
    reader = DynamicSensor(tmp_path / "s", args={"given.avi": {"resolution": (4, 4)}})
    assert reader[0]["given.avi"].shape == (1, 4, 4, 3)


def test_what_is_recorded_is_read_by_other_programs(tmp_path: Path):
    folder = tmp_path / "s"
    sensor = DynamicSensor(folder, create=True)
    stamps = np.arange(5) / 10
    made = {name: sensor.create(name, meta) for name, meta in FORMATS.items() if name != "f.avi"}
    made["f.avi"] = sensor.create("f.avi", {"format": "mjpg", "type": "u1", "shape": [8, 8, 3]})
    frames = {
        name: numbered(5, FORMATS[name]["shape"], FORMATS[name]["type"])
        for name in ("a", "b", "c", "d")
    }
    frames["e"] = frames["f.avi"] = np.full((5, 8, 8, 3), 90, np.uint8)
    for name, channel in made.items():
        channel.consume(iter(frames[name]))
    sensor["ts"].consume(iter(stamps))
    assert np.fromfile(folder / "ts", "<f8").tolist() == stamps.tolist()
    assert np.fromfile(folder / "a", "<c8").tolist() == frames["a"].ravel().tolist()
    assert np.array_equal(xz_frames(folder, "c", "<u2", (4,)), frames["c"])
    assert np.load(folder / "d" / "000004.npz")["data"].tolist() == frames["d"][4].tolist()
    assert len(jpegs_of((folder / "f.avi").read_bytes())) == 5
    assert len(sensor.refresh()) == 5
