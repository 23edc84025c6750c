"""Files cut off anywhere, indexes that lie, random damage: the walk's frames or a clear error."""

import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roverd.errors import CorruptFileError
from roverd.formats.avi import (
    AviWriter,
    check_chunk_header,
    extend_index,
    read_index,
    walk_index,
)
from support import avi as tools

LOADED = {name: tools.load(name) for name in tools.NAMES}
RELAXED = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def plain_truth(data: bytes, start: int, name: bytes = b"00dc") -> tools.Pairs:
    """The frames from `start` on, by the simplest walk there is."""
    found = []
    while start + 8 <= len(data):
        fourcc, size = struct.unpack_from("<4sI", data, start)
        if fourcc in (b"RIFF", b"LIST"):
            start += 12
            continue
        if start + 8 + size > len(data) or not fourcc.strip(b"\0"):
            break
        if fourcc == name:
            found.append((start + 8, size))
        start += 8 + size + size % 2
    return found


# ── truncation ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [pytest.param(1 << 30, marks=pytest.mark.slow), 100])
def test_cut_at_every_byte(limit):
    """A small file with several segments and a dropped frame; the header is mostly empty index."""
    file = tools.MemoryFile()
    writer = AviWriter(32, 16, 10, segment_limit=limit)
    file.apply(writer.start())
    for payload in (b"a" * 7, b"", b"b" * 20, b"c", b"dd", b"e" * 33):
        file.apply(writer.add(payload))
    file.apply(writer.finish())
    data = bytes(file.data)
    start = data.index(b"movi") + 4
    described = data.index(b"strf") + 48
    complete = plain_truth(data, start)
    assert len(complete) == 6
    for size in range(len(data) + 1):
        cut = data[:size]
        for read in (read_index, walk_index):
            if size < described:
                with pytest.raises(CorruptFileError, match=r"expected .* found"):
                    read(tools.reading(cut), size)
                continue
            index = read(tools.reading(cut), size)
            assert tools.pairs(index) == [
                (o, s) for o, s in complete if o + s <= size and size >= start
            ]
            assert index.end <= size
            assert index.finished == (read is read_index and size == len(data))


@RELAXED
@given(name=st.sampled_from(tools.NAMES), data=st.data())
def test_real_files_cut_anywhere(name, data):
    whole = LOADED[name]
    size = data.draw(st.integers(whole.index(b"movi") + 4, len(whole)))
    cut = whole[:size]
    expected = tools.truth(name, size)
    index = read_index(tools.reading(cut), size)
    assert tools.pairs(index) == expected
    assert tools.pairs(walk_index(tools.reading(cut), size)) == expected
    previous = data.draw(st.integers(whole.index(b"movi") + 4, size))
    before = read_index(tools.reading(whole[:previous]), previous)
    after = extend_index(tools.reading(cut), size, before)
    assert (tools.pairs(after), after.end) == (expected, index.end)


# ── idx1 that lies ───────────────────────────────────────────────────────────────────────────────

WITH_IDX1 = [name for name, data in LOADED.items() if b"idx1" in data[-1000:]]


def idx1_entries(data: bytes) -> tuple[int, list[list[int]]]:
    at = data.rindex(b"idx1")
    size = int.from_bytes(data[at + 4 : at + 8], "little")
    return at, [list(e) for e in struct.iter_unpack("<4I", data[at + 8 : at + 8 + size])]


def with_idx1(data: bytes, at: int, entries: list[list[int]]) -> bytes:
    table = b"".join(struct.pack("<4I", *entry) for entry in entries)
    return data[:at] + struct.pack("<4sI", b"idx1", len(table)) + table


def test_there_are_files_with_idx1():
    assert len(WITH_IDX1) >= 9


@RELAXED
@given(name=st.sampled_from(WITH_IDX1), data=st.data())
def test_idx1_with_entries_dropped_swapped_shifted_repeated(name, data):
    at, entries = idx1_entries(LOADED[name])
    numbers = st.integers(0, len(entries) - 1)
    for change in data.draw(
        st.lists(st.sampled_from(["drop", "swap", "shift", "copy", "all"]), max_size=4)
    ):
        i, j = data.draw(numbers) % len(entries), data.draw(numbers) % len(entries)
        if change == "drop" and len(entries) > 1:
            del entries[i : i + data.draw(st.integers(1, 6))]
            entries = entries or [[0, 0, 0, 0]]
        elif change == "swap":
            entries[i], entries[j] = entries[j], entries[i]
        elif change == "copy":
            entries[i] = list(entries[j])
        else:
            shift = data.draw(st.integers(-(1 << 20), 1 << 20))
            for entry in entries if change == "all" else [entries[i]]:
                entry[2] = (entry[2] + shift) % (1 << 32)
    changed = with_idx1(LOADED[name], at, entries)
    expected = tools.truth(name, len(changed))
    assert tools.pairs(read_index(tools.reading(changed), len(changed))) == expected


