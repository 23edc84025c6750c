"""Traces that are there already: whether they are what would be made."""

import os
from collections.abc import Iterable

from roverd.errors import AlreadyExistsError
from roverd.ops.derive import SensorPlan, sensor_names
from roverd.sensors import DynamicSensor
from roverd.sensors.meta import META, TIMESTAMPS, read_meta
from roverd.storage import storage_for
from roverd.storage.traces import CONFIG


def check_is_there(plans: list[SensorPlan], source: str, target: str) -> None:
    """Check that a trace is what would be made: sensors, channels, formats, lengths, timestamps.

    Args:
        plans: what would be made.
        source: folder of the trace that it would be made from.
        target: folder of the trace that is there.

    Raises:
        AlreadyExistsError: it is something else.
    """
    difference = _difference(plans, source, target)
    if difference:
        raise AlreadyExistsError(
            f"{target}: exists already, and is not what would be made of {source}: {difference}. "
            f"Move it away, or name another folder"
        )


def _difference(plans: list[SensorPlan], source: str, target: str) -> str | None:
    """What is found in a trace instead of what was expected; `None` where that is the same."""
    storage = storage_for(target)
    if storage.size(f"{target}/{CONFIG}") is None:
        return f"it has no {CONFIG}"
    names = [os.path.basename(plan.source.path) for plan in plans]
    found = sensor_names(target)
    if sorted(found) != sorted(names):
        return f"expected sensors {_listed(names)}, found {_listed(found)}"
    for name, plan in zip(names, plans, strict=True):
        try:
            difference = _difference_of_sensor(plan, f"{target}/{name}")
        except (ValueError, LookupError, OSError) as error:
            difference = str(error)
        if difference is not None:
            return difference
    return None


def _difference_of_sensor(plan: SensorPlan, folder: str) -> str | None:
    entries = read_meta(storage_for(folder), folder)
    expected = {name: channel.counted_entry for name, channel in plan.channels.items()}
    if sorted(entries) != sorted(expected):
        return f"{folder}/{META}: expected channels {_listed(expected)}, found {_listed(entries)}"
    sensor = DynamicSensor(folder)
    for name, channel in plan.channels.items():
        if entries[name] != expected[name]:
            keys = sorted({*entries[name], *expected[name]})
            key = next(k for k in keys if entries[name].get(k) != expected[name].get(k))
            return (
                f"{folder}/{META}: channel {name!r}: expected {key} "
                f"{expected[name].get(key)!r}, found {entries[name].get(key)!r}"
            )
        count = sensor.channels[name].whole_frames()
        expected_count = channel.stop - channel.start
        if count != expected_count:
            return f"{folder}/{name}: expected {expected_count} frames, found {count}"
    stamps = plan.channels.get(TIMESTAMPS)
    if stamps is None:
        return None
    wanted = stamps.source.read(stamps.start, stamps.stop - stamps.start)
    if wanted.tobytes() != sensor.channels[TIMESTAMPS].read().tobytes():
        return f"{folder}/{TIMESTAMPS}: expected the timestamps of {plan.source.path}, found others"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
