"""`Channel.copy_from`: the frames, and where formats share a codec the very bytes, of another one.

What is copied was written without roverd, and the copies are read without it.
"""

import io
import itertools
import lzma
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from roverd import channels
from roverd.channels import VideoChannel
from roverd.channels.abstract import BlobChannel
from roverd.errors import CorruptFileError, UnsupportedError
from support.avi import DATA, EXPECTED, NAMES, load, truth
from support.channels import (
    ENDS,
    INDEXED,
    Array,
    avi_chunks,
    decodable,
    ffmpeg,
    images,
    shown_number,
    stream_ends,
)
from support.limits import cheap
from support.traces import (
    HEIGHT,
    WIDTH,
    avi,
    decoded,
    link,
    numbered,
    pictures,
    plain_frames,
    record,
    stored_frames,
)

ARRAYS = ("raw", "lzma", "lzmaf", "pcof", "zstdf", "npz")
OF_BYTES = tuple(kind for kind in ARRAYS if kind != "pcof")  # pcodec takes 16 bits and more
IMAGES = ("mjpg", "jpg")
COUNT = 5
IMAGE = (HEIGHT, WIDTH, 3)
JPEGS = pictures(40, HEIGHT, WIDTH, 7)


def source_of(folder: Path, kind: str, count: int = COUNT) -> tuple[channels.Channel, Array]:
    """A channel that others than roverd wrote, and its frames."""
    frames: Any = JPEGS[:count] if kind in IMAGES else numbered(count, (3, 5), "i2")
    made = record(folder, np.arange(float(count)), {"x": (kind, frames)})
    return opened(folder / "x", made.meta["x"]), made.frames["x"]


def opened(path: Path, entry: dict[str, Any], **changes: Any) -> channels.Channel:
    arguments = {key: value for key, value in entry.items() if key != "desc"}
    return channels.from_config(path, **{**arguments, **changes})


def copied(target: channels.Channel, kind: str) -> Array:
    """All frames of a copy, as others read them; roverd reads the same."""
    folder, name = os.path.split(target.path)
    entry = {"format": kind, "type": target.type.str[1:], "shape": list(target.shape)}
    frames = plain_frames(Path(folder), name, entry)
    assert len(target) == len(frames)
    np.testing.assert_array_equal(target.read(), frames)
    return frames


def ranges(count: int) -> list[tuple[int, int]]:
    return list(itertools.combinations_with_replacement(range(count + 1), 2))


