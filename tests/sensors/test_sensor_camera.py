"""Cameras and segmentations: formats, resolutions, and the channel that has the images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from roverd import sensors
from support.traces import (
    HEIGHT,
    WIDTH,
    decoded,
    numbered,
    pictures,
    record,
    record_camera,
    ticks,
)
from support.typed import check_sample

INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
every_format = pytest.mark.parametrize("kind", ["mjpg", "jpg"])


@every_format
def test_a_camera_reads_the_format_that_its_channel_has(tmp_path: Path, kind: str):
    truth = record_camera(tmp_path / "camera", 6, kind=kind)
    camera = sensors.Camera(tmp_path / "camera", past=1)
    for index in (5, 1, 3, -1):
        frames = slice(index - 1, index + 1) if index > 0 else slice(4, 6)
        sample = camera[index]
        np.testing.assert_array_equal(sample.image[0], truth.frames["video.avi"][frames])
        np.testing.assert_array_equal(sample.timestamps[0], truth.stamps[frames])
        check_sample(sample)


@pytest.mark.parametrize("kind", ["raw", "lzma", "lzmaf", "npz"])
def test_a_camera_reads_images_that_are_no_jpegs(tmp_path: Path, kind: str):
    images = numbered(4, (6, 8, 3), "u1")
    record(tmp_path / "camera", ticks(4, 10), {"video.avi": (kind, images)})
    camera = sensors.Camera(tmp_path / "camera")
    np.testing.assert_array_equal(camera[2].image[0], images[2:3])


@every_format
@pytest.mark.parametrize("interp", INTERPOLATIONS)
@pytest.mark.parametrize("resolution", [(20, 10), (WIDTH * 2, HEIGHT * 2), (WIDTH, HEIGHT)])
def test_images_are_resized_as_opencv_does_it(tmp_path: Path, kind: str, interp: str, resolution):
    truth = record_camera(tmp_path / "camera", 3, kind=kind)
    camera = sensors.Camera(tmp_path / "camera", resolution=resolution, interp=interp)
    sample = camera[2]
    assert sample.image.shape == (1, 1, resolution[1], resolution[0], 3)
    expected = cv2.resize(
        truth.frames["video.avi"][2], resolution, interpolation=INTERPOLATIONS[interp]
    )
    np.testing.assert_array_equal(sample.image[0, 0], expected)
    check_sample(sample)


@every_format
def test_halving_by_area_is_close_to_what_opencv_does(tmp_path: Path, kind: str):
    truth = record_camera(tmp_path / "camera", 3, kind=kind)
    half = (WIDTH // 2, HEIGHT // 2)
    image = sensors.Camera(tmp_path / "camera", resolution=half)[1].image[0, 0]
    expected = cv2.resize(truth.frames["video.avi"][1], half, interpolation=cv2.INTER_AREA)
    other = cv2.resize(truth.frames["video.avi"][2], half, interpolation=cv2.INTER_AREA)
    difference = np.abs(image.astype(int) - expected).mean()
    assert difference < 4 < np.abs(image.astype(int) - other).mean()


@every_format
def test_a_list_stands_for_a_resolution_as_configuration_files_have_it(tmp_path: Path, kind: str):
    record_camera(tmp_path / "camera", 3, kind=kind)
    camera = sensors.Camera(tmp_path / "camera", resolution=[20, 10], interp="linear")
    assert camera[0].image.shape == (1, 1, 10, 20, 3)


def test_the_stored_channel_keeps_its_shape_at_another_resolution(tmp_path: Path):
    record_camera(tmp_path / "camera", 3)
    camera = sensors.Camera(tmp_path / "camera", resolution=(20, 10))
    assert camera["video.avi"].shape == (HEIGHT, WIDTH, 3)
    assert camera.config["video.avi"]["shape"] == [HEIGHT, WIDTH, 3]


@pytest.mark.parametrize(
    "options", [{"interp": "magic"}, {"resolution": (0, 10)}, {"resolution": (1, 2, 3)}]
)
def test_an_unusable_resolution_is_an_error_that_names_it(tmp_path: Path, options):
    record_camera(tmp_path / "camera", 3)
    with pytest.raises(ValueError, match=next(iter(options))):
        sensors.Camera(tmp_path / "camera", **{"resolution": (20, 10), **options})


@every_format
def test_another_channel_may_hold_the_images(tmp_path: Path, kind: str):
    left, right = pictures(4, 8, 16, 1), pictures(4, 8, 16, 2)
    record(tmp_path / "camera", ticks(4, 10), {"left": (kind, left), "right": (kind, right)})
    camera = sensors.Camera(tmp_path / "camera", "right")
    np.testing.assert_array_equal(camera[3].image[0, 0], decoded(right)[3])
    scaled = sensors.Camera(tmp_path / "camera", key="left", resolution=(7, 5), interp="nearest")
    assert scaled[3].image.shape == (1, 1, 5, 7, 3)
    with pytest.raises(KeyError, match=r"video\.avi"):
        sensors.Camera(tmp_path / "camera")[0]


@pytest.mark.parametrize("kind", ["lzmaf", "raw", "npz"])
def test_segmentations_are_class_maps_by_frame(tmp_path: Path, kind: str):
    maps, coarse = numbered(6, (5, 7), "u1", 1), numbered(6, (2, 3), "u1", 2)
    stamps = ticks(6, 30)
    record(tmp_path / "_camera", stamps, {"segment": (kind, maps), "coarse": (kind, coarse)})
    sensor = sensors.Semseg(tmp_path / "_camera", past=1, future=1)
    sample = sensor[3]
    np.testing.assert_array_equal(sample.semseg, maps[None, 2:5])
    np.testing.assert_array_equal(sample.timestamps, stamps[None, 2:5])
    check_sample(sample)
    assert sensors.Semseg(tmp_path / "_camera", "coarse")[0].semseg.shape == (1, 1, 2, 3)
