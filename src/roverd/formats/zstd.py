"""zstd frames: compressing, decompressing, and finding them without decompressing.

After RFC 8878; section numbers below are that text's. A frame here always has the size of its
content and the check sum of its content in it, and needs no dictionary. Skippable frames are none.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roverd.errors import CorruptFileError

if TYPE_CHECKING:
    from zstandard import ZstdCompressor, ZstdDecompressor

ReadAt = Callable[[int, int], bytes]
"""(offset, size) → `size` bytes from there, fewer only at the end of the file."""

MAGIC = b"\x28\xb5\x2f\xfd"
LEVELS = range(1, 20)

# The longest header: magic, descriptor, window, dictionary, size of the content (section 3.1.1.1).
_LONGEST_HEADER = 4 + 1 + 1 + 4 + 8
_CHECK_SIZE = 4
_RAW, _REPEATED, _COMPRESSED = 0, 1, 2

# A block holds at most 128 KiB (section 3.1.1.2.4).
_LARGEST_BLOCK = 128 << 10


class _Contexts(threading.local):
    """What is costly to make, and serves one thread at a time."""

    def __init__(self) -> None:
        self.encoders: dict[int, ZstdCompressor] = {}
        self.decoder: ZstdDecompressor | None = None


_contexts = _Contexts()


@dataclass(frozen=True, slots=True)
class Frame:
    """A zstd frame in a file.

    Attributes:
        offset: where it begins.
        end: where what follows it begins; where the file ends for one that is not whole.
        content: bytes it decompresses to, as its header says; `None` where that is cut off.
        whole: whether its end is there, and it promises what was expected.
    """

    offset: int
    end: int
    content: int | None
    whole: bool


class _TornError(Exception):
    """The file ends inside what was being read, or in zeros, or is not worth reading on."""


def encode(data: bytes | memoryview, level: int) -> bytes:
    """Compress `data` to one frame, at a level of `LEVELS`."""
    import zstandard

    encoders = _contexts.encoders
    if level not in encoders:
        encoders[level] = zstandard.ZstdCompressor(
            level=level, write_content_size=True, write_checksum=True
        )
    return encoders[level].compress(data)


def decode(data: bytes, expected: int) -> bytes:
    """Decompress one frame.

    Args:
        data: the frame, and nothing else.
        expected: bytes that it has to hold. Nothing is decompressed, nor room made for it, where
            the header says something else.

    Raises:
        CorruptFileError: it holds more or fewer bytes, is damaged, or lacks its end.
    """
    import zstandard

    frame = frame_at(lambda offset, size: data[offset : offset + size], 0, len(data), expected)
    if frame.content not in (None, expected):
        raise CorruptFileError(f"zstd frame holds {frame.content} bytes, expected {expected}")
    if not frame.whole or frame.end != len(data):
        raise CorruptFileError(f"{len(data)} bytes are not one whole zstd frame")
    if _contexts.decoder is None:
        _contexts.decoder = zstandard.ZstdDecompressor()
    try:
        decoded = _contexts.decoder.decompress(data)
    except zstandard.ZstdError as error:
        raise CorruptFileError(f"damaged zstd frame ({error})") from error
    if len(decoded) != expected:
        raise CorruptFileError(f"zstd frame holds {len(decoded)} bytes, expected {expected}")
    return decoded


def walk(read_at: ReadAt, start: int, end: int, expected: int) -> Iterator[Frame]:
    """Find the frames of a file by their headers.

    Args:
        read_at: reads the file.
        start: where a frame begins.
        end: where the file ends.
        expected: bytes that each of them has to hold.

    Yields:
        The frames, in order; a last one that was cut off, or holds something else, is not `whole`.

    Raises:
        CorruptFileError: no frame begins there. Those before it were yielded.
    """
    offset = start
    while offset < end:
        frame = frame_at(read_at, offset, end, expected)
        yield frame
        if not frame.whole:
            return
        offset = frame.end


def frame_at(read_at: ReadAt, start: int, end: int, expected: int) -> Frame:
    """The frame that begins at `start`, as its headers tell.

    Args:
        read_at: reads the file.
        start: where it begins.
        end: where the file ends.
        expected: bytes that it has to hold; one that promises something else is not `whole`.

    Raises:
        CorruptFileError: none begins there, or one of a kind that is not read.
    """
    header = read_at(start, min(_LONGEST_HEADER, end - start))
    if header[:4] != MAGIC[: len(header)]:
        raise CorruptFileError(
            f"at byte {start}: expected a zstd frame ({MAGIC.hex()}), found {header[:4].hex()}"
        )
    content = None
    try:
        size, content = _read_header(header, start)
        if content != expected:
            raise _TornError
        reached = _walk_blocks(read_at, start + size, end, content)
    except _TornError:
        return Frame(start, end, content, whole=False)
    return Frame(start, reached, content, whole=True)


def _read_header(header: bytes, start: int) -> tuple[int, int]:
    """Size of a frame's header (section 3.1.1.1), and the content that it promises."""
    if len(header) < 5:
        raise _TornError
    descriptor = header[4]
    single = descriptor >> 5 & 1
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    width = (single, 2, 4, 8)[descriptor >> 6]
    if not width or not descriptor & 4 or descriptor & 8:
        raise CorruptFileError(
            f"at byte {start}: expected a zstd frame with the size and the check sum of its "
            f"content, found one with the descriptor {descriptor:#04x}"
        )
    at = 5 + (1 - single)
    if len(header) < at + dictionary + width:
        raise _TornError
    if any(header[at : at + dictionary]):
        raise CorruptFileError(f"at byte {start}: zstd frame needs a dictionary, which is not read")
    at += dictionary
    content = int.from_bytes(header[at : at + width], "little") + (256 if width == 2 else 0)
    return at + width, content


def _walk_blocks(read_at: ReadAt, offset: int, end: int, content: int) -> int:
    """Pass the blocks (section 3.1.1.2) and the check sum; where they end."""
    # Zeros, which a loss of power leaves, would be empty blocks without end; no encoder writes
    # more than one, as the last.
    most = content // 1024 + 16
    for _ in range(most):
        if offset + 3 > end:
            raise _TornError
        header = int.from_bytes(read_at(offset, 3), "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if kind > _COMPRESSED or size > _LARGEST_BLOCK or (not size and not last):
            raise _TornError
        offset += 3 + (1 if kind == _REPEATED else size)
        if last:
            break
    else:
        raise _TornError
    if offset + _CHECK_SIZE > end:
        raise _TornError
    return offset + _CHECK_SIZE