def tree(path: Path) -> dict[str, bytes]:
    """Every file at a path and below, hidden ones included."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}


# ── every pair of formats ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "after, args", [*((kind, {}) for kind in ARRAYS), ("npz", {"compress": True})]
)
@pytest.mark.parametrize("before", ARRAYS)
def test_every_range_of_arrays_comes_over(
    before: str, after: str, args: dict[str, Any], tmp_path: Path
) -> None:
    source, frames = source_of(tmp_path / "s", before)
    target = channels.from_config(tmp_path / "copy", after, "i2", (3, 5), args=args)
    for start, stop in ranges(COUNT):
        target.copy_from(source, start, stop)
        np.testing.assert_array_equal(copied(target, after), frames[start:stop])
    target.copy_from(source)
    np.testing.assert_array_equal(copied(target, after), frames)
    target.copy_from(source, 2)
    np.testing.assert_array_equal(copied(target, after), frames[2:])


@pytest.mark.parametrize("before", IMAGES)
@pytest.mark.parametrize("after", IMAGES)
def test_every_range_of_images_comes_over(before: str, after: str, tmp_path: Path) -> None:
    source, frames = source_of(tmp_path / "s", before)
    target = channels.from_config(tmp_path / "copy", after, "u1", IMAGE)
    for start, stop in ranges(COUNT):
        target.copy_from(source, start, stop)
        np.testing.assert_array_equal(copied(target, after), frames[start:stop])


@pytest.mark.parametrize("before", IMAGES)
@pytest.mark.parametrize("after", OF_BYTES)
def test_images_become_arrays_of_their_pixels(before: str, after: str, tmp_path: Path) -> None:
    source, frames = source_of(tmp_path / "s", before)
    target = channels.from_config(tmp_path / "copy", after, "u1", IMAGE)
    target.copy_from(source, 1, 4)
    np.testing.assert_array_equal(copied(target, after), frames[1:4])


@pytest.mark.parametrize("before", OF_BYTES)
@pytest.mark.parametrize("after", IMAGES)
def test_arrays_become_images_that_show_them(before: str, after: str, tmp_path: Path) -> None:
    numbers = [40000, 3, 65535, 1]
    shape = (16, 64, 3)
    made = record(tmp_path / "s", np.arange(4.0), {"x": (before, images(numbers, shape))})
    target = channels.from_config(tmp_path / "copy", after, "u1", shape)
    target.copy_from(opened(tmp_path / "s" / "x", made.meta["x"]), 1)
    assert [shown_number(frame) for frame in copied(target, after)] == numbers[1:]


SAME_CODEC = [
    *((kind, kind) for kind in INDEXED),
    ("npz", "npz"),
    *itertools.product(IMAGES, IMAGES),
]


@pytest.mark.parametrize("before, after", SAME_CODEC)
def test_frames_of_one_codec_move_as_they_are(before: str, after: str, tmp_path: Path) -> None:
    source, _ = source_of(tmp_path / "s", before)
    target = channels.from_config(tmp_path / "copy", after, source.type.str[1:], source.shape)
    stored = stored_frames(tmp_path / "s", "x", before)
    for start, stop in ranges(COUNT):
        target.copy_from(source, start, stop)
        assert stored_frames(tmp_path, "copy", after) == stored[start:stop]
        if after in INDEXED:
            ends = np.fromfile(tmp_path / "copy_i", "<u8").tolist()
            assert ends == [0, *ENDS[after]((tmp_path / "copy").read_bytes())]


def test_a_damaged_frame_moves_as_it_is(tmp_path: Path) -> None:
    source, frames = source_of(tmp_path / "s", "lzmaf")
    data = bytearray((tmp_path / "s" / "x").read_bytes())
    data[stream_ends(bytes(data))[1] + 30] ^= 0xFF
    (tmp_path / "s" / "x").write_bytes(data)
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source)
    assert (tmp_path / "copy").read_bytes() == data
    np.testing.assert_array_equal(target.read(3), frames[3:])
    with pytest.raises(CorruptFileError):
        target.read(2, 1)


def test_a_whole_xz_file_is_copied_byte_by_byte(tmp_path: Path) -> None:
    source, frames = source_of(tmp_path / "s", "lzma")
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source, 0, COUNT)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "s" / "x").read_bytes()
    target.copy_from(source, 0, COUNT - 1)
    np.testing.assert_array_equal(copied(target, "lzma"), frames[:-1])


class NpyChannel(BlobChannel):
    """A user's own blobs, of which roverd knows no codec."""

    extension = ".npy"

    def _read_blob(self, index: int) -> Array:
        return np.load(self._filename(index) + ".npy")

    def _write_blob(self, index: int, data: Array) -> None:
        np.save(self._filename(index) + ".npy", data)


@pytest.mark.parametrize("kind", ARRAYS)
def test_blobs_of_a_users_own_are_copied_both_ways(kind: str, tmp_path: Path) -> None:
    source, frames = source_of(tmp_path / "s", kind)
    own = NpyChannel(tmp_path / "own", "i2", (3, 5))
    own.copy_from(source, 1)
    assert np.array_equal(np.load(tmp_path / "own" / "000003.npy"), frames[4])
    again = own.open_like(tmp_path / "again")
    again.copy_from(own, 1, 3)
    back = source.open_like(tmp_path / "back")
    back.copy_from(again)
    np.testing.assert_array_equal(copied(back, kind), frames[2:4])


# ── what is there before and after ───────────────────────────────────────────────────────────────

FORMATS = (*ARRAYS, *IMAGES)


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_of_the_old_frames_stays(kind: str, tmp_path: Path) -> None:
    source, frames = source_of(tmp_path / "s", kind, 9)
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source)
    target.copy_from(source, 7)
    np.testing.assert_array_equal(copied(target, kind), frames[7:])
    hidden = [path for path in tmp_path.rglob(".*") if path.name != ".keep"]
    assert not hidden
    # A copy goes on as any channel does.
    target.write(frames[:2], append=True)
    assert len(target) == 4
    np.testing.assert_array_equal(target.read(0, 2), frames[7:])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("start, stop", [(-1, 3), (0, COUNT + 1), (3, 2), (COUNT + 1, COUNT + 1)])
