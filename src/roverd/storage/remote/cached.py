"""Bytes of objects by way of the cache on the local disk, where one is in use."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from roverd.storage.cache import active_cache
from roverd.storage.remote.loop import when_forked
from roverd.storage.remote.objects import Known
from roverd.storage.remote.requests import (
    MEMORY,
    begin_fetch,
    begin_unknown,
    begin_whole,
    wait_for,
)

_Result = TypeVar("_Result")

# Its reads wait: for the disk, for requests, and for others that fetch the same block.
_WIDTH = 32

_pools: list[ThreadPoolExecutor] = []
when_forked(_pools.clear)


def begin_cached(url: str, offset: int, size: int, known: Known) -> "Future[bytes]":
    """Begin to read bytes of an object: from the cache, if one is in use, as far as they are there.

    Args:
        url: of the object.
        offset: where they begin.
        size: how many, all of which are there.
        known: the object.
    """
    cache = active_cache()
    if cache is None or size <= 0 or not _tells_contents_apart(known):
        return begin_fetch(url, offset, size, known)

    def read(given: _Read) -> bytes:
        def fetch(start: int, count: int) -> bytes:
            return given.wait(begin_fetch(url, start, count, known))

        return cache.read(url, _version(known), known.size, offset, size, fetch)

    return _Read.begun(read)


def begin_cached_whole(url: str) -> "Future[bytes]":
    """Begin to read all bytes of an object; see `begin_cached`.

    It is one request at most: what nothing is known of is fetched as a whole, and kept.
    """
    cache = active_cache()
    known = MEMORY.get(url)
    if cache is None or (known is not None and not _tells_contents_apart(known)):
        return begin_whole(url)
    if known is not None:
        return begin_cached(url, 0, known.size, known)

    def read(given: _Read) -> bytes:
        data, found = given.wait(begin_unknown(url))
        if _tells_contents_apart(found):

            def part(start: int, count: int) -> memoryview:
                return memoryview(data)[start : start + count]

            cache.read(url, _version(found), found.size, 0, found.size, part)
        return data

    return _Read.begun(read)


class _Read(Future[bytes]):
    """A read in a thread of the pool. To cancel it ends its request, too, and so the thread's wait.

    Otherwise whoever is interrupted would wait for that thread when the interpreter exits.
    """

    _given_up = False
    _request: "Future[Any] | None" = None

    @classmethod
    def begun(cls, work: "Callable[[_Read], bytes]") -> "_Read":
        """Have a thread do it."""
        made = cls()
        _pool().submit(made._run, work)
        return made

    def _run(self, work: "Callable[[_Read], bytes]") -> None:
        if not self.set_running_or_notify_cancel():
            return
        try:
            data = work(self)
        except BaseException as error:  # noqa: BLE001 - of whoever asks for the result
            self.set_exception(error)
        else:
            self.set_result(data)

    def wait(self, request: "Future[_Result]") -> _Result:
        """The result of a request."""
        self._request = request
        if self._given_up:
            request.cancel()
        return wait_for(request)

    def cancel(self) -> bool:
        """See `Future.cancel`; of a read that is underway, the request."""
        self._given_up = True
        cancelled = super().cancel()
        if (request := self._request) is not None:
            request.cancel()
        return cancelled


def _pool() -> ThreadPoolExecutor:
    if not _pools:
        _pools.append(ThreadPoolExecutor(_WIDTH, thread_name_prefix="roverd-cache"))
    return _pools[0]


def _tells_contents_apart(known: Known) -> bool:
    """Whether the store has said what does. Without that, they could be mixed."""
    return bool(known.tag or known.time)


def _version(known: Known) -> str:
    return f"{known.tag or known.time}"
