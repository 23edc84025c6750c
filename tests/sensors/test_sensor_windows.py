"""Windows: exactly the frames around an index, or an IndexError."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd import sensors
from roverd.channels.batch import Batch
from support.traces import (
    Recorded,
    numbered,
    record,
    record_camera,
    record_imu,
    record_lidar,
    record_radar,
)
from support.typed import check_sample

COUNT = 7
# How samples name what channels hold.
FIELDS: dict[str, dict[str, str]] = {
    "XWRRadar": {"iq": "iq", "valid": "valid"},
    "OSLidarDepth": {"rng": "rng"},
    "OSLidar": {"rng": "rng", "rfl": "rfl", "nir": "nir"},
    "Camera": {"image": "video.avi"},
    "Semseg": {"semseg": "segment"},
    "IMU": {"acc": "acc", "rot": "rot", "avel": "avel"},
}
WINDOWS = [(0, 0), (1, 0), (0, 2), (2, 1), (3, 3), (6, 0), (0, 6)]


def record_semseg(path: Path, count: int) -> Recorded:
    stamps = 1.7e9 + np.arange(count) / 30
    return record(path, stamps, {"segment": ("lzmaf", numbered(count, (6, 8), "u1"))})


RECORDERS = {
    "XWRRadar": record_radar,
    "OSLidarDepth": record_lidar,
    "OSLidar": record_lidar,
    "Camera": record_camera,
    "Semseg": record_semseg,
    "IMU": record_imu,
}
every_type = pytest.mark.parametrize("name", FIELDS)
every_window = pytest.mark.parametrize("past, future", WINDOWS)


def expect(sample: Any, truth: Recorded, name: str, frames: slice | np.ndarray) -> None:
    """Assert that a sample is exactly these frames, with a batch axis."""
    for field, channel in FIELDS[name].items():
        found = getattr(sample, field)
        assert found.dtype == truth.frames[channel].dtype
        np.testing.assert_array_equal(found, truth.frames[channel][frames][None])
    np.testing.assert_array_equal(sample.timestamps, truth.stamps[frames][None])
    check_sample(sample)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    """A recording for each type of sensor, which no test changes."""
    root = tmp_path_factory.mktemp("windows")
    return {name: make(root / name, COUNT) for name, make in RECORDERS.items()}


@every_type
@every_window
def test_a_sample_is_the_window_around_its_index(recorded, name: str, past: int, future: int):
    truth = recorded[name]
    sensor = getattr(sensors, name)(truth.path, past=past, future=future)
    assert len(sensor) == COUNT
    whole = 0
    for index in range(COUNT):
        if index - past < 0 or index + future >= COUNT:
            for same in (index, index - COUNT):
                with pytest.raises(IndexError):
                    sensor[same]
            continue
        whole += 1
        for same in (index, index - COUNT, np.int64(index), np.uint8(index), np.int8(index)):
            expect(sensor[same], truth, name, slice(index - past, index + future + 1))
    assert whole == max(0, COUNT - past - future)


@every_type
@every_window
def test_stream_and_iteration_begin_and_end_with_whole_windows(
    recorded, name: str, past: int, future: int
):
    truth = recorded[name]
    sensor = getattr(sensors, name)(truth.path, past=past, future=future)
    window = past + 1 + future
    for samples in (list(sensor.stream()), list(sensor), list(sensor.stream(batch=None))):
        assert len(samples) == max(0, COUNT - window + 1)
        for start, sample in enumerate(samples):
            expect(sample, truth, name, slice(start, start + window))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 100])
def test_a_batched_stream_yields_lists_of_samples_and_loses_none(tmp_path: Path, batch: int):
    truth = record_imu(tmp_path / "imu", 12)
    sensor = sensors.IMU(tmp_path / "imu", past=1)
    lists = list(sensor.stream(batch=batch))
    assert all(len(samples) == batch for samples in lists[:-1])
    assert 1 <= len(lists[-1]) <= batch
    samples = list(itertools.chain.from_iterable(lists))
    assert len(samples) == 11
    for start, sample in enumerate(samples):
        expect(sample, truth, "IMU", slice(start, start + 2))


@pytest.mark.parametrize("index", [COUNT, COUNT + 1, -COUNT - 1, 10**20, -(10**20)])
def test_an_index_out_of_range_is_an_index_error_that_names_the_sensor(tmp_path: Path, index: int):
    record_imu(tmp_path / "imu", COUNT)
    with pytest.raises(IndexError, match="imu"):
        sensors.IMU(tmp_path / "imu")[index]


def test_the_error_of_an_incomplete_window_says_which_frames_it_lacks(tmp_path: Path):
    record_imu(tmp_path / "imu", COUNT)
    with pytest.raises(IndexError, match=r"-1.*imu|imu.*-1"):
        sensors.IMU(tmp_path / "imu", past=2)[1]


@pytest.mark.parametrize("index", [1.0, None, (1, 2), "1"])
def test_what_is_no_index_is_a_type_or_key_error(tmp_path: Path, index: object):
    record_imu(tmp_path / "imu", COUNT)
    with pytest.raises((TypeError, KeyError)):
        sensors.IMU(tmp_path / "imu")[index]


@every_window
def test_samples_of_a_dynamic_sensor_are_windows_of_every_channel(tmp_path: Path, past, future):
    truth = record_lidar(tmp_path / "lidar", COUNT)
    sensor = sensors.DynamicSensor(tmp_path / "lidar", past=past, future=future)
    index = past
    sample = sensor[index]
    assert set(sample) == {"ts", "rng", "rfl", "nir"}
    for channel, frames in {**truth.frames, "ts": truth.stamps}.items():
        np.testing.assert_array_equal(sample[channel], frames[: past + future + 1])
    assert len(list(sensor)) == COUNT - past - future


def test_a_dynamic_sensor_with_a_subset_reads_only_that(tmp_path: Path):
    truth = record_lidar(tmp_path / "lidar", COUNT)
    nir = bytearray((tmp_path / "lidar" / "nir").read_bytes())
    nir[30:60] = bytes(30)
    (tmp_path / "lidar" / "nir").write_bytes(nir)
    sensor = sensors.DynamicSensor(tmp_path / "lidar", subset=["rng", "ts"])
    sample = sensor[0]
    assert set(sample) == {"rng", "ts"}
    np.testing.assert_array_equal(sample["rng"], truth.frames["rng"][:1])
    with pytest.raises(ValueError, match="nir"):
        sensors.DynamicSensor(tmp_path / "lidar")[0]


def test_a_subset_of_what_is_not_there_is_an_error(tmp_path: Path):
    record_lidar(tmp_path / "lidar", COUNT)
    with pytest.raises((KeyError, ValueError), match="rain"):
        sensors.DynamicSensor(tmp_path / "lidar", subset=["rng", "rain"])[0]


@every_type
def test_a_modified_sample_never_modifies_the_sensor(tmp_path: Path, name: str):
    truth = RECORDERS[name](tmp_path / "s", COUNT)
    sensor = getattr(sensors, name)(tmp_path / "s", past=1, future=1)
    for sample in (sensor[3], next(sensor.stream())):
        for value in vars(sample).values():
            if isinstance(value, np.ndarray):
                assert value.flags.writeable
                value[...] = 1
    expect(sensor[3], truth, name, slice(2, 5))
    expect(next(iter(sensor)), truth, name, slice(0, 3))
    np.testing.assert_array_equal(sensor.metadata.timestamps, truth.stamps)
    if name == "XWRRadar":
        assert sensor[3].range_resolution.tolist() == [0.25]
        assert sensor.metadata.range_resolution.tolist() == [0.25]


def test_channels_are_reached_by_name(tmp_path: Path):
    truth = record_imu(tmp_path / "imu", COUNT)
    sensor = sensors.IMU(tmp_path / "imu", past=2)
    assert sensor["acc"] is sensor.channels["acc"]
    np.testing.assert_array_equal(sensor["acc"].read(), truth.frames["acc"])
    with pytest.raises(KeyError, match="acc"):
        sensor["temperature"]


@every_type
@pytest.mark.parametrize(
    "frames", [[2], [1, 2, 3], [6, 0, 0, 5], range(0, 7, 3), np.array([4, 3], "u2"), []]
)
def test_any_frames_are_planned_as_one_sample(tmp_path: Path, name: str, frames: Any):
    truth = RECORDERS[name](tmp_path / "s", COUNT)
    batch = Batch()
    # Whatever the sensor's own window is.
    sample = getattr(sensors, name)(tmp_path / "s", past=1).plan_frames(frames, batch)
    batch.run()
    expect(sample, truth, name, np.array([*frames], int))


@pytest.mark.parametrize(
    ("frames", "error"), [([0, 7], IndexError), ([-1], IndexError), ([True] * 7, TypeError)]
)
def test_frames_that_are_not_there_cannot_be_planned(tmp_path: Path, frames: Any, error: Any):
    record_imu(tmp_path / "s", COUNT)
    with pytest.raises(error, match=str(tmp_path / "s")):
        sensors.IMU(tmp_path / "s").plan_frames(frames, Batch())