def test_frames_that_are_not_there_are_an_error(
    kind: str, start: int, stop: int, tmp_path: Path
) -> None:
    source, _ = source_of(tmp_path / "s", kind)
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source, 1, 3)
    before = tree(tmp_path / "copy")
    with pytest.raises(IndexError) as caught:
        target.copy_from(source, start, stop)
    assert source.path in str(caught.value)
    assert str(COUNT) in str(caught.value)
    assert tree(tmp_path / "copy") == before


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name, shape", [("u2", (3, 5)), ("i2", (5, 3)), ("u1", (8, 8, 3))])
def test_frames_of_another_kind_are_an_error(
    kind: str, name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    source, _ = source_of(tmp_path / "s", kind)
    target = channels.from_config(tmp_path / "copy", "raw", name, shape)
    target.write(numbered(2, shape, name))
    before = tree(tmp_path / "copy")
    with pytest.raises(ValueError) as caught:
        target.copy_from(source)
    words = str(caught.value)
    assert source.path in words and target.path in words
    assert str(list(shape)) in words and str(list(source.shape)) in words
    assert tree(tmp_path / "copy") == before


@pytest.mark.parametrize("kind", FORMATS)
def test_a_source_that_is_not_there_is_an_error(kind: str, tmp_path: Path) -> None:
    source, _ = source_of(tmp_path / "s", kind)
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source)
    before = tree(tmp_path / "copy")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        target.copy_from(source.open_like(tmp_path / "nowhere"))
    assert tree(tmp_path / "copy") == before


@pytest.mark.parametrize("kind", FORMATS)
def test_a_channel_is_not_copied_onto_itself(kind: str, tmp_path: Path) -> None:
    source, _ = source_of(tmp_path / "s", kind)
    link(tmp_path / "s" / "x", tmp_path / "other")
    before = tree(tmp_path / "s")
    for target in (source, source.open_like(source.path), source.open_like(tmp_path / "other")):
        with pytest.raises(UnsupportedError, match=source.path):
            target.copy_from(source, 1)
    assert tree(tmp_path / "s") == before


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_moved_adds_up(kind: str, tmp_path: Path) -> None:
    source, _ = source_of(tmp_path / "s", kind)
    for after in ARRAYS if kind in ARRAYS else IMAGES:
        moved: list[int] = []
        target = channels.from_config(tmp_path / after, after, source.type.str[1:], source.shape)
        target.copy_from(source, 1, 4, moved.append)
        assert sum(moved) == 3


def test_only_channels_with_a_codec_give_encoded_frames(tmp_path: Path) -> None:
    for kind in FORMATS:
        source, _ = source_of(tmp_path / kind, kind)
        if kind in ("raw", "lzma"):
            assert source.codec is None
            with pytest.raises(UnsupportedError, match=source.path):
                list(source.encoded(0, 1))
        else:
            assert source.codec
            stored = stored_frames(tmp_path / kind, "x", kind)
            assert list(source.encoded(1, 4)) == stored[1:4]


# ── torn tails ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["raw", "lzma", *INDEXED, "mjpg"])
@pytest.mark.parametrize("share", [0.35, 0.6, 0.85])
def test_of_a_torn_file_the_whole_frames_are_copied(
    kind: str, share: float, tmp_path: Path
) -> None:
    source, frames = source_of(tmp_path / "s", kind, 12)
    path = tmp_path / "s" / "x"
    data = path.read_bytes()
    data = data[: int(len(data) * share)]
    path.write_bytes(data)
    whole = {
        "raw": lambda: len(data) // frames[0].nbytes,
        "lzma": lambda: len(decodable(data)) // frames[0].nbytes,
        **{name: lambda name=name: len(ENDS[name](data)) for name in INDEXED},
        "mjpg": lambda: len(avi_chunks(data)),
    }[kind]()
    assert 0 <= whole < 12
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source)
    np.testing.assert_array_equal(copied(target, kind), frames[:whole])


