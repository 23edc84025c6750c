"""Reading the index of sound and of unfinished files."""

import hashlib
import pickle
import struct

import numpy as np
import pytest

from roverd.errors import CorruptFileError
from roverd.formats.avi import check_chunk_header, extend_index, read_index, walk_index
from support import avi as tools

FINISHED = {
    name
    for name in tools.NAMES
    if not any(w in name for w in ("missing", "zero.avi", "truncated", "powercut"))
}


@pytest.mark.parametrize("name", tools.NAMES)
@pytest.mark.parametrize("read", [read_index, walk_index])
def test_every_file_gives_exactly_the_frames_expected(name, read):
    data = tools.load(name)
    index = read(tools.reading(data), len(data))
    expected = tools.EXPECTED[name]
    assert tools.pairs(index) == tools.truth(name, len(data))
    assert len(index) > 0
    hashes = [hashlib.sha256(data[o : o + s]).hexdigest()[:16] for o, s in tools.pairs(index)]
    assert hashes == expected["sha256_16"][: len(index)]
    assert np.flatnonzero(index.sizes == 0).tolist() == expected["zero_length"]
    assert index.offsets.dtype == index.sizes.dtype == np.int64
    assert index.fourcc == b"MJPG"
    assert (index.width, index.height) == (
        expected["ffprobe"]["width"],
        expected["ffprobe"]["height"],
    )
    above, below = map(int, expected["ffprobe"]["avg_frame_rate"].split("/"))
    assert index.frame_rate == pytest.approx(above / below)
    assert index.finished == (read is read_index and name in FINISHED)
    assert index.end <= len(data)
    for i, (offset, _) in enumerate(tools.pairs(index)):
        assert check_chunk_header(data[offset - 8 : offset], index, int(index.sizes[i]))


def test_streams_are_counted_and_the_video_found_among_them():
    data = tools.load("ffmpeg_with_audio_first.avi")
    index = read_index(tools.reading(data), len(data))
    assert (index.stream, index.stream_count) == (1, 2)


@pytest.mark.parametrize("name", sorted(FINISHED))
def test_a_finished_file_takes_few_reads(name):
    data = tools.load(name)
    calls = []

    def read_at(offset, size):
        calls.append(offset)
        return data[offset : offset + size]

    read_index(read_at, len(data))
    lists = 30 if name == "rec_lists.avi" else 0  # a gap, 12 bytes, before every frame
    missing = 5 if "short" in name else 0
    assert len(calls) <= 8 + lists + missing


def test_end_is_behind_the_last_whole_chunk():
    whole = tools.load("plain_own_writer.avi")
    index = read_index(tools.reading(whole), len(whole))
    assert index.end == len(whole)  # behind idx1
    assert index.frames_end == 306100
    torn = tools.load("truncated_inside_frame20.avi")
    index = read_index(tools.reading(torn), len(torn))
    assert index.end == index.frames_end == index.offsets[-1] + index.sizes[-1]
    last = int(index.offsets[0] + index.sizes[0])  # the first frame is odd: its pad byte is missing
    index = read_index(tools.reading(torn[:last]), last)
    assert (len(index), index.end, index.frames_end) == (1, last, last + 1)


def test_an_index_can_be_pickled_and_is_read_only():
    data = tools.load("opendml_2riff_16frames.avi")
    index = read_index(tools.reading(data), len(data))
    again = pickle.loads(pickle.dumps(index))  # noqa: S301 - our own bytes
    assert tools.pairs(again) == tools.pairs(index)
    assert (again.segments, again.header) == (index.segments, index.header)
    with pytest.raises(ValueError, match="read-only"):
        index.offsets[0] = 0


