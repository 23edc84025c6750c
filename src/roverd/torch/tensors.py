"""Arrays as tensors."""

import copy
import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["to_tensor", "to_tensors"]


def to_tensor(array: Any, name: str = "array") -> torch.Tensor:
    """An array as a tensor, sharing its memory where PyTorch can.

    That is for writable arrays in the machine's byte order, without negative or odd strides; of
    others a copy is made. The type of the numbers stays.

    Args:
        array: of numbers; NumPy's or already a tensor, which is returned as it is.
        name: what messages call it.

    Raises:
        TypeError: tensors cannot have such elements.
    """
    if isinstance(array, torch.Tensor):
        return array
    return torch.from_numpy(usable(np.asarray(array), name))  # pyright: ignore[reportUnknownMemberType]


def usable(array: NDArray[Any], name: str) -> NDArray[Any]:
    """An array, or a copy, that PyTorch can share; see `to_tensor`."""
    kind = array.dtype.newbyteorder("=")
    if kind not in KINDS:
        raise TypeError(f"{name}: tensors cannot have elements of NumPy's type {array.dtype}")
    fits = all(stride >= 0 and stride % max(1, kind.itemsize) == 0 for stride in array.strides)
    if array.flags.writeable and array.dtype.isnative and fits:
        return array
    return np.array(array, kind, order="C")


KINDS = frozenset(
    np.dtype(name)
    for name in ("?", *"bBhHiIqQefdFD")  # all that `torch.from_numpy` takes, by letter
)


def to_tensors(sample: Any, name: str = "sample") -> Any:
    """A sample with tensors in the place of its arrays.

    Dataclasses, mappings, lists and (named) tuples keep their types, at any depth. Everything
    else stays what it is: texts, numbers, `None`; NumPy's scalars become tensors without axes.

    Args:
        sample: from a `Dataset`, `Trace` or sensor.
        name: what messages call it.

    Returns:
        The same with tensors, which share the arrays' memory where they can; see `to_tensor`.

    Raises:
        TypeError: tensors cannot have the elements of an array; the message says which one.
    """
    if isinstance(sample, np.ndarray | np.generic):
        return to_tensor(sample, name)
    parts = children(sample)
    if parts is None:
        return sample
    return rebuilt(
        sample, {key: to_tensors(part, f"{name}{label(sample, key)}") for key, part in parts}
    )


def children(value: Any) -> list[tuple[Any, Any]] | None:
    """What a container holds, by field, key or number; `None` for what is no container."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return list(cast(Mapping[Any, Any], value).items())
    if isinstance(value, list | tuple):
        return list(enumerate(cast(list[Any], value)))
    return None


def rebuilt(like: Any, parts: dict[Any, Any]) -> Any:
    """A container as another one is, of other parts."""
    kind = cast(Any, type(like))
    if dataclasses.is_dataclass(like):
        return kind(**parts)
    if isinstance(like, MutableMapping):
        # Some, such as `defaultdict`, are not made of what they hold alone.
        made = copy.copy(cast(MutableMapping[Any, Any], like))
        made.update(parts)
        return made
    if isinstance(like, Mapping):
        return kind(parts)
    return kind(*parts.values()) if hasattr(kind, "_fields") else kind(parts.values())


def label(container: Any, key: Any) -> str:
    """How a part of a container is written in Python."""
    return f".{key}" if dataclasses.is_dataclass(container) else f"[{key!r}]"
