"""Which cache this process uses: what the environment says, so that its children do the same."""

import os

from roverd.storage.cache.block_cache import BlockCache
from roverd.storage.cache.sizes import parse_size

FOLDER_VARIABLE = "ROVERD_CACHE"
SIZE_VARIABLE = "ROVERD_CACHE_SIZE"
DEFAULT_SIZE = "20GB"
_OFF = "off"

_active: tuple[tuple[str, str], BlockCache | None] = (("", ""), None)


def cache(folder: str | os.PathLike[str] | None, size: int | str | None = None) -> None:
    """Keep what is read from URLs in a folder, so that it is fetched once only.

    It holds for this process, and for those that it starts from now on: the environment variables
    `ROVERD_CACHE` and `ROVERD_CACHE_SIZE` are set, which do the same for a program that does not
    call this. Any number of processes may use a folder at a time.

    Args:
        folder: where to keep it, made when needed; `~` is one's home. `None` or `"off"` switches
            the cache off.
        size: bytes that the files in it may have: a number, or text such as `"200GB"` or
            `"1.5TiB"`. What was not used for the longest time is removed. By default, what
            `ROVERD_CACHE_SIZE` says, and without that 20 GB.

    Raises:
        ValueError: `size` is none.
    """
    count = cache_size() if size is None else parse_size(size)
    text = "" if folder is None else os.fspath(folder)
    os.environ[SIZE_VARIABLE] = str(count)
    os.environ[FOLDER_VARIABLE] = _OFF if text in ("", _OFF) else _absolute(text)


def active_cache() -> BlockCache | None:
    """The cache that is to be used, if any.

    Raises:
        ValueError: `ROVERD_CACHE_SIZE` is no size.
    """
    global _active
    said = (os.environ.get(FOLDER_VARIABLE, ""), os.environ.get(SIZE_VARIABLE, ""))
    made, found = _active
    if said == made:
        return found
    folder = cache_folder()
    found = None if folder is None else BlockCache(folder, cache_size())
    _active = (said, found)
    return found


def cache_folder() -> str | None:
    """The folder of the cache that is to be used, if any."""
    text = os.environ.get(FOLDER_VARIABLE, "")
    return None if text in ("", _OFF) else _absolute(text)


def cache_size() -> int:
    """Bytes that a cache may have for which nothing else was said.

    Raises:
        ValueError: `ROVERD_CACHE_SIZE` is no size.
    """
    try:
        return parse_size(os.environ.get(SIZE_VARIABLE) or DEFAULT_SIZE)
    except ValueError as error:
        raise ValueError(f"environment variable {SIZE_VARIABLE}: {error}") from None


def _absolute(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))
