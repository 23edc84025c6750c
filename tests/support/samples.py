"""Whether two samples are the same."""

import dataclasses
from typing import Any

import numpy as np


def check_same(got: Any, expected: Any) -> None:
    """Fail unless two samples, or two parts of them, have the same values."""
    if dataclasses.is_dataclass(expected):
        got, expected = vars(got), vars(expected)
    if isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key in expected:
            check_same(got[key], expected[key])
    elif not isinstance(expected, str):
        np.testing.assert_array_equal(got, expected)
