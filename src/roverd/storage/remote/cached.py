"""Bytes of objects by way of the cache on the local disk, where one is in use."""

from concurrent.futures import Future, ThreadPoolExecutor

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

    def fetch(start: int, count: int) -> bytes:
        return wait_for(begin_fetch(url, start, count, known))

    return _pool().submit(cache.read, url, _version(known), known.size, offset, size, fetch)


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

    def read() -> bytes:
        data, found = wait_for(begin_unknown(url))
        if _tells_contents_apart(found):

            def given(start: int, count: int) -> memoryview:
                return memoryview(data)[start : start + count]

            cache.read(url, _version(found), found.size, 0, found.size, given)
        return data

    return _pool().submit(read)


def _pool() -> ThreadPoolExecutor:
    if not _pools:
        _pools.append(ThreadPoolExecutor(_WIDTH, thread_name_prefix="roverd-cache"))
    return _pools[0]


def _tells_contents_apart(known: Known) -> bool:
    """Whether the store has said what does. Without that, they could be mixed."""
    return bool(known.tag or known.time)


def _version(known: Known) -> str:
    return f"{known.tag or known.time}"
