"""The .npz parser: headers that lie cost neither time nor memory."""

import io
import struct
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from roverd.errors import CorruptFileError
from roverd.formats import npz
from support.limits import cheap

COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
RIGHT = "{'descr': '<i2', 'fortran_order': False, 'shape': (3, 5), }"
FRAME = np.arange(15, dtype="<i2").reshape(3, 5)


def npy(text: str, version: int, size: int | None = None) -> bytes:
    data = text.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(data) if size is None else size)
    return b"\x93NUMPY" + bytes([version, 0]) + length + data


def zipped(content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("data.npy", content)
    return file.getvalue()


def decode(data: bytes) -> np.ndarray:
    out = np.full(FRAME.shape, -1, "<i2")
    npz.decode_into(data, out)
    return out


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_headers_of_every_version_are_read(version: int, compression: int) -> None:
    data = zipped(npy(RIGHT, version) + FRAME.tobytes(), compression)
    np.testing.assert_array_equal(decode(data), FRAME)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("size", [2**32 - 1, 2**31, 64 << 20, 10_001])
def test_a_header_that_claims_gigabytes_is_refused_at_once(
    version: int, compression: int, size: int
) -> None:
    data = zipped(npy(RIGHT + " " * (1 << 20), version, size), compression)
    with cheap(seconds=0.5, megabytes=16), pytest.raises(CorruptFileError):
        decode(data)


def shape(text: str) -> str:
    return RIGHT.replace("3, 5", text)


LONG: dict[str, Callable[[], str]] = {
    "digits": lambda: shape("9" * 9000),
    "digits without an end": lambda: shape("9" * 9000).replace(")", ""),
    "digits and a letter": lambda: shape("9" * 9000 + "x"),
    "long numbers": lambda: shape("9" * 18 + "," + "9" * 19 + "," * 8000),
    "numbers": lambda: shape("1," * 4500 + "x"),
    "numbers and spaces": lambda: shape("1 , " * 2200 + "x"),
    "numbers without commas": lambda: shape("1 " * 4500 + "x"),
    "numbers that end in L": lambda: shape("1L" * 4500),
    "commas": lambda: shape("," * 9000),
    "spaces": lambda: shape(" " * 9000 + "x"),
    "spaces before the colon": lambda: RIGHT.replace("'shape'", "'shape'" + " " * 9000 + "x"),
    "one key again and again": lambda: "{" + "'shape': (1," * 700,
    "quotes": lambda: "'" * 9000,
}


@pytest.mark.parametrize("name", LONG)
def test_a_header_that_is_hard_to_read_is_refused_in_no_time(name: str) -> None:
    data = zipped(npy(LONG[name](), 2))
    with cheap(seconds=0.1, megabytes=16), pytest.raises(CorruptFileError):
        decode(data)


@pytest.mark.parametrize("text", ["3,5", "3, 5,", " 3 , 5 ", "3L, 5L"])
def test_shapes_as_others_write_them_are_read(text: str) -> None:
    data = zipped(npy(shape(text), 1) + FRAME.tobytes())
    np.testing.assert_array_equal(decode(data), FRAME)
