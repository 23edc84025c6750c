"""What is read through a cache is what the store has, and is fetched once."""

import stat
import threading
from pathlib import Path

import pytest

from roverd.storage.cache import BlockCache
from support.cached import BLOCK, Store, files


@pytest.fixture
def cache(tmp_path: Path) -> BlockCache:
    return BlockCache(tmp_path / "cache", 10**6, BLOCK)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 5500])
def test_any_range_is_what_the_store_has(cache: BlockCache, size: int):
    store = Store(size)
    edges = [0, 1, 999, 1000, 1001, 2500, size - 1, size, size + 1, 10**9]
    for _ in range(2):
        for offset in edges:
            for length in edges:
                if offset >= 0:
                    store.check(cache, offset, max(0, length))
    assert store.read(cache, 0, -1) == b""


def test_an_offset_below_0_is_refused(cache: BlockCache):
    with pytest.raises(ValueError, match=r"memory://a.*offset.*-1"):
        Store(10).read(cache, -1, 5)


@pytest.mark.parametrize("size, block_size", [(0, 1000), (-5, 1000), (1000, 0)])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, size: int, block_size: int):
    with pytest.raises(ValueError, match=f"{tmp_path}.*at least 1 byte"):
        BlockCache(tmp_path, size, block_size)


def test_the_second_epoch_fetches_nothing_in_another_cache_object_either(cache: BlockCache):
    stores = [Store(70_123, f"memory://{name}") for name in "abc"]
    for store in stores:
        for offset in range(0, 70_123, 3000):
            store.check(cache, offset, 2500)
    fetched = [list(store.fetches) for store in stores]
    again = BlockCache(cache.path, cache.size, BLOCK)
    for store, before in zip(stores, fetched, strict=True):
        for offset in range(0, 70_123, 500):
            store.check(again, offset, 4321)
        assert store.fetches == before
        assert sum(length for _, length in before) <= 70_123 + BLOCK * len(before)


def test_blocks_that_are_missing_side_by_side_are_fetched_in_one_call(cache: BlockCache):
    store = Store(20_500)
    assert store.fetches_of(lambda: store.check(cache, 2500, 3000)) == [(2000, 4000)]
    assert store.fetches_of(lambda: store.check(cache, 0, 8000)) == [(0, 2000), (6000, 2000)]
    assert store.fetches_of(lambda: store.check(cache, 20_400, 500)) == [(20_000, 500)]
    assert store.fetches_of(lambda: store.check(cache, 0, 8000)) == []


def test_a_single_block_between_missing_ones_is_fetched_along(cache: BlockCache):
    store = Store(20_000)
    store.check(cache, 5000, 1)
    assert store.fetches_of(lambda: store.check(cache, 4000, 3000)) == [(4000, 3000)]


@pytest.mark.parametrize(
    "other",
    [
        Store(5000, "memory://a", "2"),
        Store(5001, "memory://a", "1"),
        Store(5000, "memory://b", "1"),
        Store(5000, "memory://a1", ""),
        Store(5000, "memory://", "a1"),
    ],
    ids=lambda other: f"{other.key} {other.version} {len(other.content)}",
)
def test_a_changed_object_is_never_mixed_with_the_old_one(cache: BlockCache, other: Store):
    store = Store(5000)
    for _ in range(2):
        for offset in range(0, 5000, 700):
            store.check(cache, offset, 1500)
            other.check(cache, offset, 1500)


def test_caches_with_blocks_of_other_sizes_share_a_folder(cache: BlockCache):
    store = Store(5000)
    caches = [BlockCache(cache.path, cache.size, block_size) for block_size in (BLOCK, 700, 10_000)]
    for each in caches:
        store.check(each, 100, 4800)
    assert store.fetches_of(lambda: [store.check(each, 100, 4800) for each in caches]) == []


def test_an_error_of_the_store_is_passed_on_and_nothing_is_kept_of_it(cache: BlockCache):
    store = Store(5000)
    store.check(cache, 0, 1000)

    def fail(offset: int, length: int) -> bytes:
        raise ConnectionResetError(f"{offset} {length}")

    with pytest.raises(ConnectionResetError, match="1000 2000"):
        cache.read(store.key, store.version, 5000, 500, 2500, fail)
    store.check(cache, 500, 2500)