@pytest.mark.parametrize("riff", [None, 0, 0xFFFFFFFF, 10, 200, 0x7FFFFFFF])
@pytest.mark.parametrize("movi", [None, 0, 0xFFFFFFFF, 4, 30_000, 0x7FFFFFFF])
@pytest.mark.parametrize(
    "name", ["plain_own_writer.avi", "opendml_2riff_16frames.avi", "idx1_missing.avi"]
)
def test_lengths_of_lists_do_not_matter(name, riff, movi):
    data = bytearray(tools.load(name))
    at = data.index(b"movi") - 4
    if riff is not None:
        data[4:8] = struct.pack("<I", riff)
    if movi is not None:
        data[at : at + 4] = struct.pack("<I", movi)
    index = read_index(tools.reading(data), len(data))
    assert tools.pairs(index) == tools.truth(name, len(data))
    whole = (riff, movi) == (None, None) and name != "idx1_missing.avi"
    assert index.finished == whole


def test_junk_and_unknown_chunks_between_frames_are_stepped_over():
    file, _ = tools.recorded(2)
    odd = b"JUNK\x03\0\0\0abc\0" + b"LIST\x08\0\0\0INFOsome" + b"00pc\x02\0\0\0xx"
    frame = b"00db\x01\0\0\0x\0"
    data = bytes(file.data) + odd + frame + odd
    index = read_index(tools.reading(data), len(data))
    assert tools.pairs(index)[2:] == [(len(file.data) + len(odd) + 8, 1)]
    assert index.end == len(data)


def test_a_chunk_whose_length_was_never_filled_in_is_no_dropped_frame():
    file, _ = tools.recorded(2)
    data = bytes(file.data) + b"00dc\0\0\0\0" + tools.JPEGS[3]
    index = read_index(tools.reading(data), len(data))
    assert (len(index), index.end) == (2, len(file.data))


def test_zeros_behind_the_last_frame_are_a_torn_tail():
    file, _ = tools.recorded(3)
    data = bytes(file.data) + bytes(4096)
    index = read_index(tools.reading(data), len(data))
    assert (len(index), index.end) == (3, len(file.data))


def test_a_single_opendml_index_in_the_header():
    file, _ = tools.recorded(30)
    index = read_index(tools.reading(file.data), len(file.data))
    entries = struct.pack("<HBBI4sQ4x", 2, 0, 1, 30, b"00dc", 0)
    entries += b"".join(struct.pack("<II", o, s) for o, s in tools.pairs(index))
    at = file.data.index(b"indx") + 8
    file.data[at : at + len(entries)] = entries
    calls = []

    def read_at(offset, size):
        calls.append(offset)
        return bytes(file.data[offset : offset + size])

    assert tools.pairs(read_index(read_at, len(file.data))) == tools.pairs(index)
    assert len(calls) < 8


# ── files above 4 GiB ────────────────────────────────────────────────────────────────────────────

FRAME = 400_000_001
PER_SEGMENT = (5, 10, 3)


def opendml_above_4_gib():
    """18 frames of 400 MB in three RIFFs: chunk headers and indexes only."""
    small, _ = tools.recorded(0)
    header = bytearray(small.data)
    file = tools.SparseFile()
    indx = header.index(b"indx") + 8
    position = len(header)
    truth = []
    movi = position - 12
    for number, count in enumerate(PER_SEGMENT):
        if number:
            file.put(position, b"RIFF\0\0\0\0AVIXLIST\0\0\0\0movi")
            movi = position + 12
            position += 24
        for _ in range(count):
            file.put(position, struct.pack("<4sI", b"00dc", FRAME))
            truth.append((position + 8, FRAME))
            position += 8 + FRAME + 1
        entries = truth[-count:]
        index = struct.pack("<HBBI4sQ4x", 2, 0, 1, count, b"00dc", movi)
        index += b"".join(struct.pack("<II", o - movi, s) for o, s in entries)
        slot = indx + 24 + 16 * number
        header[slot : slot + 16] = struct.pack("<QII", position, len(index) + 8, count)
        file.put(position, struct.pack("<4sI", b"ix00", len(index)) + index)
        position += 8 + len(index)
    header[indx + 4 : indx + 8] = struct.pack("<I", len(PER_SEGMENT))
    file.put(0, bytes(header))
    return file, truth, movi


def test_opendml_above_4_gib():
    file, truth, _ = opendml_above_4_gib()
    index = read_index(file, file.size)
    assert file.size > 1 << 32
    assert tools.pairs(index) == truth
    assert file.reads < 15
    assert tools.pairs(walk_index(file, file.size)) == truth
    assert len(index.segments) == 3


