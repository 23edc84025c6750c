"""`read`, `[]`, `len`: the same answers for every format, at the edges too."""

import itertools
from typing import Any

import numpy as np
import pytest

from support.channels import Case, MakeChannel, Place

COUNT = 7
INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
HUGE = [2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**30]


def test_read_takes_everything_by_default(case: Case, make_channel: MakeChannel) -> None:
    case.check(make_channel(COUNT).read(), case.upto(COUNT))


def test_read_takes_every_range_there_is(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    frames = case.upto(COUNT)
    for start in range(COUNT):
        case.check(channel.read(start), frames[start:])
        case.check(channel.read(start, -1), frames[start:])
        for samples in range(COUNT - start + 1):
            case.check(channel.read(start, samples), frames[start : start + samples])


def test_what_is_read_belongs_to_the_caller(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    for read in (
        channel.read,
        lambda: channel.read(1, 1),
        lambda: channel[2],
        lambda: channel[::2],
    ):
        first = read()
        before = first.copy()
        assert first.flags.writeable
        assert first.flags.c_contiguous
        first[...] = 1
        np.testing.assert_array_equal(read(), before)


def test_no_samples_are_an_empty_array(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    for start in (0, COUNT - 1, COUNT):
        case.check(channel.read(start, 0), case.upto(0))


def test_from_the_end_to_the_end_is_empty(case: Case, make_channel: MakeChannel) -> None:
    case.check(make_channel(COUNT).read(COUNT), case.upto(0))


def test_past_the_end_is_an_error_that_names_path_and_both_ranges(
    case: Case, make_channel: MakeChannel
) -> None:
    channel = make_channel(COUNT)
    beyond = [(0, COUNT + 1), (COUNT - 1, 2), (COUNT, 1), (COUNT + 1, -1), (COUNT + 1, 3)]
    for number in HUGE:
        beyond += [(number, 1), (0, number), (number, -1)]
    for start, samples in beyond:
        with pytest.raises(IndexError) as caught:
            channel.read(start, samples)
        words = str(caught.value)
        assert channel.path in words
        assert str(start) in words
        assert str(COUNT) in words or str(COUNT - 1) in words


def test_negative_numbers_are_refused(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    for start, samples in [(0, -2), (3, -(2**70)), (-1, 1), (-1, -1), (-COUNT, 0), (-(2**70), 1)]:
        with pytest.raises((ValueError, IndexError)):
            channel.read(start, samples)


def test_numpy_integers_of_every_width_are_numbers(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    frames = case.upto(COUNT)
    for kind in INTEGERS:
        for number in range(COUNT):
            case.check(channel[kind(number)], frames[number : number + 1])
        case.check(channel.read(kind(2), kind(3)), frames[2:5])
        case.check(channel[kind(1) : kind(6) : kind(2)], frames[1:6:2])
        for beyond in {COUNT, int(np.iinfo(kind).max)}:
            with pytest.raises(IndexError):
                channel[kind(beyond)]
            with pytest.raises(IndexError):
                channel.read(kind(beyond), 1)
            with pytest.raises(IndexError):
                channel.read(kind(1), kind(beyond))
        if np.iinfo(kind).min < 0:
            case.check(channel[kind(-2)], frames[-2:-1])
            with pytest.raises(IndexError):
                channel[np.iinfo(kind).min]


def test_offsets_of_narrow_integers_do_not_overflow(case: Case, make_channel: MakeChannel) -> None:
    # 120 × the size of a frame is more than any 8 bits hold.
    channel = make_channel(121)
    for kind in INTEGERS:
        case.check(channel[kind(120)], case.upto(1, 120))
        case.check(channel.read(kind(120), np.int8(1)), case.upto(1, 120))


def test_an_index_keeps_the_leading_axis_and_counts_from_either_end(
    case: Case, make_channel: MakeChannel
) -> None:
    channel = make_channel(COUNT)
    frames = case.upto(COUNT)
    for number in range(COUNT):
        case.check(channel[number], frames[number : number + 1])
        case.check(channel[number - COUNT], frames[number : number + 1])


def test_an_index_that_is_not_there_is_an_error_that_names_the_path(
    case: Case, make_channel: MakeChannel
) -> None:
    channel = make_channel(COUNT)
    for index in (COUNT, -COUNT - 1, *HUGE, *(-number for number in HUGE)):
        with pytest.raises(IndexError, match=str(index)) as caught:
            channel[index]
        assert channel.path in str(caught.value)


def test_what_is_no_index_is_a_type_error(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    not_indices: list[Any] = [1.0, "1", None, (1, 2), np.float32(1)]
    for index in not_indices:
        with pytest.raises(TypeError):
            channel[index]


def test_slices_are_those_of_an_array(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    frames = case.upto(COUNT)
    bounds = [None, 0, 1, 4, COUNT - 1, COUNT, COUNT + 3, -1, -3, -COUNT, -COUNT - 2]
    steps = [None, 1, 2, 3, 50, 2**70, -1, -2, -3, -50, -(2**70)]
    for turn, (start, step) in enumerate(itertools.product(bounds, steps)):
        for stop in bounds[turn % 4 :: 4]:
            wanted = list(range(COUNT)[start:stop:step])
            case.check(channel[start:stop:step], frames[wanted])
    case.check(channel[-(2**70) : 2**70], frames)
    case.check(channel[2**70 :], frames[:0])
    with pytest.raises(ValueError, match="zero"):
        channel[::0]


def test_no_frames_are_a_channel_too(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(0)
    assert len(channel) == 0
    nothing = case.upto(0)
    case.check(channel.read(), nothing)
    case.check(channel.read(0, 0), nothing)
    case.check(channel[:], nothing)
    case.check(channel[::-1], nothing)
    assert list(channel.stream()) == list(channel.stream(batch=3)) == list(channel) == []
    assert list(channel.stream_prefetch()) == []
    for index in (0, -1, 1, 2**63):
        with pytest.raises(IndexError):
            channel[index]
    with pytest.raises(IndexError):
        channel.read(0, 1)


def test_len_and_reads_follow_what_others_add(case: Case, make_channel: MakeChannel) -> None:
    writer = make_channel(1)
    reader = make_channel()
    for count in range(1, 6):
        assert len(reader) == count
        case.check(reader.read(), case.upto(count))
        writer.write(case.upto(1, count), append=True)


def test_reading_what_is_not_there_names_the_file(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel()
    assert len(channel) == 0
    for read in (
        channel.read,
        lambda: channel.read(0, 1),
        lambda: channel.read(0, 0),
        lambda: channel[0],
        lambda: channel[:],
        lambda: next(iter(channel.stream())),
        lambda: next(iter(channel.stream(batch=2))),
        lambda: next(iter(channel.stream_prefetch())),
        lambda: next(iter(channel)),
    ):
        with pytest.raises(FileNotFoundError, match="no such") as caught:
            read()
        assert channel.path in str(caught.value)


def test_a_folder_in_place_of_a_file_and_the_other_way_round_is_an_error(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    channel = make_channel()
    place.put(f"{channel.path}/other" if not case.folder else channel.path, b"")
    with pytest.raises(OSError, match="channel"):
        channel.read()
    assert len(place.files(channel.path)) == 1


def test_iteration_ends(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    got = list(channel)
    assert len(got) == COUNT
    for number, frame in enumerate(got):
        case.check(frame, channel[number])
