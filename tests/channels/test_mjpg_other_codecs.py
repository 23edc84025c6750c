"""AVIs with another codec than JPEG, made by ffmpeg: frame `i` is frame `i`."""

from pathlib import Path

import av
import numpy as np
import pytest

from roverd.channels import VideoChannel
from support.channels import Array, avi_chunks, ffmpeg, images, shown_number

SHAPE = (64, 96, 3)
NUMBERS = [40000, 3, 65535, *range(1000, 1047)]

CODECS = {
    "mpeg4": ["-c:v", "mpeg4", "-q:v", "2", "-g", "12", "-bf", "0"],
    "mpeg4, B frames": ["-c:v", "mpeg4", "-q:v", "2", "-g", "12", "-bf", "2"],
    "mpeg4, one key frame": ["-c:v", "mpeg4", "-q:v", "2", "-g", "600", "-bf", "1"],
    "ffv1": ["-c:v", "ffv1", "-pix_fmt", "bgr0"],
    "huffyuv": ["-c:v", "huffyuv", "-pix_fmt", "rgb24"],
    "png": ["-c:v", "png", "-pix_fmt", "rgb24"],
    "rawvideo": ["-c:v", "rawvideo", "-pix_fmt", "bgr24"],
}
LOSSLESS = ["ffv1", "huffyuv", "png", "rawvideo"]


def video(tmp_path: Path, codec: str) -> VideoChannel:
    path = str(tmp_path / "x.avi")
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", "25", "-i", "-"]
    ffmpeg(*source, *CODECS[codec], path, data=frames().tobytes())
    return VideoChannel(path, "u1", SHAPE)


def frames() -> Array:
    return images(NUMBERS, SHAPE)


@pytest.mark.parametrize("codec", CODECS)
def test_numbers_are_exact_in_sequence_and_at_random(codec: str, tmp_path: Path) -> None:
    channel = video(tmp_path, codec)
    assert len(channel) == len(NUMBERS)
    assert [shown_number(frame) for frame in channel.read()] == NUMBERS
    for number in np.random.default_rng(6).permutation(len(NUMBERS)):
        assert shown_number(channel[number][0]) == NUMBERS[number]
    assert [shown_number(frame) for frame in channel[::-3]] == NUMBERS[::-3]
    assert [shown_number(frame) for frame in channel.stream()] == NUMBERS
    assert shown_number(VideoChannel(channel.path, "u1", SHAPE)[-1][0]) == NUMBERS[-1]


@pytest.mark.parametrize("codec", LOSSLESS)
def test_lossless_frames_are_what_was_given(codec: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(video(tmp_path, codec).read(), frames())


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec not in LOSSLESS])
def test_lossy_frames_are_those_of_pyav(codec: str, tmp_path: Path) -> None:
    channel = video(tmp_path, codec)
    with av.open(channel.path) as container:
        wanted = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(channel.read(), np.stack(wanted))


@pytest.mark.parametrize("codec", ["mpeg4, B frames", "ffv1"])
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(codec: str, tmp_path: Path) -> None:
    channel = video(tmp_path, codec)
    data = Path(channel.path).read_bytes()
    offset, size = avi_chunks(data)[30]
    Path(channel.path).write_bytes(data[: offset + size // 2])
    count = len(channel)
    assert count == 30
    # The last frames of a codec that looks ahead may need what is lost.
    assert [shown_number(frame) for frame in channel.read(0, count - 3)] == NUMBERS[: count - 3]


def test_frames_are_resized_too(tmp_path: Path) -> None:
    channel = video(tmp_path, "png")
    small = VideoChannel(channel.path, "u1", SHAPE, resolution=(48, 32), interp="nearest")
    np.testing.assert_array_equal(small.read(), frames()[:, ::2, ::2])


@pytest.mark.parametrize("codec", ["png", "mpeg4"])
def test_no_jpegs_are_added_to_such_a_file(codec: str, tmp_path: Path) -> None:
    channel = video(tmp_path, codec)
    before = Path(channel.path).read_bytes()
    with pytest.raises(ValueError, match=r"x\.avi"):
        channel.write(frames()[:1], append=True)
    assert Path(channel.path).read_bytes() == before
    channel.write(frames()[:2])
    assert [shown_number(frame) for frame in channel.read()] == NUMBERS[:2]


def test_a_title_in_another_encoding_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "x.avi"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", "25", "-i", "-"]
    options = [*CODECS["png"], "-metadata", "title=CAFE"]
    ffmpeg(*source, *options, str(path), data=frames()[:3].tobytes())
    assert path.read_bytes().count(b"CAFE") == 1
    path.write_bytes(path.read_bytes().replace(b"CAFE", b"Caf\xe9"))
    np.testing.assert_array_equal(VideoChannel(path, "u1", SHAPE).read(), frames()[:3])
