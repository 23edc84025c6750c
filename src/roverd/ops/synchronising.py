"""How the sensors of a trace lie in time, and which samples they make."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from roverd.errors import ChannelNotFoundError, MissingFileError, SynchronizationError
from roverd.storage import as_path
from roverd.sync import Nearest, Synchronization, SyncReport, Unordered
from roverd.sync.sensors import timestamps_of
from roverd.trace import Trace

_REFERENCE = "lidar"


@dataclass
class TraceSync:
    """What a synchronisation makes of a trace.

    Attributes:
        path: the trace's folder.
        tolerance: how far from a sample's time a frame may be, in seconds.
        report: what was dropped and why, and how the sensors' frames lie in time.
        picture: the timeline; `None` where none was asked for.
    """

    path: str
    tolerance: float
    report: SyncReport
    picture: str | None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, strings, lists and dictionaries."""
        return asdict(self)


def sync(
    path: str | os.PathLike[str],
    reference: str | float | None = None,
    tolerance: float = 0.1,
    sensors: Sequence[str] | None = None,
    unordered: Unordered = "error",
    plot: str | os.PathLike[str] | None = None,
) -> TraceSync:
    """Look at how the sensors of a trace lie in time, and which samples they make.

    Of each sensor it is the frame nearest to the reference's that belongs to a sample. Only
    timestamps are read.

    Args:
        path: the trace's folder.
        reference: the sensor whose frames make samples, or a rate in Hz; without it, the sensor
            `lidar`, and where there is none with frames, the slowest.
        tolerance: how far from the reference's the nearest frame may be, in seconds.
        sensors: which sensors are part of a sample; without them, all but the virtual ones.
        unordered: what is done about timestamps that go back or are no numbers; see
            `roverd.sync.Synchronization`.
        plot: draw the timeline to this file, a PNG, which is replaced where it is there. Needs
            matplotlib (`pip install 'roverd[plot]'`).

    Returns:
        What was found.

    Raises:
        MissingFileError: there is no trace, no sensor in it, or a sensor is not there.
        ChannelNotFoundError: the reference is none of the sensors.
        SynchronizationError: timestamps are in no order, and `unordered` is `"error"`.
        ImportError: a picture is asked for, and matplotlib is missing.
    """
    folder = as_path(path)
    if plot is not None and importlib.util.find_spec("matplotlib") is None:
        raise ImportError("a picture needs matplotlib: pip install 'roverd[plot]'")
    kinds = None if sensors is None else dict.fromkeys(sensors)
    trace = Trace[Any].from_config(folder, sensors=kinds)
    if not trace.sensors:
        raise MissingFileError(f"{folder}: no sensors; expected folders with a meta.json")
    stamps = timestamps_of(trace.sensors)
    chosen = _slowest(stamps) if reference is None else reference
    try:
        rule = Nearest(tolerance)
        alignment = Synchronization(chosen, default=rule, unordered=unordered).align(stamps)
    except (SynchronizationError, ChannelNotFoundError) as error:
        raise type(error)(f"{folder}: {error}") from error
    picture = None
    if plot is not None:
        from roverd.ops.timeline import draw_timeline

        picture = as_path(plot)
        draw_timeline(alignment, trace.name, picture)
    return TraceSync(folder, tolerance, alignment.report(), picture)


def _slowest(stamps: Mapping[str, Float64[np.ndarray, " _n"]]) -> str:
    """The sensor that samples are made for where none is named."""
    if len(stamps.get(_REFERENCE, ())):
        return _REFERENCE

    def rate(name: str) -> tuple[bool, float]:
        times = stamps[name]
        # A sensor without frames would leave no samples: only where there is nothing else.
        span = float(times[-1] - times[0]) if len(times) else 0.0
        return not len(times), len(times) / span if span > 0 else np.inf

    return min(stamps, key=rate)
