"""Walking the chunks of a RIFF file, without trusting any length of a list.

RIFF and LIST chunks hold other chunks; a recorder that is killed leaves their lengths 0, wrong or
0xFFFFFFFF. So the walk steps *into* the lists that can hold frames, whatever length they claim, and
*over* every other chunk. That makes it flat: no recursion, and no list length is ever used.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

ReadAt = Callable[[int, int], bytes]
"""`read_at(offset, size)` gives `size` bytes at `offset`, fewer only at the end of the file."""

CHUNK_HEADER = 8  # fourcc, length
LIST_HEADER = 12  # "LIST" or "RIFF", length, type of the list

# Enough for a LIST header and the chunk header behind it, little enough not to read frames.
_WALK_BLOCK = 64
_JPEG_START = b"\xff\xd8"


class Segment(NamedTuple):
    """One RIFF of the file and the `movi` list in it.

    Attributes:
        riff: file offset of the RIFF header, bytes.
        riff_size: the length that it claims, bytes; 0 or 0xFFFFFFFF while being written.
        movi: file offset of the LIST header of `movi`, bytes; 0 when there is none (yet).
        movi_size: the length that it claims, bytes.
    """

    riff: int
    riff_size: int
    movi: int = 0
    movi_size: int = 0


class Reader:
    """Small reads out of a file, in blocks, so that neighbours cost one call of `read_at`."""

    def __init__(self, read_at: ReadAt, size: int, block: int = _WALK_BLOCK) -> None:
        self._read_at = read_at
        self.size = size
        self._block = block
        self._start = 0
        self._bytes = b""

    def read(self, offset: int, count: int) -> bytes:
        """Give `count` bytes at `offset`, fewer at the end of the file."""
        begin = offset - self._start
        if begin < 0 or begin + count > len(self._bytes):
            wanted = min(max(count, self._block), self.size - offset)
            if wanted <= 0:
                return b""
            self._bytes = self._read_at(offset, wanted)
            self._start = offset
            begin = 0
        return self._bytes[begin : begin + count]


@dataclass(slots=True)
class Walk:
    """What a walk has found so far.

    Attributes:
        segments: every RIFF met, in file order.
        offsets: file offsets of the payloads of the frames found, bytes.
        sizes: lengths of those payloads, bytes.
    """

    segments: list[Segment]
    offsets: list[int] = field(default_factory=list[int])
    sizes: list[int] = field(default_factory=list[int])


def is_fourcc(name: bytes) -> bool:
    """Whether four bytes can name a chunk: printable ASCII."""
    return len(name) == 4 and name.isascii() and name.decode("ascii").isprintable()


def padded(size: int) -> int:
    """The bytes that a payload of `size` bytes occupies: chunks begin at even offsets."""
    return size + (size & 1)


def walk_chunks(
    reader: Reader, start: int, stop: int, names: tuple[bytes, ...], found: Walk
) -> int:
    """Walk the chunks from `start` on and add what is found to `found`.

    Args:
        reader: the file.
        start: file offset of a chunk header, bytes.
        stop: where to stop, bytes; a chunk that begins before it is still taken.
        names: fourccs of the frames that count.
        found: receives frames and segments.

    Returns:
        The offset at which the next chunk would begin: `stop` or more when all is sound, less where
        something torn or strange lies. May be 1 past the file when only a pad byte is missing.
    """
    size = reader.size
    position = start
    # Entries of an idx1 whose length is wrong look like small frames: `00dc`, flags 16.
    behind_idx1 = False
    while position < stop:
        head = reader.read(position, LIST_HEADER)
        if len(head) < CHUNK_HEADER:
            break
        name = head[:4]
        length = int.from_bytes(head[4:8], "little")
        behind = position + CHUNK_HEADER + length
        if name in names:
            if behind > size or behind_idx1:
                break
            found.offsets.append(position + CHUNK_HEADER)
            found.sizes.append(length)
        elif name in (b"RIFF", b"LIST") and _enters(name, head[8:], position, length, found):
            position += LIST_HEADER
            behind_idx1 = False
            continue
        elif name == b"RIFF" or not is_fourcc(name):
            # A writer that fills in the length of a chunk afterwards, killed before that: what
            # looks like a dropped frame is one of which the end is missing.
            if name[:2] == _JPEG_START and _last_is_empty_at(found, position):
                found.offsets.pop()
                found.sizes.pop()
                position -= CHUNK_HEADER
            break
        elif behind > size:
            break
        behind_idx1 |= name == b"idx1"
        position = behind + (length & 1)
    return position


def _enters(name: bytes, kind: bytes, position: int, length: int, found: Walk) -> bool:
    """Whether a list is one to step into; takes note of it."""
    if name == b"RIFF" and kind == b"AVIX":
        found.segments.append(Segment(position, length))
        return True
    if name == b"LIST" and kind == b"movi":
        if not found.segments[-1].movi:
            found.segments[-1] = found.segments[-1]._replace(movi=position, movi_size=length)
        return True
    return name == b"LIST" and kind == b"rec "


def _last_is_empty_at(found: Walk, position: int) -> bool:
    return bool(found.offsets) and found.sizes[-1] == 0 and found.offsets[-1] == position
