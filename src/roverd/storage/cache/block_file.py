"""One block of an object in a file, with check sums by which a file that is not it is noticed.

A file is a head, then the block's bytes. All numbers are little-endian.

| bytes | |
|---|---|
| 8 | what kind of file this is |
| 16 | digest of the object that it is a block of |
| 8 | number of the block |
| 8 | bytes of the block |
| 8 for each page of 32 KiB | XXH3 of the page |
| 8 | XXH3 of the head so far |

Pages, so that reading a part of a block costs about as much as the part.
"""

import functools
import os
import struct

import xxhash

from roverd.storage.cache.names import DIGEST_SIZE, BlockName

_MAGIC = b"roverd\x01\n"
_PAGE = 32 << 10
_SUM_SIZE = 8
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


class DamagedBlockError(Exception):
    """A file is not the block that its name says."""


def head_of(name: BlockName, block: memoryview) -> bytes:
    """What comes before a block's bytes in its file."""
    sums = [
        xxhash.xxh3_64_intdigest(block[begin : begin + _PAGE])
        for begin in range(0, len(block), _PAGE)
    ]
    head = _head(len(block)).pack(_MAGIC, *name, len(block), *sums, 0)[:-_SUM_SIZE]
    return head + xxhash.xxh3_64_intdigest(head).to_bytes(_SUM_SIZE, "little")


def file_size(length: int) -> int:
    """Bytes of the file of a block of so many bytes."""
    return _head(length).size + length


def read_part(path: str, name: BlockName, length: int, begin: int, end: int) -> tuple[bytes, float]:
    """Bytes of a block.

    Args:
        path: its file.
        name: of the block.
        length: bytes of the block.
        begin: first of the bytes that are wanted.
        end: behind the last of them; more than `begin`.

    Returns:
        The bytes, and when the file was last modified, in seconds since the epoch.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read.
        DamagedBlockError: it is not that block.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        stat = os.fstat(descriptor)
        if stat.st_size != file_size(length):
            raise DamagedBlockError
        sums = _read_sums(descriptor, name, length)
        first = begin - begin % _PAGE
        last = min(length, end + -end % _PAGE)
        if first:
            os.lseek(descriptor, first, os.SEEK_CUR)
        before = os.read(descriptor, begin - first) if begin > first else b""
        wanted = os.read(descriptor, end - begin)
        after = os.read(descriptor, last - end) if last > end else b""
    finally:
        os.close(descriptor)
    if (len(before), len(wanted), len(after)) != (begin - first, end - begin, last - end):
        raise DamagedBlockError
    _compare(before, wanted, after, sums[first // _PAGE :])
    return wanted, stat.st_mtime


@functools.lru_cache(256)
def _head(length: int) -> struct.Struct:
    """The head of a block of so many bytes."""
    return struct.Struct(f"<8s{DIGEST_SIZE}sQQ{-(-length // _PAGE)}QQ")


def _read_sums(descriptor: int, name: BlockName, length: int) -> tuple[int, ...]:
    """Check sums of all pages; the position is behind the head afterwards."""
    layout = _head(length)
    head = os.read(descriptor, layout.size)
    if len(head) != layout.size:
        raise DamagedBlockError
    magic, digest, number, size, *sums, own = layout.unpack(head)
    if (magic, (digest, number), size) != (_MAGIC, name, length):
        raise DamagedBlockError
    if xxhash.xxh3_64_intdigest(head[:-_SUM_SIZE]) != own:
        raise DamagedBlockError
    return tuple(sums)


def _compare(before: bytes, wanted: bytes, after: bytes, sums: tuple[int, ...]) -> None:
    """Raise `DamagedBlockError` unless the pages that these bytes make up have these sums."""
    view = memoryview(wanted)
    place = -len(before)
    for expected in sums:
        if place >= len(wanted):
            return
        following = place + _PAGE
        if place >= 0 and (following <= len(wanted) or not after):
            found = xxhash.xxh3_64_intdigest(view[place:following])
        else:
            page = xxhash.xxh3_64(before if place < 0 else b"")
            page.update(view[max(0, place) : following])
            if following > len(wanted):
                page.update(after)
            found = page.intdigest()
        if found != expected:
            raise DamagedBlockError
        place = following
