"""A channel that cannot be read does not take the others along."""

import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from roverd import ops
from roverd.errors import CorruptFileError, RoverdWarning
from roverd.sensors import DynamicSensor


@pytest.fixture
def mislabelled(tmp_path: Path) -> Path:
    """A sensor whose channel `rng` is one xz stream, though it is called `lzmaf`."""
    sensor = DynamicSensor(tmp_path / "lidar", create=True)
    sensor["ts"].write(np.arange(5.0))
    level = sensor.create("level", {"format": "raw", "type": "u1", "shape": []})
    level.write(np.arange(5, dtype="u1"))
    sensor.create("rng", {"format": "lzmaf", "type": "u2", "shape": [6]})
    (tmp_path / "lidar" / "rng").write_bytes(lzma.compress(np.arange(30, dtype="<u2").tobytes()))
    return tmp_path / "lidar"


def test_other_channels_are_read(mislabelled: Path) -> None:
    sensor = DynamicSensor(mislabelled, subset=["level"])
    with pytest.warns(RoverdWarning, match=r"rng: .*'lzma' file under another name") as told:
        assert len(sensor) == 5
        assert [sample["level"].item() for sample in sensor] == [0, 1, 2, 3, 4]
    assert len(told) == 1


def test_reading_it_says_why_not(mislabelled: Path) -> None:
    sensor = DynamicSensor(mislabelled)
    with pytest.warns(RoverdWarning), pytest.raises(CorruptFileError, match=r"rng: .*meta\.json"):
        sensor[0]


def test_damaged_timestamps_are_an_error(tmp_path: Path) -> None:
    sensor = DynamicSensor(tmp_path / "radar", create=True)
    os.unlink(tmp_path / "radar" / "ts")
    os.mkdir(tmp_path / "radar" / "ts")
    with pytest.raises(OSError, match="ts"):
        len(sensor)


def test_info_goes_on_past_it(mislabelled: Path) -> None:
    os.mkdir(mislabelled / "folder")
    sensor = DynamicSensor(mislabelled)
    sensor.create("folder", {"format": "raw", "type": "u1", "shape": []})
    found = ops.info(mislabelled.parent)
    assert {channel.name: channel.n for channel in found.sensors[0].channels} == {
        "ts": 5,
        "level": 5,
        "rng": 0,
        "folder": 0,
    }
    assert found.sensors[0].n == 5
    assert len(found.problems) == 2
