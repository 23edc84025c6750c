"""`roverd.channels.utils`: queues and iterators."""

import gc
import multiprocessing
import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from roverd.channels.utils import (
    Buffer,
    Data,
    ExceptionSentinel,
    Prefetch,
    ReadableQueue,
    batch_iterator,
)
from support.channels import SmallestQueue, wait_until


class OwnError(Exception):
    """An error of the producer's own."""


def test_data_is_arrays_and_bytes() -> None:
    for item in (np.zeros(1), b"", bytearray()):
        assert isinstance(item, Data)
    assert not isinstance("", Data)


def test_whatever_has_get_and_empty_is_a_readable_queue() -> None:
    processes = multiprocessing.get_context("spawn")
    for item in (queue.Queue(), queue.SimpleQueue(), processes.Queue(), SmallestQueue([])):
        assert isinstance(item, ReadableQueue)
    for item in ([], iter(()), {}, np.zeros(1), (n for n in ())):
        assert not isinstance(item, ReadableQueue)


def test_a_buffer_iterates_over_a_queue_until_none() -> None:
    assert list(Buffer(SmallestQueue([1, 0, "", 2, None, 3]))) == [1, 0, "", 2]


def test_a_sentinel_is_raised_after_what_came_before_it() -> None:
    got: list[int] = []
    with pytest.raises(OwnError):
        for item in Buffer(SmallestQueue([1, 2, ExceptionSentinel(OwnError()), 3])):
            got.append(item)  # noqa: PERF402 - what came before the error is wanted
    assert got == [1, 2]
    assert isinstance(ExceptionSentinel(OwnError()).exception, OwnError)


@pytest.mark.parametrize("size", [1, 2, 64])
def test_prefetch_gives_all_items_in_order(size: int) -> None:
    assert list(Prefetch(iter(range(100)), size)) == list(range(100))
    assert list(Prefetch(iter(()), size)) == []


def test_the_queue_of_prefetch_ends_with_none() -> None:
    prefetch = Prefetch(iter("abc"), size=2)
    assert [prefetch.queue.get() for _ in range(4)] == ["a", "b", "c", None]
    assert isinstance(prefetch.queue, ReadableQueue)


@pytest.mark.parametrize("size", [1, 2, 64])
def test_prefetch_raises_in_the_consumer_after_what_came_before(size: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(3)
        raise OwnError

    stream = iter(Prefetch(failing(), size))
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OwnError):
        next(stream)


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def failing_late(started: threading.Event, leave: threading.Event) -> Iterator[int]:
    yield 0
    started.set()
    leave.wait(60)
    raise OwnError


@pytest.mark.parametrize("size", [1, 2, 64])
def test_prefetch_that_nobody_refers_to_any_more_leaves_no_thread(size: int) -> None:
    before = set(threading.enumerate())
    for items in (endless(), iter(range(size)), iter(range(size + 1)), iter(range(size + 2))):
        prefetch = Prefetch(items, size)
        del prefetch
    begun = iter(Prefetch(endless(), size))
    next(begun)
    del begun
    started, leave = threading.Event(), threading.Event()
    prefetch = Prefetch(failing_late(started, leave), size)
    assert started.wait(60)
    del prefetch
    leave.set()
    gc.collect()
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_batches() -> None:
    assert list(batch_iterator(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batch_iterator(iter(range(16)))) == [list(range(8)), list(range(8, 16))]
    assert list(batch_iterator(iter(()), 3)) == []
    lazy: Any = batch_iterator(endless(), 2)
    assert [next(lazy), next(lazy)] == [[0, 1], [2, 3]]
    for size in (0, -1):
        with pytest.raises(ValueError, match="size"):
            list(batch_iterator(iter(()), size))
