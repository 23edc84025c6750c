"""The .xz container: compressing, decompressing, and finding streams without decompressing.

After "The .xz File Format", version 1.2.1 (tukaani.org). Section numbers below are that text's.
The LZMA2 chunk headers, which that text does not describe, are as in liblzma's `lzma2_decoder.c`.
"""

import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.errors import CorruptFileError

try:
    # By name, which loads them now: loaded at first use by a thread, they would take a lock into
    # children that are forked meanwhile.
    from imagecodecs import LzmaError, lzma_decode, lzma_encode
except ImportError:  # a platform without its wheels: the standard library is slower, and enough
    LzmaError, lzma_decode, lzma_encode = lzma.LZMAError, None, None

ReadAt = Callable[[int, int], bytes]
"""(offset, size) → `size` bytes from there, fewer only at the end of the file."""

MAGIC = b"\xfd7zXZ\x00"
FOOTER_MAGIC = b"YZ"
HEADER_SIZE = 12
FOOTER_SIZE = 12

# Bytes of the check after each block, by check ID (section 2.1.1.2).
_CHECK_SIZES = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)

_PADDING_PIECE = 64 << 10

# One LZMA symbol stands for at most 273 bytes and costs at least 0.3 bits, so that nothing
# shrinks more than about 7,100-fold. An index that claims more than this lies.
MAX_RATIO = 8192


def encode(data: bytes, preset: int = 6) -> bytes:
    """Compress `data` to one .xz stream, at liblzma's preset 0 (fast) to 9 (small)."""
    if lzma_encode is None:
        return lzma.compress(data, preset=preset)
    return bytes(lzma_encode(data, preset))


def decode_into(data: bytes, out: NDArray[Any]) -> None:
    """Decompress one .xz stream, which holds exactly the bytes of `out` (C-contiguous).

    Raises:
        CorruptFileError: it holds more or fewer bytes, is damaged, or lacks its end.
    """
    expected = out.nbytes
    if lzma_decode is None:
        decoded = _decode_with_lzma(data, expected)
    else:
        # imagecodecs returns what it has when the buffer is full or the stream ends early, its
        # check unread. One byte of room more than the frame makes it read on to the end, and
        # the structure check finds a stream that stops short of it.
        _check_is_one_stream(data)
        scratch = np.empty(expected + 1, np.uint8)
        try:
            decoded = memoryview(lzma_decode(data, out=scratch.data))
        except LzmaError as error:
            raise CorruptFileError(f"damaged xz stream ({error})") from error
    if len(decoded) != expected:
        more = "more than " if len(decoded) > expected else ""
        raise CorruptFileError(
            f"xz stream holds {more}{min(len(decoded), expected)} bytes, expected {expected}"
        )
    out.reshape(-1).view(np.uint8)[:] = decoded


def _decode_with_lzma(data: bytes, expected: int) -> memoryview:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        decoded = decoder.decompress(data, expected + 1)
    except lzma.LZMAError as error:
        raise CorruptFileError(f"damaged xz stream ({error})") from error
    if len(decoded) <= expected and (not decoder.eof or decoder.unused_data):
        raise CorruptFileError("bytes are not one whole xz stream")
    return memoryview(decoded)


