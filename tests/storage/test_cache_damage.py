"""Whatever happened to the files of a cache, what is read is what the store has."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roverd.errors import RoverdWarning
from roverd.storage.cache import BlockCache
from support.cached import BLOCK, Store, files, temporaries, total

PAGED = 100_000  # blocks of several pages


def flip(path: Path, where: float, _: Path) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[int(where * (len(data) - 1))] ^= 1 << int(where * 7)
        path.write_bytes(data)


def truncate(path: Path, where: float, _: Path) -> None:
    os.truncate(path, int(where * path.stat().st_size))


def lengthen(path: Path, _: float, __: Path) -> None:
    with path.open("ab") as file:
        file.write(b"0")


def zero(path: Path, _: float, __: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def remove(path: Path, _: float, __: Path) -> None:
    path.unlink(missing_ok=True)


def swap(path: Path, _: float, other: Path) -> None:
    held = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(held)


def copy(path: Path, _: float, other: Path) -> None:
    path.write_bytes(other.read_bytes())


HARM: list[Callable[[Path, float, Path], None]]
HARM = [flip, truncate, lengthen, zero, remove, swap, copy]

READ = st.tuples(st.integers(0, 2), st.integers(0, 6000), st.integers(0, 4000))
HARMED = st.tuples(st.sampled_from(HARM), st.integers(0, 100), st.floats(0, 1), st.integers(0, 100))


STORES = {
    scale: [
        Store(5500 * scale, "memory://a", "1"),
        Store(5500 * scale, "memory://a", "2"),
        Store(3000 * scale, "memory://b", "1"),
    ]
    for scale in (1, 100)
}


@given(
    steps=st.lists(READ | HARMED, max_size=40),
    size=st.sampled_from([1500, 4000, 9000, 10**6]),
    scale=st.sampled_from(sorted(STORES)),
)
def test_any_reads_through_a_harmed_cache_give_what_the_store_has(steps, size, scale):
    with tempfile.TemporaryDirectory() as folder:
        cache = BlockCache(folder, size * scale, BLOCK * scale)
        for step in steps:
            if callable(step[0]):
                harm, number, where, other = step
                there = files(folder)
                if there:
                    harm(there[number % len(there)], where, there[other % len(there)])
            else:
                number, offset, length = step
                STORES[scale][number].check(cache, offset * scale + number, length * scale)
        assert not list(Path(folder).glob("tmp/*"))


@pytest.mark.parametrize("where", [*range(0, 80, 7), 5000, 32_900, 60_000, -1], ids=str)
def test_a_flipped_bit_is_noticed_where_it_is_read_and_the_block_is_fetched_again(
    tmp_path: Path, where: int
):
    store = Store(PAGED)
    cache = BlockCache(tmp_path, 10**6, PAGED)
    store.check(cache, 0, 1)
    (path,) = files(tmp_path)
    sound = path.read_bytes()
    data = bytearray(sound)
    data[where] ^= 16
    path.write_bytes(data)
    assert store.fetches_of(lambda: store.check(cache, 0, PAGED)) == [(0, PAGED)]
    assert path.read_bytes() == sound
    assert store.fetches_of(lambda: store.check(cache, 0, PAGED)) == []


def test_a_flipped_bit_elsewhere_in_a_block_does_not_matter(tmp_path: Path):
    store = Store(PAGED)
    cache = BlockCache(tmp_path, 10**6, PAGED)
    store.check(cache, 0, 1)
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert store.fetches_of(lambda: store.check(cache, 10_000, 50_000)) == []


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_what_is_damaged_is_removed_also_where_it_cannot_be_fetched(
    tmp_path: Path, harm: Callable[[Path, float, Path], None]
):
    store = Store(2 * BLOCK)
    cache = BlockCache(tmp_path, 10**6, BLOCK)
    store.check(cache, 0, 2 * BLOCK)
    path, other = files(tmp_path)
    harm(path, 0.5, other)

    def fail(offset: int, length: int) -> bytes:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.read(store.key, store.version, 2 * BLOCK, 0, 2 * BLOCK, fail)
    assert not path.exists()


@pytest.mark.parametrize(
    ("damaged", "beyond"),
    [(None, 0), (b"", 0), (bytes(10**6), 0), (b"12", 1 / 16)],
    ids=["removed", "emptied", "too much", "too little"],
)
def test_a_damaged_estimate_of_the_size_does_little_harm(
    tmp_path: Path, damaged: bytes | None, beyond: float
):
    store = Store(60 * PAGED)
    limit = 25 * PAGED
    store.check(BlockCache(tmp_path, limit, PAGED), 0, 24 * PAGED)
    if damaged is None:
        (tmp_path / "usage").unlink()
    else:
        (tmp_path / "usage").write_bytes(damaged)
    cache = BlockCache(tmp_path, limit, PAGED)
    for number in range(24, 60):
        store.check(cache, number * PAGED, 10)
        assert 20 * PAGED < total(tmp_path) <= limit * (1 + beyond)
    assert total(tmp_path) <= limit


def test_what_programs_that_died_left_behind_is_removed_when_it_is_old(tmp_path: Path):
    Store(500).check(BlockCache(tmp_path, 10**6, BLOCK), 0, 500)
    old, recent, foreign = (
        tmp_path / "tmp" / name
        for name in ("12-0123456789abcdef", "13-0123456789abcdef", "notes.txt")
    )
    for path in (old, recent, foreign):
        path.write_bytes(bytes(100))
    for path in (old, foreign):
        os.utime(path, (10**9, 10**9))
    Store(500, "memory://b").check(BlockCache(tmp_path, 10**6, BLOCK), 0, 500)
    assert temporaries(tmp_path) == [recent, foreign]


# -- where nothing can be written --------------------------------------------------------------

_FULL_DISK = """
import resource, sys
from roverd.storage.cache import BlockCache
content = bytes(range(256)) * 1000
fetches = []
def fetch(offset, length):
    fetches.append(offset)
    return content[offset : offset + length]
