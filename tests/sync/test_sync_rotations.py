"""Rotations between rotations, against SciPy's."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from roverd import rotations

parts = st.floats(-1, 1, width=32)
quaternions = st.lists(parts, min_size=4, max_size=4).filter(lambda q: sum(x * x for x in q) > 1e-3)
weights = st.floats(0, 1)


def angle(found: Any, expected: Rotation) -> float:
    return float((Rotation.from_quat(found) * expected.inv()).magnitude())


@given(quaternions, quaternions, weights, st.sampled_from([1.0, -1.0]))
def test_slerp_is_scipys(first, second, weight: float, sign: float):
    ends = Rotation.from_quat([first, second])
    found = rotations.slerp(np.array(first), sign * np.array(second), weight)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-12)
    if (ends[0].inv() * ends[1]).magnitude() > math.pi - 1e-3:
        # Half a turn apart, there are two ways: this one has the right length all the same.
        whole = float((ends[0].inv() * ends[1]).magnitude())
        assert angle(found, ends[0]) == pytest.approx(weight * whole, abs=2e-3)
    else:
        assert angle(found, Slerp([0, 1], ends)([weight])[0]) < 1e-7


@given(quaternions, st.floats(0, 1e-6))
def test_slerp_between_neighbours_is_precise(first, tiny: float):
    start = Rotation.from_quat(first)
    end = Rotation.from_rotvec([tiny, 0, 0]) * start
    found = rotations.slerp(start.as_quat(), end.as_quat(), 0.25)
    assert angle(found, Rotation.from_rotvec([tiny / 4, 0, 0]) * start) < 1e-13


@given(st.lists(quaternions, min_size=1, max_size=5), st.sampled_from(["f4", "f8"]))
def test_matrices_and_angles_are_those_of_the_same_rotation(given_quaternions, dtype: str):
    expected = Rotation.from_quat(given_quaternions)
    unit = expected.as_quat()
    np.testing.assert_allclose(
        rotations.quaternion_to_matrix(unit), expected.as_matrix(), atol=1e-12
    )
    matrices = expected.as_matrix().astype(dtype)
    precision = 2e-6 if dtype == "f4" else 1e-12
    for found, one in zip(rotations.matrix_to_quaternion(matrices), expected, strict=True):
        assert angle(found, one) < precision
    for found, one in zip(rotations.quaternion_to_euler(unit), expected, strict=True):
        assert (Rotation.from_euler("XYZ", found) * one.inv()).magnitude() < 1e-6


@pytest.mark.parametrize("middle", [math.pi / 2, -math.pi / 2])
def test_angles_at_the_poles_are_of_the_same_rotation(middle: float):
    expected = Rotation.from_euler("XYZ", [0.4, middle, -1.1])
    found = rotations.quaternion_to_euler(expected.as_quat())
    assert found[2] == 0
    assert (Rotation.from_euler("XYZ", found) * expected.inv()).magnitude() < 1e-7


@pytest.mark.parametrize(
    "matrix", [np.zeros((3, 3)), -np.eye(3), np.full((3, 3), np.nan), 1.1 * np.eye(3)]
)
def test_what_is_no_rotation_becomes_nan_and_leaves_others_alone(matrix):
    found = rotations.matrix_to_quaternion(np.stack([matrix, np.eye(3)]))
    assert np.isnan(found[0]).all()
    assert np.abs(found[1]).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("wrong", [[0.0, 0, 0, 0], [math.nan, 0, 0, 1], [math.inf, 0, 0, 1]])
def test_no_quaternion_leads_to_none(wrong):
    unit = np.array([0.0, 0, 0, 1])
    assert np.isnan(rotations.slerp(np.array(wrong), unit, 0.5)).all()
    assert np.isnan(rotations.slerp(unit, np.array(wrong), 0.5)).all()
