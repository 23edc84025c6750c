"""Work on all cores: thread pools that the whole process shares, and callers that help.

The codecs release the GIL, so threads are enough. Work may nest (a trace reads
its sensors side by side, each of which reads its channels side by side) and
still never deadlocks: the thread that asks for work does it itself, pool
threads only help, and nobody waits for work that no thread has begun.
"""

import itertools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Work that waits (for files, object stores, whatever a user's code does) may be wider than the
# machine has cores.
_WIDEST = 32

SIDE_BY_SIDE = 16
"""How many things are done at once that each wait for an object store."""

_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


_THREADS_VARIABLE = "ROVERD_THREADS"

_set: int | None = None
_default: int | None = None


def set_threads(count: int | None) -> None:
    """Say how many threads read, decode and encode together for one call of this library.

    Calls that several threads make at once share the others of these, but each thread works, too.
    Work with a width of its own keeps that: `workers` of `npz` and `jpg` outside of batches, and
    of `Dataset.from_config`.

    Without it, the environment variable `ROVERD_THREADS` says how many; without that, they are as
    many as there are cores, and in the workers of a PyTorch `DataLoader` each has its share of
    these. Forked processes inherit what was set, others do not.

    Args:
        count: how many, the calling one included; `None` for the default.

    Raises:
        ValueError: less than 1.
    """
    global _set
    if count is not None and count < 1:
        raise ValueError(f"expected at least 1 thread, got {count}")
    _set = count


def thread_count() -> int:
    """How many threads work in this process at a time; see `set_threads`.

    Raises:
        ValueError: `ROVERD_THREADS` is not a positive number.
    """
    global _default
    if _set is not None:
        return _set
    if _default is None:
        _default = _default_threads()
    return _default


def _default_threads() -> int:
    text = os.environ.get(_THREADS_VARIABLE, "")
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(
                f"environment variable {_THREADS_VARIABLE}: expected a number of threads, at "
                f"least 1, got {text!r}"
            )
        return int(text)
    return max(1, _cores() // _sharing())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _sharing() -> int:
    """How many processes like this one share the machine's cores, as far as can be told."""
    # Whoever is one of PyTorch's workers has loaded it.
    torch_data = sys.modules.get("torch.utils.data")
    # Another thread may be importing it just now.
    worker_info = getattr(torch_data, "get_worker_info", None)
    worker = None if worker_info is None else worker_info()
    if worker is None:
        return 1
    # Set by `torchrun`: processes that train on this machine, each with workers of its own.
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "")
    return worker.num_workers * max(1, int(ranks) if ranks.isdecimal() else 1)


def _shared_pool(threads: int) -> ThreadPoolExecutor:
    pool = _pools.get(threads)
    if pool is None:
        with _lock:
            pool = _pools.get(threads)
            if pool is None:
                pool = ThreadPoolExecutor(threads, thread_name_prefix="roverd")
                _pools[threads] = pool
    return pool


def _forget_pools() -> None:
    # A forked child has the pools' objects but none of their threads.
    global _lock, _default
    _lock = threading.Lock()
    _pools.clear()
    _default = None  # it may be one of several now


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pools)


def _ask_for_help(work: Callable[[], None], helpers: int, threads: int) -> list[Future[None]]:
    asked: list[Future[None]] = []
    try:
        pool = _shared_pool(threads)
        asked.extend(pool.submit(work) for _ in range(helpers))
    except RuntimeError:
        # The interpreter is shutting down and takes no more work; the caller does it alone.
        pass
    return asked


def for_each(
    function: Callable[[_Item], object], items: Sequence[_Item], limit: int | None = None
) -> None:
    """Call `function` on every item, on this thread and the pool's.

    Args:
        function: called once for each item; calls run side by side in any order.
        items: what to call it on.
        limit: at most so many calls at once (and never more than 32), for work that waits; as
            many as there are cores if `None`, for work that computes.

    Raises:
        BaseException: what `function` raised, for the first item in order that failed; items not
            begun by then are left out, and none is still running when it is raised.
    """
    count = len(items)
    wide = thread_count() if limit is None else min(limit, _WIDEST)
    threads = wide if limit is None else _WIDEST
    helpers = min(count, wide) - 1
    if helpers <= 0:
        for item in items:
            function(item)
        return

    turn = itertools.count()
    failures: list[tuple[int, BaseException]] = []

    def work() -> None:
        while not failures:
            position = next(turn)
            if position >= count:
                return
            try:
                function(items[position])
            except BaseException as error:  # noqa: BLE001 - carried to the caller below
                failures.append((position, error))

    asked = _ask_for_help(work, helpers, threads)
    work()
    for helper in asked:
        if not helper.cancel():
            helper.result()
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]


def map_all(
    function: Callable[[_Item], _Result], items: Sequence[_Item], limit: int | None = None
) -> list[_Result]:
    """`[function(item) for item in items]`, side by side; see `for_each`."""
    results: dict[int, _Result] = {}

    def store(position: int) -> None:
        results[position] = function(items[position])

    for_each(store, range(len(items)), limit)
    return [results[position] for position in range(len(items))]


def run_ahead(
    function: Callable[[_Item], _Result], items: Iterable[_Item], width: int
) -> Iterator[_Result]:
    """Call a function on items, `width` of them at a time, each in a thread of its own.

    The threads never keep the interpreter from exiting.

    Args:
        function: what to call.
        items: on what; taken as they are needed.
        width: how many results are made while one is waited for, that one included.

    Yields:
        The results, in the order of the items.
    """
    pending: deque[Future[_Result]] = deque()
    for item in items:
        pending.append(_begin(function, item))
        if len(pending) == width:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _begin(function: Callable[[_Item], _Result], item: _Item) -> "Future[_Result]":
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(function(item))
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            future.set_exception(error)

    threading.Thread(target=run, name="roverd-ahead", daemon=True).start()
    return future
