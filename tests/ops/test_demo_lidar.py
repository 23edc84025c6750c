"""The simulated lidar: right distances, right geometry, staggered as the sensor does it."""

import numpy as np
import pytest

from roverd.ops.demo.lidar import Lidar
from roverd.ops.demo.motion import RigMotion, Wave
from roverd.ops.demo.scene import Box, Scene, living_room
from roverd.transforms.ouster import destagger

STILL = RigMotion(Wave(0.5), Wave(-0.3), Wave(1.2), Wave(0.0), Wave(0.0), Wave(0.0))
EMPTY = Scene((-5.0, -4.0, 0.0), (5.0, 4.0, 2.8), (), ())


def points(lidar: Lidar, scan: dict[str, np.ndarray]) -> np.ndarray:
    """Points in the sensor frame, [3, beam, column] in metres, from what lidar.json says alone."""
    text = lidar.intrinsics()
    beams = text["beam_intrinsics"]
    columns = text["lidar_data_format"]["columns_per_frame"]
    radius = beams["lidar_origin_to_beam_origin_mm"]
    encoder = 2 * np.pi * (1 - np.arange(columns) / columns)
    azimuth = encoder - np.radians(beams["beam_azimuth_angles"])[:, None]
    altitude = np.radians(beams["beam_altitude_angles"])[:, None]
    distance = scan["rng"] - radius
    x = distance * np.cos(azimuth) * np.cos(altitude) + radius * np.cos(encoder)
    y = distance * np.sin(azimuth) * np.cos(altitude) + radius * np.sin(encoder)
    z = distance * np.sin(altitude)
    homogeneous = np.stack([x, y, z, np.ones_like(x)])
    transform = np.reshape(text["lidar_intrinsics"]["lidar_to_sensor_transform"], (4, 4))
    return np.einsum("ij,jbc->ibc", transform, homogeneous)[:3] / 1000


@pytest.mark.parametrize("columns", [512, 1024])
def test_planes_are_where_they_stand(columns):
    lidar = Lidar(columns=columns)
    scan = lidar.scan(EMPTY, STILL, 1.0, np.random.default_rng(0))
    seen = scan["rng"] > 0
    x, y, z = points(lidar, scan) + np.array([0.5, -0.3, 1.2])[:, None, None]
    off = np.stack([x + 5, x - 5, y + 4, y - 4, z, z - 2.8])
    nearest = np.abs(off).min(axis=0)[seen]
    assert nearest.max() < 6 * lidar.range_noise / 1000
    assert nearest.std() < lidar.range_noise / 1000
    # Ahead is the middle of the image, and every plane is there.
    assert abs(x[lidar.beams // 2, columns // 2] - 5) < 0.05
    assert (np.abs(off) < 0.02).any(axis=(1, 2)).all()


def test_distances_are_right_while_driving():
    motion = RigMotion(
        Wave(0.0, 1.0, 0.8), Wave(0.0), Wave(1.2), Wave(0.0, 0.05, 2.0), Wave(0.0), Wave(0, 1, 1)
    )
    lidar = Lidar(range_noise=0.0, dropouts=0.0)
    scan = lidar.scan(EMPTY, motion, 0.4, np.random.default_rng(0))
    times = 0.4 + (np.arange(lidar.columns) / lidar.columns - 0.5) / lidar.rate
    world = np.einsum("cij,jbc->ibc", motion.rotation(times), points(lidar, scan))
    x, y, z = world + motion.position(times).T[:, None]
    off = np.stack([x + 5, x - 5, y + 4, y - 4, z, z - 2.8])
    assert np.abs(off).min(axis=0).max() < 0.002


def test_destaggered_edges_are_vertical():
    pillar = Box((2.0, -0.5, 0.0), (2.4, 0.1, 2.8), (9, 9, 9), 1.0, 1.0)
    scene = Scene(EMPTY.low, EMPTY.high, (pillar,), ())
    lidar = Lidar(dropouts=0.0)
    scan = lidar.scan(scene, STILL, 0.0, np.random.default_rng(0))
    shifts = np.array(lidar.intrinsics()["lidar_data_format"]["pixel_shift_by_row"])

    def edges(image: np.ndarray) -> np.ndarray:
        """First and last column of the pillar in each row."""
        inside = image > 90
        width = image.shape[1]
        return np.stack([inside.argmax(axis=1), width - inside[:, ::-1].argmax(axis=1)])

    staggered = edges(scan["rfl"])
    upright = edges(destagger(scan["rfl"], shifts))
    assert np.ptp(staggered, axis=1).min() >= np.ptp(shifts) - 1
    assert np.ptp(upright, axis=1).max() <= 1


def test_images_and_metadata():
    lidar = Lidar(columns=512)
    scene = living_room(np.random.default_rng(0))
    scan = lidar.scan(scene, STILL, 0.3, np.random.default_rng(1))
    assert {name: image.dtype.str for name, image in scan.items()} == {
        "rng": "<u2",
        "nir": "<u2",
        "rfl": "|u1",
    }
    assert all(image.shape == (64, 512) for image in scan.values())
    assert 0.0 < (scan["rng"] == 0).mean() < 0.01
    assert scan["rng"].max() < 14000
    shape = lidar.intrinsics()["lidar_data_format"]
    assert (shape["pixels_per_column"], shape["columns_per_frame"]) == (64, 512)
    assert len(shape["pixel_shift_by_row"]) == 64


def test_people_move_through_the_image():
    scene = living_room(np.random.default_rng(0))
    lidar = Lidar(range_noise=0.0, dropouts=0.0)
    first, later = (
        lidar.scan(scene, STILL, time, np.random.default_rng(0))["rng"].astype(int)
        for time in (0.0, 0.5)
    )
    assert (np.abs(first - later) > 100).sum() > 50
