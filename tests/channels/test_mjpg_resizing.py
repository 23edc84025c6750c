"""`resolution` and `interp` against `cv2.resize` of the full image, on real frames."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from roverd.channels import JPEGBlobChannel, VideoChannel
from support.avi import DATA
from support.channels import CASES, Array, Case, images

FILE = os.path.join(DATA, "ffmpeg_mjpeg_base.avi")
SHAPE = (272, 640, 3)
CODES = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
HALVES = [(320, 136), (160, 68), (80, 34)]
OTHERS = [(640, 272), (320, 272), (213, 91), (160, 136), (40, 17), (41, 300), (960, 408), (1, 1)]


def opened(**options: Any) -> VideoChannel:
    return VideoChannel(FILE, "u1", SHAPE, **options)


def resized(frames: Array, resolution: tuple[int, int], interp: str) -> Array:
    return np.stack(
        [cv2.resize(frame, resolution, interpolation=CODES[interp]) for frame in frames]
    )


@pytest.mark.parametrize("interp", CODES)
def test_frames_are_opencvs_resize_of_the_full_frame(interp: str) -> None:
    full = opened().read(0, 3)
    for resolution in OTHERS + (HALVES if interp != "area" else []):
        channel = opened(resolution=resolution, interp=interp)
        got = channel.read(0, 3)
        assert channel.shape == SHAPE
        np.testing.assert_array_equal(got, resized(full, resolution, interp))
        np.testing.assert_array_equal(channel[2], got[2:])


@pytest.mark.parametrize("resolution", HALVES)
def test_area_is_exact_on_request(resolution: tuple[int, int]) -> None:
    channel = opened(resolution=resolution, exact=True)
    got = channel.read(0, 3)
    np.testing.assert_array_equal(got, resized(opened().read(0, 3), resolution, "area"))


@pytest.mark.parametrize("resolution", HALVES)
@pytest.mark.parametrize("name", ["ffmpeg_mjpeg_base.avi", "cv2_ffmpeg_mjpg.avi"])
def test_area_by_powers_of_two_is_nearly_opencvs(
    name: str, resolution: tuple[int, int], record_property: Any
) -> None:
    path = os.path.join(DATA, name)
    full = VideoChannel(path, "u1", SHAPE).read()
    got = VideoChannel(path, "u1", SHAPE, resolution=resolution).read()
    difference = np.abs(got.astype(int) - resized(full, resolution, "area"))
    record_property("max", int(difference.max()))
    record_property("mean", float(difference.mean()))
    assert got.shape == (30, resolution[1], resolution[0], 3)
    assert difference.mean() < 1.5
    assert difference.max() < 48


def test_area_is_the_default_and_a_resolution_may_be_a_list() -> None:
    default = opened(resolution=[100, 50]).read(0, 1)
    np.testing.assert_array_equal(default, opened(resolution=(100, 50), interp="area").read(0, 1))


def test_frames_are_written_as_they_are_stored_and_read_resized(tmp_path: Path) -> None:
    case = Case("large", "mjpg", "u1", (32, 128, 3), {"resolution": (64, 16)}, lossy=True)
    small = Case("small", "mjpg", "u1", (16, 64, 3), lossy=True)
    channel = case.open(str(tmp_path / "x"))
    frames = images(range(4), (16, 64, 3)).repeat(2, axis=1).repeat(2, axis=2)
    channel.write(frames)
    channel.consume(iter(frames), append=True)
    wanted = np.concatenate([small.upto(4), small.upto(4)])
    for got in (
        channel.read(),
        channel[:],
        np.stack(list(channel.stream())),
        np.concatenate(list(channel.stream_prefetch(batch=3))),
    ):
        small.check(got, wanted)
    assert channel.read(0, 0).shape == (0, 16, 64, 3)
    with pytest.raises(ValueError, match="expected"):
        channel.write(small.upto(1))


@pytest.mark.parametrize("case", [case for case in CASES if case.lossy], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"interp": "bilinear"},
        {"interp": ""},
        {"resolution": (0, 4)},
        {"resolution": (-1, 4)},
        {"resolution": (4,)},
        {"resolution": (4, 4, 3)},
    ],
    ids=str,
)
def test_what_is_no_resolution_or_interpolation_is_refused(
    case: Case, options: dict[str, Any]
) -> None:
    kind = {"mjpg": VideoChannel, "jpg": JPEGBlobChannel}[case.format]
    with pytest.raises(ValueError, match=r"interp|resolution"):
        kind("x", case.dtype, case.shape, **options)
