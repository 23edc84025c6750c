"""The indexes in an AVI file: `idx1` (AVI 1.0) and `indx`/`ix##` (OpenDML).

What they say is only a claim. It is read in pieces and each piece is looked at before the next, so
that a table said to have 10⁹ entries costs no more than its first implausible piece.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roverd.formats.avi.header import Header, Place
from roverd.formats.avi.riff import (
    CHUNK_HEADER,
    LIST_HEADER,
    Reader,
    Segment,
    is_fourcc,
    padded,
)

INDX_HEADER = 24  # of an OpenDML index, within its chunk
SUPER_ENTRY = 16
NOT_A_KEY_FRAME = 0x80000000

_IDX1 = np.dtype([("name", "<u4"), ("flags", "<u4"), ("offset", "<u4"), ("size", "<u4")])
_SUPER = np.dtype([("offset", "<u8"), ("size", "<u4"), ("frames", "<u4")])

_PIECE = 1 << 20
# A super index of this many entries is 1 TB of 16 MB segments; what is beyond gets walked.
_MOST_SUPER_ENTRIES = 1 << 16
# Chunks looked at between the end of `movi` and `idx1`.
_MOST_CHUNKS_BEFORE_IDX1 = 8


@dataclass(frozen=True, slots=True, eq=False)
class Extents:
    """Chunks that an index claims.

    Attributes:
        heads: file offsets of the chunk headers, bytes, int64 [n].
        sizes: lengths of the payloads, bytes, int64 [n].
        frames: which of them are frames of the video, bool [n].
    """

    heads: NDArray[np.int64]
    sizes: NDArray[np.int64]
    frames: NDArray[np.bool_]


class SuperEntry(NamedTuple):
    """One entry of an OpenDML super index.

    Attributes:
        place: the payload of the `ix##` chunk.
        frames: the frames in it, as the super index says.
    """

    place: Place
    frames: int


def join(parts: list[Extents]) -> Extents:
    """All extents in the order of the file."""
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Extents(nothing, nothing, np.zeros(0, np.bool_))
    heads = np.concatenate([part.heads for part in parts])
    sizes = np.concatenate([part.sizes for part in parts])
    frames = np.concatenate([part.frames for part in parts])
    if np.any(heads[1:] < heads[:-1]):
        order = np.argsort(heads, kind="stable")
        heads, sizes, frames = heads[order], sizes[order], frames[order]
    return Extents(heads, sizes, frames)


def _pieces(reader: Reader, offset: int, count: int, dtype: np.dtype[Any]) -> Iterator[Any]:
    """`count` entries at `offset`, as arrays of at most 1 MiB; ends early where the file does."""
    step = _PIECE // dtype.itemsize
    while count > 0:
        data = reader.read(offset, min(count, step) * dtype.itemsize)
        entries = np.frombuffer(data, dtype, len(data) // dtype.itemsize)
        if not len(entries):
            return
        yield entries
        offset += len(entries) * dtype.itemsize
        count -= len(entries)


# ── AVI 1.0 ──────────────────────────────────────────────────────────────────────────────────────


def find_idx1(reader: Reader, segment: Segment) -> Place:
    """Look for `idx1` behind the `movi` list; an empty place when there is none."""
    position = segment.movi + CHUNK_HEADER + padded(segment.movi_size)
    for _ in range(_MOST_CHUNKS_BEFORE_IDX1):
        head = reader.read(position, CHUNK_HEADER)
        if len(head) < CHUNK_HEADER or not is_fourcc(head[:4]) or head[:4] == b"RIFF":
            break
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"idx1":
            return Place(position + CHUNK_HEADER, length)
        position += CHUNK_HEADER + padded(length)
    return Place()


def read_idx1(reader: Reader, header: Header) -> Extents:
    """The chunks that `idx1` claims; none where it is missing or makes no sense."""
    place = find_idx1(reader, header.segment)
    names: list[NDArray[np.uint32]] = []
    offsets: list[NDArray[np.int64]] = []
    sizes: list[NDArray[np.int64]] = []
    for entries in _pieces(reader, place.offset, place.size // _IDX1.itemsize, _IDX1):
        sound = _is_idx1_name(entries["name"])
        count = len(entries) if sound.all() else int(np.argmin(sound))
        names.append(entries["name"][:count])
        offsets.append(entries["offset"][:count].astype(np.int64))
        sizes.append(entries["size"][:count].astype(np.int64))
        if count < len(entries):
            break
    if not names:
        return join([])
    name, offset, size = np.concatenate(names), np.concatenate(offsets), np.concatenate(sizes)
    wanted = [int.from_bytes(fourcc, "little") for fourcc in header.names]
    frames = (name == wanted[0]) | (name == wanted[1])
    # Entries of other streams spare a walk over their chunks. Those of streams that do not exist
    # are either lists ("rec ") or lies.
    stream = ((name & 0xFF) - 48) * 10 + ((name >> 8) & 0xFF) - 48
    taken = frames | ((stream < len(header.streams)) & (stream != header.number))
    base = _idx1_base(reader, header, name[frames], offset[frames], size[frames])
    if base is None:
        return join([])
    return join([Extents(offset[taken] + base, size[taken], frames[taken])])


def _is_idx1_name(name: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether entries are named like chunks: two digits and two letters, or a `rec ` list."""
    digits = ((name & 0xFF) - 48 < 10) & (((name >> 8) & 0xFF) - 48 < 10)
    return digits | (name == int.from_bytes(b"rec ", "little"))