def _check_is_one_stream(data: bytes) -> None:
    stream = stream_ending_at(lambda offset, size: data[offset : offset + size], len(data))
    if stream is None or stream.offset != 0:
        raise CorruptFileError(
            f"{len(data)} bytes are not one whole xz stream: expected one that begins with "
            f"{MAGIC.hex()} and ends with an index of that size and {FOOTER_MAGIC!r}, found "
            f"{data[:6].hex()} … {data[-2:].hex()}"
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """An .xz stream in a file.

    Attributes:
        offset: where it begins.
        size: its bytes in the file, in a sound file with the padding after it; for a stream that
            was cut off, the bytes up to the end of its last whole LZMA2 chunk.
        content: bytes it decompresses to, as its headers say.
        whole: whether its end is there.
    """

    offset: int
    size: int
    content: int
    whole: bool

    @property
    def end(self) -> int:
        """Offset of what follows the stream."""
        return self.offset + self.size


class _TornError(Exception):
    """The file ends inside what was being read."""


class _Cursor:
    """Reads forward through a file.

    Args:
        read_at: reads the file.
        offset: where to begin.
        end: where to stop.
        ahead: bytes to read at a time. Headers lie up to 64 KiB apart: reading far ahead would
            mostly read what is skipped.
    """

    def __init__(self, read_at: ReadAt, offset: int, end: int, ahead: int = 64) -> None:
        self._read_at = read_at
        self._end = end
        self._ahead = ahead
        self._buffer = b""
        self._start = offset
        self.offset = offset

    @property
    def left(self) -> int:
        """Bytes up to where it stops."""
        return self._end - self.offset

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        begin = self.offset - self._start
        if begin < 0 or begin + size > len(self._buffer):
            if self.offset + size > self._end:
                raise _TornError
            self._start, begin = self.offset, 0
            size_ahead = min(max(size, self._ahead), self._end - self.offset)
            self._buffer = self._read_at(self.offset, size_ahead)
            if len(self._buffer) < size:
                raise _TornError
        self.offset += size
        return self._buffer[begin : begin + size]

    def skip(self, size: int) -> None:
        """Pass over `size` bytes, which must be there."""
        if self.offset + size > self._end:
            raise _TornError
        self.offset += size

    def skip_padding(self) -> bool:
        """Pass over zeros, four at a time; whether anything follows them."""
        while self.offset < self._end:
            if self.take(4) != b"\0\0\0\0":
                self.offset -= 4
                return True
            zeros = self._end - self.offset
            piece = self._read_at(self.offset, min(_PADDING_PIECE, zeros))
            self.offset += (len(piece) - len(piece.lstrip(b"\0"))) // 4 * 4
        return False

    def take_number(self) -> int:
        """A variable-length integer (section 1.2)."""
        value = 0
        for shift in range(0, 63, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise CorruptFileError("xz: a variable-length integer is longer than 9 bytes")


def walk(read_at: ReadAt, start: int, end: int) -> Iterator[Stream]:
    """Find the streams between two offsets from their headers alone, decompressing nothing.

    Stops behind the last whole stream, or with the one that ends the sound part (`whole=False`):
    the file ends in it, or damage begins there.

    Args:
        read_at: reads the file.
        start: where a stream begins.
        end: where the file ends.

    Yields:
        The streams, in order.

    Raises:
        CorruptFileError: no stream begins there. Streams before it were yielded.
    """
    offset = start
    while offset < end:
        cursor = _Cursor(read_at, offset, end)
        progress = _Progress(offset, offset)
        try:
            whole = _walk_stream(cursor, progress)
        except (_TornError, CorruptFileError) as error:
            if isinstance(error, CorruptFileError) and progress.end == offset:
                raise
            begin = progress.begin
            yield Stream(begin, progress.end - begin, progress.content, whole=False)
            return
        if not whole:
            return  # only padding was left
        begin = progress.begin
        yield Stream(begin, cursor.offset - begin, progress.content, whole=True)
        offset = cursor.offset


@dataclass(slots=True)
class _Progress:
    """Where a stream begins, behind padding, and how far its whole chunks reach."""

    begin: int
    end: int
    content: int = 0


def _walk_stream(cursor: _Cursor, progress: _Progress) -> bool:
    """Pass one stream and the padding before it; whether there was one."""
    if not cursor.skip_padding():
        return False
    begin = cursor.offset
    header = cursor.take(HEADER_SIZE)
    if header[:6] != MAGIC or header[6] != 0:
        raise CorruptFileError(
            f"at byte {cursor.offset - HEADER_SIZE}: expected an xz stream ({MAGIC.hex()}), "
            f"found {header[:6].hex()}"
        )
    check_size = _CHECK_SIZES[header[7] & 0x0F]
    progress.begin, progress.end = begin, cursor.offset
    blocks = 0
    while (size_byte := cursor.take(1)[0]) != 0:
        blocks += 1
        # The rest of the block header (section 3.1) says nothing that the chunks don't.
        cursor.skip((size_byte + 1) * 4 - 1)
        begin = cursor.offset
        _walk_chunks(cursor, progress)
        cursor.skip(-(cursor.offset - begin) % 4 + check_size)
    _walk_index(cursor, blocks)
    return True


def _walk_chunks(cursor: _Cursor, progress: _Progress) -> None:
    """Pass the LZMA2 chunks of a block by their headers."""
    while (control := cursor.take(1)[0]) != 0:
        if control >= 0x80:  # LZMA: 21 bits of content size, 16 of compressed size, properties
            low, high, packed_low, packed_high = cursor.take(4)
            content = ((control & 0x1F) << 16 | low << 8 | high) + 1
            packed = (packed_low << 8 | packed_high) + 1
            cursor.skip(packed + (1 if control >= 0xC0 else 0))
        elif control <= 2:  # stored
            low, high = cursor.take(2)
            content = (low << 8 | high) + 1
            cursor.skip(content)
        else:
            raise CorruptFileError(
                f"at byte {cursor.offset - 1}: expected an LZMA2 chunk, found {control:#04x}"
            )
        progress.content += content
        progress.end = cursor.offset


def _walk_index(cursor: _Cursor, blocks: int) -> None:
    """Pass index and footer (sections 4 and 2.1.2), whose first byte has been taken."""
    begin = cursor.offset - 1
    records = cursor.take_number()
    if records != blocks:
        raise CorruptFileError(f"xz index lists {records} blocks, the stream has {blocks}")
    for _ in range(records):
        cursor.take_number()
        cursor.take_number()
    cursor.skip(-(cursor.offset - begin) % 4 + 4)
    footer = cursor.take(FOOTER_SIZE)
    if footer[-2:] != FOOTER_MAGIC:
        raise CorruptFileError(
            f"at byte {cursor.offset - 2}: expected the end of an xz stream ({FOOTER_MAGIC!r}), "
            f"found {footer[-2:]!r}"
        )


def streams_from_end(read_at: ReadAt, size: int) -> list[Stream] | None:
    """Find all streams of a file from their indexes, from the last to the first.

    Takes a few reads for a stream of any size, where `walk` takes one for every 64 KiB, but
    works only for a file that is sound.

    Returns:
        The streams in the order of the file, or `None` where `walk` has to find them.
    """
    streams: list[Stream] = []
    end = size
    while end > 0:
        stream = stream_ending_at(read_at, end)
        if stream is None:
            return None
        streams.append(stream)
        end = stream.offset
    return streams[::-1]


def ends_whole(read_at: ReadAt, start: int, end: int) -> bool:
    """Whether one stream reaches from `start` to `end`, going by its header, index and footer."""
    stream = stream_ending_at(read_at, end)
    return stream is not None and stream.offset == start


def stream_ending_at(read_at: ReadAt, end: int) -> Stream | None:
    """The stream (and its padding) that ends there, if its index, footer and header agree."""
    footer_end = end
    footer = read_at(max(0, end - FOOTER_SIZE), FOOTER_SIZE)
    if footer[-4:] == b"\0\0\0\0":
        footer_end = before_padding(read_at, end)
        footer = read_at(max(0, footer_end - FOOTER_SIZE), FOOTER_SIZE)
    if len(footer) != FOOTER_SIZE or footer[-2:] != FOOTER_MAGIC or (end - footer_end) % 4:
        return None
    index_size = (int.from_bytes(footer[4:8], "little") + 1) * 4
    index_start = footer_end - FOOTER_SIZE - index_size
    if index_start < HEADER_SIZE:
        return None
    blocks = _parse_index(_Cursor(read_at, index_start, index_start + index_size, 4096))
    if blocks is None:
        return None
    packed, content = blocks
    offset = index_start - packed - HEADER_SIZE
    if offset < 0 or content > MAX_RATIO * (end - offset):
        return None
    header = read_at(offset, HEADER_SIZE)
    if header[:6] != MAGIC or header[6:8] != footer[8:10]:
        return None
    return Stream(offset, end - offset, content, whole=True)


def before_padding(read_at: ReadAt, end: int) -> int:
    """Where the zeros begin that end at `end`; `end` where there are none."""
    while end > 0:
        size = min(_PADDING_PIECE, end)
        rest = len(read_at(end - size, size).rstrip(b"\0"))
        end -= size - rest
        if rest:
            break
    return end


def _parse_index(cursor: _Cursor) -> tuple[int, int] | None:
    """Bytes of all blocks in the file, and of their content; `None` for what is no index."""
    start = cursor.offset
    packed = content = 0
    try:
        if cursor.take(1) != b"\0":
            return None
        records = cursor.take_number()
        if 2 * records > cursor.left:
            return None
        for _ in range(records):
            unpadded = cursor.take_number()
            packed += (unpadded + 3) // 4 * 4
            content += cursor.take_number()
            # The blocks lie before their index: one that lists more is not read to its end.
            if packed > start or content > MAX_RATIO * start or not unpadded:
                return None
    except (_TornError, CorruptFileError):
        return None
    return packed, content
