"""Files written are what independent readers take them for, finished or not."""

import os
import struct
from fractions import Fraction

import pytest

from roverd.errors import InvalidDataError, UnsupportedError
from roverd.formats.avi import AviWriter, check_chunk_header, read_index, walk_index
from support import avi as tools

ALL = list(range(40))
LIMITS = [1 << 30, 30_000, tools.SMALL_SEGMENT]


def stored(tmp_path, data) -> str:
    path = os.path.join(tmp_path, "video.avi")
    with open(path, "wb") as file:
        file.write(data)
    return path


def content(data: bytes) -> list[bytes]:
    """The payloads that our reader finds, each checked as a reader would."""
    index = read_index(tools.reading(data), len(data))
    assert tools.pairs(index) == tools.pairs(walk_index(tools.reading(data), len(data)))
    for i, (offset, _) in enumerate(tools.pairs(index)):
        assert check_chunk_header(data[offset - 8 : offset], index, int(index.sizes[i]))
    return [data[o : o + s] for o, s in tools.pairs(index)]


# ── three independent readers ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("done", [True, False], ids=["finished", "killed"])
@pytest.mark.parametrize("reader", tools.READERS)
def test_other_readers_find_every_frame(tmp_path, reader, done, limit):
    file, writer = tools.recorded(segment_limit=limit)
    if done:
        file.apply(writer.finish())
    assert tools.READERS[reader](stored(tmp_path, file.data)) == ALL
    index = read_index(tools.reading(file.data), len(file.data))
    assert content(bytes(file.data)) == tools.JPEGS
    assert index.finished == done
    assert len(index.segments) == {1 << 30: 1, 30_000: 2}.get(limit, len(index.segments))
    if limit == tools.SMALL_SEGMENT:
        assert len(index.segments) > 5


def test_frames_can_be_sought_in_a_finished_file(tmp_path):
    import cv2

    capture = cv2.VideoCapture(stored(tmp_path, tools.finished(segment_limit=tools.SMALL_SEGMENT)))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 40
    assert capture.get(cv2.CAP_PROP_FPS) == 25
    for number in (33, 2, 17, 39, 0):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        assert tools.number_of(capture.read()[1]) == number
    capture.release()


def test_dropped_frames_count(tmp_path):
    file, writer = tools.recorded(3)
    file.apply(writer.add(b""))
    file.apply(writer.add(tools.JPEGS[4]))
    file.apply(writer.finish())
    index = read_index(tools.reading(file.data), len(file.data))
    assert index.sizes.tolist()[3] == 0
    assert (len(index), index.finished) == (5, True)
    assert tools.by_ffmpeg(stored(tmp_path, file.data)) == [0, 1, 2, 4]


# ── the state machine ────────────────────────────────────────────────────────────────────────────


def test_a_frame_is_one_write_at_the_end_of_the_file():
    file, writer = tools.recorded(0)
    for payload in (b"abc", b"", b"abcd"):
        size = len(file.data)
        (write,) = writer.add(payload)
        padding = b"\0" * (len(payload) % 2)
        assert write == (size, struct.pack("<4sI", b"00dc", len(payload)) + payload + padding)
        file.apply([write])
        assert content(bytes(file.data))[-1] == payload


def test_lengths_are_open_while_recording_and_right_afterwards():
    file, writer = tools.recorded(3)
    movi = file.data.index(b"movi") - 8
    assert file.data[4:8] == file.data[movi + 4 : movi + 8] == b"\0\0\0\0"
    file.apply(writer.finish())
    assert int.from_bytes(file.data[4:8], "little") == len(file.data) - 8
    movi_size = int.from_bytes(file.data[movi + 4 : movi + 8], "little")
    assert file.data[movi + 8 + movi_size :][:4] == b"idx1"
    assert file.data[-3 * 16 - 8 :][:8] == struct.pack("<4sI", b"idx1", 48)
    strh = file.data.index(b"strh") + 8
    largest = max(len(jpeg) for jpeg in tools.JPEGS[:3])
    assert struct.unpack_from("<2I", file.data, strh + 32) == (3, largest)
    avih = file.data.index(b"avih") + 8
    assert struct.unpack_from("<I", file.data, avih + 16) == (3,)
    assert struct.unpack_from("<I", file.data, avih + 28) == (largest,)
    assert file.data[avih + 12] & 0x10


def test_finishing_twice_changes_nothing():
    _, writer = tools.recorded(2)
    assert writer.finish()
    assert writer.finish() == []
    with pytest.raises(UnsupportedError, match="found it finished"):
        writer.add(b"x")


def test_a_frame_that_no_chunk_can_hold_is_refused():
    class Huge(bytes):
        def __len__(self):
            return 1 << 32

    _, writer = tools.recorded(1)
    with pytest.raises(InvalidDataError, match="below 4 GiB, found 4294967296 bytes"):
        writer.add(Huge())


def test_nothing_can_be_added_before_the_start():
    writer = AviWriter(16, 16, 1.0)
    assert writer.finish() == []
    with pytest.raises(UnsupportedError, match="found it not started"):
        writer.add(b"x")


