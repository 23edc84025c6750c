"""The simulated camera: every frame says its number, and the scene moves."""

import io

import numpy as np
import pytest
from PIL import Image

from roverd.ops.demo.camera import Camera, read_number, write_number
from roverd.ops.demo.rig import Rig


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("number", [0, 1, 37, 255, 256, 21845, 43690, 65535])
def test_number_survives_jpeg(number):
    image = np.full((64, 320, 3), 90, np.uint8)
    write_number(image, number)
    assert read_number(through_jpeg(image, 40)) == number


def test_every_frame_says_its_number():
    rig = Rig(seed=3)
    frames = [
        through_jpeg(frame.channels["video.avi"], 80)
        for frame in rig.frames(1.0)
        if frame.sensor == "camera"
    ]
    assert len(frames) == 29
    assert [read_number(frame) for frame in frames] == list(range(29))


def test_pictures_move_and_have_contrast():
    rig = Rig(seed=0)
    first, later = (rig.camera.take(rig.scene, rig.motion, time, 0) for time in (0.0, 0.2))
    assert first.shape == (360, 640, 3)
    assert first.dtype == np.uint8
    assert first.std() > 20
    changed = np.abs(first.astype(int) - later.astype(int)).max(axis=2) > 10
    assert 0.02 < changed.mean() < 0.9


def test_camera_and_lidar_see_the_same_person():
    rig = Rig(seed=0)
    time = 1.0
    now = np.array(time)
    to_rig = rig.motion.rotation(now)
    camera = Camera()
    image = camera.take(rig.scene, rig.motion, time, 0).astype(int)
    person = rig.scene.people[0]
    x, y, z = (person.position(now) - rig.motion.position(now)) @ to_rig
    column = int(camera.width / 2 - camera.focal_length * y / x)
    row = int(camera.height / 2 - camera.focal_length * z / x)
    # Shading changes the brightness of the clothes, not their hue.
    seen, clothes = image[row, column], np.array(person.colour)
    assert seen @ clothes / np.linalg.norm(seen) / np.linalg.norm(clothes) > 0.999

    scan = rig.lidar.scan(rig.scene, rig.motion, time, np.random.default_rng(0))
    _, direction = rig.lidar.rays()
    towards = np.array([x, y, z]) / np.linalg.norm([x, y, z])
    beam, at = np.unravel_index((towards @ direction.reshape(3, -1)).argmax(), scan["rng"].shape)
    surface = np.linalg.norm([x, y, z]) - person.radius
    assert abs(scan["rng"][beam, at] / 1000 - surface) < 0.15
