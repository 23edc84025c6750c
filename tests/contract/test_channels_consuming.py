"""`consume`: iterables, queues, threads, promptness, failures."""

import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from roverd.channels.utils import ExceptionSentinel, Prefetch
from support.channels import CASES, Array, Case, MakeChannel, Place, SmallestQueue, wait_until

COUNT = 20
GROUPS = [case for case in CASES if case.groups]


def a_queue(items: Iterable[Any]) -> Any:
    filled: queue.Queue[Any] = queue.Queue()
    for item in [*items, None]:
        filled.put(item)
    return filled


def a_process_queue(items: Iterable[Any]) -> Any:
    filled = multiprocessing.get_context("spawn").Queue()
    for item in [*items, None]:
        filled.put(item)
    return filled


SOURCES: dict[str, Callable[[Array], Any]] = {
    "list": list,
    "array": lambda frames: frames,
    "iterator": iter,
    "generator": lambda frames: (frame for frame in frames),
    "queue": a_queue,
    "process queue": a_process_queue,
    "smallest queue": lambda frames: SmallestQueue([*frames, None]),
    "prefetch": lambda frames: Prefetch(iter(frames), size=2),
}


def close(source: Any) -> None:
    if hasattr(source, "join_thread"):
        source.close()
        source.join_thread()


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_is_written_whole_and_in_order(
    case: Case, make_channel: MakeChannel, kind: str
) -> None:
    channel = make_channel(3, first=900)
    for thread in (False, True):
        wanted = case.upto(COUNT, 50 * thread)
        source = SOURCES[kind](wanted)
        handle = channel.consume(source, thread=thread)
        if thread:
            assert handle is not None
            assert handle.join() is None
        case.check(channel.read(), wanted)
        case.check(make_channel().read(), wanted)
        close(source)


@pytest.mark.parametrize("kind", ["generator", "queue", "smallest queue"])
def test_appending(case: Case, make_channel: MakeChannel, kind: str) -> None:
    channel = make_channel(3)
    channel.consume(SOURCES[kind](case.upto(4, 3)), append=True)
    case.check(channel.read(), case.upto(7))


@pytest.mark.parametrize("kind", SOURCES)
def test_an_empty_source_leaves_an_empty_channel(
    case: Case, make_channel: MakeChannel, kind: str
) -> None:
    channel = make_channel()
    source = SOURCES[kind](case.upto(0))
    channel.consume(source)
    case.check(channel.read(), case.upto(0))
    close(source)


def _in_groups(case: Case) -> dict[str, list[Any]]:
    frames = case.upto(COUNT)
    return {
        "batches": [frames[:1], frames[1:8], frames[8:]],
        "lists": [list(frames[:3]), list(frames[3:4]), list(frames[4:])],
        "mixed": [frames[0], frames[1:4], list(frames[4:9]), *frames[9:]],
        "empty batch and list": [frames[:5], frames[:0], [], frames[5:]],
        "big-endian, strided": [frames[:9].astype(">i2"), np.asfortranarray(frames[9:])],
    }


@pytest.mark.parametrize("kind", ["list", "queue"])
def test_batches_and_lists_of_frames(case: Case, make_channel: MakeChannel, kind: str) -> None:
    channel = make_channel()
    if not case.groups:
        for items in ([case.upto(2)], [case.upto(1)], [list(case.upto(2))]):
            with pytest.raises(ValueError, match="expected"):
                channel.consume(SOURCES[kind](items))
        return
    for items in _in_groups(case).values():
        channel.consume(SOURCES[kind](items))
        case.check(channel.read(), case.upto(COUNT))
    if case.indexed:
        option = {"preset": 1} if case.format == "lzmaf" else {"level": 1}
        for batch in (0, 1, 3, 100):
            for items in ([list(case.upto(8)), list(case.upto(COUNT - 8, 8))], case.upto(COUNT)):
                channel.consume(SOURCES[kind](items), batch=batch, **option)
                case.check(channel.read(), case.upto(COUNT))


def test_every_frame_is_checked_and_what_came_before_a_wrong_one_is_kept(
    case: Case, make_channel: MakeChannel
) -> None:
    frames = list(case.upto(6))
    wrongs: list[Any] = [
        frames[0].astype("f8"),
        frames[0][:-1],
        frames[0][..., None],
        frames[0].view("u2" if case.dtype == "<i2" else "i1"),
        None,
        "x",
        frames[0].tobytes()[:-1],
    ]
    for wrong in wrongs:
        for place_of in range(6):
            channel = make_channel()
            items = [*frames[:place_of], wrong, *frames[place_of:]]
            with pytest.raises(ValueError, match="expected"):
                channel.consume(iter(items))
            assert len(channel) == place_of
            if place_of:
                case.check(channel.read(), case.upto(place_of))
                channel.write(case.upto(0))


@pytest.mark.parametrize("case", GROUPS, ids=str, indirect=True)
def test_every_frame_of_a_group_is_checked_not_the_first(
    case: Case, make_channel: MakeChannel
) -> None:
    frames = list(case.upto(6))
    for wrong in (frames[0].astype("f8"), frames[0][:-1], None):
        for group in ([*frames[3:5], wrong], [wrong, *frames[3:5]], [frames[3], wrong, frames[4]]):
            channel = make_channel(1)
            with pytest.raises(ValueError, match="expected"):
                channel.consume(iter([frames[0], frames[1:3], group, frames[5]]))
            case.check(channel.read(), case.upto(3))


