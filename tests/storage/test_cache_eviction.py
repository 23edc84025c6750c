"""What goes when a cache is full, and that it never is more than full."""

import random
import time
from pathlib import Path

import pytest

from roverd.storage.cache import BlockCache
from support.cached import BLOCK, Store, age, files, temporaries, total


def fill(cache: BlockCache, store: Store) -> dict[int, Path]:
    """Read blocks, from the last to the first, each a minute after the other, long ago."""
    found: dict[int, Path] = {}
    count = len(store.content) // BLOCK
    for number in reversed(range(count)):
        before = set(files(cache.path))
        store.check(cache, number * BLOCK, 1)
        (found[number],) = set(files(cache.path)) - before
        age(found[number], 1e6 + 60 * number)
    return found


def test_blocks_that_were_not_used_for_the_longest_time_go_first(tmp_path: Path):
    cache = BlockCache(tmp_path, 12_000, BLOCK)
    old, new = Store(10 * BLOCK), Store(10 * BLOCK, "memory://b")
    paths = fill(cache, old)
    for number in (9, 7):  # the ones that would go first are used again
        old.check(cache, number * BLOCK, 10)
    order = [8, 6, 5, 4, 3, 2, 1, 0, 9, 7]
    for read in range(6):
        new.check(cache, read * BLOCK, 10)
        there = [number for number in order if paths[number].exists()]
        assert there == order[len(order) - len(there) :]
        assert total(tmp_path) <= cache.size
    assert len(there) < len(order)
    assert [number for number in (7, 9) if number in there] == [7, 9]


def test_a_use_is_noted_once_a_minute_at_most(tmp_path: Path):
    cache = BlockCache(tmp_path, 10**6, BLOCK)
    store = Store(BLOCK)
    store.check(cache, 0, 1)
    (path,) = files(tmp_path)
    age(path, 30)
    noted = path.stat().st_mtime_ns
    store.check(cache, 0, 1)
    assert path.stat().st_mtime_ns == noted
    age(path, 40)
    store.check(cache, 0, 1)
    assert abs(path.stat().st_mtime - time.time()) < 30


def test_a_use_that_is_in_the_future_is_put_right(tmp_path: Path):
    cache = BlockCache(tmp_path, 10**6, BLOCK)
    store = Store(BLOCK)
    store.check(cache, 0, 1)
    (path,) = files(tmp_path)
    age(path, -(10**6))
    store.check(cache, 0, 1)
    assert abs(path.stat().st_mtime - time.time()) < 30


@pytest.mark.parametrize("size", [1100, 40_000, 150_000])
@pytest.mark.parametrize("block_size", [300, BLOCK, 100_000])
def test_a_cache_is_never_larger_than_it_may_be(tmp_path: Path, size: int, block_size: int):
    cache = BlockCache(tmp_path, size, block_size)
    stores = [Store(210_000, f"memory://{name}") for name in "ab"]
    draw = random.Random(size)
    largest = 0
    for _ in range(100):
        draw.choice(stores).check(cache, draw.randrange(210_000), draw.choice([1, 500, 2500]))
        largest = max(largest, total(tmp_path))
        assert largest <= size
    assert largest > 0.5 * size or block_size > size
    assert temporaries(tmp_path) == [] if largest else True


def test_caches_of_several_objects_do_not_add_up(tmp_path: Path):
    caches = [BlockCache(tmp_path, 20_000, BLOCK) for _ in range(5)]
    store = Store(100 * BLOCK)
    for number in range(100):
        store.check(caches[number % 5], number * BLOCK, 1)
        assert total(tmp_path) <= 20_000


def test_a_smaller_limit_holds_from_the_next_block_on_that_is_kept(tmp_path: Path):
    store = Store(100 * BLOCK)
    store.check(BlockCache(tmp_path, 10**6, BLOCK), 0, 90 * BLOCK)
    assert total(tmp_path) > 90_000
    store.check(BlockCache(tmp_path, 10_000, BLOCK), 95 * BLOCK, 1)
    assert total(tmp_path) <= 10_000


def test_most_of_what_was_kept_stays_when_room_is_made(tmp_path: Path):
    cache = BlockCache(tmp_path, 200_000, BLOCK)
    store = Store(400 * BLOCK)
    for number in range(400):
        store.check(cache, number * BLOCK, 1)
    assert total(tmp_path) > 0.9 * 200_000


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path):
    cache = BlockCache(tmp_path, 5000, BLOCK)
    store = Store(20 * BLOCK)
    store.check(cache, 0, 1)
    (block,) = files(tmp_path)
    foreign = [
        tmp_path / "notes.txt",
        tmp_path / "blocks" / "notes.txt",
        block.parent / "notes.txt",
        block.parent / (block.name + ".bak"),
        tmp_path / "blocks" / "zz" / block.name,
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(10**5))
        age(path, 10**6)
    store.check(cache, 0, 20 * BLOCK)
    assert all(path.exists() for path in foreign)
    assert not block.exists()
