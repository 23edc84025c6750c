"""JPEG images: RGB, or grey for frames of one value a pixel.

Pixels are those of libjpeg-turbo's defaults (accurate DCT, smooth upsampling), equal to what
Pillow and `cv2.imdecode` return. JPEGs without Huffman tables, as AVIs hold them, decode with the
default tables that the AVI MJPEG convention means.
"""

from typing import Any

import numpy as np
import simplejpeg  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from roverd.errors import CorruptFileError

DCT_FACTORS = (1, 2, 4, 8)
"""By which the decoder can shrink an image for less work than a full decode."""

# What libjpeg-turbo reports when bytes stand between the last pixel and the end-of-image marker:
# cameras pad so, and the picture is whole. Every other report means lost pixels.
_HARMLESS = "extraneous bytes before marker 0xd9"


def encode(frame: NDArray[np.uint8], quality: int = 95) -> bytes:
    """Compress one image, `(height, width, 3)`, `(height, width, 1)` or `(height, width)`."""
    if _colorspace(frame) == "RGB":
        return simplejpeg.encode_jpeg(frame, quality, "RGB", "420")
    return simplejpeg.encode_jpeg(frame.reshape(*frame.shape[:2], 1), quality, "GRAY", "Gray")


def decode_into(data: bytes | memoryview, out: NDArray[np.uint8], factor: int = 1) -> None:
    """Decompress one image into `out` (C-contiguous).

    Args:
        data: the JPEG.
        out: `(height, width, 3)` for RGB, `(height, width, 1)` or `(height, width)` for grey.
        factor: how many times smaller than the image `out` is in each direction, in `DCT_FACTORS`.

    Raises:
        CorruptFileError: not a whole JPEG, or an image of other dimensions.
    """
    height, width = out.shape[:2]
    try:
        found = simplejpeg.decode_jpeg_header(data)[:2]
        if found != (height * factor, width * factor):
            raise CorruptFileError(
                f"JPEG is {found[1]} × {found[0]} pixels, "
                f"expected {width * factor} × {height * factor}"
            )
        _decode(data, out, factor, strict=True)
    except CorruptFileError:
        raise
    except ValueError as error:
        if _HARMLESS not in str(error):
            raise CorruptFileError(f"not a whole JPEG ({error})") from error
        _decode(data, out, factor, strict=False)


def _decode(data: bytes | memoryview, out: NDArray[np.uint8], factor: int, strict: bool) -> None:
    height, width = (out.shape[0], out.shape[1]) if factor > 1 else (0, 0)
    decoded: NDArray[Any] = simplejpeg.decode_jpeg(
        data,
        _colorspace(out),
        min_height=height,
        min_width=width,
        buffer=out,
        strict=strict,
    )
    if decoded.shape[:2] != out.shape[:2]:
        raise CorruptFileError(f"JPEG decodes to {decoded.shape}, expected {out.shape}")


def _colorspace(frame: NDArray[np.uint8]) -> str:
    return "RGB" if frame.ndim == 3 and frame.shape[2] == 3 else "GRAY"