@pytest.mark.parametrize("index", [None, b"", bytes(8), bytes(20)])
def test_streams_without_a_good_index_get_one(index: bytes | None, tmp_path: Path) -> None:
    source, frames = source_of(tmp_path / "s", "lzmaf")
    (tmp_path / "s" / "x_i").unlink()
    if index is not None:
        (tmp_path / "s" / "x_i").write_bytes(index)
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source, 1)
    np.testing.assert_array_equal(copied(target, "lzmaf"), frames[1:])


# ── AVI ──────────────────────────────────────────────────────────────────────────────────────────

# Leading ones, one inside, two together, one at the end.
DROPPED = [b"", b"", *JPEGS[:1], b"", *JPEGS[1:3], b"", b"", *JPEGS[3:4], b""]
LEADING = 2


def shown(start: int = 0, stop: int | None = None) -> list[bytes]:
    """The JPEG that each frame of `DROPPED` shows; `b""` where there is none."""
    found = list(itertools.accumulate(DROPPED, lambda before, jpeg: jpeg or before))
    return found[start:stop]


@pytest.fixture
def with_dropped(tmp_path: Path) -> VideoChannel:
    (tmp_path / "x.avi").write_bytes(avi(DROPPED, HEIGHT, WIDTH))
    return VideoChannel(tmp_path / "x.avi", "u1", IMAGE)


def test_dropped_frames_stay_dropped_and_count(with_dropped: VideoChannel, tmp_path: Path) -> None:
    target = with_dropped.open_like(tmp_path / "copy")
    for start, stop in ranges(len(DROPPED)):
        target.copy_from(with_dropped, start, stop)
        assert len(target) == stop - start
        expected = DROPPED[start:stop]
        if expected and start >= LEADING:
            # The one that the first repeats is not there.
            expected[0] = shown()[start]
        assert stored_frames(tmp_path, "copy", "mjpg") == expected
        first = min(max(start, LEADING), stop)
        if first < stop:
            pixels = decoded(shown(first, stop))
            np.testing.assert_array_equal(target.read(first - start), pixels)
        if start < first:
            with pytest.raises(CorruptFileError, match="dropped"):
                target.read(0, 1)


def test_dropped_frames_become_files_of_what_they_show(
    with_dropped: VideoChannel, tmp_path: Path
) -> None:
    target = channels.JPEGBlobChannel(tmp_path / "copy", "u1", IMAGE)
    for start, stop in ranges(len(DROPPED)):
        if start >= LEADING or start == stop:
            target.copy_from(with_dropped, start, stop)
            assert stored_frames(tmp_path, "copy", "jpg") == shown(start, stop)
        else:
            with pytest.raises(CorruptFileError, match="dropped"):
                target.copy_from(with_dropped, start, stop)


def test_more_dropped_frames_than_are_copied_at_once(tmp_path: Path) -> None:
    jpegs = [JPEGS[0], *([b""] * 1100), JPEGS[1]]
    (tmp_path / "x.avi").write_bytes(avi(jpegs, HEIGHT, WIDTH))
    source = VideoChannel(tmp_path / "x.avi", "u1", IMAGE)
    blobs = channels.JPEGBlobChannel(tmp_path / "blobs", "u1", IMAGE)
    blobs.copy_from(source, 30)
    assert stored_frames(tmp_path, "blobs", "jpg") == [JPEGS[0]] * 1071 + [JPEGS[1]]
    video = source.open_like(tmp_path / "copy")
    video.copy_from(source, 30)
    assert stored_frames(tmp_path, "copy", "mjpg") == [JPEGS[0], *jpegs[31:]]


def image_shape(jpeg: bytes) -> tuple[int, int, int]:
    width, height = Image.open(io.BytesIO(jpeg)).size
    return height, width, 3


def by_opencv(path: Path) -> tuple[int, float]:
    """How many frames OpenCV reads, and the rate it tells."""
    capture = cv2.VideoCapture(str(path))
    rate, count = capture.get(cv2.CAP_PROP_FPS), 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count, rate