def test_opendml_above_4_gib_with_a_segment_missing_from_the_super_index():
    file, truth, _ = opendml_above_4_gib()
    header = bytearray(file.pieces[-1][1])
    at = header.index(b"indx") + 12
    header[at : at + 4] = struct.pack("<I", 2)
    file.put(0, bytes(header))
    assert tools.pairs(read_index(file, file.size)) == truth


# ── files that grow ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [1 << 30, tools.SMALL_SEGMENT])
def test_a_growing_file_is_followed(limit):
    file, writer = tools.recorded(1, segment_limit=limit)
    index = read_index(tools.reading(file.data), len(file.data))
    for number in range(1, 40):
        for write in writer.add(tools.JPEGS[number]):
            file.apply([write])
            torn = len(file.data) - 3
            for size in (torn, len(file.data)):
                seen = extend_index(tools.reading(file.data[:size]), size, index)
                fresh = walk_index(tools.reading(file.data[:size]), size)
                assert tools.pairs(seen) == tools.pairs(fresh)
                assert (seen.end, seen.segments) == (fresh.end, fresh.segments)
        index = seen
        assert len(index) == number + 1
    file.apply(writer.finish())
    index = extend_index(tools.reading(file.data), len(file.data), index)
    assert (len(index), index.finished) == (40, True)


def test_following_reads_only_what_is_new():
    file, writer = tools.recorded(30)
    index = read_index(tools.reading(file.data), len(file.data))
    file.apply(writer.add(tools.JPEGS[30]))
    offsets = []

    def read_at(offset, size):
        offsets.append(offset)
        return bytes(file.data[offset : offset + size])

    assert len(extend_index(read_at, len(file.data), index)) == 31
    header_end = index.header.start
    assert all(o < header_end or o >= index.offsets[-1] - 8 for o in offsets)
    assert len(offsets) <= 5


def test_a_replaced_file_is_read_anew():
    file, _ = tools.recorded(20)
    index = read_index(tools.reading(file.data), len(file.data))
    other = tools.load("ffmpeg_mjpeg_base.avi")
    extended = extend_index(tools.reading(other), len(other), index)
    assert tools.pairs(extended) == tools.truth("ffmpeg_mjpeg_base.avi", len(other))
    shorter = bytes(file.data[: int(index.offsets[5])])
    assert len(extend_index(tools.reading(shorter), len(shorter), index)) == 5


def test_a_file_that_is_followed_from_its_header_on():
    file, writer = tools.recorded(0)
    index = read_index(tools.reading(file.data), len(file.data))
    assert (len(index), index.end, index.finished) == (0, len(file.data), False)
    file.apply(writer.add(tools.JPEGS[0]))
    assert len(extend_index(tools.reading(file.data), len(file.data), index)) == 1


# ── what is no video ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\x04\0\0\0WAVE", b"\0" * 100, b"RIFF\x04\0\0\0AVI "]
)
def test_other_files_are_refused(data):
    for read in (read_index, walk_index):
        with pytest.raises(CorruptFileError, match=r"expected .* found"):
            read(tools.reading(data), len(data))


def test_audio_alone_is_refused():
    data = tools.load("ffmpeg_mjpeg_base.avi").replace(b"vidsMJPG", b"auds\1\0\0\0")
    with pytest.raises(CorruptFileError, match=r"video stream .* found b'auds'"):
        read_index(tools.reading(data), len(data))


def test_a_wrong_chunk_header_is_noticed():
    data = tools.load("plain_own_writer.avi")
    index = read_index(tools.reading(data), len(data))
    offset, size = tools.pairs(index)[3]
    header = data[offset - 8 : offset]
    assert check_chunk_header(header, index, size)
    assert not check_chunk_header(header, index, size + 1)
    assert not check_chunk_header(header[:-1], index, size)
    assert not check_chunk_header(struct.pack("<4sI", b"01dc", size), index, size)
    assert not check_chunk_header(struct.pack("<4sI", b"00dc", size + 1), index, size)
