"""Synchronising a trace's sensors, by whatever is given for that."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from abstract_dataloader import generic, spec
from numpy.typing import NDArray

from roverd.channels.batch import reads_by_plan
from roverd.errors import (
    ChannelNotFoundError,
    OutOfRangeError,
    RoverdWarning,
    SynchronizationError,
)
from roverd.parallel import SIDE_BY_SIDE, map_all
from roverd.sensors import AnySensor
from roverd.sensors.windows import WindowedSensor
from roverd.storage import is_url
from roverd.sync.alignment import Alignment
from roverd.sync.synchronization import Synchronization

FrameNumbers = Mapping[str, NDArray[np.integer[Any]]]
Sync = spec.Synchronization | Alignment | FrameNumbers | None
"""What stands for a synchronisation; see `Trace`."""


def synchronise(
    sensors: Mapping[str, AnySensor],
    sync: spec.Synchronization | Alignment | FrameNumbers,
    name: str,
) -> Alignment | FrameNumbers:
    """Find the frames that make samples.

    Args:
        sensors: by name.
        sync: how frames make a sample.
        name: of the trace, for messages.

    Returns:
        What a `roverd.sync.Synchronization` has made of the sensors; else the frame numbers of
        each.

    Raises:
        ValueError: a sensor has frame numbers for more or less samples than the others, or none;
            its timestamps are in no order.
        OutOfRangeError: a sensor without frames cannot be synchronised.
        TypeError: `sync` is nothing of the kind; a sensor cannot give windows.
    """
    if isinstance(sync, Synchronization):
        sync = _align(sync, sensors, name)
    if isinstance(sync, Alignment):
        _check_windows(sync, sensors, name)
        _check_lengths(sync.indices, sensors, name)
        return sync
    indices = sync if isinstance(sync, Mapping) else _apply(sync, sensors, name)
    _check_lengths(indices, sensors, name)
    return indices


def _check_lengths(indices: FrameNumbers, sensors: Mapping[str, AnySensor], name: str) -> None:
    lengths = {key: len(indices[key]) if key in indices else None for key in sensors}
    if len(set(lengths.values())) > 1 or None in lengths.values():
        raise ValueError(
            f"trace {name!r}: expected the synchronisation to give as many frame numbers for each "
            f"sensor, got {lengths}"
        )


def _apply(sync: spec.Synchronization, sensors: Mapping[str, AnySensor], name: str) -> FrameNumbers:
    if not callable(sync):
        raise TypeError(
            f"trace {name!r}: sync must be a synchronisation, frame numbers by sensor, or None, "
            f"got {sync!r:.80}"
        )
    if type(sync) is generic.Empty:
        # No samples, whatever the timestamps: they need not be read.
        return {key: np.empty(0, np.uint32) for key in sensors}
    stamps = timestamps_of(sensors)
    empty = [key for key, times in stamps.items() if not len(times)]
    try:
        return sync(stamps)
    except IndexError as error:
        if not empty:
            raise
        raise OutOfRangeError(
            f"trace {name!r}: cannot be synchronised, since {', '.join(empty)} has no frames; "
            f"leave such sensors out by naming the others in sensors="
        ) from error


def timestamps_of(sensors: Mapping[str, AnySensor]) -> dict[str, NDArray[np.float64]]:
    """Timestamps of all frames in seconds, by sensor; those behind URLs are read side by side."""
    waiting = any(is_url(getattr(sensor, "path", "")) for sensor in sensors.values())
    times = map_all(
        lambda sensor: sensor.metadata.timestamps,
        list(sensors.values()),
        SIDE_BY_SIDE if waiting else 1,
    )
    return dict(zip(sensors, times, strict=True))


def _align(sync: Synchronization, sensors: Mapping[str, AnySensor], name: str) -> Alignment:
    margins = {
        key: (sensor.past, sensor.future)
        for key, sensor in sensors.items()
        if isinstance(sensor, WindowedSensor) and sensor.window > 1
    }
    try:
        alignment = sync.align(timestamps_of(sensors), margins)
    except (SynchronizationError, ChannelNotFoundError) as error:
        raise type(error)(f"trace {name!r}: {error}") from error
    if sensors and not len(alignment):
        report = str(alignment.report()).replace("\n", "; ")
        warnings.warn(f"trace {name!r} has no samples: {report}", RoverdWarning, stacklevel=4)
    return alignment


def _check_windows(alignment: Alignment, sensors: Mapping[str, AnySensor], name: str) -> None:
    """Refuse sensors that cannot give the windows of an alignment."""
    for key in alignment.parts:
        sensor = sensors.get(key)
        if sensor is None:
            continue
        where = f"trace {name!r}: sensor {key!r}"
        if not (isinstance(sensor, WindowedSensor) and reads_by_plan(sensor)):
            raise TypeError(
                f"{where}: Window and Interpolate are for roverd's sensors, got "
                f"{type(sensor).__name__}"
            )
        if sensor.window > 1:
            raise ValueError(
                f"{where}: the synchronisation gives it windows or values between frames, but its "
                f"own samples are windows of {sensor.window}; open it with past=0 and future=0"
            )
