"""Going on with files of any writer, in any state."""

import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roverd.errors import CorruptFileError, UnsupportedError
from roverd.formats.avi import AviWriter, read_index, walk_index
from support import avi as tools

LOADED = {name: tools.load(name) for name in tools.MJPG_ALONE}


def resumed(data: bytes, limit: int = 1 << 30) -> tuple[tools.MemoryFile, AviWriter]:
    writer, keep, writes = AviWriter.resume(tools.reading(data), len(data), limit)
    file = tools.MemoryFile(data)
    file.apply(writes)
    file.truncate(keep)
    return file, writer


def pairs(data: bytes | bytearray) -> tools.Pairs:
    return tools.pairs(read_index(tools.reading(data), len(data)))


def decoded(tmp_path, data, index) -> np.ndarray:
    path = os.path.join(tmp_path, "video.avi")
    with open(path, "wb") as file:
        file.write(data)
    return tools.frames_of_ffmpeg(path, index.width, index.height)


@pytest.mark.parametrize("done", [True, False], ids=["finished", "killed"])
@pytest.mark.parametrize("name", tools.MJPG_ALONE)
def test_going_on_with_every_kind_of_file(tmp_path, name, done):
    data = LOADED[name]
    before = read_index(tools.reading(data), len(data))
    whole = [data[o : o + s] for o, s in tools.pairs(before) if s]
    file, writer = resumed(data)
    added = [whole[2], b"", whole[5], whole[0]]
    for frame in added:
        file.apply(writer.add(frame))
    if done:
        file.apply(writer.finish())
    after = read_index(tools.reading(file.data), len(file.data))
    assert tools.pairs(after)[: len(before)] == tools.pairs(before)
    new = [bytes(file.data[o : o + s]) for o, s in tools.pairs(after)[len(before) :]]
    assert new == added
    assert after.finished == done
    assert tools.pairs(walk_index(tools.reading(file.data), len(file.data))) == tools.pairs(after)
    frames = decoded(tmp_path, file.data, after)
    assert len(frames) == len(whole) + 3
    for there, was in ((-3, 2), (-2, 5), (-1, 0)):
        np.testing.assert_array_equal(frames[there], frames[was])


@pytest.mark.parametrize("name", tools.MJPG_ALONE)
def test_going_on_changes_no_frame_and_can_be_done_again(name):
    data = LOADED[name]
    before = pairs(data)
    file, _ = resumed(data)  # and then the recorder dies
    assert pairs(file.data) == before
    for count in range(1, 4):
        file, writer = resumed(bytes(file.data))
        file.apply(writer.add(b"x" * count))
        file.apply(writer.finish())
        assert pairs(file.data)[: len(before)] == before
        assert len(pairs(file.data)) == len(before) + count
        assert read_index(tools.reading(file.data), len(file.data)).finished


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(tools.MJPG_ALONE), data=st.data())
def test_going_on_with_a_file_torn_at_any_byte(name, data):
    whole = LOADED[name]
    movi = whole.index(b"movi")
    size = data.draw(st.integers(whole.index(b"strf") + 48, len(whole)))
    torn = whole[:size]
    file, writer = resumed(torn)
    file.apply(writer.add(b"new"))
    done = data.draw(st.booleans())
    if done:
        file.apply(writer.finish())
    expected = tools.truth(name, size) if size >= movi + 4 else []
    found = pairs(file.data)
    assert found[:-1] == expected
    offset, length = found[-1]
    assert file.data[offset : offset + length] == b"new"
    assert read_index(tools.reading(file.data), len(file.data)).finished == done


def test_going_on_with_our_own_file_torn_at_any_byte_of_its_end():
    data = tools.finished(12, segment_limit=tools.SMALL_SEGMENT)
    complete = pairs(data)
    for size in range(data.index(b"strf") + 48, len(data) + 1, 7):
        file, writer = resumed(data[:size], tools.SMALL_SEGMENT)
        file.apply(writer.add(tools.JPEGS[12]))
        file.apply(writer.finish())
        kept = [(o, s) for o, s in complete if o + s <= size]
        index = read_index(tools.reading(file.data), len(file.data))
        assert tools.pairs(index)[:-1] == kept
        assert index.finished


@pytest.mark.parametrize("reader", tools.READERS)
@pytest.mark.parametrize("limit", [1 << 30, tools.SMALL_SEGMENT])
def test_a_file_written_in_many_goes(tmp_path, reader, limit):
    file, writer = tools.recorded(3, segment_limit=limit)
    for number in range(3, 40):
        if number % 6 == 0:
            file.apply(writer.finish())
        if number % 3 == 0:  # every other time the recorder has died
            file, writer = resumed(bytes(file.data), limit)
        file.apply(writer.add(tools.JPEGS[number]))
    file.apply(writer.finish())
    path = os.path.join(tmp_path, "video.avi")
    with open(path, "wb") as out:
        out.write(file.data)
    assert tools.READERS[reader](path) == list(range(40))
    assert read_index(tools.reading(file.data), len(file.data)).finished


