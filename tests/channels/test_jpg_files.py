"""`jpg` against Pillow and OpenCV: the same pixels."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from roverd.channels import JPEGBlobChannel
from support.channels import BY_NAME, Array, image, images, shown_number

CASE = BY_NAME["jpg"]


def photo(shape: tuple[int, ...] = (61, 83, 3)) -> Array:
    """Colours and edges of every direction, in odd dimensions."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = [np.sin(x / 7 + y / 11), np.cos(x * y / 300), np.sign(np.sin((x + 2 * y) / 9))]
    picture = np.stack(waves, axis=-1) * 120 + 128
    return picture.clip(0, 255).astype(np.uint8)[..., : shape[2]]


def by_pillow(data: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def by_opencv(data: bytes) -> Array:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def saved(picture: Array, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", **options)
    return file.getvalue()


def jpegs() -> dict[str, bytes]:
    picture = photo()
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return {
        "pillow 4:4:4": saved(picture, subsampling=0, quality=90),
        "pillow 4:2:2": saved(picture, subsampling=1, quality=75),
        "pillow 4:2:0": saved(picture, subsampling=2, quality=50),
        "pillow progressive": saved(picture, progressive=True),
        "pillow optimised": saved(picture, optimize=True),
        "pillow restart markers": saved(picture, restart_marker_rows=1),
        "pillow RGB inside": saved(picture, keep_rgb=True),
        "pillow grey": saved(np.ascontiguousarray(picture[..., 0])),
        "pillow Exif and comment": saved(picture, comment=b"words", exif=b"Exif\0\0" + bytes(40)),
        "opencv": cv2.imencode(".jpg", bgr)[1].tobytes(),
        "opencv grey": cv2.imencode(".jpg", bgr[..., 0])[1].tobytes(),
    }


@pytest.mark.parametrize("name", jpegs())
def test_pixels_are_those_of_pillow_and_opencv(name: str, tmp_path: Path) -> None:
    data = jpegs()[name]
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "000000.jpg").write_bytes(data)
    (tmp_path / "x" / "000001.jpg").write_bytes(data + b"bytes after the end")
    channel = JPEGBlobChannel(tmp_path / "x", "u1", photo().shape)
    for frame in channel.read():
        np.testing.assert_array_equal(frame, by_pillow(data))
        np.testing.assert_array_equal(frame, by_opencv(data))


@pytest.mark.parametrize("shape", [(16, 64, 3), (17, 65, 3), (99, 131, 3), (16, 64)], ids=str)
def test_what_is_written_is_read_by_pillow_and_opencv(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    channel = JPEGBlobChannel(tmp_path / "x", "u1", shape)
    channel.write(images([7, 40000], shape))
    channel.consume(iter(images([123], shape)), append=True)
    for position, number in enumerate([7, 40000, 123]):
        data = (tmp_path / "x" / f"{position:06d}.jpg").read_bytes()
        for decoded in (by_pillow(data), by_opencv(data)):
            assert decoded.shape[:2] == shape[:2]
            assert shown_number(decoded) == number
        wanted = by_pillow(data)
        got = channel[position][0]
        np.testing.assert_array_equal(got, wanted if got.ndim == 3 else wanted[..., 0])


def test_colours_survive_in_order(tmp_path: Path) -> None:
    picture = np.zeros((3, 32, 32, 3), np.uint8)
    for channel in range(3):
        picture[channel, :, :, channel] = 250
    blobs = JPEGBlobChannel(tmp_path / "x", "u1", (32, 32, 3))
    blobs.write(picture)
    assert np.abs(blobs.read().astype(int) - picture).max() <= 6


@pytest.mark.parametrize("cut", [0, 1, 2, 20, 200, 0.5, 0.9, -2, -1])
def test_part_of_an_image_is_an_error_never_a_frame(cut: float, tmp_path: Path) -> None:
    data = saved(photo(), quality=90)
    (tmp_path / "x").mkdir()
    size = int(cut * len(data)) if isinstance(cut, float) else cut
    (tmp_path / "x" / "000000.jpg").write_bytes(data[:size] if size else b"")
    with pytest.raises(ValueError, match=r"000000\.jpg"):
        JPEGBlobChannel(tmp_path / "x", "u1", photo().shape).read()


@pytest.mark.parametrize("shape", [(64, 16, 3), (16, 65, 3), (8, 32, 3), (32, 128, 3)], ids=str)
def test_an_image_of_other_dimensions_is_an_error_that_says_both(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    channel = CASE.open(str(tmp_path / "x"))
    channel.write(CASE.upto(2))
    (tmp_path / "x" / "000001.jpg").write_bytes(saved(np.zeros(shape, np.uint8)))
    with pytest.raises(ValueError, match=r"000001\.jpg") as caught:
        channel.read()
    for length in (*shape[:2], *CASE.shape[:2]):
        assert str(length) in str(caught.value)


def test_another_kind_of_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    channel = CASE.open(str(tmp_path / "x"))
    for kind in ("PNG", "BMP", "WEBP"):
        Image.fromarray(image(3)).save(tmp_path / "x" / "000000.jpg", kind)
        with pytest.raises(ValueError, match=r"000000\.jpg"):
            channel.read()