@RELAXED
@given(name=st.sampled_from(WITH_IDX1), data=st.data())
def test_idx1_with_other_numbers_in_it(name, data):
    at, entries = idx1_entries(LOADED[name])
    for _ in range(data.draw(st.integers(1, 3))):
        entry = entries[data.draw(st.integers(0, len(entries) - 1))]
        word = data.draw(st.sampled_from([0, 2, 3]))
        values = [
            st.integers(0, 0xFFFFFFFF),
            st.integers(-2, 2).map(lambda d, e=entry, w=word: e[w] + d),
        ]
        entry[word] = data.draw(st.one_of(values)) % (1 << 32)
    changed = with_idx1(LOADED[name], at, entries)
    index = read_index(tools.reading(changed), len(changed))
    expected = tools.truth(name, len(changed))
    # A size wrong by its lowest bit still fits the chain: reading that frame shows it.
    assert len(index) == len(expected)
    for i, found in enumerate(tools.pairs(index)):
        offset = found[0]
        sound = check_chunk_header(changed[offset - 8 : offset], index, int(index.sizes[i]))
        assert sound == (found == expected[i])


@pytest.mark.parametrize("keep", range(0, 30, 7))
def test_idx1_of_which_only_some_entries_are_left(keep):
    name = "plain_own_writer.avi"
    at, entries = idx1_entries(LOADED[name])
    changed = with_idx1(LOADED[name], at, entries[keep : keep + 3])
    index = read_index(tools.reading(changed), len(changed))
    assert tools.pairs(index) == tools.truth(name, len(changed))
    assert not index.finished


def test_a_wrong_size_in_the_last_entry_does_not_end_the_recording():
    name = "cv2_ffmpeg_mjpg.avi"
    at, entries = idx1_entries(LOADED[name])
    entries[19][3] = 0
    changed = with_idx1(LOADED[name], at, entries[:20])
    index = read_index(tools.reading(changed), len(changed))
    assert tools.pairs(index) == tools.truth(name, len(changed))


def test_entries_of_the_wrong_stream_do_not_hide_frames():
    name = "ffmpeg_with_audio_first.avi"
    at, entries = idx1_entries(LOADED[name])
    video = int.from_bytes(b"01dc", "little")
    next(e for e in entries if e[0] == video)[0] = int.from_bytes(b"00wb", "little")
    changed = with_idx1(LOADED[name], at, entries)
    index = read_index(tools.reading(changed), len(changed))
    assert tools.pairs(index) == tools.truth(name, len(changed))


def test_torn_and_oversized_idx1():
    name = "plain_own_writer.avi"
    data = bytearray(LOADED[name])
    at = data.rindex(b"idx1")
    for length in (0, 7, 100, 481, 0x7FFFFFF0, 0xFFFFFFFF):
        data[at + 4 : at + 8] = struct.pack("<I", length)
        index = read_index(tools.reading(data), len(data))
        assert tools.pairs(index) == tools.truth(name, len(data))


# ── OpenDML that lies ────────────────────────────────────────────────────────────────────────────


@RELAXED
@given(data=st.data())
def test_opendml_indexes_with_other_numbers_in_them(data):
    original = OPENDML
    changed = bytearray(original)
    expected = tools.pairs(walk_index(tools.reading(original), len(original)))
    spots = [original.index(b"indx"), original.index(b"ix00"), original.rindex(b"ix00")]
    for _ in range(data.draw(st.integers(1, 3))):
        spot = data.draw(st.sampled_from(spots))
        words = int.from_bytes(original[spot + 4 : spot + 8], "little") // 4
        word = spot + 8 + 4 * data.draw(st.integers(0, min(words, 20) - 1))
        old = int.from_bytes(changed[word : word + 4], "little")
        value = data.draw(st.one_of(st.integers(0, 0xFFFFFFFF), st.just(old + 1), st.just(old - 1)))
        changed[word : word + 4] = struct.pack("<I", value % (1 << 32))
    index = read_index(tools.reading(changed), len(changed))
    assert len(index) == len(expected)
    for i, found in enumerate(tools.pairs(index)):
        sound = check_chunk_header(
            bytes(changed[found[0] - 8 : found[0]]), index, int(index.sizes[i])
        )
        assert sound == (found == expected[i])


OPENDML = tools.finished(segment_limit=tools.SMALL_SEGMENT)


