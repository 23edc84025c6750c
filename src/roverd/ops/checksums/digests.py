"""Hashing files."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from roverd.ops.progress import Progress, Tally
from roverd.parallel import for_each
from roverd.storage import is_url, remote_storage

Algorithm = Literal["md5", "sha256", "xxh3_128"]
"""Names of what can be computed; `xxh3_128` is no protection against a forger, but the fastest."""

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
DIGITS: Mapping[Algorithm, int] = {"md5": 32, "sha256": 64, "xxh3_128": 32}
"""Length of a digest in hexadecimal digits."""

# Large enough for disks, small enough to be still in the core's cache when it is hashed.
_CHUNK = 1 << 20

# Of an object in a store: bytes of a request, and how many are underway.
_FETCHED = 8 << 20
_AHEAD = 2

# Files of this many bytes and more are begun first, so that none is left for one core at the end.
_LARGE = 1 << 28


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> object: ...
    def hexdigest(self) -> str: ...


@dataclass
class FileToHash:
    """A file, and what came of it.

    Attributes:
        path: where it is.
        name: its path relative to the folder that is hashed.
        size: bytes it had when it was found.
        read: bytes that were hashed.
        digest: in hexadecimal digits; empty where it could not be read.
        problem: why it could not be read; empty where it could.
    """

    path: str
    name: str
    size: int
    read: int = field(default=0, init=False)
    digest: str = field(default="", init=False)
    problem: str = field(default="", init=False)


def hash_files(
    files: Sequence[FileToHash],
    algorithm: Algorithm,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Hash files side by side, and note in each what came of it.

    Args:
        files: the files. Memory is bounded whatever their sizes. One that cannot be read does
            not keep the others from being hashed; one that grows or shrinks meanwhile is hashed
            as far as it goes.
        algorithm: what to compute.
        workers: how many files at a time; as many as there are cores if `None`.
        progress: told of bytes.
    """
    new_hash = _constructor(algorithm)
    tally = Tally(sum(file.size for file in files), progress)
    buffers: list[memoryview] = []  # that no thread uses now
    stopped = threading.Event()

    def work(file: FileToHash) -> None:
        try:
            buffer = buffers.pop()
        except IndexError:
            buffer = memoryview(bytearray(_CHUNK))
        try:
            _hash_file(file, new_hash(), buffer, tally, stopped)
        except OSError as error:
            file.digest, file.problem = "", error.strerror or str(error)
        except BaseException:
            stopped.set()
            raise
        buffers.append(buffer)

    try:
        for_each(work, sorted(files, key=lambda file: -(file.size // _LARGE)), workers)
    finally:
        # Ctrl-C need not wait for other threads to reach the end of their 20 GB.
        stopped.set()


def _constructor(algorithm: Algorithm) -> Callable[[], _Hash]:
    match algorithm:
        case "md5":
            return lambda: hashlib.md5(usedforsecurity=False)
        case "sha256":
            return hashlib.sha256
        case "xxh3_128":
            import xxhash

            return xxhash.xxh3_128


def _hash_file(
    file: FileToHash, state: _Hash, buffer: memoryview, tally: Tally, stopped: threading.Event
) -> None:
    if is_url(file.path):
        _hash_object(file, state, tally, stopped)
        return
    with open(file.path, "rb", buffering=0) as stream:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while (count := stream.readinto(buffer)) and not stopped.is_set():
            state.update(buffer[:count])
            file.read += count
            tally.add(count)
    file.digest = state.hexdigest()


def _hash_object(file: FileToHash, state: _Hash, tally: Tally, stopped: threading.Event) -> None:
    source = remote_storage().open(file.path)
    starts = range(0, source.size, _FETCHED)
    # The next piece is on its way while one is hashed.
    ahead = deque(source.begin(start, _FETCHED) for start in starts[:_AHEAD])
    for start in starts:
        data = ahead.popleft().result()
        if stopped.is_set():
            break
        if start + _AHEAD * _FETCHED < source.size:
            ahead.append(source.begin(start + _AHEAD * _FETCHED, _FETCHED))
        state.update(memoryview(data))
        file.read += len(data)
        tally.add(len(data))
    file.digest = state.hexdigest()
