"""Constructors of sensors, and how names stand for them."""

import inspect
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from roverd import sensors
from support.traces import record_camera, record_imu, record_lidar, record_radar

GIVEN = inspect.Parameter.empty
WINDOW = [("correction", None), ("past", 0), ("future", 0)]
SPECIFIED = {
    "Sensor": [("path", GIVEN), *WINDOW, ("args", {})],
    "DynamicSensor": [
        ("path", GIVEN),
        ("create", False),
        ("exist_ok", False),
        ("subset", None),
        *WINDOW,
    ],
    "XWRRadar": [("path", GIVEN), *WINDOW],
    "OSLidarDepth": [("path", GIVEN), *WINDOW],
    "OSLidar": [("path", GIVEN), *WINDOW],
    "Camera": [
        ("path", GIVEN),
        ("key", "video.avi"),
        *WINDOW,
        ("resolution", None),
        ("interp", "area"),
    ],
    "Semseg": [("path", GIVEN), ("key", "segment"), *WINDOW],
    "IMU": [("path", GIVEN), *WINDOW],
    "Pose": [("path", GIVEN), ("past", 0), ("future", 0), ("reference", "radar")],
}
RECORDERS = {
    "radar": record_radar,
    "lidar": record_lidar,
    "camera": record_camera,
    "imu": record_imu,
}


@pytest.mark.parametrize("name", SPECIFIED)
def test_parameters_have_the_order_and_defaults_specified(name: str):
    found = list(inspect.signature(getattr(sensors, name)).parameters.values())
    expected = SPECIFIED[name]
    assert [(p.name, p.default) for p in found[: len(expected)]] == expected
    assert all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in found[: len(expected)])
    # More may be added, for those who name them.
    assert all(p.default is not GIVEN for p in found[len(expected) :])


def test_create_has_the_parameters_specified():
    found = inspect.signature(sensors.DynamicSensor.create).parameters.values()
    expected = [("self", GIVEN), ("channel", GIVEN), ("meta", GIVEN), ("args", {})]
    assert [(p.name, p.default) for p in found] == expected


def test_type_names_stand_for_the_classes_specified():
    assert {
        "radar": sensors.XWRRadar,
        "lidar": sensors.OSLidarDepth,
        "camera": sensors.Camera,
        "_camera": sensors.Semseg,
        "imu": sensors.IMU,
        "pose": sensors.Pose,
    } == sensors.SENSOR_TYPES


@pytest.mark.parametrize("name", [*RECORDERS])
@pytest.mark.parametrize("path_type", [str, Path])
def test_from_config_makes_what_a_name_stands_for(tmp_path: Path, name: str, path_type: type):
    RECORDERS[name](tmp_path / "any", 3)
    sensor = sensors.from_config(path_type(tmp_path / "any"), name)
    assert type(sensor) is sensors.SENSOR_TYPES[name]
    assert sensor.path == str(tmp_path / "any")
    assert len(sensor) == 3


def test_from_config_of_none_is_a_dynamic_sensor(tmp_path: Path):
    record_imu(tmp_path / "imu", 3)
    assert type(sensors.from_config(tmp_path / "imu", None)) is sensors.DynamicSensor


def test_from_config_of_a_sensor_is_that_sensor(tmp_path: Path):
    record_imu(tmp_path / "imu", 3)
    sensor = sensors.IMU(tmp_path / "imu", past=1)
    assert sensors.from_config(tmp_path / "elsewhere", sensor) is sensor


def test_from_config_of_a_constructor_calls_it_with_the_path(tmp_path: Path):
    record_imu(tmp_path / "imu", 5)
    sensor = sensors.from_config(str(tmp_path / "imu"), partial(sensors.IMU, past=1, future=2))
    assert (type(sensor), sensor.past, sensor.future) == (sensors.IMU, 1, 2)
    assert sensors.from_config(tmp_path / "imu", sensors.IMU).path == str(tmp_path / "imu")


