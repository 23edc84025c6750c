"""Sensors are what `abstract_dataloader` takes for sensors."""

import itertools
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import abstract, generic, spec

from roverd import sensors
from support.traces import Recorded, record_trace

NAMES = ["radar", "lidar", "camera", "imu"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    return record_trace(tmp_path_factory.mktemp("protocols") / "trace", 0.4)


def images(sample: Any) -> np.ndarray:
    """The main array of a sample."""
    return next(value for value in vars(sample).values() if isinstance(value, np.ndarray))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["auto", None])
def test_sensors_conform_to_the_protocol(recorded, name: str, kind: str | None):
    sensor = sensors.from_config(recorded[name].path, name if kind else None)
    assert isinstance(sensor, spec.Sensor)
    assert isinstance(sensor, abstract.Sensor)
    assert isinstance(sensor.metadata, spec.Metadata)
    stamps = sensor.metadata.timestamps
    assert stamps.dtype == np.float64
    assert stamps.shape == (len(sensor),)
    assert isinstance(sensor.name, str)
    assert name in repr(sensor)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize("parallel", [None, 3])
def test_generic_windows_work_over_sensors(recorded, name: str, crop: bool, parallel: int | None):
    sensor = sensors.from_config(recorded[name].path, name)
    window = generic.Window(sensor, past=1, future=1, crop=crop, parallel=parallel)
    count = len(sensor) - 2 if crop else len(sensor)
    assert len(window) == count
    for index in (1, count - 2):
        found = window[index]
        first = index if crop else index - 1
        assert len(found) == 3
        for offset, sample in enumerate(found):
            np.testing.assert_array_equal(images(sample), images(sensor[first + offset]))


@pytest.mark.parametrize("name", NAMES)
def test_a_generic_window_collates_to_what_a_sensors_own_window_is(recorded, name: str):
    kind = sensors.SENSOR_TYPES[name]
    make = generic.Window.from_partial_sensor(
        kind, lambda samples: np.concatenate([images(sample) for sample in samples], axis=1), 1, 1
    )
    window = sensors.from_config(recorded[name].path, make)
    own = kind(recorded[name].path, past=1, future=1)
    for collated, sample in itertools.zip_longest(window.stream(), own.stream()):
        np.testing.assert_array_equal(collated, images(sample))


def test_sensors_may_be_iterated_twice_at_once(recorded):
    sensor = sensors.from_config(recorded["radar"].path, "radar")
    pairs = list(zip(sensor, sensor, strict=True))
    assert len(pairs) == len(sensor)
    assert all(np.array_equal(one.iq, other.iq) for one, other in pairs)


def test_a_users_own_sensor_needs_only_say_how_to_make_a_sample(recorded):
    class Loudness(sensors.DynamicSensor):
        def __getitem__(self, index: Any) -> Any:
            sample = super().__getitem__(index)
            return sample if isinstance(index, str) else float(np.abs(sample["iq"]).mean())

    truth = recorded["radar"]
    sensor = Loudness(truth.path)
    assert isinstance(sensor, spec.Sensor)
    assert sensor[2] == np.abs(truth.frames["iq"][2:3]).mean()
