"""What `correction` stands for, and that samples carry corrected timestamps."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roverd import sensors, timestamps
from support.traces import numbered, record, record_camera, record_imu, record_lidar, record_radar

SMOOTHED = {
    "XWRRadar": record_radar,
    "Camera": record_camera,
    "IMU": record_imu,
}
DISCRETIZED = {"OSLidarDepth": record_lidar, "OSLidar": record_lidar}
TYPED = {**SMOOTHED, **DISCRETIZED}


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize(
    "correction, expected",
    [
        (None, timestamps.identity),
        ("identity", timestamps.identity),
        ("smooth", timestamps.smooth),
        ("discretize", timestamps.discretize),
        (lambda x: x + 1.0, lambda x: x + 1.0),
    ],
    ids=["None", "identity", "smooth", "discretize", "a function"],
)
def test_names_and_functions_correct_timestamps(
    tmp_path: Path, name: str, correction: object, expected: Callable[[np.ndarray], np.ndarray]
):
    truth = TYPED[name](tmp_path / "sensor", 12)
    sensor = getattr(sensors, name)(tmp_path / "sensor", correction=correction)
    stamps = expected(truth.stamps)
    assert sensor.metadata.timestamps.tolist() == stamps.tolist()
    assert sensor[7].timestamps.tolist() == [[stamps[7]]]
    assert [sample.timestamps.item() for sample in sensor] == stamps.tolist()


@pytest.mark.parametrize("name", TYPED)
def test_auto_smooths_and_lidars_are_discretized(tmp_path: Path, name: str):
    truth = TYPED[name](tmp_path / "sensor", 30)
    sensor = getattr(sensors, name)(tmp_path / "sensor", correction="auto")
    if name in SMOOTHED:
        expected = timestamps.smooth(truth.stamps, 30.0)
    else:
        expected = timestamps.discretize(truth.stamps, 10.0, 0.05)
    assert sensor.metadata.timestamps.tolist() == expected.tolist()
    assert sensor.metadata.timestamps.tolist() != truth.stamps.tolist()


def test_auto_smooths_segmentations(tmp_path: Path):
    stamps = np.sort(1.7e9 + np.random.default_rng(1).random(9))
    record(tmp_path / "_camera", stamps, {"segment": ("lzmaf", numbered(9, (4, 6), "u1"))})
    sensor = sensors.Semseg(tmp_path / "_camera", correction="auto")
    assert sensor.metadata.timestamps.tolist() == timestamps.smooth(stamps).tolist()


def test_an_untyped_sensor_has_no_auto_correction(tmp_path: Path):
    record_imu(tmp_path / "imu", 3)
    with pytest.raises(ValueError, match="auto"):
        sensors.DynamicSensor(tmp_path / "imu", correction="auto")


@pytest.mark.parametrize("correction", ["sharpen", "np", "__doc__", "Iterator", "_blocks", ""])
def test_an_unknown_correction_is_an_error_that_names_the_known_ones(tmp_path: Path, correction):
    record_imu(tmp_path / "imu", 3)
    with pytest.raises(ValueError, match="identity"):
        sensors.IMU(tmp_path / "imu", correction=correction)


def test_a_dynamic_sensor_is_corrected_but_its_ts_channel_is_as_recorded(tmp_path: Path):
    truth = record_imu(tmp_path / "imu", 20)
    sensor = sensors.DynamicSensor(tmp_path / "imu", correction="smooth")
    expected = timestamps.smooth(truth.stamps)
    assert sensor.metadata.timestamps.tolist() == expected.tolist()
    assert sensor["ts"].read().tolist() == truth.stamps.tolist()


def test_no_correction_is_made_of_stamps_nobody_asked_for(tmp_path: Path):
    record_imu(tmp_path / "imu", 3)

    def refuse(x: np.ndarray) -> np.ndarray:
        raise AssertionError

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sensors.IMU(tmp_path / "imu", correction=refuse)
