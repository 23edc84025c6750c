"""Reversible filters: the same frame in an order of bytes that compresses better.

The bytes of a frame that change least from value to value, the most significant ones, come to lie
together. docs/format.md has an example that undoes the filters with NumPy alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import imagecodecs
except ImportError:  # a platform without its wheels: NumPy is slower, and enough
    imagecodecs = None

FILTERS = ("none", "planes", "centered-planes", "delta-planes")
"""Names of the filters; the last two are for integers."""


def usual_filter(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """The filter of frames for which none is named."""
    if not shape or dtype.kind == "b":
        return "none"
    return {"u": "delta-planes", "i": "centered-planes"}.get(dtype.kind, "planes")


def takes(filter: str, dtype: np.dtype[Any]) -> bool:
    """Whether a filter of `FILTERS` can be applied to values of a type."""
    return filter in ("none", "planes") or dtype.kind in "ui"


def apply(frame: NDArray[Any], filter: str) -> memoryview:
    """Filter a frame.

    Args:
        frame: C-contiguous, little-endian.
        filter: one of `FILTERS`.

    Returns:
        As many bytes as the frame has.
    """
    if filter == "none":
        return frame.reshape(-1).view(np.uint8).data
    if filter != "planes":
        frame = frame.view(f"<u{frame.itemsize}")
        centered = frame + frame.dtype.type(_center(frame.itemsize))
        if filter == "delta-planes" and frame.ndim:
            centered[..., 1:] -= frame[..., :-1]
        frame = centered
    return _planes(frame).reshape(-1).data


def undo_into(data: bytes, filter: str, out: NDArray[Any]) -> None:
    """Bring a filtered frame back.

    Args:
        data: as many bytes as `out` has.
        filter: one of `FILTERS`.
        out: takes the frame; C-contiguous, little-endian.
    """
    if filter == "none":
        out.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
        return
    _join_planes(data, out)
    if filter == "planes":
        return
    values = out.view(f"<u{out.itemsize}")
    if values.itemsize > 1:
        np.subtract(values, values.dtype.type(_center(values.itemsize)), out=values)
    if filter == "delta-planes" and values.ndim and values.shape[-1] > 1:
        if imagecodecs is None:
            np.cumsum(values, axis=-1, dtype=values.dtype, out=values)
        else:
            imagecodecs.delta_decode(values, axis=-1, out=values)  # three times as fast


def _center(width: int) -> int:
    """What is added to differences for all bytes of small ones, of either sign, to be alike.

    Adding 0x80 to each byte but the most significant one leaves -128 to 127 with zeros there.
    """
    return sum(0x80 << 8 * byte for byte in range(width - 1))


def _planes(frame: NDArray[Any]) -> NDArray[np.uint8]:
    """UInt8[width, n]: the least significant bytes of all values, then the next."""
    flat, width = frame.reshape(-1), frame.itemsize
    if width not in (1, 2, 4, 8):
        return np.ascontiguousarray(flat.view(np.uint8).reshape(-1, width).T)
    values = flat.view(f"<u{width}")
    planes = np.empty((width, len(values)), np.uint8)
    for byte in range(width):
        # Several times as fast as gathering every so many-th byte.
        np.right_shift(values, 8 * byte, out=planes[byte], dtype=values.dtype, casting="unsafe")
    return planes


def _join_planes(data: bytes, out: NDArray[Any]) -> None:
    flat, width = out.reshape(-1), out.itemsize
    planes = np.frombuffer(data, np.uint8).reshape(width, -1)
    if width not in (1, 2, 4, 8):
        flat.view(np.uint8).reshape(-1, width)[:] = planes.T
        return
    values = flat.view(f"<u{width}")
    np.copyto(values, planes[-1])
    for plane in planes[-2::-1]:
        np.left_shift(values, 8, out=values)
        np.bitwise_or(values, plane, out=values)
