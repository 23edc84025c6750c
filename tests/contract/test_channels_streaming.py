"""`stream` and `stream_prefetch`: order, batches, transforms, errors, threads."""

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from support.channels import CASES, ENDS, Case, MakeChannel, Place, avi_chunks, wait_until

COUNT = 11
METHODS = ["stream", "stream_prefetch"]


def threads() -> set[threading.Thread]:
    """Threads alive, those of the shared pool (`roverd_0`, …) left out."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("roverd_")}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    wait_until(lambda: threads() <= before)


@pytest.mark.parametrize("method", METHODS)
def test_frames_come_in_order_without_a_leading_axis(
    case: Case, make_channel: MakeChannel, method: str
) -> None:
    got = list(getattr(make_channel(COUNT), method)())
    assert [type(frame) for frame in got] == [np.ndarray] * COUNT
    assert all(frame.flags.writeable for frame in got)
    case.check(np.stack(got), case.upto(COUNT))


@pytest.mark.parametrize("method", METHODS)
def test_batches_come_in_order_the_last_one_shorter(
    case: Case, make_channel: MakeChannel, method: str
) -> None:
    channel = make_channel(COUNT)
    for batch in (1, 2, 3, 4, 5, COUNT, COUNT + 1, 10**6):
        got = list(getattr(channel, method)(batch=batch))
        assert [len(frames) for frames in got] == [
            min(batch, COUNT - first) for first in range(0, COUNT, batch)
        ]
        case.check(np.concatenate(got), case.upto(COUNT))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [0, 4])
def test_a_transform_may_return_anything(
    case: Case, make_channel: MakeChannel, method: str, batch: int
) -> None:
    channel = make_channel(COUNT)
    stream = getattr(channel, method)
    pieces = list(channel.stream(batch=batch))
    got = list(stream(transform=lambda piece: piece.tobytes(), batch=batch))
    assert got == [piece.tobytes() for piece in pieces]
    assert list(stream(lambda piece: None, batch=batch)) == [None] * len(pieces)
    some = iter(range(100))
    assert (
        list(stream(lambda piece: [None, 0][next(some) % 2], batch=batch))
        == ([None, 0] * COUNT)[: len(pieces)]
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_transform_sees_what_would_be_yielded(
    case: Case, make_channel: MakeChannel, method: str
) -> None:
    stream = getattr(make_channel(COUNT), method)
    assert set(stream(np.shape)) == {case.shape}
    assert list(stream(np.shape, batch=8)) == [(8, *case.shape), (3, *case.shape)]


@pytest.mark.parametrize("method", METHODS)
def test_an_exception_comes_after_what_was_good_and_once(
    case: Case, make_channel: MakeChannel, method: str
) -> None:
    seen: list[int] = []

    def transform(frame: Any) -> int:
        if len(seen) == 4:
            raise ZeroDivisionError("the transform's own")
        seen.append(len(seen))
        return seen[-1]

    stream = iter(getattr(make_channel(COUNT), method)(transform))
    assert [next(stream) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError, match="the transform's own"):
        next(stream)
    assert list(stream) == []


# The bytes of a raw channel have no wrong values.
@pytest.mark.parametrize("case", CASES[1:], ids=str, indirect=True)
@pytest.mark.parametrize("method", METHODS)
def test_damage_surfaces_in_the_consumer(
    case: Case, place: Place, make_channel: MakeChannel, method: str
) -> None:
    channel = make_channel(COUNT)
    files = place.files(channel.path)
    name = f"channel/{COUNT // 2:06d}.{case.format}" if case.folder else "channel"
    middle = len(files[name]) // 2
    if case.format == "mjpg":  # the beginning of a JPEG: not every wrong byte within can be seen
        middle = avi_chunks(files[name])[COUNT // 2][0]
    if case.format == "pcof":  # no check sum is in it: not every wrong byte can be seen
        middle = ENDS["pcof"](files[name])[COUNT // 2]
    damaged = files[name][:middle] + bytes(8) + files[name][middle + 8 :]
    place.put(place.path(name), files[name][:middle] if case.folder else damaged)
    with pytest.raises(ValueError, match="channel"):
        list(getattr(channel, method)())


@pytest.mark.parametrize("size", [1, 2, 64])
def test_leaving_the_loop_early_leaks_no_thread(
    case: Case, make_channel: MakeChannel, size: int
) -> None:
    channel = make_channel(COUNT)
    before = threads()
    for stop in (0, 1, COUNT - 1):
        for number, frame in enumerate(channel.stream_prefetch(size=size)):
            case.check(frame[None], case.upto(1, number))
            if number == stop:
                break
        assert threads() <= before
    stream = channel.stream_prefetch(size=size)
    del stream  # never begun
    gc.collect()
    wait_until(lambda: threads() <= before)


def test_an_exception_in_the_loop_leaks_no_thread(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    before = threads()
    with pytest.raises(KeyError):
        for _ in channel.stream_prefetch(size=1):
            raise KeyError("the loop's own")
    gc.collect()
    wait_until(lambda: threads() <= before)


def test_prefetch_works_ahead_but_no_further_than_its_size(
    case: Case, make_channel: MakeChannel
) -> None:
    made: list[int] = []

    def transform(frame: Any) -> int:
        made.append(len(made))
        return made[-1]

    stream = iter(make_channel(COUNT).stream_prefetch(transform, size=3))
    next(stream)
    # One was taken, three wait in the queue, one waits for room in it.
    wait_until(lambda: len(made) >= 4)
    assert len(made) <= 5
    assert len(list(stream)) == COUNT - 1


def test_two_streams_and_reads_in_between_do_not_disturb_each_other(
    case: Case, make_channel: MakeChannel
) -> None:
    channel = make_channel(COUNT)
    frames = case.upto(COUNT)
    both = zip(channel.stream(), channel.stream_prefetch(size=2), strict=True)
    for number, (one, two) in enumerate(both):
        case.check(one[None], frames[number : number + 1])
        case.check(two[None], frames[number : number + 1])
        back = COUNT - 1 - number
        case.check(channel[back], frames[back : back + 1])


def test_many_threads_read_the_same_channel(case: Case, make_channel: MakeChannel) -> None:
    channel = make_channel(COUNT)
    frames = case.upto(COUNT)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        noise = np.random.default_rng(seed)
        try:
            for _ in range(8):
                start, stop = sorted(noise.integers(0, COUNT + 1, 2))
                step = int(noise.choice([-2, -1, 1, 2]))
                case.check(channel[start:stop][::step], frames[start:stop][::step])
                case.check(channel[::step], frames[::step])
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_a_stream_may_not_have_a_negative_batch(case: Case, make_channel: MakeChannel) -> None:
    with pytest.raises(ValueError, match="-1"):
        list(make_channel(1).stream(batch=-1))