cache = BlockCache(sys.argv[1], 10**9, 100_000)
assert cache.read("small", "1", 10_000, 0, 10_000, fetch) == content[:10_000]
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for _ in range(3):
    for offset in range(0, len(content), 10_000):
        found = cache.read("k", "1", len(content), offset, 20_000, fetch)
        assert found == content[offset : offset + 20_000]
fetches.clear()
assert cache.read("small", "1", 10_000, 0, 10_000, fetch) == content[:10_000]
assert not fetches
"""


def test_where_the_disk_is_full_reads_go_on_without_the_cache_and_one_warning(tmp_path: Path):
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("RoverdWarning") == 1
    assert f"{tmp_path / 'cache'}: what is read is not kept" in done.stderr
    assert len(files(tmp_path / "cache")) == 1
    assert temporaries(tmp_path / "cache") == []


def check_warns_once(cache: BlockCache, store: Store) -> None:
    with pytest.warns(RoverdWarning, match=cache.path) as caught:
        store.check(cache, 0, 5000)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for offset in range(0, 5000, 500):
            store.check(cache, offset, 1500)


def test_where_the_folder_cannot_be_made_reads_go_on(tmp_path: Path):
    (tmp_path / "file").touch()
    check_warns_once(BlockCache(tmp_path / "file" / "cache", 10**6, BLOCK), Store(5000))


def test_where_something_else_has_the_names_reads_go_on(tmp_path: Path):
    for name in ("tmp", "blocks", "usage"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "usage":
            (folder / "usage").mkdir()
        else:
            (folder / name).touch()
        check_warns_once(BlockCache(folder, 10**6, BLOCK), Store(5000))


_READ_ONLY = """
import sys
from roverd.storage.cache import BlockCache
content = bytes(range(256)) * 100
fetches = []
def fetch(offset, length):
    fetches.append(offset)
    return content[offset : offset + length]
cache = BlockCache(sys.argv[1], 10**9, 1000)
for _ in range(3):
    assert cache.read("k", "1", len(content), 0, 8000, fetch) == content[:8000]
print(fetches)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users here")
def test_a_folder_that_may_only_be_read_is_read_from(tmp_path: Path):
    content = bytes(range(256)) * 100
    cache = BlockCache(tmp_path / "cache", 10**9, 1000)
    cache.read("k", "1", len(content), 0, 5000, lambda o, n: content[o : o + n])
    for path in (tmp_path / "cache").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (tmp_path / "cache").chmod(0o555)
    # Root may write anywhere: then without that right.
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and setpriv is None:
        pytest.skip("root may write to any folder, and setpriv is not there")
    less = ["--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    prefix = [setpriv, *less] if os.geteuid() == 0 and setpriv else []
    done = subprocess.run(
        [*prefix, sys.executable, "-c", _READ_ONLY, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for path in [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]:
        path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[5000, 5000, 5000]"
    assert done.stderr.count("RoverdWarning") == 1
