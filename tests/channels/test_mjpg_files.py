"""`mjpg` against Pillow, ffmpeg, OpenCV and PyAV: the same frames under the same numbers."""

import io
import itertools
import os
import struct
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from roverd.channels import VideoChannel
from support.avi import DATA, NAMES, load, truth
from support.channels import BY_NAME, Array, avi_chunks, ffmpeg, images, shown_number
from support.traces import avi as avi_of
from support.traces import decoded, pictures

CASE = BY_NAME["mjpg"]
LARGE = (64, 96, 3)


def by_pillow(data: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def with_huffman_tables(jpeg: bytes) -> bytes:
    """A JPEG with the tables of the standard (ITU T.81, K.3), as Pillow writes them."""
    if b"\xff\xc4" in jpeg:
        return jpeg
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    tables, position = b"", 2
    standard = file.getvalue()
    while standard[position : position + 2] != b"\xff\xda":
        size = 2 + struct.unpack_from(">H", standard, position + 2)[0]
        if standard[position : position + 2] == b"\xff\xc4":
            tables += standard[position : position + size]
        position += size
    scan = jpeg.index(b"\xff\xda")
    return jpeg[:scan] + tables + jpeg[scan:]


# ── what others wrote ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_of_real_files_is_pillows_decode_of_its_jpeg(name: str) -> None:
    data = load(name)
    frames = truth(name, len(data))
    first = with_huffman_tables(data[frames[0][0] : sum(frames[0])])
    channel = VideoChannel(os.path.join(DATA, name), "u1", by_pillow(first).shape)
    assert len(channel) == len(frames)
    assert channel.filesize == len(data)
    wanted: list[Array] = []
    for offset, size in frames:
        jpeg = data[offset : offset + size]
        # A dropped frame, of no bytes, repeats the one before.
        wanted.append(by_pillow(with_huffman_tables(jpeg)) if size else wanted[-1])
    for number in np.random.default_rng(5).permutation(len(frames))[:12]:
        np.testing.assert_array_equal(channel[number][0], wanted[number])
    for number, frame in enumerate(channel.stream()):
        np.testing.assert_array_equal(frame, wanted[number])
    np.testing.assert_array_equal(channel[::-7], np.stack(wanted[::-7]))
    chosen = np.random.default_rng(6).integers(-len(frames), len(frames), 12)
    expected = np.stack([wanted[number] for number in chosen])
    np.testing.assert_array_equal(channel.read_many(chosen), expected)


def test_an_index_that_lies_about_some_frames_only_changes_no_number(tmp_path: Path) -> None:
    jpegs = pictures(40, 24, 32)
    data = bytearray(avi_of(jpegs, 24, 32))
    # In idx1, of 16 bytes an entry, the frames 20 and 21 have changed places.
    entries = data.index(b"idx1") + 8
    first, second = entries + 20 * 16, entries + 21 * 16
    data[first : first + 16], data[second : second + 16] = (
        data[second : second + 16],
        data[first : first + 16],
    )
    (tmp_path / "video.avi").write_bytes(data)
    for read in (VideoChannel.read_many, lambda channel, frames: channel[frames[0] : frames[-1]]):
        channel = VideoChannel(str(tmp_path / "video.avi"), "u1", (24, 32, 3))
        chosen = range(18, 24)
        np.testing.assert_array_equal(read(channel, chosen)[:5], decoded(jpegs[18:23]))


def test_files_without_huffman_tables_are_among_them() -> None:
    data = load("no_dht_uvc_style.avi")
    offset, size = truth("no_dht_uvc_style.avi", len(data))[0]
    assert b"\xff\xc4" not in data[offset : offset + size]
    assert {name for name in NAMES if any(size == 0 for _, size in truth(name, 10**9))}


def test_an_index_that_is_cut_off_changes_no_number(tmp_path: Path) -> None:
    whole = load("ffmpeg_with_audio_first.avi")
    frames = truth("ffmpeg_with_audio_first.avi", len(whole))
    (tmp_path / "x.avi").write_bytes(whole[: frames[20][0] + 100])
    channel = VideoChannel(tmp_path / "x.avi", "u1", (272, 640, 3))
    assert len(channel) == 20
    offset, size = frames[19]
    np.testing.assert_array_equal(channel[-1][0], by_pillow(whole[offset : offset + size]))


@pytest.mark.parametrize(
    ("pixels", "size"),
    list(itertools.product(["yuvj420p", "yuvj422p", "yuvj444p", "gray"], ["96x64", "97x65"])),
)
def test_every_subsampling_and_odd_sizes_of_ffmpeg(pixels: str, size: str, tmp_path: Path) -> None:
    width, height = map(int, size.split("x"))
    frames = images(range(900, 912), (height, width, 3))
    path = str(tmp_path / "x.avi")
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-i", "-"]
    codec = ["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", pixels, "-strict", "unofficial"]
    ffmpeg(*source, *codec, path, data=frames.tobytes())
    data = Path(path).read_bytes()
    jpegs = [data[offset : offset + length] for offset, length in avi_chunks(data) if length]
    channel = VideoChannel(path, "u1", by_pillow(jpegs[0]).shape)
    got = channel.read()
    np.testing.assert_array_equal(got, np.stack([by_pillow(jpeg) for jpeg in jpegs]))
    assert [shown_number(frame) for frame in got] == list(range(900, 912))


def test_a_frame_of_other_dimensions_is_an_error_that_names_file_and_frame(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(load("ffmpeg_mjpeg_base.avi"))
    for shape in ((272, 320, 3), (640, 272, 3), (136, 320, 3)):
        with pytest.raises(ValueError, match="640") as caught:
            VideoChannel(tmp_path / "x", "u1", shape)[3]
        assert str(tmp_path / "x") in str(caught.value)
        assert "frame 3" in str(caught.value)


def test_nothing_is_appended_to_a_video_of_other_dimensions(tmp_path: Path) -> None:
    video = tmp_path / "x"
    CASE.open(str(video)).write(CASE.upto(2))
    before = video.read_bytes()
    other = VideoChannel(video, "u1", LARGE)
    for add in (
        lambda: other.write(images([5], LARGE), append=True),
        lambda: other.consume(iter(images([5], LARGE)), append=True),
    ):
        with pytest.raises(ValueError, match="64"):
            add()
        assert video.read_bytes() == before


def test_a_file_that_is_no_avi_is_an_error_and_nothing_is_appended_to_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    channel = CASE.open(str(path))
    mp4 = b"\0\0\0\x20ftypisom" + bytes(500)
    for data in (mp4, b"words " * 100, b"RIFF\x24\0\0\0WAVEfmt " + bytes(100)):
        path.write_bytes(data)
        for use in (channel.read, lambda: channel.write(CASE.upto(1), append=True)):
            with pytest.raises(ValueError, match="AVI") as caught:
                use()
            assert str(path) in str(caught.value)
        assert path.read_bytes() == data


# ── what we write ────────────────────────────────────────────────────────────────────────────────

NUMBERS = [3, 65535, 0, 40000, *range(500, 540)]


@pytest.fixture(params=["write", "consume", "append", "torn, then append"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A video of the frames `NUMBERS`, made in different ways."""
    path = str(tmp_path / "video.avi")
    channel = VideoChannel(path, "u1", LARGE)
    frames = images(NUMBERS, LARGE)
    if request.param == "write":
        channel.write(frames)
    elif request.param == "consume":
        channel.consume(iter(frames), fps=20.0)
    elif request.param == "append":
        for part in np.array_split(frames, 3):
            channel.write(part, append=True)
    else:
        channel.write(frames[:10])
        offset, size = avi_chunks(Path(path).read_bytes())[7]
        os.truncate(path, offset + size // 2)
        channel.consume(iter(frames[7:]), append=True)
    return path


def test_ffmpeg_reads_what_is_written(written: str) -> None:
    raw = ffmpeg(
        "-i", written, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"
    )
    frames = np.frombuffer(raw, np.uint8).reshape(-1, *LARGE)
    assert [shown_number(frame) for frame in frames] == NUMBERS


def test_opencv_reads_what_is_written_in_sequence_and_at_random(written: str) -> None:
    video = cv2.VideoCapture(written)
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == len(NUMBERS)
    got: list[int] = []
    while (found := video.read())[0]:
        got.append(shown_number(found[1]))
    assert got == NUMBERS
    for position in (43, 0, 20, 1, 42):
        video.set(cv2.CAP_PROP_POS_FRAMES, position)
        assert shown_number(video.read()[1]) == NUMBERS[position]
    video.release()


def test_pyav_reads_what_is_written(written: str) -> None:
    with av.open(written) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (LARGE[1], LARGE[0])
        assert stream.frames == len(NUMBERS)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert [shown_number(frame) for frame in frames] == NUMBERS


def test_each_frame_is_pillows_decode_of_the_jpeg_in_the_file(written: str) -> None:
    data = Path(written).read_bytes()
    jpegs = [data[offset : offset + size] for offset, size in avi_chunks(data)]
    channel = VideoChannel(written, "u1", LARGE)
    assert len(channel) == len(jpegs) == len(NUMBERS)
    np.testing.assert_array_equal(channel.read(), np.stack([by_pillow(jpeg) for jpeg in jpegs]))


@pytest.mark.parametrize("fps", [1.0, 10.0, 29.97, 30000 / 1001, 200.0])
def test_the_frame_rate_is_what_players_see(fps: float, tmp_path: Path) -> None:
    channel = VideoChannel(tmp_path / "x.avi", "u1", LARGE)
    channel.consume(iter(images(range(5), LARGE)), fps=fps)
    with av.open(channel.path) as container:
        rate = container.streams.video[0].average_rate
    assert rate is not None
    assert float(rate) == pytest.approx(fps, rel=1e-5)


def test_a_frame_rate_that_is_none_is_refused_and_leaves_the_file(tmp_path: Path) -> None:
    channel = CASE.open(str(tmp_path / "x.avi"))
    assert isinstance(channel, VideoChannel)
    channel.write(CASE.upto(2))
    before = Path(channel.path).read_bytes()
    for fps in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"x\.avi"):
            channel.consume(iter(CASE.upto(1)), fps=fps)
        assert Path(channel.path).read_bytes() == before


def test_odd_sizes_are_written_so_that_others_read_them(tmp_path: Path) -> None:
    shape = (17, 67, 3)
    channel = VideoChannel(tmp_path / "x.avi", "u1", shape)
    channel.write(images(range(70, 80), shape))
    video = cv2.VideoCapture(channel.path)
    for number in range(70, 80):
        good, frame = video.read()
        assert good
        assert shown_number(np.pad(frame, ((0, 1), (0, 1), (0, 0)))) == number
    video.release()
    assert [shown_number(frame) for frame in channel.stream()] == list(range(70, 80))
    assert channel.read().shape == (10, *shape)


def test_colours_survive_in_order(tmp_path: Path) -> None:
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    for number in range(3):
        frames[number, :, :, number] = 250
    channel = VideoChannel(tmp_path / "x.avi", "u1", (32, 64, 3))
    channel.write(frames)
    assert np.abs(channel.read().astype(int) - frames).max() <= 6
    with av.open(channel.path) as container:
        for frame, wanted in zip(container.decode(video=0), frames, strict=True):
            assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - wanted).max() <= 12
