"""Samples as flat columns."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roverd.errors import UnsupportedError

Rows = Sequence[Mapping[str, Any]]
"""Rows, each of which has a value for every column."""


def sensor_columns(
    sample: Mapping[str, Any], wanted: frozenset[str] | None = None
) -> dict[str, Any]:
    """What a sample has of each sensor, by column.

    Args:
        sample: samples by sensor: dataclasses, mappings, arrays, numbers or text.
        wanted: names of the columns; all if `None`.

    Returns:
        Arrays without a batch axis, numbers and text.
    """
    return {
        name: value
        for sensor, part in sample.items()
        for name, value in _fields(sensor, part)
        if wanted is None or name in wanted
    }


def check_columns(columns: Mapping[str, Any], path: str) -> None:
    """Check that these can be columns.

    Args:
        columns: those of a sample.
        path: of the trace.

    Raises:
        UnsupportedError: Ray has no such type.
    """
    for name, value in columns.items():
        if isinstance(value, np.ndarray | np.generic):
            kind: np.dtype[Any] = cast(NDArray[Any], value).dtype
            if kind.kind in "biufSU":
                continue
            what = f"Ray has no arrays of {kind}"
        elif isinstance(value, str | int | float | bool):
            continue
        else:
            what = f"expected an array, a number or text, got {type(value).__name__}"
        raise UnsupportedError(
            f"{path}: column {name}: {what}; leave it out (columns=), or have a sensor of your own "
            f"that gives an array of another type"
        )


def check_same_columns(
    expected: Mapping[str, Any], first: str, columns: Mapping[str, Any], path: str
) -> None:
    """Check that rows of two traces go into one dataset: shapes may differ, nothing else.

    Ray fails in the middle of a dataset where columns or types of elements differ, and gives arrays
    more axes than they have where those differ.

    Args:
        expected: the columns of a sample of one of the traces.
        first: path of that one.
        columns: those of the other one.
        path: of the other one.

    Raises:
        UnsupportedError: they differ.
    """
    for name in sorted({*expected, *columns}):
        there, here = (
            _kind(samples[name]) if name in samples else "no such column"
            for samples in (expected, columns)
        )
        if there != here:
            raise UnsupportedError(
                f"{path}: column {name}: expected {there}, as in {first}, found {here}; Ray needs "
                f"the same columns in all rows: name those that all traces have (columns=, "
                f"sensors=), or read such traces by themselves"
            )


def _kind(value: Any) -> str:
    array: NDArray[Any] = np.asarray(value)
    kind = {"U": "text", "S": "bytes"}.get(array.dtype.kind, array.dtype.newbyteorder("=").name)
    return f"{kind} of {array.ndim} axes" if array.ndim else kind


def _fields(sensor: str, part: Any) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray) and cast(NDArray[Any], value).shape[:1] == (1,):
                value = value[0]  # the batch axis, of one sample
            yield f"{sensor}/{field.name}", value
    elif isinstance(part, Mapping):
        for name, value in cast(Mapping[str, Any], part).items():
            yield f"{sensor}/{name}", value
    else:
        yield sensor, part


def size_of(values: Iterable[Any]) -> int:
    """Bytes of arrays, numbers and text."""
    return sum(
        value.nbytes if isinstance(value, np.ndarray | np.generic) else len(str(value))
        for value in values
    )


def stacked(rows: Rows) -> dict[str, NDArray[Any]]:
    """Rows as columns.

    Returns:
        Arrays `(rows, ...)`; of objects, where the shapes of a column's arrays differ.
    """
    return {name: _stack([row[name] for row in rows]) for name in rows[0]}


def _stack(values: list[Any]) -> NDArray[Any]:
    if not isinstance(values[0], np.ndarray):
        return np.array(values)
    arrays = cast(list[NDArray[Any]], values)
    if len({array.shape for array in arrays}) == 1:
        made = np.stack(arrays)
        return made.astype(made.dtype.newbyteorder("="), copy=False)
    ragged = np.empty(len(arrays), object)
    for number, array in enumerate(arrays):
        ragged[number] = array
    return ragged
