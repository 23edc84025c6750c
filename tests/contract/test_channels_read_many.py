"""`read_many`: any frames, in any order, as often as they are wanted."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd.errors import CorruptFileError, MissingFileError, OutOfRangeError
from support.channels import CASES, Case, LocalPlace, MakeChannel, Place

COUNT = 7
INDICES = st.lists(st.integers(-COUNT, COUNT - 1), max_size=20)


@pytest.fixture(scope="module", params=CASES, ids=str)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A format, and a channel of it with seven frames."""
    case: Case = request.param
    place = LocalPlace(str(tmp_path_factory.mktemp("read_many")))
    channel = case.open(place.path("channel"))
    channel.write(case.upto(COUNT))
    return case, channel


@given(indices=INDICES)
@settings(max_examples=20)
def test_frames_come_in_the_order_they_are_asked_for(written, indices: list[int]) -> None:
    case, channel = written
    case.check(channel.read_many(indices), case.frames(*(i % COUNT for i in indices)))


@pytest.mark.parametrize(
    "indices",
    [range(5, 0, -2), (1, 1), np.array([3, 0], np.uint8), np.array([], int), [np.int64(-1)]],
    ids=repr,
)
def test_any_sequence_of_integers_will_do(case: Case, make_channel: MakeChannel, indices) -> None:
    wanted = case.frames(*(int(index) % COUNT for index in indices))
    case.check(make_channel(COUNT).read_many(indices), wanted)


def test_a_frame_that_is_wanted_twice_is_there_twice(case: Case, make_channel: MakeChannel) -> None:
    frames = make_channel(COUNT).read_many([2, 2, 2])
    frames[0] = 0
    case.check(frames[1:], case.frames(2, 2))


@pytest.mark.parametrize("beyond", [COUNT, -COUNT - 1, 2**70])
def test_one_frame_that_is_not_there_is_an_error(
    case: Case, make_channel: MakeChannel, beyond: int
) -> None:
    channel = make_channel(COUNT)
    with pytest.raises(OutOfRangeError, match=f"channel.*{beyond}.*0 to {COUNT - 1}"):
        channel.read_many([0, beyond, 1])


@pytest.mark.parametrize("mask", [[True, False], np.ones(COUNT, bool), np.zeros((1, 1), int)])
def test_a_mask_is_refused(case: Case, make_channel: MakeChannel, mask) -> None:
    with pytest.raises(TypeError, match="channel: expected a sequence of integers"):
        make_channel(COUNT).read_many(mask)


def test_without_data_there_is_nothing_to_read(make_channel: MakeChannel) -> None:
    with pytest.raises(MissingFileError):
        make_channel().read_many([0])


def test_frames_that_were_added_meanwhile_are_there(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(3)
    channel.read_many([0, 2])
    channel.write(case.upto(2, 3), append=True)
    case.check(channel.read_many([4, 0]), case.frames(4, 0))


def test_a_damaged_frame_is_an_error_that_names_the_file(
    case: Case, make_channel: MakeChannel, place: Place, tmp_path: Path
) -> None:
    if case.format == "raw":
        pytest.skip("any bytes are a raw frame")
    channel = make_channel(COUNT)
    files = place.files(place.path("channel"))
    name = max(files, key=lambda name: len(files[name]))
    data = bytearray(files[name])
    # What JPEGs hold can be anything; not so their first bytes.
    start = data.rindex(b"\xff\xd8\xff") if case.lossy else len(data) // 2
    data[start : start + 40] = bytes(40)
    place.put(str(tmp_path / name), bytes(data))
    with pytest.raises(CorruptFileError, match="channel"):
        channel.read_many([*range(COUNT)][::-1])
