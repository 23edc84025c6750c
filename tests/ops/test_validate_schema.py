"""Schemas of `ops.validate`: what every trace must hold."""

import itertools
from pathlib import Path

import pytest
import yaml

from roverd import ops
from roverd.errors import MetadataError, MissingFileError
from roverd.ops.validation import DEFAULT_SCHEMA
from support.limits import cheap
from support.traces import SHORT, record_imu, record_lidar, record_trace


def found(root: Path, schema: object = None) -> list[tuple[str, str]]:
    (trace,) = ops.validate(root, schema).traces  # type: ignore[arg-type]
    return [(p.kind, p.file) for p in trace.errors]


def test_the_default_is_that_of_the_contract():
    assert DEFAULT_SCHEMA == {
        "lidar": ["ts", "rfl", "nir", "rng"],
        "radar": ["ts", "iq", "valid"],
        "camera": ["ts", "video.avi"],
        "imu": ["ts", "rot", "acc", "avel"],
    }


def test_every_sensor_of_the_default_must_be_there(tmp_path: Path):
    record_imu(tmp_path / "imu", 5)
    (tmp_path / "config.yaml").write_text("")
    assert found(tmp_path) == [("missing-sensor", name) for name in ("lidar", "radar", "camera")]


def test_every_channel_of_the_default_must_be_named(tmp_path: Path):
    made = record_trace(tmp_path / "t", 1.0)
    made["lidar"].drop("rfl", "nir")
    made["camera"].drop("video.avi")
    assert found(tmp_path / "t") == [
        ("missing-channel", "camera/meta.json"),
        ("missing-channel", "lidar/meta.json"),
        ("missing-channel", "lidar/meta.json"),
    ]


def test_a_schema_of_ones_own_takes_the_place_of_the_default(tmp_path: Path):
    record_lidar(tmp_path / "lidar", 5)
    (tmp_path / "config.yaml").write_text("")
    schema = {"lidar": ["rng"], "gps": [], "_": ["config.yaml", "lidar/lidar.json", "notes.md"]}
    file = tmp_path / "schema.yaml"
    file.write_text(yaml.safe_dump(schema))
    expected = [("missing-sensor", "gps"), ("missing-file", "notes.md")]
    for given in (schema, file, str(file)):
        assert sorted(found(tmp_path, given)) == sorted(expected)
    assert found(tmp_path, {}) == []


def test_channels_beyond_the_schema_are_checked(tmp_path: Path):
    record_trace(tmp_path / "t", 1.0)
    (tmp_path / "t" / "imu" / "acc").unlink()
    assert found(tmp_path / "t", {"radar": ["ts"]}) == [("missing-file", "imu/acc")]


BROKEN = {
    "empty": "",
    "no YAML": "a: [",
    "a list": "[ts, iq]",
    "a text": "lidar",
    "a number for a sensor": "3: [ts]",
    "a text for the channels": "lidar: ts",
    "nothing for the channels": "lidar:",
    "a number for a channel": "lidar: [1]",
    "a sensor that is a path": "a/b: [ts]",
    "a file outside": "_: [../secret]",
    "an absolute file": "_: [/etc/passwd]",
    "an object": "lidar: !!python/object/apply:os.system [ls]",
    "nested without end": "[" * 1200,
    "bytes": "\x00\x01",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_is_no_schema_is_refused_by_name(tmp_path: Path, text: str):
    file = tmp_path / "schema.yaml"
    file.write_text(text)
    with pytest.raises(MetadataError) as caught:
        ops.read_schema(file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_aliases_that_unfold_without_end_cost_nothing(tmp_path: Path):
    file = tmp_path / "schema.yaml"
    parts = ["&a [ts, ts]"]
    parts += [
        f"&{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in itertools.pairwise("abcdefghijklmnop")
    ]
    file.write_text(f"lidar: [{', '.join(parts)}]")
    with cheap(), pytest.raises(MetadataError):
        ops.read_schema(file)


def test_a_schema_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(MissingFileError, match="nowhere"):
        ops.validate(SHORT, tmp_path / "nowhere.yaml")
