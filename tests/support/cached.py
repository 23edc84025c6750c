"""Objects of a store that counts what is fetched, and a look into the folder of a cache."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from roverd.storage.cache import BlockCache

BLOCK = 1000


class Store:
    """One object. All its bytes are random, so that no two stretches of it are the same."""

    def __init__(self, size: int, key: str = "memory://a", version: str = "1") -> None:
        self.key = key
        self.version = version
        self.content = np.random.default_rng([*f"{key} {version}".encode()]).bytes(size)
        self.fetches: list[tuple[int, int]] = []

    def fetch(self, offset: int, length: int) -> bytes:
        self.fetches.append((offset, length))
        return self.content[offset : offset + length]

    def read(self, cache: BlockCache, offset: int, length: int) -> bytes:
        size = len(self.content)
        return cache.read(self.key, self.version, size, offset, length, self.fetch)

    def check(self, cache: BlockCache, offset: int, length: int) -> None:
        assert self.read(cache, offset, length) == self.content[offset : offset + length]

    def fetches_of(self, work: Callable[[], object]) -> list[tuple[int, int]]:
        before = len(self.fetches)
        work()
        return self.fetches[before:]


def files(folder: Path | str) -> list[Path]:
    """Files of all blocks, the one that was not used for the longest time first."""
    found = [path for path in Path(folder).glob("blocks/*/*") if path.is_file()]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def total(folder: Path | str) -> int:
    """Bytes of the files of all blocks. Those may go while they are looked at."""
    size = 0
    for path in Path(folder).glob("blocks/*/*"):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue
    return size


def temporaries(folder: Path | str) -> list[Path]:
    return sorted(Path(folder, "tmp").iterdir())


def age(path: Path, seconds: float) -> None:
    """Let a file be older than it is."""
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))
