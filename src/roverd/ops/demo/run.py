"""The demo from beginning to end."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from roverd.errors import InvalidDataError
from roverd.ops.demo.load import Rate, measure, open_dataset, overview
from roverd.ops.demo.picture import draw
from roverd.ops.demo.record import PICTURE, claim, record
from roverd.ops.demo.rig import Rig

LIMITS = (1.0, 600.0)
"""Shortest and longest recording, seconds: one lidar frame at least, and 10 GB at most."""


@dataclass(frozen=True)
class Demo:
    """What a demo made and found.

    Attributes:
        path: folder of the trace.
        synchronised: samples of all sensors together.
        rates: of loading, per sensor and for all together.
        picture: path of the overview, or `None` where matplotlib is not installed.
    """

    path: str
    synchronised: int
    rates: list[Rate]
    picture: str | None


def demo(
    out: str = "demo",
    seconds: float = 5.0,
    seed: int = 0,
    budget: float = 0.5,
    progress: Callable[[float], None] | None = None,
    recorded: Callable[[str], None] | None = None,
) -> Demo:
    """Simulate a rig, record it, load random samples of the recording, and draw an overview.

    Args:
        out: folder of the trace; an earlier demo there is replaced.
        seconds: length of the recording.
        seed: of the drive and of all noise: one seed, one recording.
        budget: seconds to spend on loading samples of each sensor, and of all together.
        progress: called with the seconds that are recorded, now and then.
        recorded: called with the path of the trace as soon as it is there.

    Raises:
        InvalidDataError: a length outside of `LIMITS`, or a negative seed.
        AlreadyExistsError: `out` holds something that is not an earlier demo.
        OSError: it cannot be recorded; what was recorded before stays, as of any recording.
    """
    low, high = LIMITS
    if not low <= seconds <= high:
        raise InvalidDataError(f"seconds: expected {low:g} to {high:g}, got {seconds:g}")
    if seed < 0:
        raise InvalidDataError(f"seed: expected 0 or more, got {seed}")
    claim(out)
    try:
        record(out, Rig(seed), seconds, progress)
    except OSError as error:
        # That of a full disk names nothing.
        if error.errno is not None and error.filename is None:
            error.filename = out
        raise
    if recorded is not None:
        recorded(out)
    dataset = open_dataset(out)
    rates = measure(dataset, np.random.default_rng(seed), budget)
    picture = None
    if importlib.util.find_spec("matplotlib") is not None:
        picture = os.path.join(out, PICTURE)
        os.makedirs(os.path.dirname(picture), exist_ok=True)
        title = f"roverd demo: {seconds:g} s of a simulated rig, seed {seed}"
        draw(overview(dataset, title), picture)
    return Demo(out, len(dataset), rates, picture)
