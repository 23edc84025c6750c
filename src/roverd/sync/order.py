"""Timestamps in order of time."""

from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from roverd.errors import SynchronizationError

Unordered = Literal["error", "sort", "skip"]
"""What is done about timestamps that go back or are none: see `Synchronization`."""


def in_order(
    name: str, timestamps: Float64[np.ndarray, " n"], unordered: Unordered
) -> tuple[Float64[np.ndarray, " used"], Int64[np.ndarray, " used"] | None]:
    """Timestamps of which none is less than the one before it.

    Args:
        name: of the sensor, for messages.
        timestamps: as they were recorded, in seconds.
        unordered: what is done where they are in no order.

    Returns:
        The timestamps, and which frames they are of: `None` if of all, as recorded.

    Raises:
        SynchronizationError: they are in no order, and `unordered` is `"error"`.
    """
    stamps = np.asarray(timestamps, np.float64)
    if stamps.ndim != 1:
        raise ValueError(
            f"sensor {name!r}: expected timestamps of one axis, got shape {list(stamps.shape)}"
        )
    # A comparison with NaN is false, and infinities are at the ends of what ascends.
    ascending = bool(np.all(stamps[1:] >= stamps[:-1]))
    if ascending and bool(np.isfinite(stamps[[0, -1]] if len(stamps) else stamps).all()):
        return stamps, None
    if unordered == "error":
        raise SynchronizationError(_message(name, stamps))
    frames = np.flatnonzero(np.isfinite(stamps))
    used = stamps[frames]
    if unordered == "sort":
        frames = frames[np.argsort(used, kind="stable")]
    elif len(frames):
        frames = frames[used >= np.maximum.accumulate(used)]
    return stamps[frames], frames


def _message(name: str, stamps: Float64[np.ndarray, " n"]) -> str:
    finite = np.isfinite(stamps)
    wrong = ~finite
    wrong[1:] |= finite[1:] & finite[:-1] & (stamps[1:] < stamps[:-1])
    frame = int(np.flatnonzero(wrong)[0])
    what = (
        f"is at {stamps[frame]:.6f} s, {stamps[frame - 1] - stamps[frame]:.6f} s before frame "
        f"{frame - 1}"
        if finite[frame]
        else f"has {stamps[frame]} for a timestamp"
    )
    return (
        f"sensor {name!r}: frame {frame} {what} ({np.count_nonzero(wrong)} such in {len(stamps)} "
        f'frames); unordered="sort" takes frames in order of time, "skip" leaves such frames out'
    )