def test_a_cyclic_super_index_and_one_of_many_times_the_same():
    data = bytearray(OPENDML)
    expected = tools.pairs(walk_index(tools.reading(data), len(data)))
    at = data.index(b"indx")
    place = struct.unpack_from("<Q", data, at + 32)[0]
    for target in (at, at + 8, place, 0, len(data) - 1, 1 << 63):
        for i in range(1024):
            struct.pack_into("<QII", data, at + 32 + 16 * i, target, 0xFFFFFFFF, 1)
        struct.pack_into("<I", data, at + 12, 0xFFFFFFFF)
        index, reads = counted(data)
        assert tools.pairs(index) == expected
        assert reads < 3000


def counted(data):
    """`read_index` and the number of reads that it took."""
    calls = []
    inner = tools.reading(data)

    def read_at(offset, size):
        calls.append(size)
        return inner(offset, size)

    return read_index(read_at, len(data)), len(calls)


def test_a_header_that_promises_a_thousand_million():
    data = bytearray(OPENDML)
    many = struct.pack("<I", 10**9)
    for name, offset in ((b"avih", 24), (b"strh", 40), (b"dmlh", 8), (b"indx", 12), (b"ix00", 12)):
        at = data.index(name) + offset
        data[at : at + 4] = many
    begin = time.perf_counter()
    index, reads = counted(data)
    assert len(index) == 40
    assert not index.finished
    assert reads < 300
    assert time.perf_counter() - begin < 1


def test_lists_in_lists_in_lists():
    header = bytes(tools.recorded(0)[0].data)
    deep = (b"LIST\xff\xff\xff\xffrec " * 20_000) + b"00dc\x02\0\0\0xx"
    index = read_index(tools.reading(header + deep), len(header + deep))
    assert len(index) == 1
    deep = b"RIFF\0\0\0\0AVI " + b"LIST\xff\xff\xff\xffhdrl" * 20_000
    with pytest.raises(CorruptFileError):
        read_index(tools.reading(deep), len(deep))


def test_more_streams_than_chunks_can_name():
    data = b"RIFF\0\0\0\0AVI " + b"LIST\x04\0\0\0strl" * 1000
    with pytest.raises(CorruptFileError, match="at most 100 streams"):
        read_index(tools.reading(data), len(data))


# ── random damage ────────────────────────────────────────────────────────────────────────────────


def check_damaged(data: bytearray) -> None:
    size = len(data)
    calls = []

    def read_at(offset, count):
        assert 0 <= count <= 1 << 20
        assert 0 <= offset < size
        calls.append(count)
        return bytes(data[offset : offset + count])

    try:
        index = read_index(read_at, size)
        truth = walk_index(read_at, size)
    except CorruptFileError as error:
        assert "expected" in str(error)
        return
    finally:
        assert len(calls) < 2000
    assert (index.offsets >= 0).all()
    assert (index.sizes >= 0).all()
    assert (index.offsets + index.sizes <= size).all()
    ends = index.offsets + index.sizes
    assert (index.offsets[1:] >= ends[:-1]).all()
    assert 0 <= index.end <= size
    assert (truth.offsets + truth.sizes <= size).all()


@RELAXED
@given(
    name=st.sampled_from(tools.NAMES),
    flips=st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 255)), min_size=1, max_size=8),
    region=st.sampled_from(["header", "anywhere", "tail"]),
)
def test_flipped_bytes(name, flips, region):
    data = bytearray(LOADED[name])
    for position, bits in flips:
        if region == "header":
            at = position % (LOADED[name].index(b"movi") + 40)
        elif region == "tail":
            at = len(data) - 1 - position % 600
        else:
            at = position % len(data)
        data[at] ^= bits
    check_damaged(data)


@RELAXED
@given(
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=20)
)
def test_flipped_bytes_among_indexes(flips):
    data = bytearray(OPENDML)
    body = data.index(b"movi")
    for position, bits in flips:
        # The header's first part, else anywhere from the first chunk on.
        data[position % 400 if position & 1 else body + position % (len(data) - body)] ^= bits
    check_damaged(data)


@RELAXED
@given(st.binary(max_size=400))
def test_noise(noise):
    check_damaged(bytearray(b"RIFF\0\0\0\0AVI " + noise))
    check_damaged(bytearray(OPENDML[: OPENDML.index(b"movi") + 4] + noise))


def test_a_file_that_has_become_shorter_while_being_read():
    data = LOADED["plain_own_writer.avi"]
    index = read_index(tools.reading(data[:100_000]), len(data))
    assert tools.pairs(index) == tools.truth("plain_own_writer.avi", len(data))[: len(index)]
