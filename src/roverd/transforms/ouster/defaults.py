"""What older firmware did not state, because it was the same for all sensors of a kind.

Sources: the manufacturer's SDK (default data format and default origins of its metadata parser) and
firmware user manual; each value was compared with the metadata of sensors that do state it.
Hardware of revision 7 (its firmware images are called `bootes`, those before `aries`) has other
dimensions from unit to unit, always states them, and has no defaults.
"""

import re

import numpy as np
from jaxtyping import Float64, Int64

# Columns between the four lasers of a first generation OS-1, in frames of 1024 columns. They repeat
# in each group of four rows. Those of later sensors lie a third farther apart.
_FIRST_SHIFTS = (18, 12, 6, 0)
_FIRST_BEAMS = 64
_FIRST_TOLERANCE = 3.5  # columns of 1024; 1.3 at most was found on them, 6.1 at least on later ones

_FIRST_ORIGIN = 12.163  # mm, from the lidar's axis to where a beam starts
_ORIGINS = {"0": 27.67, "1": 15.806, "2": 13.762}

_SENSOR_HEIGHT = 36.18  # mm, of the lidar's origin over the sensor's
_HALF_TURN = ((-1, 0, 0, 0), (0, -1, 0, 0), (0, 0, 1, _SENSOR_HEIGHT), (0, 0, 0, 1))


def pixel_shifts(
    azimuths: Float64[np.ndarray, " beam"], columns: int
) -> Int64[np.ndarray, " beam"]:
    """Columns to move each row to the right by.

    First generation sensors have the fixed table of the manufacturer's SDK. For others, each is the
    beam's azimuth offset in columns, rounded: the shifts that firmware since 2.5 states. (Those
    that firmware 2.0 to 2.3 states differ from them by one number for all rows, which turns the
    whole image.)

    Args:
        azimuths: offset of each beam, degrees.
        columns: of a frame.
    """
    if columns in (512, 1024, 2048) and _is_first_generation(azimuths):
        group = np.array(_FIRST_SHIFTS) * columns // 1024
        return np.tile(group, len(azimuths) // len(group)).astype(np.int64)
    return np.rint(azimuths * columns / 360).astype(np.int64)


def beam_origin(
    product_line: str, image: str, azimuths: Float64[np.ndarray, " beam"]
) -> float | None:
    """Distance from the lidar's axis to where the beams start, mm; `None` if unknown.

    Args:
        product_line: such as `OS-1-64`; empty if not stated, as before there were several.
        image: name of the firmware image, empty if not stated.
        azimuths: offset of each beam, degrees.
    """
    product = _product(product_line, image)
    if product_line == "OS-1-16" or (product in ("", "1") and _is_first_generation(azimuths)):
        return _FIRST_ORIGIN
    return _ORIGINS.get(product or "")


def lidar_to_sensor(
    product_line: str, image: str, azimuths: Float64[np.ndarray, " beam"]
) -> Float64[np.ndarray, "4 4"] | None:
    """Transform from the lidar's frame to the sensor's, mm; `None` if unknown.

    Args:
        product_line: such as `OS-1-64`; empty if not stated, as before there were several.
        image: name of the firmware image, empty if not stated.
        azimuths: offset of each beam, degrees.
    """
    product = _product(product_line, image)
    if product in ("0", "1") or (product == "" and _is_first_generation(azimuths)):
        return np.array(_HALF_TURN, np.float64)
    return None


def _product(product_line: str, image: str) -> str | None:
    """The digit of OS-0, OS-1 and OS-2, or nothing if not stated; `None` if without defaults."""
    if image and "aries" not in image:
        return None
    match = re.match(r"OS-([012])(?:-|$)", product_line)
    return match[1] if match else None if product_line else ""


def _is_first_generation(azimuths: Float64[np.ndarray, " beam"]) -> bool:
    if len(azimuths) != _FIRST_BEAMS:
        return False
    expected = np.tile(_FIRST_SHIFTS, _FIRST_BEAMS // len(_FIRST_SHIFTS))
    return float(np.ptp(azimuths * 1024 / 360 - expected)) < _FIRST_TOLERANCE
