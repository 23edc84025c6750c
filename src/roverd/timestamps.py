"""Corrections for recorded timestamps.

Sensors stamp frames when they arrive at the computer, so the stamps jitter
though the sensor's clock does not. Published work depends on the exact values
that these functions return: change none of their arithmetic.

All take and return Float64[n], in seconds, and never change their input. They
are finite for finite input of any length, and non-decreasing where the input is.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

__all__ = ["discretize", "identity", "smooth"]


def identity(x: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The timestamps as they were recorded.

    Args:
        x: timestamps, in seconds.

    Returns:
        A copy of them.
    """
    return np.array(x, dtype=np.float64)


def smooth(x: Float64[np.ndarray, " n"], interval: float = 30.0) -> Float64[np.ndarray, " n"]:
    """Remove jitter that is independent from frame to frame.

    Each block of about `interval` seconds becomes evenly spaced from its first to its last stamp.

    Args:
        x: timestamps, in seconds.
        interval: length of a block, in seconds.

    Returns:
        The corrected timestamps.
    """
    result = identity(x)
    for first, last in _blocks(result, interval):
        result[first : last + 1] = np.linspace(result[first], result[last], last + 1 - first)
    return result


def discretize(
    x: Float64[np.ndarray, " n"], interval: float = 10.0, eps: float = 0.05
) -> Float64[np.ndarray, " n"]:
    """Put frames on the fixed rate of their sensor, where some may have been dropped.

    With `m` the median step of the whole recording, a step of more than `(1.5 + eps) m` counts as
    `round(step / m)` periods, any other as one. In each block of about `interval` seconds, a stamp
    is the block's first stamp plus the periods passed times the block's own mean period.

    Args:
        x: timestamps, in seconds.
        interval: length of a block, in seconds.
        eps: how far over one and a half periods a step must be to count as more than one.

    Returns:
        The corrected timestamps.
    """
    result = identity(x)
    if len(result) < 2:
        return result
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(result)
        median = float(np.median(steps))
        # More than half of all stamps equal: there is no rate to put the frames on.
        ratio = steps / median if median > 0 else np.ones_like(steps)
    # Bounded, so that sums of absurd gaps stay exact.
    ratio = np.clip(np.nan_to_num(ratio, nan=1.0), 0.0, 2.0**40)
    periods = np.where(ratio > 1.5 + eps, np.round(ratio), 1.0)
    for first, last in _blocks(result, interval):
        passed = np.cumsum(periods[first:last])
        if not len(passed):
            continue
        start, end = result[first], result[last]
        with np.errstate(over="ignore"):
            stamps = start + passed * ((end - start) / passed[-1])
        # The last product can be one rounding error past the block's last stamp.
        result[first + 1 : last + 1] = np.clip(stamps, min(start, end), max(start, end))
    return result


def _blocks(x: Float64[np.ndarray, " n"], interval: float) -> Iterator[tuple[int, int]]:
    """First and last index (inclusive) of each block, of `interval * n / duration` samples."""
    n = len(x)
    if n == 0:
        return
    duration = float(x[-1]) - float(x[0])
    samples = interval * n / duration if duration else float(n)
    block = max(1, int(min(samples, float(n))))
    for first in range(0, n, block):
        yield first, min(first + block, n) - 1
