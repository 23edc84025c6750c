"""Bytes of objects by way of the cache on the local disk, where one is in use."""

from concurrent.futures import Future, ThreadPoolExecutor

from roverd.storage.cache import BlockCache
from roverd.storage.remote.loop import when_forked
from roverd.storage.remote.objects import Known
from roverd.storage.remote.requests import begin_fetch, wait_for

# Its reads wait: for the disk, for requests, and for others that fetch the same block.
_WIDTH = 32

_pools: list[ThreadPoolExecutor] = []
when_forked(_pools.clear)


def begin_cached(
    cache: BlockCache, url: str, offset: int, size: int, known: Known
) -> "Future[bytes]":
    """Begin to read bytes of an object, from the cache as far as they are there.

    Args:
        cache: what keeps them.
        url: of the object.
        offset: where they begin.
        size: how many, all of which are there.
        known: the object, of which the store has said what tells its contents apart.
    """
    if not _pools:
        _pools.append(ThreadPoolExecutor(_WIDTH, thread_name_prefix="roverd-cache"))

    def fetch(start: int, count: int) -> bytes:
        return wait_for(begin_fetch(url, start, count, known))

    version = f"{known.tag or known.time}"
    return _pools[0].submit(cache.read, url, version, known.size, offset, size, fetch)
