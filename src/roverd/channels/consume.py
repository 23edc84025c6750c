"""Writing a stream of frames as it comes, in this thread or another.

Encoding takes longer than writing, so frames that have come by the time are encoded together, on
all cores; but nothing waits for more to come, so that a slow sensor's frame is on disk at once.
"""

import atexit
import math
import os
import queue as queues
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roverd.channels.syncing import shared_syncer
from roverd.channels.utils import Buffer, ExceptionSentinel, ReadableQueue, Streamable
from roverd.channels.writers import Writer

Check = Callable[[Any], NDArray[Any]]
"""An item of a stream as an array `(n, *shape)`, or an `InvalidDataError`."""


class Consumer:
    """A stream being written, or that has been.

    Args:
        run: what there is to do, given the sink to write to.
        sink: where the frames go.
        source: where the items come from, to be watched when the interpreter exits.
        thread: whether to do it in a background thread, or here and now.
    """

    def __init__(
        self,
        run: Callable[["_Sink"], None],
        sink: "_Sink",
        source: "_Source",
        thread: bool = True,
    ) -> None:
        self._error: BaseException | None = None
        self._sink = sink
        self._source = source
        self._thread = threading.Thread(
            target=self._run, args=(run,), name="roverd-consume", daemon=True
        )
        if thread:
            _running.add(self)
            _finish_at_exit()
            self._thread.start()
        else:
            run(sink)

    def _run(self, run: Callable[["_Sink"], None]) -> None:
        try:
            run(self._sink)
        except BaseException as error:  # noqa: BLE001 - raised where the thread is joined
            self._error = error
        _running.discard(self)

    def is_alive(self) -> bool:
        """Whether the stream is still being written."""
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the stream has ended and all of it is written.

        Args:
            timeout: wait no longer than so many seconds; `is_alive` then tells whether it ended.

        Raises:
            BaseException: what the producer raised, or why a frame could not be written.
        """
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if self._error is not None and not self._thread.is_alive():
            raise self._error

    def finish(self) -> None:
        """Write what has come so far, and complete the file, though the stream has not ended."""
        self._source.stop()
        while self._thread.is_alive():
            added, idle = self._sink.added, self._source.idle()
            time.sleep(0.02)
            if idle and self._source.idle() and added == self._sink.added:
                break
        self._sink.close()


_running: weakref.WeakSet[Consumer] = weakref.WeakSet()
_finalized_process: int | None = None


def _finish_all() -> None:
    for consumer in list(_running):
        consumer.finish()


def _finish_at_exit() -> None:
    # Registered last, it is called first: before what queues depend on is torn down.
    atexit.unregister(_finish_all)
    atexit.register(_finish_all)
    # A forked worker of `multiprocessing` leaves without calling what `atexit` knows.
    global _finalized_process
    if "multiprocessing.util" in sys.modules and _finalized_process != os.getpid():
        from multiprocessing import util

        util.Finalize(None, _finish_all, exitpriority=100)
        _finalized_process = os.getpid()


if hasattr(os, "register_at_fork"):
    # A forked child must not complete the files that its parent goes on writing.
    os.register_at_fork(after_in_child=_running.clear)


class _Sink:
    """A writer that is opened for the first frame, so that a refused one leaves all as it was."""

    def __init__(self, open_writer: Callable[[], Writer]) -> None:
        self._open_writer = open_writer
        self._writer: Writer | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._synced = 0  # how much of what was added
        self._failure: OSError | None = None
        self.added = 0

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self._closed:
                self._opened().add(frames)
                self.added += 1

    def sync(self) -> None:
        """Make what was added survive a loss of power; an error is raised by the next `add`."""
        added, writer = self.added, self._writer
        if writer is None or added == self._synced:
            return
        try:
            writer.sync()
        except OSError as error:
            self._failure = error
        self._synced = added

    def close(self) -> None:
        """Complete the file, if anything was written."""
        with self._lock:
            if not self._closed and self._writer is not None:
                shared_syncer().discard(self)
                self._writer.close()
                self._writer.sync()
            self._closed = True

    def end(self) -> None:
        """The stream ended without error: complete the file, an empty one if nothing came."""
        with self._lock:
            if not self._closed:
                self._opened()
        self.close()

    def _opened(self) -> Writer:
        if self._writer is None:
            self._writer = self._open_writer()
            shared_syncer().add(self)
        return self._writer


def consume(
    stream: Streamable[Any],
    check: Check,
    open_writer: Callable[[], Writer],
    batch: int,
    thread: bool,
) -> Consumer:
    """Write every item of a stream.

    Args:
        stream: an iterable, or a queue that ends with `None`.
        check: turns an item into frames, or refuses it.
        open_writer: opens the channel, when the first item has passed `check`.
        batch: how many frames to hand to the writer at a time, if so many have come; 0 for one
            item at a time.
        thread: whether to do so in a background thread.

    Returns:
        The handle, of a thread if `thread`, and otherwise of what is done.
    """
    if batch < 0:
        raise ValueError(f"batch must be 0 or a number of frames, got {batch}")
    sink = _Sink(open_writer)
    if isinstance(stream, ReadableQueue):
        source = _Source(queue=cast(ReadableQueue[Any], stream))

        def run(sink: _Sink) -> None:
            _consume_groups(_come_by_now(source, check, batch), sink)
    elif not isinstance(stream, Iterable):
        raise TypeError(f"expected an iterable, or a queue with get and empty, got {stream!r:.60}")
    elif batch:
        pending = _Source(queue=queues.Queue[Any](2 * batch))
        source = _Source(stream, then=pending)

        def run(sink: _Sink) -> None:
            _consume_ahead(source, pending, sink, check, batch)
    else:
        source = _Source(stream)

        def run(sink: _Sink) -> None:
            _consume_groups((check(item) for item in source), sink)

    return Consumer(run, sink, source, thread)


class _Source:
    """The items of an iterable or a queue, and how far they are taken.

    Args:
        items: an iterable; what is in `queue` if `None`.
        queue: the queue.
        then: where the items are passed on to.
    """

    def __init__(
        self,
        items: Iterable[Any] | None = None,
        queue: ReadableQueue[Any] | None = None,
        then: "_Source | None" = None,
    ) -> None:
        self.queue: ReadableQueue[Any] = queues.Queue[Any]() if queue is None else queue
        self._items = Buffer(self.queue) if items is None else items
        self._then = then
        self._waiting = False
        self._taken = 0
        self._limit = math.inf

    def __iter__(self) -> Iterator[Any]:
        items = iter(self._items)
        while self._taken < self._limit:
            self._waiting = True
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self._waiting = False
            self._taken += 1
            yield item

    def idle(self) -> bool:
        """Whether all that has come so far is passed on, and the next item is waited for."""
        passed_on = self._then is None or self._then.idle()
        return passed_on and self._waiting and self.queue.empty()

    def stop(self) -> None:
        """Take what has come by now, and no more: a producer may never pause."""
        try:
            # Not every queue tells its size.
            queued = cast(Any, self.queue).qsize()
        except (AttributeError, NotImplementedError):
            return
        # One may have been taken and not counted yet.
        self._limit = self._taken + queued + 1


def _consume_groups(groups: Iterable[NDArray[Any]], sink: _Sink) -> None:
    try:
        for frames in groups:
            sink.add(frames)
        sink.end()
    finally:
        sink.close()


def _come_by_now(source: _Source, check: Check, batch: int) -> Iterator[NDArray[Any]]:
    """What has come in a queue, up to `batch` frames at a time, without waiting for more."""
    items = iter(source)
    ended = False
    failure: BaseException | None = None
    while not ended:
        group: list[NDArray[Any]] = []
        try:
            while not group or (sum(map(len, group)) < batch and not source.queue.empty()):
                item = next(items, None)
                if item is None:
                    ended = True
                    break
                group.append(check(item))
        except BaseException as error:  # noqa: BLE001 - raised after what came before it
            failure, ended = error, True
        if group:
            yield group[0] if len(group) == 1 else np.concatenate(group)
    if failure is not None:
        raise failure


def _consume_ahead(items: _Source, pending: _Source, sink: _Sink, check: Check, batch: int) -> None:
    """Make the items in this thread and write them in another.

    A slow producer's frame then need not wait for the next one, and a fast one's are encoded
    together.
    """
    queue = cast("queues.Queue[Any]", pending.queue)
    writer = Consumer(
        lambda sink: _consume_groups(_come_by_now(pending, _as_it_is, batch), sink), sink, items
    )
    failure: BaseException | None = None
    try:
        for item in items:
            # Copied, since a producer may fill the same array again.
            _put(queue, check(item).copy(), writer)
    except BaseException as error:  # noqa: BLE001 - raised by `join`, after what came before it
        failure = error
    _put(queue, None if failure is None else ExceptionSentinel(failure), writer)
    writer.join()


def _as_it_is(frames: NDArray[Any]) -> NDArray[Any]:
    return frames


def _put(pending: queues.Queue[Any], item: Any, writer: Consumer) -> None:
    """Put an item, unless the writer has failed: it takes nothing more then."""
    while writer.is_alive():
        try:
            pending.put(item, timeout=0.1)
        except queues.Full:
            continue
        return
    writer.join()
