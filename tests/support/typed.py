"""Checks of samples against the annotations of their types, at run time."""

import dataclasses
import functools
from typing import Any, get_type_hints

import jaxtyping
import numpy as np
from beartype import beartype

Checked = jaxtyping.jaxtyped(typechecker=beartype)


@functools.cache
def checked_class(sample_type: type) -> type:
    """A plain dataclass of the same fields, over NumPy arrays, that checks what it is given."""
    hints = get_type_hints(sample_type)
    fields: list[tuple[str, Any]] = []
    for field in dataclasses.fields(sample_type):
        hint = hints[field.name]
        if hasattr(hint, "dim_str"):
            hint = hint.dtype[np.ndarray, hint.dim_str]
        fields.append((field.name, hint))
    return Checked(dataclasses.make_dataclass(f"Checked{sample_type.__name__}", fields))


def check_sample(sample: Any) -> None:
    """Raise unless every field is what its annotation says, with axes of one name equally long."""
    checked_class(type(sample))(
        **{field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}
    )