def test_a_file_without_frames():
    data = tools.finished(0)
    index = read_index(tools.reading(data), len(data))
    assert (len(index), index.width, index.height) == (0, tools.WIDTH, tools.HEIGHT)


@pytest.mark.parametrize("limit", [60, 100, 20_000])
def test_a_segment_stays_below_its_limit_unless_one_frame_is_larger(limit):
    file = tools.MemoryFile()
    writer = AviWriter(16, 16, 1.0, segment_limit=limit)
    file.apply(writer.start())
    payloads = [b"x" * (i % 13) for i in range(60)] + [b"y" * 500, b"z"]
    for payload in payloads:
        file.apply(writer.add(payload))
    file.apply(writer.finish())
    assert content(bytes(file.data)) == payloads
    index = read_index(tools.reading(file.data), len(file.data))
    assert index.finished
    starts = [s.riff for s in index.segments] + [len(file.data)]
    for segment, behind in zip(index.segments, starts[1:], strict=True):
        frames = ((index.offsets > segment.riff) & (index.offsets < behind)).sum()
        assert behind - segment.riff == segment.riff_size + 8
        assert frames == 1 or behind - segment.riff <= limit


def test_more_segments_than_the_super_index_has_room_for():
    file = tools.MemoryFile()
    writer = AviWriter(16, 16, 1.0, segment_limit=1)
    file.apply(writer.start())
    payloads = [b"%d" % i for i in range(1030)]
    for payload in payloads:
        file.apply(writer.add(payload))
    file.apply(writer.finish())
    assert content(bytes(file.data)) == payloads


@pytest.mark.parametrize(
    ("rate", "fraction"),
    [
        (25, Fraction(25)),
        (30.0, Fraction(30)),
        (29.97, Fraction(2997, 100)),
        (30 / 1.001, Fraction(30000, 1001)),
        (1 / 3, Fraction(1, 3)),
        (0.1, Fraction(1, 10)),
        (1e-4, Fraction(1, 10_000)),
        (1e9, Fraction(10**9)),
        (Fraction(1_000_000, 33_333), Fraction(1_000_000, 33_333)),
    ],
)
def test_frame_rates_are_exact(rate, fraction):
    ((_, head),) = AviWriter(16, 16, rate).start()
    at = head.index(b"strh") + 8
    scale, number = struct.unpack_from("<2I", head, at + 20)
    assert (number, scale) == (fraction.numerator, fraction.denominator)
    assert read_index(tools.reading(head), len(head)).frame_rate == float(fraction)


@pytest.mark.parametrize(
    "rate", [0, -1.0, float("nan"), float("inf"), 1e-9, 1e10, Fraction(1, 2**40)]
)
def test_impossible_frame_rates_are_refused(rate):
    with pytest.raises(InvalidDataError, match=r"frame rate.* found"):
        AviWriter(16, 16, rate)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 16, 1.0), "width and height"),
        ((16, 40_000, 1.0), "width and height"),
        ((16, 16, 1.0, b"MJPEG"), "fourcc"),
        ((16, 16, 1.0, b"MJPG", 0), "segment_limit"),
        ((16, 16, 1.0, b"MJPG", 1 << 32), "segment_limit"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(InvalidDataError, match=message):
        AviWriter(*arguments)


# ── a crash between any two writes ───────────────────────────────────────────────────────────────


def crashes(limit):
    """Files as they are after each single write, with the frames that have been given so far."""
    file = tools.MemoryFile()
    writer = AviWriter(tools.WIDTH, tools.HEIGHT, 25.0, segment_limit=limit)
    file.apply(writer.start())
    states = [(0, bytes(file.data))]
    for number in range(14):
        writes = writer.add(tools.JPEGS[number])
        for i, write in enumerate(writes):
            file.apply([write])
            states.append((number + (i + 1 == len(writes)), bytes(file.data)))
    for write in writer.finish():
        file.apply([write])
        states.append((14, bytes(file.data)))
    return states


@pytest.mark.parametrize("limit", [1 << 30, tools.SMALL_SEGMENT])
def test_a_crash_after_any_write_loses_nothing(limit):
    states = crashes(limit)
    assert len(states) > (20 if limit == 1 << 30 else 40)
    for count, data in states:
        assert content(data) == tools.JPEGS[:count]


def test_ffmpeg_reads_a_file_after_a_crash_at_any_write(tmp_path):
    for count, data in crashes(tools.SMALL_SEGMENT)[1:]:
        assert tools.by_pyav(stored(tmp_path, data)) == ALL[:count]


@pytest.mark.parametrize("limit", [1 << 30, tools.SMALL_SEGMENT])
def test_going_on_after_a_crash_at_any_write(limit):
    for count, data in crashes(limit):
        writer, keep, writes = AviWriter.resume(tools.reading(data), len(data), limit)
        file = tools.MemoryFile(data)
        for write in writes:
            file.apply([write])
            assert content(bytes(file.data)) == tools.JPEGS[:count]
        file.truncate(keep)
        for number in range(count, 16):
            file.apply(writer.add(tools.JPEGS[number]))
        file.apply(writer.finish())
        assert content(bytes(file.data)) == tools.JPEGS[:16]
        assert read_index(tools.reading(file.data), len(file.data)).finished