def _idx1_base(
    reader: Reader,
    header: Header,
    names: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> int | None:
    """What offsets in `idx1` count from: the word `movi`, or the start of the file.

    Found out by looking at the first, middle and last frame: one of them must be there.
    """
    for i in sorted({0, len(names) // 2, len(names) - 1} if len(names) else ()):
        head = int(names[i]).to_bytes(4, "little") + int(sizes[i]).to_bytes(4, "little")
        for base in (header.segment.movi + CHUNK_HEADER, 0, header.start):
            if reader.read(base + int(offsets[i]), CHUNK_HEADER) == head:
                return base
    return None


# ── OpenDML ──────────────────────────────────────────────────────────────────────────────────────


def read_opendml(reader: Reader, header: Header) -> Extents:
    """The chunks that the OpenDML indexes claim; none where there are none for the video."""
    parts: list[Extents] = []
    for number, stream in enumerate(header.streams):
        if not stream.indx:
            continue
        own = number == header.number
        head = reader.read(stream.indx.offset, INDX_HEADER)
        if _is_standard(head):  # a single index, in the header
            parts += _read_standard(reader, stream.indx, own)
            continue
        for entry in read_super_index(reader, stream.indx):
            parts.append(_extent_of(entry.place))
            parts += _read_standard(reader, entry.place, own)
    joined = join(parts)
    return joined if joined.frames.any() else join([])


def read_super_index(reader: Reader, place: Place) -> Iterator[SuperEntry]:
    """Go through a super index: the standard indexes that are in the file and do not overlap.

    Args:
        reader: the file. A standard index of usual size is in its buffer when it is yielded.
        place: the `indx` chunk.
    """
    head = reader.read(place.offset, INDX_HEADER)
    if len(head) < INDX_HEADER or place.size < INDX_HEADER or head[:4] != b"\x04\x00\x00\x00":
        return
    room = (place.size - INDX_HEADER) // SUPER_ENTRY
    count = min(int.from_bytes(head[4:8], "little"), room, _MOST_SUPER_ENTRIES)
    end = 0
    for entries in _pieces(reader, place.offset + INDX_HEADER, count, _SUPER):
        for offset, size, frames in np.sort(entries[entries["offset"] < reader.size]).tolist():
            # Each byte of the file belongs to one index at most: no cycles, no quadratic work.
            if offset < end:
                continue
            reader.read(offset, min(size, _PIECE))
            index = _standard_index_at(reader, offset)
            if index:
                end = index.offset + index.size
                yield SuperEntry(index, frames)


def _standard_index_at(reader: Reader, offset: int) -> Place:
    """The payload of the `ix##` chunk at `offset`; an empty place when there is none."""
    head = reader.read(offset, CHUNK_HEADER + INDX_HEADER)
    size = int.from_bytes(head[4:8], "little")
    sound = head[:2] == b"ix" and _is_standard(head[CHUNK_HEADER:])
    if not sound or offset + CHUNK_HEADER + size > reader.size:
        return Place()
    return Place(offset + CHUNK_HEADER, size)


def _is_standard(head: bytes) -> bool:
    """Whether this begins an index of chunks (2 words per entry) or of fields (3 words)."""
    return len(head) == INDX_HEADER and head[:4] in (b"\x02\x00\x00\x01", b"\x03\x00\x01\x01")


def _extent_of(place: Place) -> Extents:
    """An index chunk itself: nobody needs to walk over it."""
    return Extents(
        np.array([place.offset - CHUNK_HEADER], np.int64),
        np.array([place.size], np.int64),
        np.zeros(1, np.bool_),
    )


def _read_standard(reader: Reader, place: Place, own: bool) -> list[Extents]:
    """The chunks that a standard index claims, up to the first that is out of order."""
    head = reader.read(place.offset, INDX_HEADER)
    words = head[0]
    room = (place.size - INDX_HEADER) // (4 * words)
    count = min(int.from_bytes(head[4:8], "little"), room)
    base = int.from_bytes(head[12:20], "little") - CHUNK_HEADER
    parts: list[Extents] = []
    behind = LIST_HEADER
    dtype = np.dtype(("<u4", (words,)))
    if base > reader.size:
        return parts
    for entries in _pieces(reader, place.offset + INDX_HEADER, count, dtype):
        heads = entries[:, 0].astype(np.int64) + base
        sizes = (entries[:, 1] & (NOT_A_KEY_FRAME - 1)).astype(np.int64)
        least = np.concatenate([[behind], heads[:-1] + CHUNK_HEADER + sizes[:-1]])
        sound = (heads >= least) & (heads < reader.size)
        end = len(heads) if sound.all() else int(np.argmin(sound))
        parts.append(Extents(heads[:end], sizes[:end], np.full(end, own)))
        if end < len(heads):
            break
        behind = int(heads[-1] + CHUNK_HEADER + sizes[-1])
    return parts
