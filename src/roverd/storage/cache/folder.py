"""The folder of a cache: where things are in it, and what of it is ours."""

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from roverd.storage.cache.block_file import head_of
from roverd.storage.cache.names import DIGEST_SIZE, BlockName

_BLOCKS = "blocks"
_TEMPORARY = "tmp"
_TAG = "CACHEDIR.TAG"
# Backup programs look for this: https://bford.info/cachedir/
_TAG_TEXT = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# A cache of roverd. All of it may be removed at any time.\n"
)
_SHELF = re.compile("[0-9a-f]{2}")
_BLOCK = re.compile(f"[0-9a-f]{{{2 * DIGEST_SIZE}}}-[0-9]+")
_WRITTEN = re.compile(r"[0-9]+-[0-9a-f]{16}")
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

_OLD = 600.0  # seconds; writing a block takes milliseconds


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the cache.

    Attributes:
        path: where it is.
        size: bytes.
        used: when it was last used, in nanoseconds since the epoch.
    """

    path: str
    size: int
    used: int


class CacheFolder:
    """The files of a cache. Nothing in the folder that has not one of our names is touched.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.usage = os.path.join(path, "usage")
        self.lock = os.path.join(path, "evicting")
        self._blocks = os.path.join(path, _BLOCKS)
        self._temporary = os.path.join(path, _TEMPORARY)

    def block_path(self, name: BlockName) -> str:
        """The file of a block."""
        digest, number = name
        return f"{self._blocks}/{(digest[0] + number) & 255:02x}/{digest.hex()}-{number}"

    def prepare(self) -> None:
        """Make the folder and what is in it, where missing. Others may not look into it."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        os.makedirs(self._temporary, exist_ok=True)
        os.makedirs(self._blocks, exist_ok=True)
        tag = os.path.join(self.path, _TAG)
        with contextlib.suppress(FileExistsError), open(tag, "xb") as file:
            file.write(_TAG_TEXT)

    def write_temporary(self, name: BlockName, block: memoryview) -> str:
        """Write the file of a block under a name of its own; returns that.

        Raises:
            OSError: it could not be written, and nothing is left of it.
        """
        path = os.path.join(self._temporary, f"{os.getpid()}-{secrets.token_hex(8)}")
        descriptor = os.open(path, _WRITE_FLAGS, 0o666)
        try:
            try:
                for part in (memoryview(head_of(name, block)), block):
                    done = 0
                    while done < len(part):
                        done += os.write(descriptor, part[done:])
            finally:
                os.close(descriptor)
        except BaseException:
            remove(path)
            raise
        return path

    def publish(self, temporary: str, name: BlockName) -> None:
        """Give a file that was written the name of its block."""
        path = self.block_path(name)
        try:
            os.replace(temporary, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(temporary, path)

    def blocks(self) -> Iterator[Entry]:
        """All blocks, in no order."""
        for shelf in _names(self._blocks, _SHELF):
            yield from _entries(os.path.join(self._blocks, shelf), _BLOCK)

    def temporaries(self) -> Iterator[Entry]:
        """What is being written, and what programs left behind that died."""
        return _entries(self._temporary, _WRITTEN)

    def clean(self) -> int:
        """Remove what programs left behind that died; returns the bytes of what stays."""
        now = time.time_ns()
        kept = 0
        for entry in self.temporaries():
            # The clock may have been set back.
            if abs(now - entry.used) < _OLD * 1e9 or not remove(entry.path):
                kept += entry.size
        return kept

    def clear(self) -> None:
        """Remove all blocks, and what is being written.

        Raises:
            OSError: some of it cannot be removed.
        """
        for entry in (*self.temporaries(), *self.blocks()):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.path)
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.usage, 0)


def remove(path: str) -> bool:
    """Remove a file; returns whether it is gone."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _names(folder: str, pattern: re.Pattern[str]) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if pattern.fullmatch(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _entries(folder: str, pattern: re.Pattern[str]) -> Iterator[Entry]:
    try:
        scan = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with scan:
        for entry in scan:
            if not pattern.fullmatch(entry.name):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # somebody else was faster
            if stat.S_ISREG(found.st_mode):
                yield Entry(entry.path, found.st_size, found.st_mtime_ns)
