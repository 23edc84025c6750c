"""Prints what reading from the block cache costs, next to `os.pread` of a plain file.

`python -m bench.cache`: all is in the page cache; ranges begin anywhere.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from bench.timing import NO_TARGET, Pair, Target, keep_memory, measure, seconds_text
from roverd.storage.cache import BlockCache

_ROWS = (
    ("12 B", 12, NO_TARGET),
    ("4 KiB", 4 << 10, NO_TARGET),
    ("100 KiB", 100 << 10, NO_TARGET),
    ("512 KiB", 512 << 10, Target(2.0)),
    ("768 KiB", 768 << 10, NO_TARGET),
    ("8 MiB", 8 << 20, NO_TARGET),
)
_OFFSETS = 1024


@contextmanager
def _pair(cache: BlockCache, descriptor: int, size: int, length: int) -> Iterator[Pair]:
    offsets = np.random.default_rng(length).integers(0, size - length, _OFFSETS).tolist()

    def fetch(offset: int, wanted: int) -> bytes:
        return os.pread(descriptor, wanted, offset)

    def ours(number: int) -> bytes:
        return cache.read("object", "1", size, offsets[number % _OFFSETS], length, fetch)

    def limit(number: int) -> bytes:
        return os.pread(descriptor, length, offsets[number % _OFFSETS])

    def check(found: bytes, expected: bytes) -> None:
        if found != expected:
            raise AssertionError("the cache gives back other bytes")

    for place in range(0, size, cache.block_size):
        cache.read("object", "1", size, place, 1, fetch)
    yield Pair(ours, limit, check)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status is 1 where the target is missed by more than a tenth."""
    parser = argparse.ArgumentParser(prog="python -m bench.cache", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="in little time, to see that it runs")
    parser.add_argument("--size", type=int, default=128, help="MiB of the file that is read")
    options = parser.parse_args(arguments)
    keep_memory()
    size = options.size << 20
    missed = False
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/plain", "w+b") as plain:
        plain.write(np.random.default_rng(0).bytes(size))
        plain.flush()
        cache = BlockCache(f"{folder}/cache", 4 * size)
        print("| range | os.pread | cache | ratio | quartiles | target |")
        print("|---|---|---|---|---|---|")
        for name, length, target in _ROWS:
            with _pair(cache, plain.fileno(), size, length) as pair:
                result = measure(pair, *((0.05, 3) if options.quick else (6.0, 15)))
            found = target.measured(result.ours, result.limit)
            limit, ours = (seconds_text(float(np.median(x))) for x in (result.limit, result.ours))
            spread = f"{target.text(found.low)} – {target.text(found.high)}"
            print(f"| {name} | {limit} | {ours} | {found.value:.2f} | {spread} | {target} |")
            missed |= not options.quick and target.missed(found.value, 0.1)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
