"""Batches of samples."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
import torch.utils.data
from abstract_dataloader.ext.types import (
    dataclass,  # pyright: ignore[reportUnknownVariableType]
)
from numpy.typing import NDArray
from torch.utils.data._utils.collate import (
    default_collate_fn_map,  # pyright: ignore[reportUnknownVariableType]
)

from roverd import types
from roverd.torch.tensors import KINDS, children, label, rebuilt, to_tensor, usable

__all__ = ["Collate", "Padded", "collate"]

Ragged = Literal["error", "pad", "list"]


@dataclass
class Padded:
    """Arrays of different lengths in one tensor.

    Attributes:
        values: [batch, longest, ...]: zeros follow where an array is shorter.
        lengths: Int64[batch]: how long each is.
    """

    values: torch.Tensor
    lengths: torch.Tensor

    @property
    def mask(self) -> torch.Tensor:
        """Bool[batch, longest]: where there are values, not padding."""
        places = torch.arange(self.values.shape[1], device=self.lengths.device)
        return places < self.lengths[:, None]


class Collate:
    """Makes a batch of a list of samples: the same structure, with tensors.

    | in the samples | in the batch |
    |---|---|
    | arrays in a dataclass, such as all of `roverd.types` | concatenated along their first axis, which is `batch` |
    | other arrays, and tensors | stacked along a new first axis |
    | NumPy's scalars | the same as arrays without axes |
    | numbers, booleans | a tensor with one element for each sample: Float64, Int64 or Bool |
    | texts, `None`, whatever else | a list with one element for each sample |
    | dataclasses, mappings, lists, (named) tuples | the same type, of batches of their parts |

    Elements keep their type. For unsigned integers of 16 bits and more, PyTorch has few operations:
    convert them (`.float()`, `.int()`) where they are used, on the device.

    In a worker of a `DataLoader`, batches are put together in memory that is shared with the
    parent: nothing is copied once more. A batch of one sample shares the sample's memory.

    Args:
        ragged: what becomes of arrays whose shapes differ between the samples, and of lists of
            different lengths. `"error"`: a ValueError. `"list"`: a list with the part of each
            sample. `"pad"`: a `Padded`, if the arrays differ in one axis, the second of the batch
            (the frames of a window), otherwise a ValueError; lists are as with `"list"`. The
            points of a `PointCloud` are always padded: its `length` says how many there are.
    """  # noqa: E501 - a row of a table is a line

    def __init__(self, ragged: Ragged = "error") -> None:
        if ragged not in get_args(Ragged):
            raise ValueError(f"ragged must be 'error', 'pad' or 'list', got {ragged!r}")
        self.ragged = ragged

    def __call__(self, samples: Sequence[Any]) -> Any:
        """Make a batch.

        Args:
            samples: at least one; all of the same structure.

        Raises:
            ValueError: they differ in structure, or in the shape or type of an array.
            TypeError: tensors cannot have the elements of an array.
        """
        if not len(samples):
            raise ValueError("cannot make a batch of no samples")
        return self._join(list(samples), "sample")

    def _join(self, parts: list[Any], name: str) -> Any:
        first = parts[0]
        arrays = [isinstance(part, np.ndarray | np.generic | torch.Tensor) for part in parts]
        if all(arrays):
            return self._arrays(parts, name, stacked=True)
        if all(isinstance(part, int | float) for part in parts):
            doubled = any(isinstance(part, float) for part in parts)
            return torch.tensor(parts, dtype=torch.float64 if doubled else None)
        inside = [children(part) for part in parts]
        structured = any(arrays) or any(pairs is not None for pairs in inside)
        if structured and any(type(part) is not type(first) for part in parts):
            kinds = sorted({type(part).__name__ for part in parts})
            raise ValueError(f"{name}: samples differ in type: {', '.join(kinds)}")
        if not structured:
            return parts
        keys = [None if pairs is None else [key for key, _ in pairs] for pairs in inside]
        if any(there != keys[0] for there in keys):
            if isinstance(first, list | tuple) and self.ragged != "error":
                return [self._alone(part) for part in parts]
            raise ValueError(
                f"{name}: samples differ in what they hold: {keys[0]!r:.60} and "
                f"{next(there for there in keys if there != keys[0])!r:.60}{self._advice()}"
            )
        typed = dataclasses.is_dataclass(first)
        held = [cast(list[tuple[Any, Any]], pairs) for pairs in inside]
        joined: dict[Any, Any] = {}
        for number, key in enumerate(cast(list[Any], keys[0])):
            values = [pairs[number][1] for pairs in held]
            where = f"{name}{label(first, key)}"
            if typed and all(isinstance(value, np.ndarray | torch.Tensor) for value in values):
                points = isinstance(first, types.PointCloud) and key == "xyz"
                # Windows of different lengths are as those of other types.
                padded = points and len({(v.shape[1:2], v.shape[3:]) for v in values}) == 1
                joined[key] = (
                    _pad(_arrays_of(values, where), 2) if padded else self._typed(values, where)
                )
            else:
                joined[key] = self._join(values, where)
        return rebuilt(first, joined)

    def _alone(self, part: Any) -> Any:
        return rebuilt(part, {key: _single(value) for key, value in children(part) or []})

    def _typed(self, values: list[Any], name: str) -> Any:
        return self._arrays(values, name, stacked=not all(value.ndim for value in values))

    def _arrays(self, values: list[Any], name: str, stacked: bool) -> Any:
        if any(isinstance(value, torch.Tensor) and _elsewhere(value) for value in values):
            tensors = [to_tensor(value, name) for value in values]
            _check_kinds({tensor.dtype for tensor in tensors}, name)
            return torch.stack(tensors) if stacked else torch.cat(tensors)
        arrays = _arrays_of(values, name)
        if stacked:
            arrays = [array[None] for array in arrays]
        if any(array.shape[1:] != arrays[0].shape[1:] for array in arrays):
            return self._different(arrays, values, name)
        if len(arrays) == 1:
            return to_tensor(arrays[0], name)
        shape = (sum(len(array) for array in arrays), *arrays[0].shape[1:])
        out = _room(shape, arrays[0].dtype)
        np.concatenate(arrays, out=out.numpy())
        return out

    def _different(self, arrays: list[NDArray[Any]], values: list[Any], name: str) -> Any:
        if self.ragged == "list":
            return [to_tensor(value, name) for value in values]
        rest = {(array.ndim, array.shape[2:]) for array in arrays}
        if self.ragged == "error" or len(rest) > 1:
            shapes = sorted({tuple(value.shape) for value in values})
            only = " in more than one axis" if self.ragged == "pad" else ""
            raise ValueError(
                f"{name}: samples differ in shape{only}: "
                f"{', '.join(map(str, shapes[:5]))}{self._advice()}"
            )
        lengths = [array.shape[1] for array in arrays for _ in range(len(array))]
        return Padded(_pad(arrays, 1), torch.tensor(lengths))

    def _advice(self) -> str:
        others = "'list' or 'pad'" if self.ragged == "error" else "'list'"
        return "" if self.ragged == "list" else f"; see Collate(ragged={others})"


def _single(value: Any) -> Any:
    return to_tensor(value) if isinstance(value, np.ndarray | np.generic) else value


def _arrays_of(values: list[Any], name: str) -> list[NDArray[Any]]:
    arrays: list[NDArray[Any]] = [
        value.numpy() if isinstance(value, torch.Tensor) else usable(np.asarray(value), name)
        for value in values
    ]
    _check_kinds({array.dtype for array in arrays}, name)
    return arrays


def _check_kinds(kinds: Collection[Any], name: str) -> None:
    if len(kinds) > 1:
        raise ValueError(
            f"{name}: samples differ in the type of elements: {', '.join(sorted(map(str, kinds)))}"
        )


def _pad(arrays: list[NDArray[Any]], axis: int) -> torch.Tensor:
    """Concatenate along the first axis arrays that differ in another one, with zeros behind."""
    shape = [sum(len(array) for array in arrays), *arrays[0].shape[1:]]
    shape[axis] = max(array.shape[axis] for array in arrays)
    out = _room(tuple(shape), arrays[0].dtype)
    rows = np.split(out.numpy(), np.cumsum([len(array) for array in arrays])[:-1])
    for into, array in zip(rows, arrays, strict=True):
        filled, rest = np.split(into, [array.shape[axis]], axis)
        filled[...] = array
        rest[...] = 0
    return out


def _elsewhere(tensor: torch.Tensor) -> bool:
    """Whether a tensor has no array that shares its memory."""
    elsewhere = tensor.device.type != "cpu" or tensor.layout != torch.strided
    return elsewhere or tensor.requires_grad or tensor.dtype not in _KNOWN_TO_NUMPY


def _room(shape: tuple[int, ...], kind: np.dtype[Any]) -> torch.Tensor:
    """A tensor without content; in memory that is shared with the parent, in a worker."""
    like = torch.from_numpy(np.empty(0, kind))  # pyright: ignore[reportUnknownMemberType]
    if torch.utils.data.get_worker_info() is None:
        return torch.empty(shape, dtype=like.dtype)
    count = int(np.prod(shape, dtype=np.int64))
    # As PyTorch's own collation has it.
    storage = cast(Any, like)._typed_storage()._new_shared(count, device=like.device)
    return like.new(storage).resize_(*shape)


_KNOWN_TO_NUMPY = frozenset(to_tensor(np.empty(0, kind.str)).dtype for kind in KINDS)

collate = Collate()
"""`Collate` with its defaults, for `collate_fn=`."""


def _collate_with_defaults(
    batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None
) -> Any:
    del collate_fn_map
    return collate(batch)


# So that a `DataLoader` without `collate_fn` takes samples of ours.
for _kind in types.__all__:
    if isinstance(getattr(types, _kind), type):
        default_collate_fn_map[getattr(types, _kind)] = _collate_with_defaults
