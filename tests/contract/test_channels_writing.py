"""`write`: what is taken, what is refused, and what is there afterwards."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.channels import CASES, Array, Case, MakeChannel, Place, whole_frames

COUNT = 5
SINGLE_FILES = [case for case in CASES if not case.folder]

LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C order": lambda frames: frames,
    "Fortran order": np.asfortranarray,
    "big-endian": lambda frames: frames.astype(frames.dtype.newbyteorder(">")),
    "big-endian, Fortran order": lambda frames: np.asfortranarray(
        frames.astype(frames.dtype.newbyteorder(">"))
    ),
    "every second": lambda frames: np.repeat(frames, 2, axis=0)[::2],
    "reversed": lambda frames: frames[::-1].copy()[::-1],
    "last axis strided": lambda frames: np.repeat(frames, 3, axis=-1)[..., ::3],
    "read-only": lambda frames: np.frombuffer(frames.tobytes(), frames.dtype).reshape(frames.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_every_layout_and_byte_order_are_taken(
    case: Case, make_channel: MakeChannel, layout: str
) -> None:
    channel = make_channel()
    frames = LAYOUTS[layout](case.upto(COUNT))
    before = frames.copy()
    channel.write(frames)
    channel.write(frames[:2], append=True)
    channel.consume(iter(frames), append=True)
    wanted = np.concatenate([case.upto(COUNT), case.upto(2), case.upto(COUNT)])
    case.check(channel.read(), wanted)
    np.testing.assert_array_equal(frames, before)


def test_appending_adds_and_begins_where_nothing_is(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel()
    done = 0
    for count in (2, 0, 1, 3):
        channel.write(case.upto(count, done), append=True)
        done += count
        case.check(channel.read(), case.upto(done))
        case.check(make_channel().read(), case.upto(done))


def test_replacing_leaves_none_of_the_old(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    make_channel(3, name="fresh", first=20)
    fresh = place.files(place.path("fresh"))
    channel = make_channel(9)
    channel.read()
    for replace in (channel.write, lambda frames: channel.consume(iter(frames))):
        replace(case.upto(3, 20))
        case.check(channel.read(), case.upto(3, 20))
        assert len(place.files(channel.path)) == len(fresh)
    channel.write(case.upto(3, 20))
    found = {name.replace("channel", "fresh", 1): data for name, data in _files(place, channel)}
    assert found == fresh
    for empty in (lambda: channel.write(case.upto(0)), lambda: channel.consume(iter(()))):
        channel.write(case.upto(3))
        empty()
        assert len(channel) == 0
        case.check(channel.read(), case.upto(0))
        assert whole_frames(case, place.files(channel.path), "channel") == 0


def _files(place: Place, channel: Any) -> list[tuple[str, bytes]]:
    return list(place.files(channel.path).items())


def _refused(case: Case) -> dict[str, Any]:
    frames = case.upto(COUNT)
    other = np.dtype("i4" if case.dtype != "i4" else "u1")
    return {
        "one frame": frames[0],
        "another axis": frames[None],
        "one axis more": frames[..., None],
        "too wide": np.concatenate([frames, frames], axis=-1),
        "too narrow": frames[..., :-1],
        "transposed": np.swapaxes(frames, 1, 2),
        "flat": frames.reshape(COUNT, -1),
        "another type": frames.astype(other),
        "floats": frames.astype("f8"),
        "same bytes, other type": frames.view("u2" if case.dtype == "<i2" else "i1"),
        "objects": frames.astype(object),
        "a list": list(frames),
        "nothing": None,
        "a number": 3,
        "text": "frames",
        "a scalar array": np.array(3, case.dtype),
        "empty of another shape": frames[:0, ..., :-1],
        "empty of another type": frames[:0].astype(other),
        "half a frame of bytes": frames.tobytes()[: frames[0].nbytes // 2],
        "whole frames and a half, as bytes": frames.tobytes()[: -frames[0].nbytes // 2],
    } | ({} if case.raw_bytes else {"bytes": frames.tobytes(), "a bytearray": bytearray(1000)})


def test_refused_data_leaves_what_was_there_untouched(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    channel = make_channel(COUNT)
    before = place.files(channel.path)
    for what, data in _refused(case).items():
        for append in (False, True):
            with pytest.raises(ValueError, match="expected") as caught:
                channel.write(data, append=append)
            assert channel.path in str(caught.value), what
            assert "got" in str(caught.value), what
            assert place.files(channel.path) == before, what


def test_refused_data_makes_no_file(case: Case, place: Place, make_channel: MakeChannel) -> None:
    channel = make_channel()
    for data in _refused(case).values():
        for append in (False, True):
            with pytest.raises(ValueError, match="channel"):
                channel.write(data, append=append)
    for item in (case.upto(1).astype("f8")[0], case.upto(1)[0, :-1], None, "x"):
        with pytest.raises(ValueError, match="channel"):
            channel.consume(iter([item]))
    assert place.files(channel.path) == {}


def test_an_error_says_both_types_and_shapes(case: Case, make_channel: MakeChannel) -> None:
    with pytest.raises(ValueError, match="f8") as caught:
        make_channel().write(np.zeros((2, 7, 9), "f8"))
    words = str(caught.value)
    for part in (case.dtype.strip("<"), ", ".join(map(str, case.shape)), "2, 7, 9"):
        assert part in words


@pytest.mark.parametrize("wrap", [bytes, bytearray])
def test_ready_made_bytes(case: Case, make_channel: MakeChannel, wrap: type) -> None:
    channel = make_channel()
    data = wrap(case.upto(COUNT).tobytes())
    if not case.raw_bytes:
        with pytest.raises(ValueError, match="channel"):
            channel.write(data)
        return
    channel.write(data)
    channel.write(wrap(case.upto(2, COUNT).tobytes()), append=True)
    case.check(channel.read(), case.upto(COUNT + 2))
    channel.write(wrap(b""))
    assert len(channel) == 0


def test_what_is_written_is_a_copy(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel()
    frames = case.upto(COUNT)
    channel.write(frames)
    frames[...] = 0
    case.check(channel.read(), case.upto(COUNT))


def test_replacing_through_links_replaces_what_they_point_to(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    target = make_channel(COUNT, name="target")
    link = make_channel(name="link")
    os.symlink("target", link.path)
    if case.indexed:
        os.symlink("target_i", f"{link.path}_i")
    case.check(link.read(), case.upto(COUNT))
    for write in (
        lambda: link.write(case.upto(3, 10)),
        lambda: link.write(case.upto(3, 13), append=True),
        lambda: link.consume(iter(case.upto(4, 30))),
        lambda: link.consume(iter(case.upto(1, 34)), append=True),
    ):
        write()
        assert os.path.islink(link.path)
        case.check(target.read(), link.read())
        if case.indexed:
            assert os.path.islink(f"{link.path}_i")
            index = np.frombuffer(place.files(target.path)["target_i"], "<u8")
            assert len(index) == len(link) + 1
            assert index[-1] == os.path.getsize(target.path)
    case.check(target.read(), case.upto(5, 30))


@pytest.mark.parametrize("case", SINGLE_FILES, ids=str, indirect=True)
def test_a_dangling_link_is_where_the_file_will_be(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    link = make_channel(name="link")
    os.symlink("target", link.path)
    link.write(case.upto(2))
    case.check(make_channel(name="target").read(), case.upto(2))


@pytest.mark.parametrize("case", SINGLE_FILES, ids=str, indirect=True)
def test_a_reader_never_sees_half_of_a_replacement(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(2)
    mapped = make_channel()
    layout = mapped.stream()
    first = next(iter(layout))
    channel.write(case.upto(3, 10))
    case.check(first[None], case.upto(1))
    case.check(mapped.read(), case.upto(3, 10))


@pytest.mark.parametrize("case", SINGLE_FILES, ids=str, indirect=True)
@pytest.mark.parametrize("cut", ["one byte", "half a frame", "to one byte", "to nothing"])
def test_appending_to_a_torn_file_first_drops_the_tail(
    case: Case, place: Place, make_channel: MakeChannel, cut: str
) -> None:
    channel = make_channel(COUNT)
    if case.format == "lzma":
        channel.write(case.upto(1, COUNT), append=True)
    size = len(place.files(channel.path)["channel"])
    frame = size // (COUNT + 1)
    place.cut(
        channel.path,
        {"one byte": size - 1, "half a frame": size - frame // 2, "to one byte": 1}.get(cut, 0),
    )
    left = whole_frames(case, place.files(channel.path), "channel")
    case.check(make_channel().read(), case.upto(left))
    case.check(channel.read(), case.upto(left))
    channel.write(case.upto(2, 50), append=True)
    wanted = np.concatenate([case.upto(left), case.upto(2, 50)])
    case.check(channel.read(), wanted)
    case.check(make_channel().read(), wanted)
    assert whole_frames(case, place.files(channel.path), "channel") == left + 2
