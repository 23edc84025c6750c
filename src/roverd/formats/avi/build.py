"""The bytes of an AVI file: header, chunks, indexes. Pure functions."""

import struct
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from roverd.formats.avi.riff import CHUNK_HEADER, LIST_HEADER
from roverd.formats.avi.tables import INDX_HEADER, SUPER_ENTRY

FLAG_HAS_INDEX = 0x10
_FLAGS = 0x100 | 0x800  # interleaved; chunk types can be trusted
IDX1_ENTRY = 16
STANDARD_ENTRY = 8
# 1 TiB in segments of 1 GiB. Segments past that are found by walking.
SUPER_ROOM = 1024
_BIT_DEPTH = 24
_DMLH_SIZE = 248
_KEY_FRAME = 0x10


def chunk(name: bytes, payload: bytes) -> bytes:
    """A chunk, padded to an even length."""
    return b"".join(
        (name, struct.pack("<I", len(payload)), payload, b"\0" if len(payload) & 1 else b"")
    )


def _list(kind: bytes, *chunks: bytes) -> bytes:
    return chunk(b"LIST", b"".join((kind, *chunks)))


def file_header(width: int, height: int, rate: Fraction, fourcc: bytes) -> bytes:
    """The file up to its first frame; lengths of RIFF and `movi`, and all counts, are 0.

    Args:
        width: pixels.
        height: pixels.
        rate: frames per second.
        fourcc: codec, 4 bytes.
    """
    avih = struct.pack(
        "<14I",
        min(round(1_000_000 / rate), 0xFFFFFFFF),
        *(0, 0, _FLAGS),
        *(0, 0, 1),  # frames, initial frames, streams
        *(0, width, height),
        *(0, 0, 0, 0),
    )
    strh = struct.pack(
        "<4s4sIHHIIIIIIII4H",
        *(b"vids", fourcc),
        *(0, 0, 0, 0),
        *(rate.denominator, rate.numerator, 0, 0),  # scale, rate, start, frames
        *(0, 0xFFFFFFFF, 0),  # largest frame, quality, sample size
        *(0, 0, width, height),
    )
    strf = struct.pack(
        "<IiiHH4s5I",
        *(40, width, height, 1, _BIT_DEPTH, fourcc),
        *(min(width * height * _BIT_DEPTH // 8, 0xFFFFFFFF), 0, 0, 0, 0),
    )
    indx = super_index_header() + bytes(SUPER_ROOM * SUPER_ENTRY)
    strl = _list(b"strl", chunk(b"strh", strh), chunk(b"strf", strf), chunk(b"indx", indx))
    odml = _list(b"odml", chunk(b"dmlh", bytes(_DMLH_SIZE)))
    hdrl = _list(b"hdrl", chunk(b"avih", avih), strl, odml)
    return riff_header(b"AVI ", hdrl)


def riff_header(kind: bytes, inner: bytes = b"") -> bytes:
    """The start of a RIFF, `inner`, and the start of its `movi` list; both lengths are 0."""
    return b"".join((b"RIFF\0\0\0\0", kind, inner, b"LIST\0\0\0\0movi"))


def super_index_header() -> bytes:
    """The head of the payload of an OpenDML super index without entries."""
    return struct.pack("<HBBI4s12x", 4, 0, 0, 0, b"00dc")


def super_entry(offset: int, size: int, frames: int) -> bytes:
    """An entry of a super index: `ix00` chunk at `offset`, `size` bytes with its header."""
    return struct.pack("<QII", offset, size, frames)


def standard_index(base: int, heads: Sequence[int], sizes: Sequence[int]) -> bytes:
    """The `ix00` chunk of one segment.

    Args:
        base: file offset that entries count from, bytes.
        heads: file offsets of the chunk headers, bytes [n].
        sizes: lengths of the payloads, bytes [n].
    """
    head = struct.pack("<HBBI4sQ4x", 2, 0, 1, len(heads), b"00dc", base)
    entries = np.empty((len(heads), 2), "<u4")
    entries[:, 0] = np.asarray(heads, np.int64) + (CHUNK_HEADER - base)
    entries[:, 1] = sizes
    return chunk(b"ix00", head + entries.tobytes())


def first_index(movi: int, heads: Sequence[int], sizes: Sequence[int]) -> bytes:
    """The `idx1` chunk.

    Args:
        movi: file offset of the LIST header of `movi`, bytes.
        heads: file offsets of the chunk headers, bytes [n].
        sizes: lengths of the payloads, bytes [n].
    """
    entries = np.empty((len(heads), 4), "<u4")
    entries[:, 0] = int.from_bytes(b"00dc", "little")
    entries[:, 1] = _KEY_FRAME
    entries[:, 2] = np.asarray(heads, np.int64) - (movi + CHUNK_HEADER)
    entries[:, 3] = sizes
    return chunk(b"idx1", entries.tobytes())


def index_bytes(frames: int, *, first: bool) -> int:
    """How long the indexes of a segment get, bytes: `ix00`, and `idx1` in the first RIFF."""
    standard = CHUNK_HEADER + INDX_HEADER + frames * STANDARD_ENTRY
    return standard + (CHUNK_HEADER + frames * IDX1_ENTRY if first else 0)


AVIX_HEADER_SIZE = 2 * LIST_HEADER