def test_a_refused_first_item_leaves_what_was_there(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    channel = make_channel(4)
    before = place.files(channel.path)
    for source in (iter, a_queue):
        for append in (False, True):
            with pytest.raises(ValueError, match="expected"):
                channel.consume(source([case.upto(1)[0].astype("f8")]), append=append)
            assert place.files(channel.path) == before


class ProducerError(Exception):
    """What a producer runs into."""


def failing(frames: Iterable[Any]) -> Iterator[Any]:
    yield from frames
    raise ProducerError("the sensor is gone")


FAILING: dict[str, Callable[[Array], Any]] = {
    "generator": failing,
    "sentinel": lambda frames: a_queue([*frames, ExceptionSentinel(ProducerError("gone"))]),
    "queue that raises": lambda frames: SmallestQueue(failing(frames)),
    "prefetch": lambda frames: Prefetch(failing(frames)),
}


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize("kind", FAILING)
def test_what_came_before_the_producer_failed_is_kept(
    case: Case, make_channel: MakeChannel, kind: str, thread: bool
) -> None:
    channel = make_channel()
    handle = None
    with pytest.raises(ProducerError):
        handle = channel.consume(FAILING[kind](case.upto(COUNT)), thread=thread)
        assert handle is not None
        handle.join()
    case.check(channel.read(), case.upto(COUNT))
    if handle is not None:
        with pytest.raises(ProducerError):
            handle.join()


def test_an_unwritable_place_is_an_error_in_the_consumer(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    place.put(place.path("file"), b"")
    channel = make_channel(name="file/channel")
    for thread in (False, True):
        with pytest.raises(OSError, match="file"):
            handle = channel.consume(iter(case.upto(COUNT)), thread=thread)
            assert handle is not None
            handle.join()


@pytest.mark.parametrize("thread", [False, True])
def test_a_frame_can_be_read_before_the_next_one_is_given(
    case: Case, make_channel: MakeChannel, thread: bool
) -> None:
    channel = make_channel()
    reader = make_channel()

    def slow() -> Iterator[Array]:
        for number, frame in enumerate(case.upto(6)):
            yield frame
            wait_until(lambda: len(reader) == number + 1)  # noqa: B023 - called at once
            case.check(reader.read(), case.upto(number + 1))

    handle = channel.consume(slow(), thread=thread)
    if handle is not None:
        handle.join()
    case.check(reader.read(), case.upto(6))


@pytest.mark.parametrize("make", [queue.Queue, multiprocessing.get_context("spawn").Queue])
def test_a_frame_in_a_queue_can_be_read_while_the_queue_stays_open(
    case: Case, make_channel: MakeChannel, make: Callable[[], Any]
) -> None:
    channel = make_channel()
    reader = make_channel()
    frames = make()
    handle = channel.consume(frames, thread=True)
    assert handle is not None
    for number, frame in enumerate(case.upto(6)):
        frames.put(frame)
        wait_until(lambda: len(reader) == number + 1)  # noqa: B023 - called at once
        case.check(reader[number], case.upto(1, number))
    handle.join(timeout=0.001)  # returns, though the stream goes on
    frames.put(None)
    handle.join(timeout=20)
    case.check(reader.read(), case.upto(6))
    close(frames)


def test_a_handle_returns_at_once_and_join_may_give_up(
    case: Case, make_channel: MakeChannel
) -> None:
    gate = threading.Event()

    def gated() -> Iterator[Array]:
        yield from case.upto(2)
        assert gate.wait(60)
        yield from case.upto(2, 2)

    channel = make_channel()
    handle = channel.consume(gated(), thread=True)
    assert handle is not None
    assert handle.join(timeout=0.01) is None
    wait_until(lambda: len(channel) == 2)
    gate.set()
    handle.join()
    handle.join()
    case.check(channel.read(), case.upto(4))


def test_a_producer_may_fill_the_same_array_again(case: Case, make_channel: MakeChannel) -> None:
    def reusing() -> Iterator[Array]:
        buffer = np.empty(case.shape, case.dtype)
        for frame in case.upto(COUNT):
            buffer[...] = frame
            yield buffer

    channel = make_channel()
    channel.consume(reusing())
    case.check(channel.read(), case.upto(COUNT))
    handle = channel.consume(reusing(), thread=True)
    assert handle is not None
    handle.join()
    case.check(channel.read(), case.upto(COUNT))


def test_consuming_leaves_no_thread(case: Case, make_channel: MakeChannel) -> None:
    def threads() -> set[threading.Thread]:
        return {item for item in threading.enumerate() if not item.name.startswith("roverd_")}

    before = threads()
    channel = make_channel()
    channel.consume(iter(case.upto(COUNT)))
    channel.consume(a_queue(case.upto(COUNT)))
    with pytest.raises(ProducerError):
        channel.consume(failing(case.upto(COUNT)))
    handle = channel.consume(iter(case.upto(COUNT)), thread=True)
    assert handle is not None
    handle.join()
    assert threads() <= before


def test_an_interrupt_in_the_producer_is_raised_and_what_came_is_kept(
    case: Case, make_channel: MakeChannel
) -> None:
    def interrupted() -> Iterator[Array]:
        yield from case.upto(3)
        raise KeyboardInterrupt

    channel = make_channel()
    with pytest.raises(KeyboardInterrupt):
        channel.consume(interrupted())
    case.check(channel.read(), case.upto(3))
