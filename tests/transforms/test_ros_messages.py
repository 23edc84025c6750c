"""Times and orientations of ROS messages, against exact decimals and SciPy."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from roverd.transforms.ros import euler_to_quaternion, nanoseconds

ANGLES = st.floats(-10, 10, width=32)
RIGHT = np.pi / 2


def exact(seconds: float) -> int:
    with localcontext(prec=2000):
        product = Decimal(seconds) * 10**9
        return int(product.to_integral_value(ROUND_HALF_EVEN))


@given(st.floats(0, 2.0**33))
def test_times_are_those_of_exact_decimals(seconds: float):
    assert nanoseconds(seconds) == exact(seconds)


@pytest.mark.parametrize(
    "seconds, wanted",
    [
        (0.0, 0),
        (1.7e9, 1_700_000_000_000_000_000),
        (np.nextafter(1.7e9, 2e9), 1_700_000_000_000_000_238),
        (np.nextafter(1.7e9, 0), 1_699_999_999_999_999_762),
        (0.9999999999, 1_000_000_000),
        (1.6e-9, 2),
        # Ties: half a nanosecond over an even and an odd number of them.
        (1 / 1024, 976_562),
        (3 / 1024, 2_929_688),
    ],
)
def test_times_go_to_the_nearest_nanosecond(seconds: float, wanted: int):
    assert nanoseconds(seconds) == wanted == exact(float(seconds))


def same_rotation(found: np.ndarray, wanted: np.ndarray) -> None:
    """A quaternion and its negative are the same rotation."""
    sign = np.sign(np.sum(found * wanted, axis=-1, keepdims=True))
    np.testing.assert_allclose(found * sign, wanted, rtol=0, atol=1e-12)


@given(st.lists(st.tuples(ANGLES, ANGLES, ANGLES), min_size=1, max_size=20))
def test_orientations_are_scipys_intrinsic_xyz(angles: list[tuple[float, float, float]]):
    given_angles = np.array(angles, np.float32)
    found = euler_to_quaternion(given_angles)
    assert found.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, rtol=0, atol=1e-12)
    same_rotation(found, Rotation.from_euler("XYZ", given_angles.astype(float)).as_quat())


@pytest.mark.parametrize("pitch", [RIGHT, -RIGHT])
def test_orientations_are_right_where_two_axes_fall_together(pitch: float):
    angles = np.array([0.3, pitch, -1.1])
    same_rotation(euler_to_quaternion(angles), Rotation.from_euler("XYZ", angles).as_quat())


def test_turns_are_about_axes_that_turn_along():
    # A quarter about x takes y to z; the second quarter is about that axis, and takes x there to y.
    turned = Rotation.from_quat(euler_to_quaternion(np.array([RIGHT, 0.0, RIGHT])))
    np.testing.assert_allclose(turned.apply([1, 0, 0]), [0, 0, 1], atol=1e-12)


def test_orientations_keep_leading_axes():
    angles = np.random.default_rng(0).normal(size=(2, 3, 4, 3))
    found = euler_to_quaternion(angles)
    assert found.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(found[1, 2, 3], euler_to_quaternion(angles[1, 2, 3]))
    assert euler_to_quaternion(np.empty((0, 3))).shape == (0, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_angles_that_are_no_numbers_give_no_orientation(value: float):
    found = euler_to_quaternion(np.array([[0.1, value, 0.2], [0.1, 0.2, 0.3]]))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
