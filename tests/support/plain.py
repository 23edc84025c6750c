"""Frames of the formats with an index, decoded and encoded as docs/format.md describes them.

With the plain codec libraries and NumPy; nothing here goes through roverd.
"""

import lzma
from collections.abc import Sequence
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray
from pcodec import ChunkConfig, standalone

Array = NDArray[Any]


def usual_filter(dtype: np.dtype[Any], shape: Sequence[int]) -> str:
    if not shape or dtype.kind == "b":
        return "none"
    return {"u": "delta-planes", "i": "centered-planes"}.get(dtype.kind, "planes")


def decode_plainly(
    data: bytes, kind: str, dtype: Any, shape: Sequence[int], filter: str | None = None
) -> Array:
    """One frame of an `lzmaf`, `pcof` or `zstdf` channel."""
    dtype = np.dtype(dtype)
    if kind == "lzmaf":
        return np.frombuffer(lzma.decompress(data), dtype).reshape(shape)
    if kind == "pcof":
        numbers = standalone.simple_decompress(data)
        assert isinstance(numbers, np.ndarray)
        assert numbers.dtype == (f"f{dtype.itemsize // 2}" if dtype.kind == "c" else dtype)
        return numbers.view(dtype).reshape(shape)
    assert kind == "zstdf"
    content = zstandard.ZstdDecompressor().decompress(data)
    parameters = zstandard.get_frame_parameters(data)
    assert parameters.has_checksum
    assert parameters.content_size == dtype.itemsize * np.prod(shape, dtype=int)
    filter = filter or usual_filter(dtype, shape)
    if filter == "none":
        return np.frombuffer(content, dtype).reshape(shape)
    planes = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
    values = np.ascontiguousarray(planes.T).reshape(-1)
    if filter == "planes":
        return values.view(dtype).reshape(shape)
    unsigned = np.dtype(f"<u{dtype.itemsize}")
    numbers = values.view(unsigned).reshape(shape)
    middle = int.from_bytes(b"\x80" * (dtype.itemsize - 1), "little")
    numbers = (numbers - unsigned.type(middle)).astype(unsigned).reshape(shape)
    if filter == "delta-planes" and shape:
        numbers = np.cumsum(numbers, axis=-1, dtype=unsigned)
    return numbers.view(dtype)


def encode_plainly(frame: Array, kind: str, filter: str | None = None) -> bytes:
    """What a writer of another's would make of a frame."""
    if kind == "lzmaf":
        return lzma.compress(frame.tobytes(), preset=0)
    if kind == "pcof":
        flat = np.atleast_1d(frame).reshape(-1)
        if frame.dtype.kind == "c":
            flat = flat.view(f"f{frame.itemsize // 2}")
        return standalone.simple_compress(flat, ChunkConfig())
    assert kind == "zstdf"
    filter = filter or usual_filter(frame.dtype, frame.shape)
    values = frame
    if filter in ("centered-planes", "delta-planes"):
        numbers = frame.astype(object) if frame.ndim else np.array(int(frame), object)
        if filter == "delta-planes" and frame.ndim:
            first = np.zeros_like(numbers[..., :1])
            numbers = numbers - np.concatenate([first, numbers[..., :-1]], axis=-1)
        middle = int.from_bytes(b"\x80" * (frame.itemsize - 1), "little")
        modulus = 1 << 8 * frame.itemsize
        values = np.asarray((numbers + middle) % modulus).astype(f"<u{frame.itemsize}")
    data = values.tobytes()
    if filter != "none":
        data = b"".join(data[byte :: frame.itemsize] for byte in range(frame.itemsize))
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)