def test_from_config_passes_a_constructor_a_path_that_functions_of_strings_take(tmp_path: Path):
    record_imu(tmp_path / "imu", 5)
    seen: list[object] = []

    def constructor(path: str) -> sensors.IMU:
        seen.append(path)
        return sensors.IMU(path)

    sensors.from_config(tmp_path / "imu", constructor)
    assert seen == [os.fspath(tmp_path / "imu")]


def test_an_unknown_type_name_is_an_error_that_names_the_known_ones(tmp_path: Path):
    with pytest.raises(ValueError, match="sonar") as error:
        sensors.from_config(tmp_path, "sonar")
    assert all(name in str(error.value) for name in sensors.SENSOR_TYPES)


def test_a_users_own_type_can_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Thermometer(sensors.DynamicSensor):
        pass

    record_imu(tmp_path / "t", 3)
    monkeypatch.setitem(sensors.SENSOR_TYPES, "thermometer", Thermometer)
    assert type(sensors.from_config(tmp_path / "t", "thermometer")) is Thermometer


@pytest.mark.parametrize("name", [*RECORDERS])
def test_attributes_are_those_specified(tmp_path: Path, name: str):
    truth = RECORDERS[name](tmp_path / name, 6)
    sensor = sensors.SENSOR_TYPES[name](tmp_path / name, past=2, future=1)
    size = sum(
        file.stat().st_size
        for file in (tmp_path / name).iterdir()
        if not file.name.endswith(".json")
    )
    assert isinstance(sensor, sensors.Sensor)
    assert (sensor.past, sensor.future, sensor.window) == (2, 1, 4)
    assert set(sensor.channels) == set(truth.meta)
    assert sensor.config == truth.meta
    assert type(sensor.config) is dict
    assert callable(sensor.correction)
    assert len(sensor) == 6
    assert sensor.filesize == size
    duration = truth.stamps[-1] - truth.stamps[0]
    assert sensor.duration == duration
    assert sensor.framerate == 5 / duration
    assert sensor.datarate == size / duration
    np.testing.assert_array_equal(sensor.metadata.timestamps, truth.stamps)


@pytest.mark.parametrize("count", [0, 1])
def test_rates_of_less_than_two_frames_are_numbers(tmp_path: Path, count: int):
    record_imu(tmp_path / "imu", count)
    sensor = sensors.IMU(tmp_path / "imu")
    assert len(sensor) == count
    assert (sensor.duration, sensor.framerate, sensor.datarate) == (0, 0, 0)
    assert len(list(sensor)) == count


@pytest.mark.parametrize("past, future", [(-1, 0), (0, -1)])
def test_windows_of_a_negative_number_of_frames_are_refused(tmp_path: Path, past, future):
    record_imu(tmp_path / "imu", 3)
    with pytest.raises(ValueError, match="past"):
        sensors.IMU(tmp_path / "imu", past=past, future=future)


def test_a_folder_that_is_no_sensor_is_an_error_that_names_the_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"nothing/meta\.json"):
        sensors.DynamicSensor(tmp_path / "nothing")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"x": 3}',
        '{"x": {"format": "raw", "type": "u1"}}',
        '{"x": {"format": "raw", "type": "u1", "shape": "abc"}}',
        '{"x": {"format": "raw", "type": "O", "shape": []}}',
        '{"x": {"format": "raw", "type": "u1", "shape": [-1]}}',
        '{"x": {"format": "tape", "type": "u1", "shape": []}}',
        '{"x": {"format": "raw", "type": "u1", "shape": [], "args": 3}}',
        '{"x": {"format": "raw", "type": "u1", "shape": [], "args": {"tempo": 3}}}',
        '{"../x": {"format": "raw", "type": "u1", "shape": []}}',
        '{"a/b": {"format": "raw", "type": "u1", "shape": []}}',
        '{"..": {"format": "raw", "type": "u1", "shape": []}}',
        '{"": {"format": "raw", "type": "u1", "shape": []}}',
        '{"/etc/passwd": {"format": "raw", "type": "u1", "shape": []}}',
    ],
)
def test_an_unusable_meta_json_is_an_error_that_names_the_sensor(tmp_path: Path, text: str):
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / "meta.json").write_text(text)
    with pytest.raises(ValueError, match="strange"):
        sensors.DynamicSensor(folder)