@pytest.mark.parametrize("name", NAMES)
def test_avis_of_others_come_over_with_every_jpeg_and_their_rate(name: str, tmp_path: Path) -> None:
    data = load(name)
    jpegs = [data[offset : offset + size] for offset, size in truth(name, len(data))]
    source = VideoChannel(os.path.join(DATA, name), "u1", image_shape(jpegs[0]))
    target = source.open_like(tmp_path / "copy.avi")
    target.copy_from(source)
    stored = stored_frames(tmp_path, "copy.avi", "mjpg")
    assert stored == jpegs
    np.testing.assert_array_equal(target[::5], source[::5])
    np.testing.assert_array_equal(target[-1], source[-1])

    real = len([jpeg for jpeg in jpegs if jpeg])
    told = EXPECTED[name]["ffprobe"]["avg_frame_rate"]
    with av.open(str(tmp_path / "copy.avi")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(told)
        assert stream.frames == len(jpegs)
        assert len(list(container.decode(video=0))) == real
    count, rate = by_opencv(tmp_path / "copy.avi")
    assert count == real
    assert rate == pytest.approx(float(Fraction(told)))
    hashes = ffmpeg(
        "-i", str(tmp_path / "copy.avi"), "-fps_mode", "passthrough", "-f", "framemd5", "-"
    )
    assert len([line for line in hashes.splitlines() if not line.startswith(b"#")]) == real

    blobs = channels.JPEGBlobChannel(tmp_path / "blobs", "u1", source.shape)
    blobs.copy_from(target, 3, 9)
    assert stored_frames(tmp_path, "blobs", "jpg") == jpegs[3:9]
    np.testing.assert_array_equal(blobs.read(), source.read(3, 6))


@pytest.mark.parametrize(
    "rate", ["30000/1001", "24000/1001", "12.5", "1/7", "120", "1000000/33333"]
)
def test_the_frame_rate_is_kept_exactly(rate: str, tmp_path: Path) -> None:
    pixels = numbered(4, IMAGE, "u1").tobytes()
    path = str(tmp_path / "x.avi")
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", rate, "-i", "-"]
    ffmpeg(*size, "-c:v", "mjpeg", path, data=pixels)
    source = VideoChannel(path, "u1", IMAGE)
    target = source.open_like(tmp_path / "copy.avi")
    target.copy_from(source, 1)
    rates: list[Fraction | None] = []
    for file in (path, str(tmp_path / "copy.avi")):
        with av.open(file) as container:
            rates.append(container.streams.video[0].base_rate)
    assert rates[1] == rates[0]
    assert rates[1] == pytest.approx(float(Fraction(rate)), rel=1e-6)


def test_a_frame_rate_that_is_asked_for_goes_before(tmp_path: Path) -> None:
    source, _ = source_of(tmp_path / "s", "mjpg")
    jpg, _ = source_of(tmp_path / "j", "jpg")
    for number, other in enumerate((source, jpg)):
        target = VideoChannel(tmp_path / f"{number}.avi", "u1", IMAGE)
        target.copy_from(other, fps=12.5)
        with av.open(target.path) as container:
            assert container.streams.video[0].average_rate == Fraction(25, 2)


@pytest.mark.parametrize("rate, scale", [(2**32 - 1, 1), (1, 2**32 - 1), (0, 0), (5, 0)])
def test_frames_are_good_whatever_the_header_says_of_their_rate(
    rate: int, scale: int, tmp_path: Path
) -> None:
    data = bytearray(avi(JPEGS[:4], HEIGHT, WIDTH))
    place = data.index(b"strh") + 8
    data[place + 20 : place + 28] = scale.to_bytes(4, "little") + rate.to_bytes(4, "little")
    (tmp_path / "x.avi").write_bytes(data)
    source = VideoChannel(tmp_path / "x.avi", "u1", IMAGE)
    target = source.open_like(tmp_path / "copy")
    target.copy_from(source)
    assert stored_frames(tmp_path, "copy", "mjpg") == JPEGS[:4]


CODECS = {
    "mpeg4": ["-c:v", "mpeg4", "-q:v", "2", "-g", "6", "-bf", "2"],
    "ffv1": ["-c:v", "ffv1", "-pix_fmt", "bgr0"],
}
SHAPE = (64, 96, 3)
NUMBERS = [40000, 3, 65535, *range(1000, 1010)]


@pytest.fixture(params=CODECS)
def other_codec(request: pytest.FixtureRequest, tmp_path: Path) -> VideoChannel:
    path = str(tmp_path / "other.avi")
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", "25", "-i", "-"]
    ffmpeg(*size, *CODECS[request.param], path, data=images(NUMBERS, SHAPE).tobytes())
    return VideoChannel(path, "u1", SHAPE)


@pytest.mark.parametrize("args", [{}, {"resolution": (24, 16)}], ids=["", "resized"])
def test_another_codec_is_copied_whole_and_becomes_jpegs_in_part(
    other_codec: VideoChannel, args: dict[str, Any], tmp_path: Path
) -> None:
    source = VideoChannel(other_codec.path, "u1", SHAPE, **args)
    target = source.open_like(tmp_path / "copy.avi")
    target.copy_from(source)
    assert (tmp_path / "copy.avi").read_bytes() == Path(source.path).read_bytes()
    target.copy_from(source, 2, 9)
    stored = stored_frames(tmp_path, "copy.avi", "mjpg")
    assert [shown_number(frame) for frame in decoded(stored)] == NUMBERS[2:9]
    with av.open(target.path) as container:
        assert container.streams.video[0].average_rate == 25


@pytest.mark.parametrize("before", IMAGES)
@pytest.mark.parametrize("after", (*OF_BYTES, *IMAGES))
def test_frames_are_copied_as_they_are_stored_whatever_reading_makes_of_them(
    before: str, after: str, tmp_path: Path
) -> None:
    _, frames = source_of(tmp_path / "s", before)
    args = {"resolution": (8, 6)}
    source = channels.from_config(tmp_path / "s" / "x", before, "u1", IMAGE, args=args)
    assert source.read().shape[1:] == (6, 8, 3)
    target = channels.from_config(tmp_path / "copy", after, "u1", IMAGE)
    target.copy_from(source, 1)
    np.testing.assert_array_equal(copied(target, after), frames[1:])
    assert source.read().shape[1:] == (6, 8, 3)


# ── memory ───────────────────────────────────────────────────────────────────────────────────────

LARGE = 160 << 20


def large_raw(folder: Path) -> channels.Channel:
    (folder / "x").touch()
    os.truncate(folder / "x", LARGE)
    return channels.from_config(folder / "x", "raw", "i2", (64, 3, 4, 512))


def large_lzmaf(folder: Path) -> channels.Channel:
    noise = np.random.default_rng(1).bytes(786432)
    stream = lzma.compress(noise, preset=0)
    count = LARGE // len(stream)
    with open(folder / "x", "wb") as file:
        for _ in range(count):
            file.write(stream)
    (np.arange(count + 1) * len(stream)).astype("<u8").tofile(folder / "x_i")
    return channels.from_config(folder / "x", "lzmaf", "i2", (64, 3, 4, 512))


def large_jpg(folder: Path) -> channels.Channel:
    pixels = np.random.default_rng(2).integers(0, 255, (1080, 1920, 3)).astype(np.uint8)
    (folder / "x").mkdir()
    first = folder / "x" / "000000.jpg"
    Image.fromarray(pixels).save(first, quality=60)
    for number in range(1, LARGE // first.stat().st_size):
        os.link(first, folder / "x" / f"{number:06d}.jpg")
    return channels.from_config(folder / "x", "jpg", "u1", (1080, 1920, 3))


@pytest.mark.parametrize(
    "make, after, megabytes",
    [(large_raw, "raw", 64), (large_lzmaf, "lzmaf", 64), (large_jpg, "mjpg", 64)],
)
def test_memory_is_bounded(
    make: Callable[[Path], channels.Channel], after: str, megabytes: int, tmp_path: Path
) -> None:
    source = make(tmp_path)
    target = channels.from_config(tmp_path / "copy", after, source.type.str[1:], source.shape)
    target.copy_from(source, 0, 1)
    with cheap(30, megabytes):
        target.copy_from(source, 1)
    assert len(target) == len(source) - 1
    assert target.filesize > LARGE * 0.9
    shutil.rmtree(tmp_path)
