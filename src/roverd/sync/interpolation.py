"""Values between two frames."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from roverd import rotations, types
from roverd.channels.batch import Batch
from roverd.errors import CorruptFileError
from roverd.sensors.windows import WindowedSensor

Kind = Literal["linear", "nearest", "matrix", "quaternion", "euler"]
"""How a field of a sample is interpolated; see `Interpolate`."""

_SHAPES: Mapping[str, tuple[int, ...]] = {"matrix": (3, 3), "quaternion": (4,), "euler": (3,)}
_KNOWN: Mapping[type, Mapping[str, Kind]] = {
    types.Pose: {"rot": "matrix"},
    types.IMUData: {"rot": "euler"},
}


def check_kinds(kinds: Mapping[str, str]) -> None:
    """Raise a ValueError if one of these is no way to interpolate."""
    for name, kind in kinds.items():
        if kind not in get_args(Kind):
            raise ValueError(
                f"channel {name!r}: expected one of {', '.join(get_args(Kind))}, got {kind!r}"
            )


def plan_between(
    sensor: WindowedSensor[Any, Any],
    frames: Int64[np.ndarray, "2"],
    weight: float,
    time: float,
    kinds: Mapping[str, Kind],
    batch: Batch,
) -> Any:
    """Plan a sample between two frames.

    Args:
        sensor: what they are frames of.
        frames: their numbers.
        weight: of the second one, from 0 to 1.
        time: of the sample, in seconds.
        kinds: how fields are interpolated, where that does not go without saying.
        batch: what reads them.

    Returns:
        The sample, with an axis t of 1; its arrays have no content before `batch.run()`.

    Raises:
        TypeError: a field is of integers, and `kinds` does not say what to do.
        ValueError: a field is not of the shape that its kind has; `kinds` names no field.
    """
    pair = sensor.plan_frames(frames, batch)
    # Samples of a type have a batch axis before t.
    axis = 0 if isinstance(pair, dict) else 1
    fields = cast(dict[str, Any], pair if isinstance(pair, dict) else vars(pair))
    unknown = sorted(set(kinds) - set(fields))
    if unknown:
        raise ValueError(
            f"{sensor.path}: cannot interpolate {', '.join(unknown)}; samples have "
            f"{', '.join(fields)}"
        )
    known = [of_type for type_, of_type in _KNOWN.items() if isinstance(pair, type_)]
    kinds = {**(known[0] if known else {}), **kinds}
    values: dict[str, NDArray[Any]] = {
        name: cast(NDArray[Any], value)
        for name, value in fields.items()
        if isinstance(value, np.ndarray) and value.ndim > axis
    }
    between: dict[str, NDArray[Any]] = {}
    for name, value in values.items():
        kind = _kind(f"{sensor.path}/{name}", value, kinds.get(name), axis)
        kinds[name] = kind
        between[name] = np.empty_like(value.take([0], axis))

    def fill() -> None:
        for name, value in values.items():
            ends = [value.take(end, axis) for end in (0, 1)]
            mixed = _mixed(ends[0], ends[1], weight, kinds[name])
            if kinds[name] in _SHAPES and np.any(np.isnan(mixed)) and _finite(*ends):
                raise CorruptFileError(
                    f"{sensor.path}/{name}: expected rotations of kind {kinds[name]!r}, but one of "
                    f"frames {frames[0]} and {frames[1]} has none"
                )
            between[name][...] = np.expand_dims(mixed, axis)
        if axis == 1 and "timestamps" in between:
            between["timestamps"][...] = time

    batch.then(fill)
    if isinstance(pair, dict):
        return between
    return dataclasses.replace(pair, **between)


def _kind(where: str, value: NDArray[Any], kind: Kind | None, axis: int) -> Kind:
    if kind is None:
        if value.dtype.kind not in "fc":
            raise TypeError(
                f"{where}: {value.dtype} cannot be interpolated; say channels="
                f'{{"{where.rpartition("/")[2]}": "nearest"}} to take the nearer frame\'s, or '
                f"leave the channel out with DynamicSensor(subset=...)"
            )
        return "linear"
    if kind in ("linear", "nearest"):
        return kind
    shape = _SHAPES[kind]
    if value.dtype.kind != "f" or value.shape[axis + 1 :][-len(shape) :] != shape:
        raise ValueError(
            f"{where}: expected {kind!r} to be of floating point and shape "
            f"[..., {', '.join(map(str, shape))}], got {value.dtype} and "
            f"{list(value.shape[axis + 1 :])}"
        )
    return kind


def _mixed(first: NDArray[Any], second: NDArray[Any], weight: float, kind: Kind) -> NDArray[Any]:
    match kind:
        case "nearest":
            return second if weight > 0.5 else first
        case "quaternion":
            return rotations.slerp(first, second, weight)
        case "matrix":
            start, end = map(rotations.matrix_to_quaternion, (first, second))
            return rotations.quaternion_to_matrix(rotations.slerp(start, end, weight))
        case "euler":
            start, end = map(rotations.euler_to_quaternion, (first, second))
            return rotations.quaternion_to_euler(rotations.slerp(start, end, weight))
        case "linear":
            wide = np.result_type(first, np.float64)
            base = first.astype(wide)
            with np.errstate(invalid="ignore", over="ignore"):
                return base + weight * (second - base)


def _finite(*arrays: NDArray[Any]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)
