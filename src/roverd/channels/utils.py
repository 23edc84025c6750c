"""Queues and iterators, for programs that record or stream."""

import queue as queues
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np

__all__ = [
    "Buffer",
    "Data",
    "ExceptionSentinel",
    "Prefetch",
    "ReadableQueue",
    "Streamable",
    "batch_iterator",
]

# An iterator that waits for something that may never come is not waited for longer.
_PATIENCE = 10.0  # seconds

_Item = TypeVar("_Item")
_Got = TypeVar("_Got", covariant=True)

# At runtime a plain union, so that `isinstance(x, Data)` works.
Data: TypeAlias = np.ndarray | bytes | bytearray
"""What a channel can be given to write."""


@runtime_checkable
class ReadableQueue(Protocol, Generic[_Got]):
    """Anything with `get` and `empty`, like `queue.Queue` or `multiprocessing.Queue`."""

    def get(self) -> _Got:
        """Take the next item, waiting for it. `None` means that no more will come."""
        ...

    def empty(self) -> bool:
        """Whether `get` would wait."""
        ...


Streamable: TypeAlias = Iterable[_Item] | ReadableQueue[_Item | None]
"""What a channel can consume: an iterable, or a queue that ends with `None`."""


class ExceptionSentinel:
    """Stands in a queue for an exception that its reader is to raise.

    Args:
        exception: what the writer of the queue ran into.
    """

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception


class Buffer(Generic[_Item]):
    """Iterates over a queue until `None`.

    Args:
        queue: where the items come from. An `ExceptionSentinel` in it is raised.
    """

    def __init__(self, queue: ReadableQueue[_Item | ExceptionSentinel | None]) -> None:
        self.queue = queue

    def __iter__(self) -> Iterator[_Item]:
        while (item := self.queue.get()) is not None:
            if isinstance(item, ExceptionSentinel):
                raise item.exception
            yield item


class _OwnedQueue(queues.Queue[Any]):
    """Another's queue, seen by somebody who keeps its owner alive.

    Args:
        queue: the queue.
        owner: what is not to be collected while this queue is read.
    """

    __slots__ = ("_owner",)

    def __init__(self, queue: queues.Queue[Any], owner: object) -> None:
        self.__dict__ = queue.__dict__
        self._owner = owner


class Prefetch(Generic[_Item]):
    """Runs an iterator ahead in a thread.

    What it yields waits in `queue`, followed by `None`; an exception of the iterator is raised
    where the items are taken, after those that came before it. The thread ends when the iterator
    does, when the consuming loop is left, when `close` is called, or when nobody refers to this
    object any more; it never keeps the interpreter from exiting.

    Args:
        iterator: what to run ahead.
        size: how many items may wait.

    Attributes:
        queue: where the items are put, for whoever would rather read it than iterate.
    """

    def __init__(self, iterator: Iterable[_Item], size: int = 64) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1 item, got {size}")
        self._queue: queues.Queue[_Item | ExceptionSentinel | None] = queues.Queue(size)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=_fill,
            args=(iterator, self._queue, self._stopped),
            name="roverd-prefetch",
            daemon=True,
        )
        # The thread knows the queue but not this object, so that it can be collected.
        self._finalizer = weakref.finalize(self, _release, self._queue, self._stopped)
        self._thread.start()

    @property
    def queue(self) -> "queues.Queue[_Item | ExceptionSentinel | None]":
        """The queue that the items are put in."""
        return _OwnedQueue(self._queue, self)

    def __iter__(self) -> Iterator[_Item]:
        if self._stopped.is_set():
            return  # whatever there was has been taken, or is not wanted any more
        try:
            yield from Buffer(self._queue)
        finally:
            self.close()

    def close(self) -> None:
        """Stop the thread, and wait for it as long as the iterator may take for one item."""
        self._finalizer()
        deadline = time.monotonic() + _PATIENCE
        while self._thread.is_alive() and time.monotonic() < deadline:
            # It may have been about to put one more item when the queue was emptied.
            self._thread.join(0.01)
            _release(self._queue, self._stopped)


def _fill(iterator: Iterable[Any], queue: queues.Queue[Any], stopped: threading.Event) -> None:
    try:
        for item in iterator:
            queue.put(item)
            if stopped.is_set():
                break
        end = None
    except BaseException as error:  # noqa: BLE001 - raised in the consumer
        end = ExceptionSentinel(error)
    try:
        for item in (end, None) if end is not None else (None,):
            # Whoever stopped this thread may be gone: it must not wait for room then.
            queue.put(item, block=not stopped.is_set())
    except queues.Full:
        return


def _release(queue: queues.Queue[Any], stopped: threading.Event) -> None:
    """Tell the thread to stop, and make room for what it is putting."""
    stopped.set()
    try:
        while True:
            queue.get_nowait()
    except queues.Empty:
        return


def batch_iterator(iterator: Iterable[_Item], size: int = 8) -> Iterator[list[_Item]]:
    """Group items.

    Args:
        iterator: the items.
        size: how many make a group.

    Yields:
        Lists of `size` items, the last one shorter where they don't divide.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 item, got {size}")
    group: list[_Item] = []
    for item in iterator:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