@pytest.mark.parametrize("count", [0, 999, 1001])
def test_a_body_of_another_length_is_an_error_and_is_not_kept(cache: BlockCache, count: int):
    store = Store(5000)
    with pytest.raises(OSError, match=rf"expected 1000 bytes from 2000 on, got {count}.*memory:"):
        cache.read(store.key, store.version, 5000, 2100, 10, lambda _, __: bytes(count))
    store.check(cache, 0, 5000)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_whatever_holds_bytes_may_be_fetched(cache: BlockCache, make: type):
    store = Store(5000)
    for length in (10, 3000):
        found = cache.read("k", "1", 5000, 500, length, lambda *range_: make(store.fetch(*range_)))
        assert type(found) is bytes
        assert found == store.content[500 : 500 + length]


def test_a_block_larger_than_the_cache_is_read_without_it(tmp_path: Path):
    cache = BlockCache(tmp_path / "cache", BLOCK, BLOCK)
    store = Store(5500)
    store.check(cache, 0, 5500)
    assert len(files(tmp_path / "cache")) == 1  # the last one, with its head


def test_the_folder_is_made_when_there_is_something_to_keep_and_nobody_else_may_look_into_it(
    tmp_path: Path,
):
    folder = tmp_path / "a" / "cache"
    cache = BlockCache(folder, 10**6, BLOCK)
    assert not folder.exists()
    Store(500).check(cache, 0, 500)
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    assert (folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f0688")


def test_neither_keys_nor_versions_are_in_the_folder(cache: BlockCache):
    Store(5000, "s3://bucket/secret-name", "version-7").check(cache, 0, 5000)
    for path in Path(cache.path).rglob("*"):
        assert "secret" not in str(path)
        assert path.is_dir() or not {b"secret", b"version-7"} & set(path.read_bytes().split())


def test_a_folder_that_is_removed_meanwhile_is_made_anew(cache: BlockCache, tmp_path: Path):
    store = Store(5000)
    store.check(cache, 0, 5000)
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    for _ in range(2):
        store.check(cache, 0, 5000)
        store.check(cache, 0, 5000)
    assert files(tmp_path / "cache")


def test_threads_that_want_the_same_block_fetch_it_once(cache: BlockCache):
    store = Store(5000)
    asked, answered = threading.Event(), threading.Event()
    found: dict[int, bytes] = {}

    def fetch(offset: int, length: int) -> bytes:
        asked.set()
        assert answered.wait(30)
        return store.fetch(offset, length)

    def read(number: int) -> None:
        found[number] = cache.read("k", "1", 5000, 100 * number, 2000, fetch)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    threads[0].start()
    assert asked.wait(30)
    for thread in threads[1:]:
        thread.start()
    answered.set()
    for thread in threads:
        thread.join(30)
    assert found == {n: store.content[100 * n : 100 * n + 2000] for n in range(8)}
    assert sorted(store.fetches) == [(0, 2000), (2000, 1000)]


def test_threads_that_wait_for_a_fetch_that_fails_fetch_themselves(cache: BlockCache):
    store = Store(1000)
    asked, answered = threading.Event(), threading.Event()
    errors: list[OSError] = []
    found: list[bytes] = []

    def fail(offset: int, length: int) -> bytes:
        asked.set()
        assert answered.wait(30)
        raise TimeoutError

    def read_and_fail() -> None:
        try:
            cache.read("k", "1", 1000, 0, 10, fail)
        except TimeoutError as error:
            errors.append(error)

    def read() -> None:
        found.append(cache.read("k", "1", 1000, 0, 10, store.fetch))

    threads = [threading.Thread(target=read_and_fail)]
    threads[0].start()
    assert asked.wait(30)
    threads += [threading.Thread(target=read) for _ in range(3)]
    for thread in threads[1:]:
        thread.start()
    answered.set()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 1
    assert found == [store.content[:10]] * 3
