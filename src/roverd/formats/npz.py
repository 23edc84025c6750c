"""`.npz` files of one array under the key `data`.

Arrays and zips are as NumPy writes them (NEP 1; PKWARE APPNOTE 4.3.7).
"""

import io
import re
import zipfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from roverd.errors import CorruptFileError

_KEY = "data"
_ENTRY = b"data.npy"
_LOCAL_HEADER = 30  # bytes before the entry's name
_NPY_PREFIX = 10  # magic, version, length of the header
_DIRECTORY = 46 + len(_ENTRY) + 22  # a zip directory of one entry
_CHUNK = 1 << 16
_LONGEST_HEADER = 10_000  # as in NumPy
_FIELDS = (
    r"""['"]descr['"]\s*:\s*['"]([<>|=]?[A-Za-z]\d*)['"]""",
    r"""['"]fortran_order['"]\s*:\s*(True|False)""",
    r"""['"]shape['"]\s*:\s*\(\s*((?:\d{1,18}L?\s*,\s*)*(?:\d{1,18}L?\s*)?)\)""",
)

UNREADABLE = (
    KeyError,
    ValueError,
    TypeError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy, zipfile and zlib raise on files that are damaged, or that lie about their size."""

HEAD_SIZE = 512
"""Bytes from the start of a file that hold the headers of its first array."""


def encode(frame: NDArray[Any], compress: bool = False) -> bytes:
    """The bytes of an `.npz` file, stored or deflated."""
    file = io.BytesIO()
    save = np.savez_compressed if compress else np.savez
    save(file, data=frame)
    return file.getvalue()


def stored_at(head: bytes, size: int, npy: bytes, nbytes: int) -> int | None:
    """Where in the file the bytes of a stored array begin, so that they can be read in place.

    Like a `raw` channel, an array read in place is not checked against the CRC in the zip.

    Args:
        head: the first `HEAD_SIZE` bytes of the file.
        size: bytes in the file.
        npy: `npy_header` of the array that is expected.
        nbytes: bytes of that array.

    Returns:
        The offset; `None` if `decode_into` has to find out, because the array is deflated, not the
        first entry, written in another way, or not as expected.
    """
    if len(head) < _LOCAL_HEADER or head[:4] != b"PK\x03\x04":
        return None
    if head[6] & 1 or head[8:10] != b"\0\0":  # encrypted, or compressed
        return None
    name_size = int.from_bytes(head[26:28], "little")
    if head[_LOCAL_HEADER : _LOCAL_HEADER + name_size] != _ENTRY:
        return None
    entry = _LOCAL_HEADER + name_size + int.from_bytes(head[28:30], "little")
    if head[entry : entry + 8] != b"\x93NUMPY\x01\0":
        return None
    begin = entry + _NPY_PREFIX + int.from_bytes(head[entry + 8 : entry + 10], "little")
    if head[entry + _NPY_PREFIX : begin].rstrip() != npy:
        return None
    # The zip's directory follows the array in a file that is whole.
    return begin if begin + nbytes + _DIRECTORY <= size else None


def decode_into(data: bytes, out: NDArray[Any]) -> None:
    """Read the array under `data` into `out`, however the file was written.

    Raises:
        CorruptFileError: not such a file, or an array of another shape or dtype.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(f"{_KEY}.npy") as entry:
            shape, fortran, dtype = _read_header(entry)
            if shape != out.shape or dtype.newbyteorder("<") != out.dtype:
                raise CorruptFileError(
                    f"array {_KEY!r} is {dtype} {shape}, expected {out.dtype} {out.shape}"
                )
            # One byte more than expected, so that a longer entry is seen without reading it.
            content = _read_at_most(entry, out.nbytes + 1)
    except CorruptFileError:
        raise
    except KeyError:
        raise CorruptFileError(f"no array {_KEY!r} in the npz file") from None
    except Exception as error:  # zipfile, its decompressors and NumPy raise what they like
        raise CorruptFileError(f"not a readable npz file ({error})") from error
    if len(content) != out.nbytes:
        raise CorruptFileError(f"array {_KEY!r} is not {out.nbytes} bytes long, as its header says")
    values = np.frombuffer(content, dtype)
    out[...] = values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """What NumPy writes before an array's bytes, without the padding."""
    return f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}".encode()


def _read_header(entry: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and dtype of the array that follows.

    NumPy's own function evaluates the header with `ast`, which fails now and then when threads do
    so side by side, and reads headers of any length.
    """
    prefix = _read_at_most(entry, _NPY_PREFIX)
    extra = b""
    if prefix[6:7] in (b"\2", b"\3"):  # from version 2 on, the length has four bytes
        extra = _read_at_most(entry, 2)
    size = int.from_bytes(prefix[8:10] + extra, "little")
    if len(prefix) < _NPY_PREFIX or prefix[:6] != b"\x93NUMPY" or size > _LONGEST_HEADER:
        raise CorruptFileError(f"array {_KEY!r} does not begin with a .npy header")
    header = _read_at_most(entry, size).decode("latin1")
    fields = [re.findall(pattern, header) for pattern in _FIELDS]
    if [len(found) for found in fields] != [1, 1, 1]:
        raise CorruptFileError(f"array {_KEY!r} is not one of numbers: {header:.200}")
    (descr,), (fortran,), (shape,) = fields
    try:
        dtype = np.dtype(descr)
    except TypeError:
        raise CorruptFileError(f"array {_KEY!r} is of the unknown type {descr!r}") from None
    return tuple(map(int, re.findall(r"\d+", shape))), fortran == "True", dtype


def _read_at_most(entry: IO[bytes], size: int) -> bytes:
    pieces: list[bytes] = []
    left = size
    while left and (piece := entry.read(min(left, _CHUNK))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