def test_junk_that_ffmpeg_left_becomes_a_super_index(tmp_path):
    data = LOADED["ffmpeg_mjpeg_base.avi"]
    before = read_index(tools.reading(data), len(data))
    frame = data[before.offsets[0] : before.offsets[0] + before.sizes[0]]
    file, writer = resumed(data, 320_000)
    for _ in range(60):
        file.apply(writer.add(frame))
    file.apply(writer.finish())
    index = read_index(tools.reading(file.data), len(file.data))
    assert (len(index), len(index.segments), index.finished) == (90, 3, True)
    at = file.data.index(b"indx")
    assert struct.unpack_from("<I", file.data, at + 12) == (3,)
    assert len(decoded(tmp_path, file.data, index)) == 90


def test_a_pad_byte_that_is_missing_is_added():
    file, _ = tools.recorded(0)
    data = bytes(file.data) + b"00dc\x03\0\0\0abc"
    file, writer = resumed(data)
    assert len(file.data) == len(data) + 1
    file.apply(writer.add(b"next"))
    assert [s for _, s in pairs(file.data)] == [3, 4]


# ── files without room for a super index, up to and above 4 GiB ──────────────────────────────────


def avi_1_of(total: int) -> tools.SparseFile:
    """An AVI 1.0 file, killed while recording, of frames of 100 MB: `total` bytes and a little."""
    head = bytearray(LOADED["plain_own_writer.avi"][:4108])
    head[4:8] = head[4100:4104] = b"\0\0\0\0"
    file = tools.SparseFile()
    file.put(0, bytes(head))
    while file.size < total:
        size = min(100_000_000, total - file.size)
        file.put(file.size, struct.pack("<4sI", b"00dc", size))
        file.put(file.size + size + size % 2 - 1, b"\0")
    return file


def put_all(file, writes):
    for write in writes:
        file.put(*write)


def test_avi_1_goes_on_in_its_riff_and_then_in_avix_segments():
    file = avi_1_of((1 << 32) - 300_000)
    before = tools.pairs(read_index(file, file.size))
    writer, keep, writes = AviWriter.resume(file, file.size)
    put_all(file, writes)
    assert keep == file.size
    put_all(file, writer.add(b"x" * 100_000))
    assert len(walk_index(file, file.size).segments) == 1
    for _ in range(4):
        put_all(file, writer.add(b"y" * 100_000))
    put_all(file, writer.finish())
    index = read_index(file, file.size)
    assert tools.pairs(index)[: len(before)] == before
    assert index.sizes[len(before) :].tolist() == [100_000] * 5
    assert len(index.segments) == 2
    first, second = index.segments
    assert first.riff_size + 8 == second.riff < 1 << 32
    assert second.riff + second.riff_size + 8 == file.size
    assert tools.pairs(walk_index(file, file.size)) == tools.pairs(index)


def test_a_riff_that_has_outgrown_32_bits_stays_open():
    file = avi_1_of((1 << 32) + 300_000)
    before = tools.pairs(read_index(file, file.size))
    writer, _, writes = AviWriter.resume(file, file.size)
    put_all(file, writes)
    put_all(file, writer.add(b"x" * 99))
    put_all(file, writer.finish())
    index = read_index(file, file.size)
    assert tools.pairs(index)[:-1] == before
    assert index.sizes[-1] == 99
    assert [s.riff_size > 0 for s in index.segments] == [False, True]


# ── what cannot be gone on with ──────────────────────────────────────────────────────────────────


def test_more_streams_than_one_are_refused():
    data = tools.load("ffmpeg_with_audio_first.avi")
    with pytest.raises(UnsupportedError, match="found 2 stream"):
        AviWriter.resume(tools.reading(data), len(data))


def test_another_codec_is_refused():
    data = LOADED["plain_own_writer.avi"].replace(b"MJPG", b"H264")
    with pytest.raises(UnsupportedError, match="b'H264'"):
        AviWriter.resume(tools.reading(data), len(data))


def test_a_file_cut_before_its_video_is_described_is_refused():
    data = LOADED["plain_own_writer.avi"][:150]
    with pytest.raises(CorruptFileError, match="expected the format of a video stream"):
        AviWriter.resume(tools.reading(data), len(data))


def test_frames_behind_damage_are_not_cut_off():
    data = bytearray(LOADED["plain_own_writer.avi"])
    offset = pairs(data)[7][0]
    data[offset - 8 : offset - 4] = b"\1\2\3\4"
    with pytest.raises(CorruptFileError, match=f"damage at byte {offset - 8}; .* destroy"):
        AviWriter.resume(tools.reading(data), len(data))


def test_frames_behind_a_damaged_header_are_not_cut_off():
    data = bytearray(LOADED["plain_own_writer.avi"])
    at = data.index(b"JUNK")
    data[at : at + 4] = b"\1\2\3\4"
    for size in (len(data), 20_000):
        with pytest.raises(CorruptFileError, match=r"damage at byte .* destroy"):
            AviWriter.resume(tools.reading(data[:size]), size)


@pytest.mark.parametrize(
    ("name", "offset", "message"), [(b"strf", 12, "width and height"), (b"strh", 28, "frame rate")]
)
def test_a_header_without_sense_is_refused(name, offset, message):
    data = bytearray(LOADED["plain_own_writer.avi"])
    for chunk, there in ((name, offset), (b"avih", 8), (b"avih", 40)):
        at = data.index(chunk) + there
        data[at : at + 4] = b"\0\0\0\0"
    with pytest.raises(CorruptFileError, match=f"{message}.*found"):
        AviWriter.resume(tools.reading(data), len(data))
