"""pcodec's standalone files (.pco): compressing, decompressing, and finding where they end.

The format is described in pcodec's `docs/format.md`. Nothing in a file tells its length but
decoding it, and it has no check sum.
"""

from typing import Any

from numpy.typing import NDArray

from roverd.errors import CorruptFileError

MAGIC = b"pco!"
LEVELS = range(13)
TYPES = ("u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8")
"""Types of numbers that a file can hold."""

# By pcodec's byte for the type of a chunk.
_TYPE_BYTES = {
    1: "u4", 2: "u8", 3: "i4", 4: "i8", 5: "f4", 6: "f8", 7: "u2", 8: "i2", 9: "f2",
}  # fmt: skip
_FALLBACK_TRIES = 16


def _library() -> Any:
    """The library, which has no types."""
    import pcodec

    return pcodec


def largest(content: int) -> int:
    """Bytes that no file of `content` bytes of numbers is larger than.

    Noise grows by about 20 bytes, and by as many again for every 2^18 numbers.
    """
    return content + content // 64 + 1024


def encode(numbers: NDArray[Any], level: int) -> bytes:
    """Compress numbers of one of `TYPES`, in C order, to one file, at a level of `LEVELS`."""
    pcodec = _library()
    config = pcodec.ChunkConfig(compression_level=level)
    return pcodec.standalone.simple_compress(numbers.reshape(-1), config)


def decode_into(data: bytes, out: NDArray[Any]) -> None:
    """Decompress one file, which holds exactly the numbers of `out` (C-contiguous).

    Raises:
        CorruptFileError: it holds more, fewer or other numbers, is damaged where that can be
            noticed, or lacks its end.
    """
    check_declared(data, out)
    numbers = out.reshape(-1)
    try:
        progress = _library().standalone.simple_decompress_into(data, numbers)
    except RuntimeError as error:
        raise CorruptFileError(f"damaged pco file ({error})") from error
    except BaseException as error:
        # What a panic in Rust becomes: damage that pcodec didn't expect. It is no `Exception`.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise CorruptFileError(f"damaged pco file ({error})") from error
    if not progress.finished or progress.n_processed != numbers.size:
        more = "more than " if progress.n_processed == numbers.size else ""
        raise CorruptFileError(
            f"pco file holds {more}{progress.n_processed} numbers, expected {numbers.size}"
        )


def check_declared(data: bytes, out: NDArray[Any]) -> None:
    """Compare what the headers of a file say with what is expected, without decompressing.

    Raises:
        CorruptFileError: the headers are damaged, or say something else.
    """
    found = declared(data)
    if found is None:
        raise CorruptFileError(
            f"{len(data)} bytes are not one whole pco file: expected one that begins with "
            f"{MAGIC!r}, found {data[:12].hex()}"
        )
    count, kind = found
    expected = out.dtype.str[1:]
    if (count, kind) != (out.size, expected):
        raise CorruptFileError(
            f"pco file holds {count} numbers of type {kind}, expected {out.size} of type {expected}"
        )


def declared(data: bytes) -> tuple[int, str] | None:
    """How many numbers a file says to hold, and their type; `None` where it does not say.

    Args:
        data: the file, or its first 32 bytes.
    """
    if data[:4] != MAGIC or len(data) < 16 or data[4] not in (2, 3):
        return None
    # From version 3 on a byte for the type of all chunks, if that is known.
    at = 6 if data[4] == 3 else 5
    bits = int.from_bytes(data[at : at + 9], "little")
    width = (bits & 63) + 1
    count = bits >> 6 & (1 << width) - 1
    at += (6 + width + 7) // 8
    # Version of the format: one byte, and another from 4 on.
    at += 2 if data[at : at + 1] >= b"\x04" else 1
    kind = _TYPE_BYTES.get(data[at]) if at < len(data) else None
    return None if kind is None else (count, kind)


def end_of(data: bytes, like: NDArray[Any]) -> int | None:
    """Where the file that begins with `data` ends; `None` where none does.

    Args:
        data: its bytes and what follows them.
        like: an array of the numbers that it has to hold; its values are lost.
    """
    # Decoding takes what it needs and no more: every piece that is too short fails, and every one
    # that is long enough does not.
    end = None
    at = 0
    for _ in range(_FALLBACK_TRIES):
        at = data.find(MAGIC, at + 1)
        end = len(data) if at < 0 else at
        if is_whole(data[:end], like):
            break
        if at < 0:
            return None
    if end is None or not is_whole(data[:end], like):
        return None
    if not is_whole(data[: end - 1], like):
        return end
    short, enough = 0, end - 1
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if is_whole(data[:middle], like) else (middle, enough)
    return enough


def is_whole(data: bytes, like: NDArray[Any]) -> bool:
    """Whether a file decodes to the numbers of an array, whose values are lost."""
    try:
        decode_into(data, like)
    except CorruptFileError:
        return False
    return True
