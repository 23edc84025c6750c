"""Requests: begun from any thread, bounded, sent again where that helps, errors in our words."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from roverd.errors import ObjectReplacedError, RoverdError
from roverd.storage.paths import parent
from roverd.storage.remote.faults import AnswerError, ReplacedError, error_for, fault_of
from roverd.storage.remote.filesystems import store_for
from roverd.storage.remote.loop import io_loop, when_forked
from roverd.storage.remote.objects import Known, Memory
from roverd.storage.remote.patience import patiently
from roverd.storage.remote.retry import POLICY, Fault, wait_before_next
from roverd.storage.remote.stores import Store

_Result = TypeVar("_Result")

MEMORY = Memory()
"""What this process knows about objects."""

when_forked(MEMORY.renew)


def begin(
    url: str, what: str, ask: Callable[[Store], Awaitable[_Result]], size: int = 0
) -> "Future[_Result]":
    """Begin a request.

    Args:
        url: what it is about.
        what: what is to be done, for messages.
        ask: sends it.
        size: how many bytes will come, about.

    Returns:
        What becomes of it: the result of `ask`, or an error of ours.
    """
    return io_loop().begin(_ask(url, what, ask, POLICY.patience + size / POLICY.slowest))


def wait_for(future: "Future[_Result]") -> _Result:
    """The result of a request; whoever stops waiting (Ctrl-C) ends it, too."""
    try:
        return future.result()
    except CancelledError:
        raise
    except Exception:
        raise
    except BaseException:
        future.cancel()
        raise


def ask(url: str, what: str, ask: Callable[[Store], Awaitable[_Result]]) -> _Result:
    """Send a request and wait for the result; see `begin`."""
    return wait_for(begin(url, what, ask))


def begin_fetch(url: str, offset: int, size: int, known: Known) -> "Future[bytes]":
    """Begin to read bytes of an object, all of which are there as far as is known.

    Args:
        url: of the object.
        offset: where they begin.
        size: how many.
        known: the object; bytes of another one that has taken its place are an error.
    """
    if size <= 0:
        done: Future[bytes] = Future()
        done.set_result(b"")
        return done

    async def fetch(store: Store) -> bytes:
        data = await store.fetch(url, offset, size, known)
        if len(data) != size:
            raise AnswerError(0, f"{len(data)} bytes came")
        return data

    return begin(url, f"bytes {offset} to {offset + size - 1}", fetch, size)


def begin_whole(url: str) -> "Future[bytes]":
    """Begin to read all bytes of an object."""
    known = MEMORY.get(url)

    async def whole(store: Store) -> bytes:
        return (await _whole(store, url, known))[0]

    return begin(url, "all bytes", whole, 0 if known is None else known.size)


def begin_unknown(url: str) -> "Future[tuple[bytes, Known]]":
    """Begin to read all bytes of an object, and to learn what it is known by."""

    async def whole(store: Store) -> tuple[bytes, Known]:
        return await _whole(store, url, None)

    return begin(url, "all bytes", whole)


async def _whole(store: Store, url: str, known: Known | None) -> tuple[bytes, Known]:
    data, found = await store.whole(url, known)
    if known is not None and found.version != known.version and known.tag is not None:
        raise ReplacedError(f"expected version {known.version}, got {found.version}")
    MEMORY.keep(url, found)
    return data, found


async def _ask(
    url: str, what: str, ask: Callable[[Store], Awaitable[_Result]], patience: float
) -> _Result:
    if (task := asyncio.current_task()) is not None:
        # Whoever has given up while it failed does not ask why; asyncio would complain.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
    loop = io_loop()
    attempts, waited = 0, 0.0
    while True:
        attempts += 1
        outcome = await _try(url, loop.in_flight, ask, patience)
        # Raised here, where no other error is handled: a chain would show what that one says.
        if not isinstance(outcome, _Failed):
            return outcome
        if outcome.error is not None:
            raise outcome.error
        fault = outcome.fault
        chance = random.random()
        wait = wait_before_next(fault, attempts, waited, chance)
        if wait is None:
            error = error_for(fault, url, what)
            if isinstance(error, ObjectReplacedError):
                # Its index, and all else beside it, may be new, too.
                MEMORY.forget(parent(url))
            raise error
        await asyncio.sleep(wait)
        waited += wait


class _Failed:
    """A request that failed: why, or an error that says so already."""

    def __init__(self, fault: Fault, error: RoverdError | None = None) -> None:
        self.fault = fault
        self.error = error


async def _try(
    url: str,
    in_flight: asyncio.Semaphore,
    ask: Callable[[Store], Awaitable[Any]],
    patience: float,
) -> Any:
    try:
        store = await store_for(url)
        async with in_flight:
            return await patiently(ask(store), patience)
    except RoverdError as error:
        return _Failed(fault_of(error), type(error)(_named(str(error), url)))
    except Exception as error:  # noqa: BLE001 - libraries raise what they like
        return _Failed(fault_of(error))


def _named(message: str, url: str) -> str:
    return message if message.startswith(url) else f"{url}: {message}"
