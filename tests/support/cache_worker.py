"""What processes that others have started see of the cache.

`python -m support.cache_worker`: forks while a thread is fetching what the child reads, too.
"""

import multiprocessing
import os
import sys
import threading

from roverd.storage.cache import active_cache
from support.cached import Store


def cache_of_this_process() -> tuple[str, int] | None:
    cache = active_cache()
    return None if cache is None else (cache.path, cache.size)


def read_in_this_process(store: Store) -> None:
    cache = active_cache()
    assert cache is not None
    store.check(cache, 0, len(store.content))


def cache_of_workers(method: str) -> tuple[str, int] | None:
    """What a worker says that was started like this."""
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply(cache_of_this_process)


def main() -> int:
    store = Store(5000)
    cache = active_cache()
    assert cache is not None
    asked, answered = threading.Event(), threading.Event()

    def fetch(offset: int, length: int) -> bytes:
        asked.set()
        assert answered.wait(30)
        return store.fetch(offset, length)

    thread = threading.Thread(
        target=cache.read, args=(store.key, store.version, 5000, 0, 5000, fetch)
    )
    thread.start()
    assert asked.wait(30)
    child = os.fork()
    if child == 0:
        try:
            read_in_this_process(store)
        finally:
            os._exit(0 if store.fetches == [(0, 5000)] else 1)
    status = os.waitpid(child, 0)[1]
    answered.set()
    thread.join(30)
    return 0 if status == 0 and len(store.fetches) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
