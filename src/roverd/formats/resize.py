"""Resizing images with OpenCV, whose names for the interpolations these are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

INTERPOLATIONS = {"nearest": 0, "linear": 1, "cubic": 2, "area": 3, "lanczos": 4}
"""Interpolation names and their OpenCV codes (`cv2.INTER_*`)."""


def resize_into(image: NDArray[np.uint8], out: NDArray[np.uint8], interp: str) -> None:
    """Resize `image` to the height and width of `out`, `(height, width[, channels])`."""
    import cv2

    # Images are resized side by side already; OpenCV's own threads would hang in forked workers.
    if cv2.getNumThreads() > 1:
        cv2.setNumThreads(0)
    resized: Any = cv2.resize(
        image, (out.shape[1], out.shape[0]), interpolation=INTERPOLATIONS[interp]
    )
    out[...] = resized.reshape(out.shape)
