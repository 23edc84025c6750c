"""Destaggering: exactly what the manufacturer's SDK does, and the documented formula."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import spec
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd import sensors
from roverd.errors import RoverdError
from roverd.transforms.ouster import Destagger, destagger
from roverd.types import OSData
from support.traces import SHORT
from support.typed import check_sample
from transforms.ouster_captures import LIDAR_JSON, every_capture, sample, scans_of


@every_capture
def test_ranges_are_destaggered_as_the_manufacturer_does(folder: Path, schema: str) -> None:
    scans = scans_of(folder)
    found = Destagger()(sample(scans["rng"], str(folder / schema)))
    assert found.rng.dtype == np.uint32
    np.testing.assert_array_equal(found.rng, scans["rng_destag"])
    clipped = sample(np.minimum(scans["rng"], 65535).astype("<u2"), str(folder / schema))
    found = Destagger()(clipped)
    np.testing.assert_array_equal(found.rng, np.minimum(scans["rng_destag"], 65535))
    check_sample(found)


@every_capture
def test_other_images_are_destaggered_as_the_manufacturer_does(folder: Path, schema: str) -> None:
    scans = scans_of(folder)
    shifts = Destagger().config[folder / schema].pixel_shift_by_row
    for name in {"rfl", "nir"} & set(scans):
        found = destagger(scans[name], shifts)
        assert found.dtype == scans[name].dtype
        np.testing.assert_array_equal(found, scans[f"{name}_destag"])


@st.composite
def staggered(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    """Images in which every pixel can be told from every other, and any shifts."""
    batch = draw(st.lists(st.integers(0, 3), max_size=3))
    beams, columns = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from(["u2", "<u4", ">i4", "f4", "c16", "S4"]))
    shape = (*batch, beams, columns)
    images = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    shift = st.integers(-30, 30) | st.integers(-(2**53), 2**53)
    return images, draw(st.lists(shift, min_size=beams, max_size=beams))


@given(staggered())
def test_every_pixel_goes_where_the_formula_says(given: tuple[np.ndarray, list[int]]) -> None:
    images, shifts = given
    found = destagger(images, shifts)
    assert found.dtype == images.dtype and found.shape == images.shape
    beams, columns = images.shape[-2:]
    for h in range(beams):
        for w in range(columns):
            expected = images[..., h, (w - shifts[h]) % columns]
            np.testing.assert_array_equal(found[..., h, w], expected)
    np.testing.assert_array_equal(destagger(found, [-shift for shift in shifts]), images)


@settings(max_examples=30)
@given(staggered())
def test_the_transform_is_the_function_with_the_sensors_shifts(
    tmp_path_factory: pytest.TempPathFactory, given: tuple[np.ndarray, list[int]]
) -> None:
    images, shifts = given
    path = tmp_path_factory.mktemp("lidar") / "lidar.json"
    beams, columns = images.shape[-2:]
    path.write_text(
        json.dumps(
            {
                "lidar_data_format": {
                    "pixels_per_column": beams,
                    "columns_per_frame": columns,
                    "pixel_shift_by_row": shifts,
                },
                "beam_intrinsics": {
                    "beam_altitude_angles": [0] * beams,
                    "beam_azimuth_angles": [0] * beams,
                    "lidar_origin_to_beam_origin_mm": 12,
                },
                "lidar_intrinsics": {"lidar_to_sensor_transform": np.eye(4).ravel().tolist()},
            }
        )
    )
    data = sample(images, path)
    found = Destagger()(data)
    np.testing.assert_array_equal(found.rng, destagger(images, shifts))
    assert found.rng.dtype == images.dtype
    assert found.timestamps is data.timestamps


def test_it_is_a_transform() -> None:
    assert isinstance(Destagger(), spec.Transform)


def test_samples_of_both_lidar_sensors_are_accepted() -> None:
    depth = sensors.OSLidarDepth(f"{SHORT}/lidar", past=1)[1]
    every = sensors.OSLidar(f"{SHORT}/lidar", past=1)[1]
    assert isinstance(every, OSData)
    found = Destagger()(depth)
    assert found.rng.shape == (1, 2, 128, 1024)
    check_sample(found)
    np.testing.assert_array_equal(Destagger()(every).rng, found.rng)

    # Upright: rows of neighbouring beams are more alike than as they were measured.
    def unlike(images: np.ndarray) -> float:
        return float(np.abs(np.diff(images.astype(float), axis=-2)).mean())

    assert unlike(found.rng) < 0.8 * unlike(depth.rng)


def test_the_data_is_left_as_it_was() -> None:
    images = np.arange(128 * 1024, dtype=np.uint32).reshape(1, 1, 128, 1024)
    data = sample(images.copy(), LIDAR_JSON)
    found = Destagger()(data)
    np.testing.assert_array_equal(data.rng, images)
    assert not np.shares_memory(found.rng, data.rng)
    assert found.rng.flags.writeable


@pytest.mark.parametrize("shape", [(1, 1, 64, 1024), (1, 1, 128, 2048), (1024, 128), (128,), ()])
def test_images_of_another_sensor_are_refused(shape: tuple[int, ...]) -> None:
    images = np.ones(shape, np.uint16)
    with pytest.raises(ValueError, match="128 beams × 1024 columns") as error:
        Destagger()(sample(images, LIDAR_JSON))
    assert str(shape) in str(error.value) and str(LIDAR_JSON) in str(error.value)
    assert isinstance(error.value, RoverdError)


@pytest.mark.parametrize(("shape", "shifts"), [((2, 8), [1]), ((8,), [1]), ((3, 2, 8), [1, 2, 3])])
def test_another_number_of_shifts_than_rows_is_refused(
    shape: tuple[int, ...], shifts: list[int]
) -> None:
    with pytest.raises(ValueError, match="expected a row for each of"):
        destagger(np.zeros(shape), shifts)


def test_shifts_are_whole_columns() -> None:
    shifts: Any = [0.5]
    with pytest.raises(TypeError):
        destagger(np.zeros((1, 8)), shifts)


def test_a_sample_without_intrinsics_says_that_lidar_json_is_missing() -> None:
    with pytest.raises(ValueError, match=r"no lidar\.json"):
        Destagger()(sample(np.zeros((1, 1, 128, 1024), np.uint16), ""))
