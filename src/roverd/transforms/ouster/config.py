"""Intrinsics by the path of their file."""

import hashlib
import os
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from roverd.errors import MetadataError, MissingFileError
from roverd.storage import File, storage_for
from roverd.transforms.ouster.geometry import Geometry
from roverd.transforms.ouster.intrinsics import LidarIntrinsics

_LARGEST_FILE = 16 << 20  # bytes; real ones have up to 20 kB
_MOST_PATHS = 1 << 16

# File systems stamp changes with a clock that stands still for some milliseconds: a file that
# changes twice within that time can look the same after both.
_CLOCK_TICK = 0.1  # seconds


@dataclass(frozen=True)
class _Seen:
    """What was found under a path.

    Attributes:
        version: of the file.
        since: when this version was first seen, on the monotonic clock.
        settled: read so much later that any further change gives another version.
        key: digest of the content.
    """

    version: Hashable
    since: float
    settled: bool
    key: bytes


class ConfigCache:
    """Intrinsics by the path of their `lidar.json`, each read once.

    `cache[path]` and `cache(path)` are the same. A file that has changed is noticed by its size and
    time of change, and read again. Files of the same content share one `LidarIntrinsics`, and the
    tables that are computed from it. One cache may serve several transforms, and several threads.
    Pickled, it is empty: whoever gets it reads the files again.

    Args:
        size: how many different intrinsics are kept. The tables of one take 3 MB for 128 × 2048
            pixels.
    """

    def __init__(self, size: int = 16) -> None:
        if size < 1:
            raise ValueError(f"size: expected at least 1, got {size}")
        self._size = size
        # Threads change these without a lock: each step by itself leaves them whole, and at worst
        # something is computed twice. A lock that another thread holds at a fork stays locked.
        self._seen: dict[str, _Seen] = {}
        self._contents: dict[bytes, Geometry] = {}

    def __getitem__(self, path: str | os.PathLike[str]) -> LidarIntrinsics:
        """The intrinsics in a file.

        Args:
            path: of `lidar.json`.

        Raises:
            MissingFileError: a `FileNotFoundError`: there is no such file.
            MetadataError: a `ValueError`: it is not the metadata of an Ouster sensor; see
                `LidarIntrinsics.from_json`.
        """
        return self.geometry(path).intrinsics

    __call__ = __getitem__

    # Else Python would take this for a sequence.
    __iter__: Iterator[Any] | None = None

    def geometry(self, path: str | os.PathLike[str]) -> Geometry:
        """The intrinsics in a file, with the tables computed from them.

        Args:
            path: of `lidar.json`.

        Raises:
            MissingFileError: a `FileNotFoundError`: there is no such file.
            MetadataError: a `ValueError`: it is not the metadata of an Ouster sensor, or `path` is
                empty, which is what lidars without a `lidar.json` have for a path.
        """
        path = os.fspath(path)
        if not path:
            raise MetadataError(
                "sample.intrinsics is empty: there is no lidar.json in the lidar's folder; put the "
                "sensor's metadata there"
            )
        now = time.monotonic()
        try:
            file = storage_for(path).open(path, keep=False)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingFileError(
                f"{path}: no such file; expected the metadata JSON of an Ouster sensor"
            ) from None
        seen = self._seen.get(path)
        if seen is not None and seen.version != file.version:
            seen = None
        if seen is not None and seen.settled:
            geometry = self._contents.get(seen.key)
            if geometry is not None:
                return geometry
        return self._read(path, file, now, now if seen is None else seen.since)

    def _read(self, path: str, file: File, now: float, since: float) -> Geometry:
        if file.size > _LARGEST_FILE:
            raise MetadataError(
                f"{path}: expected the metadata JSON of an Ouster sensor, some kilobytes; got "
                f"{file.size} bytes"
            )
        text = file.read(0, file.size)
        key = hashlib.blake2b(text, digest_size=16).digest()
        geometry = self._contents.get(key)
        if geometry is None:
            try:
                intrinsics = LidarIntrinsics.from_json(text)
            except MetadataError as error:
                raise MetadataError(f"{path}: {error}") from error
            _make_room(self._contents, self._size)
            geometry = self._contents.setdefault(key, Geometry(intrinsics))
        _make_room(self._seen, _MOST_PATHS)
        self._seen[path] = _Seen(file.version, since, now - since > _CLOCK_TICK, key)
        return geometry

    def __getstate__(self) -> dict[str, Any]:
        return {"size": self._size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["size"])


def _make_room(entries: dict[Any, Any], size: int) -> None:
    """Drop the oldest entries until there is room for another."""
    # A copy of the keys is taken in one step, whatever other threads do.
    if len(entries) >= size:
        for key in list(entries)[: len(entries) - size + 1]:
            entries.pop(key, None)
