"""Points: those of the manufacturer's SDK, and those of the documented formula, one at a time."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import spec
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd import sensors
from roverd.transforms.ouster import ConfigCache, LidarIntrinsics, PointCloud
from roverd.types import OSData
from support.traces import SHORT
from support.typed import check_sample
from transforms.ouster_captures import DATA, LIDAR_JSON, every_capture, sample, scans_of

MILLIMETRE = 1e-3
RELATIVE = 1e-5
SMALL = DATA / "os0-8_fw3.2_2048x10_10frames_no_nir" / "lidar.json"


def assert_near(found: np.ndarray, expected: np.ndarray) -> None:
    """Within 1 mm, and 1e-5 of the distance."""
    tolerance = MILLIMETRE + RELATIVE * np.linalg.norm(expected, axis=-1, keepdims=True)
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= tolerance).all()


def assert_points_of(found: Any, organised: np.ndarray, kept: np.ndarray) -> None:
    """The clouds are the kept points of each frame, in order, and then zeros."""
    frames = kept.shape[:-2]
    assert found.xyz.dtype == np.float32
    assert found.length.dtype == np.int64
    np.testing.assert_array_equal(found.length, kept.sum(axis=(-2, -1)))
    assert found.xyz.shape == (*frames, found.length.max(initial=0), 3)
    for frame in np.ndindex(frames):
        count = found.length[frame]
        np.testing.assert_array_equal(found.xyz[frame][:count], organised[frame][kept[frame]])
        assert not found.xyz[frame][count:].any()


@pytest.mark.parametrize("clipped", [False, True], ids=["u4", "clipped to u2"])
@every_capture
def test_points_are_those_of_the_manufacturer(folder: Path, schema: str, clipped: bool) -> None:
    scans = scans_of(folder)
    rng, expected = scans["rng"], scans["xyz"]
    if clipped:
        rng = np.minimum(rng, 65535).astype("<u2")
        expected = scans.get("xyz_from_clipped", expected)
    points = PointCloud()
    organised = points.xyz(sample(rng, str(folder / schema)))
    assert organised.dtype == np.float32
    assert organised.shape == (*rng.shape, 3)
    assert not organised[rng == 0].any()
    step = rng.shape[-1] // expected.shape[-2]
    assert_near(organised[..., ::step, :], expected)
    found = points(sample(rng, str(folder / schema)))
    assert_points_of(found, organised, rng > 0)
    check_sample(found)


def one_point(rng: float, h: int, w: int, lidar: LidarIntrinsics) -> list[float]:
    """The documented formula for one pixel, in double precision: metres."""
    encoder = 2 * math.pi * (1 - w / lidar.columns_per_frame)
    azimuth = -2 * math.pi * lidar.beam_azimuth_angles[h] / 360
    altitude = 2 * math.pi * lidar.beam_altitude_angles[h] / 360
    nx, ny, nz = (float(lidar.beam_to_lidar_transform[axis, 3]) for axis in range(3))
    reach = rng - math.sqrt(nx * nx + ny * ny + nz * nz)
    x = reach * math.cos(encoder + azimuth) * math.cos(altitude)
    y = reach * math.sin(encoder + azimuth) * math.cos(altitude)
    z = reach * math.sin(altitude) + nz
    x += nx * math.cos(encoder) - ny * math.sin(encoder)
    y += nx * math.sin(encoder) + ny * math.cos(encoder)
    row = lidar.lidar_to_sensor_transform
    return [
        float(row[axis, 0] * x + row[axis, 1] * y + row[axis, 2] * z + row[axis, 3]) / 1000
        for axis in range(3)
    ]


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """About the axes in turn, radians."""
    turn_x = [[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]]
    turn_y = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    turn_z = [[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]]
    return np.array(turn_z) @ turn_y @ turn_x


ANGLE = st.floats(-3.2, 3.2)
MILLIMETRES = st.floats(-100, 100)


@st.composite
def lidars(draw: st.DrawFn) -> dict[str, Any]:
    beams, columns = draw(st.integers(1, 5)), draw(st.integers(1, 12))

    def angles(most: float) -> list[float]:
        return draw(st.lists(st.floats(-most, most), min_size=beams, max_size=beams))

    to_lidar, to_sensor = np.eye(4), np.eye(4)
    # The radius, and for some sensors a height; sideways for none that is known.
    to_lidar[:3, 3] = draw(st.tuples(st.floats(0, 100), st.just(0) | MILLIMETRES, MILLIMETRES))
    to_sensor[:3, :3] = rotation(*draw(st.tuples(ANGLE, ANGLE, ANGLE)))
    to_sensor[:3, 3] = draw(st.tuples(MILLIMETRES, MILLIMETRES, MILLIMETRES))
    return {
        "pixels_per_column": beams,
        "columns_per_frame": columns,
        "pixel_shift_by_row": [0] * beams,
        "beam_altitude_angles": angles(90),
        "beam_azimuth_angles": angles(360),
        "beam_to_lidar_transform": to_lidar.ravel().tolist(),
        "lidar_to_sensor_transform": to_sensor.ravel().tolist(),
    }


RANGES = {"u2": 65535, "u4": 500_000, "i4": 500_000, "f8": 500_000}


@settings(max_examples=60)
@given(
    document=lidars(),
    batch=st.lists(st.integers(0, 3), max_size=2),
    dtype=st.sampled_from(sorted(RANGES)),
    min_range=st.none() | st.floats(0, 100),
    seed=st.integers(0, 99),
)
def test_every_point_is_where_the_formula_puts_it(
    tmp_path_factory: pytest.TempPathFactory,
    document: dict[str, Any],
    batch: list[int],
    dtype: str,
    min_range: float | None,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("lidar") / "lidar.json"
    path.write_text(json.dumps(document))
    lidar = LidarIntrinsics.from_json(path.read_text())
    shape = (*batch, lidar.pixels_per_column, lidar.columns_per_frame)
    generator = np.random.default_rng(seed)
    rng = generator.integers(1, RANGES[dtype], shape, endpoint=True)
    # A far frame or a near one, so that clouds differ in length.
    rng >>= generator.integers(0, 9, (*batch, 1, 1))
    rng[generator.random(shape) < 0.3] = 0
    rng = rng.astype(dtype)
    points = PointCloud(min_range)
    data = sample(rng, str(path))
    organised = points.xyz(data)
    kept = (rng > 0) & (rng / 1000 >= (min_range or 0))
    expected = np.zeros((*shape, 3))
    for index in np.argwhere(kept):
        *_, h, w = index.tolist()
        expected[tuple(index)] = one_point(float(rng[tuple(index)]), h, w, lidar)
    assert_near(organised, expected)
    assert not organised[~kept].any()
    found = points(data)
    assert_points_of(found, organised, kept)
    assert found.timestamps is data.timestamps


def small(rng: list[int]) -> np.ndarray:
    """A frame of the 8 beam sensor that begins with these ranges; the others are 0."""
    image = np.zeros((1, 1, 8, 2048), np.uint16)
    image.flat[: len(rng)] = rng
    return image


@pytest.mark.parametrize(
    ("min_range", "kept"),
    [
        (None, [1, 569, 570, 2006, 2007, 2008, 65535]),
        (0, [1, 569, 570, 2006, 2007, 2008, 65535]),
        (0.57, [570, 2006, 2007, 2008, 65535]),
        (2.007, [2007, 2008, 65535]),
        (2.0071, [2008, 65535]),
        (65.535, [65535]),
        (65.5351, []),
        (1e300, []),
    ],
)
def test_points_nearer_than_the_least_range_are_dropped_and_those_at_it_kept(
    min_range: float | None, kept: list[int]
) -> None:
    rng = small([1, 0, 569, 570, 2006, 0, 2007, 2008, 65535])
    found = PointCloud(min_range)(sample(rng, SMALL))
    every = PointCloud()(sample(small(kept), SMALL))
    assert found.length.tolist() == [[len(kept)]]
    # The columns differ, but the distance from the lidar's origin hardly does.
    height = [0, 0, 0.038195]
    np.testing.assert_allclose(
        np.linalg.norm(found.xyz - height, axis=-1),
        np.linalg.norm(every.xyz - height, axis=-1),
        rtol=0.05,
    )


@pytest.mark.parametrize("min_range", [-1, -1e-9, math.nan, math.inf])
def test_a_least_range_that_makes_no_sense_is_refused(min_range: float) -> None:
    with pytest.raises(ValueError, match="min_range"):
        PointCloud(min_range)


def test_frames_are_padded_to_the_longest_of_all() -> None:
    rng = np.concatenate(
        [np.concatenate([small([9000] * n) for n in row]) for row in ((1, 5), (0, 3))]
    )
    rng = rng.reshape(2, 2, 8, 2048)
    found = PointCloud()(sample(rng, SMALL))
    assert found.xyz.shape == (2, 2, 5, 3)
    assert found.length.tolist() == [[1, 5], [0, 3]]
    nonzero = found.xyz.any(axis=-1)
    np.testing.assert_array_equal(nonzero, np.arange(5) < found.length[..., None])
    check_sample(found)


@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (2, 0), ()])
def test_nothing_seen_is_an_empty_cloud(shape: tuple[int, ...]) -> None:
    found = PointCloud()(sample(np.zeros((*shape, 8, 2048), np.uint16), SMALL))
    assert found.xyz.shape == (*shape, 0, 3)
    assert found.length.shape == shape
    assert not found.length.any()


def test_points_keep_the_order_of_the_stored_image() -> None:
    """Beam by beam, and column by column as measured: azimuths fall within each beam."""
    rng = np.full((1, 1, 8, 2048), 10_000, np.uint16)
    found = PointCloud()(sample(rng, SMALL)).xyz.reshape(8, 2048, 3)
    azimuth = np.unwrap(np.arctan2(found[..., 1], found[..., 0]), axis=1)
    assert (np.diff(azimuth, axis=1) < 0).all()
    assert (np.diff(found[..., 2].mean(axis=1)) < 0).all()


def test_numbers_that_are_no_ranges_are_no_points() -> None:
    rng = np.zeros((1, 1, 8, 2048), np.float32)
    rng.flat[:4] = [math.nan, -5, -0.0, 4000]
    assert PointCloud()(sample(rng, SMALL)).length.tolist() == [[1]]
    assert np.isfinite(PointCloud().xyz(sample(rng, SMALL))).all()


def test_it_is_a_transform() -> None:
    assert isinstance(PointCloud(), spec.Transform)


def test_samples_of_both_lidar_sensors_are_accepted() -> None:
    depth = sensors.OSLidarDepth(f"{SHORT}/lidar", past=2)[2]
    every = sensors.OSLidar(f"{SHORT}/lidar", past=2)[2]
    assert isinstance(every, OSData)
    found = PointCloud()(depth)
    assert found.length.shape == (1, 3)
    np.testing.assert_array_equal(found.length[0], (depth.rng > 0).sum(axis=(2, 3))[0])
    assert found.timestamps is depth.timestamps
    np.testing.assert_array_equal(PointCloud()(every).xyz, found.xyz)


def test_a_collated_batch_may_be_of_several_sensors(tmp_path: Path) -> None:
    """Collation makes a list of the paths, one for each sample."""
    other = tmp_path / "lidar.json"
    document = json.loads(SMALL.read_text())
    document["lidar_intrinsics"]["lidar_to_sensor_transform"][11] += 1000
    document["lidar_data_format"]["pixel_shift_by_row"] = list(range(8))
    other.write_text(json.dumps(document))
    generator = np.random.default_rng(0)
    rng = generator.integers(0, 60000, (3, 2, 8, 2048)).astype(np.uint16)
    paths = [str(SMALL), str(other), str(SMALL)]
    for transform in (PointCloud(), PointCloud().xyz):
        found = transform(sample(rng, paths))
        for index, path in enumerate(paths):
            alone = transform(sample(rng[index : index + 1], path))
            if isinstance(found, np.ndarray):
                np.testing.assert_array_equal(found[index], alone[0])
            else:
                np.testing.assert_array_equal(found.length[index], alone.length[0])
                longest = alone.xyz.shape[2]
                np.testing.assert_array_equal(found.xyz[index, :, :longest], alone.xyz[0])
                assert not found.xyz[index, :, longest:].any()


@pytest.mark.parametrize("paths", [[], ["a"] * 2, ["a"] * 4])
def test_another_number_of_paths_than_samples_is_refused(paths: list[str]) -> None:
    with pytest.raises(ValueError, match="one for each of a batch"):
        PointCloud()(sample(np.zeros((3, 1, 8, 2048), np.uint16), paths))


def test_a_list_of_paths_needs_a_batch_axis() -> None:
    with pytest.raises(ValueError, match="one for each of a batch"):
        PointCloud()(sample(np.zeros((8, 2048), np.uint16), [str(SMALL)] * 8))


@pytest.mark.parametrize("shape", [(1, 1, 8, 1024), (1, 1, 2048, 8), (2048,)])
def test_images_of_another_sensor_are_refused(shape: tuple[int, ...]) -> None:
    for transform in (PointCloud(), PointCloud().xyz):
        with pytest.raises(ValueError, match="8 beams × 2048 columns"):
            transform(sample(np.zeros(shape, np.uint16), SMALL))


def test_threads_share_a_transform() -> None:
    points = PointCloud(config=ConfigCache())
    generator = np.random.default_rng(0)
    rng = generator.integers(0, 60000, (6, 1, 1, 128, 1024)).astype(np.uint16)
    expected = [PointCloud()(sample(frame, LIDAR_JSON)).xyz for frame in rng]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda frame: points(sample(frame, LIDAR_JSON)).xyz, rng))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_sample_without_intrinsics_says_that_lidar_json_is_missing() -> None:
    with pytest.raises(ValueError, match=r"no lidar\.json"):
        PointCloud()(sample(np.zeros((1, 1, 128, 1024), np.uint16), ""))
