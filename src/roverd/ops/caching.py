"""What is in a cache, and emptying it."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from roverd.errors import MissingFileError
from roverd.storage.cache.folder import CacheFolder
from roverd.storage.cache.settings import FOLDER_VARIABLE, cache_folder, cache_size


@dataclass
class CacheInfo:
    """What is in a cache.

    Attributes:
        path: its folder.
        limit: bytes that it may have, as far as this process was told.
        size: bytes that it has.
        blocks: files in it.
        oldest: when the block was last used that will go first, to the minute, in seconds since the
            epoch; `None` if there is none.
        newest: when any block was last used.
    """

    path: str
    limit: int
    size: int
    blocks: int
    oldest: float | None
    newest: float | None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain strings, numbers and dictionaries."""
        return asdict(self)


def cache_info(folder: str | os.PathLike[str] | None = None) -> CacheInfo:
    """Look at all files of a cache.

    Args:
        folder: of the cache; by default the one that is in use.

    Returns:
        What is in it.

    Raises:
        ValueError: none is in use, or `ROVERD_CACHE_SIZE` is no size.
        MissingFileError: there is no such folder.
    """
    path = _found(folder)
    size = blocks = 0
    oldest = newest = None
    for entry in CacheFolder(path).blocks():
        size += entry.size
        blocks += 1
        used = entry.used / 1e9
        oldest = used if oldest is None else min(oldest, used)
        newest = used if newest is None else max(newest, used)
    return CacheInfo(path, cache_size(), size, blocks, oldest, newest)


def clear_cache(folder: str | os.PathLike[str] | None = None) -> CacheInfo:
    """Remove all blocks from a cache. Programs may be using it. Other files there stay.

    Args:
        folder: of the cache; by default the one that is in use.

    Returns:
        What was in it.

    Raises:
        ValueError: none is in use, or `ROVERD_CACHE_SIZE` is no size.
        MissingFileError: there is no such folder.
        OSError: a block cannot be removed.
    """
    found = cache_info(folder)
    CacheFolder(found.path).clear()
    return found


def _found(folder: str | os.PathLike[str] | None) -> str:
    path = cache_folder() if folder is None else os.path.expanduser(folder)
    if path is None:
        raise ValueError(
            f"no cache is in use: name its folder (--cache), or set the environment variable "
            f"{FOLDER_VARIABLE}"
        )
    if not os.path.isdir(path):
        raise MissingFileError(f"{path}: expected the folder of a cache, found none")
    return path
