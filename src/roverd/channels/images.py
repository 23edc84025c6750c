"""What channels of JPEG images share: decoding them at the resolution that is asked for."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract.channel import Channel
from roverd.errors import MetadataError
from roverd.formats import jpeg
from roverd.formats.resize import INTERPOLATIONS, resize_into


def check_image(channel: Channel, quality: int) -> None:
    """Refuse a channel whose frames are no images, and a quality that JPEG does not have.

    Raises:
        MetadataError: its type is not `u1`, its shape neither that of RGB nor of grey images, or
            the quality not 1 to 100.
    """
    if quality not in range(1, 101):
        raise MetadataError(f"{channel.path}: quality must be 1 to 100, got {quality!r}")
    shape = channel.shape
    if channel.type != np.uint8 or not (
        (len(shape) == 3 and shape[2] in (1, 3)) or len(shape) == 2
    ):
        raise MetadataError(
            f"{channel.path}: expected images of type u1 and shape [height, width, 3] (or "
            f"[height, width] for grey ones), got type {channel.type.str[1:]} and shape "
            f"{list(shape)}"
        )


class ImageDecoder:
    """Decodes images of one shape to one resolution.

    Args:
        channel: whose images, `(height, width, 3)` as they are stored.
        resolution: `(width, height)` to resize them to; `None` for as they are.
        interp: how to resize: nearest, linear, cubic, area or lanczos.
        exact: whether `area` by a half, a quarter or an eighth resizes the full image with
            OpenCV, too, instead of decoding at that size.

    Attributes:
        out_shape: shape of the decoded images.
    """

    def __init__(
        self,
        channel: Channel,
        resolution: Sequence[int] | None,
        interp: str,
        exact: bool,
    ) -> None:
        if interp not in INTERPOLATIONS:
            known = ", ".join(INTERPOLATIONS)
            raise MetadataError(f"{channel.path}: interp must be one of {known}, got {interp!r}")
        shape = channel.shape
        height, width = shape[:2]
        if resolution is not None:
            try:
                width, height = map(operator.index, resolution)
            except (TypeError, ValueError):
                width = height = 0
            if min(width, height) < 1:
                raise MetadataError(
                    f"{channel.path}: resolution must be (width, height), got {resolution!r}"
                )
        self.out_shape: tuple[int, ...] = (height, width, *shape[2:])
        self._shape = shape
        self._interp = interp
        self._factor = 0
        for factor in jpeg.DCT_FACTORS[: 1 if exact or interp != "area" else None]:
            if (height * factor, width * factor) == shape[:2]:
                self._factor = factor

    def decode_into(self, data: bytes | memoryview, out: NDArray[Any]) -> None:
        """Decode a JPEG into `out`, an array of `out_shape`.

        Raises:
            CorruptFileError: not a whole JPEG of the stored shape.
        """
        if self._factor:
            jpeg.decode_into(data, out, self._factor)
            return
        full = np.empty(self._shape, np.uint8)
        jpeg.decode_into(data, full)
        self.resize_into(full, out)

    def resize_into(self, full: NDArray[Any], out: NDArray[Any]) -> None:
        """Resize an image of the stored shape into `out`."""
        if full.shape == out.shape:
            out[...] = full
        else:
            resize_into(full, out, self._interp)
