"""`Prefetch` that is iterated more than once: it ends, whatever became of the first time."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from roverd.channels.utils import Prefetch
from support.channels import wait_until

# What these tests are about is a loop that never ends.
pytestmark = pytest.mark.timeout(30)


class OwnError(Exception):
    """An error of the producer's own."""


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.parametrize("size", [1, 2, 64])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_after_the_last_item_there_is_none_any_more(size: int, count: int) -> None:
    prefetch = Prefetch(iter(range(count)), size)
    assert list(prefetch) == list(range(count))
    assert list(prefetch) == []
    assert list(prefetch) == []


@pytest.mark.parametrize("size", [1, 2, 64])
@pytest.mark.parametrize("endless", [False, True])
def test_after_a_loop_that_was_left_early_there_is_none_any_more(size: int, endless: bool) -> None:
    prefetch = Prefetch(itertools.count() if endless else iter(range(50)), size)
    for item in prefetch:
        if item == 3:
            break
    assert list(prefetch) == []
    assert list(prefetch) == []


@pytest.mark.parametrize("size", [1, 2, 64])
def test_after_an_error_there_is_none_any_more(size: int) -> None:
    def failing() -> Iterator[int]:
        yield 0
        raise OwnError

    prefetch = Prefetch(failing(), size)
    with pytest.raises(OwnError):
        list(prefetch)
    assert list(prefetch) == []


@pytest.mark.parametrize("size", [1, 64])
def test_after_close_there_is_none_any_more(size: int) -> None:
    prefetch = Prefetch(itertools.count(), size)
    prefetch.close()
    prefetch.close()
    assert list(prefetch) == []


def test_an_error_that_nobody_waits_for_ends_the_thread() -> None:
    leave = threading.Event()

    def failing() -> Iterator[int]:
        yield 0
        yield 1
        leave.wait(30)
        raise OwnError

    prefetch = Prefetch(failing(), size=1)
    assert next(iter(prefetch)) == 0
    leave.set()
    assert list(prefetch) == []
