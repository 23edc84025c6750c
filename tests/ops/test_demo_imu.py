"""The simulated IMU agrees with how the rig moves."""

import numpy as np
import pytest

from roverd.ops.demo.imu import Imu
from roverd.ops.demo.motion import GRAVITY, RigMotion, Wave, euler_to_matrix
from roverd.ops.demo.rig import Rig

# Larger angles than the rig's, so that a mistake in the order of rotations shows.
TUMBLING = RigMotion(
    Wave(1.0, 0.7, 1.3, 0.2),
    Wave(0.0, 0.5, 0.9),
    Wave(1.0, 0.2, 2.0, 1.0),
    Wave(0.2, 0.7, 1.1, 0.3),
    Wave(-0.1, 0.6, 1.4, 1.2),
    Wave(0.5, 1.2, 0.8, 2.0),
)
QUIET = Imu(acc_noise=0.0, avel_noise=0.0, rot_noise=0.0)
TIMES = np.arange(0, 4, 0.002)


def turn(vector: np.ndarray) -> np.ndarray:
    """Rotation matrix of a rotation vector, in radians (Rodrigues)."""
    angle = np.linalg.norm(vector)
    x, y, z = vector / angle if angle else vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@pytest.mark.parametrize("motion", [TUMBLING, Rig(seed=5).motion])
def test_gyroscope_integrates_to_attitude(motion):
    measured = QUIET.measure(motion, TIMES, np.random.default_rng(0))
    attitude = euler_to_matrix(measured["rot"][0].astype(float))
    rates = measured["avel"].astype(float)
    for step, rate in zip(np.diff(TIMES), (rates[1:] + rates[:-1]) / 2, strict=True):
        attitude = attitude @ turn(rate * step)
    np.testing.assert_allclose(attitude, motion.rotation(TIMES[-1]), atol=1e-4)


@pytest.mark.parametrize("motion", [TUMBLING, Rig(seed=5).motion])
def test_accelerometer_integrates_to_position(motion):
    measured = QUIET.measure(motion, TIMES, np.random.default_rng(0))
    world = np.einsum("nwr,nr->nw", euler_to_matrix(measured["rot"].astype(float)), measured["acc"])
    acceleration = world - [0, 0, GRAVITY]
    step = TIMES[1] - TIMES[0]
    velocity = motion.position(TIMES[0], 1) + np.cumsum(acceleration, axis=0) * step
    position = motion.position(TIMES[0]) + np.cumsum(velocity, axis=0) * step
    np.testing.assert_allclose(position[-1], motion.position(TIMES[-1]), atol=0.02)


def test_at_rest_only_gravity():
    still = RigMotion(Wave(0), Wave(0), Wave(1), Wave(0), Wave(0), Wave(0.7))
    measured = Imu().measure(still, TIMES, np.random.default_rng(0))
    np.testing.assert_allclose(measured["acc"].mean(axis=0), [0, 0, GRAVITY], atol=0.003)
    np.testing.assert_allclose(measured["avel"].mean(axis=0), 0, atol=0.0003)
    np.testing.assert_allclose(measured["rot"].mean(axis=0), [0, 0, 0.7], atol=0.0003)


def test_euler_angles_are_intrinsic_xyz():
    def about(axis: int, angle: float) -> np.ndarray:
        return turn(angle * np.eye(3)[axis])

    roll, pitch, yaw = 0.3, -0.5, 1.1
    np.testing.assert_allclose(
        euler_to_matrix(np.array([roll, pitch, yaw])),
        about(0, roll) @ about(1, pitch) @ about(2, yaw),
        atol=1e-12,
    )


def test_samples_are_little_endian_floats():
    measured = Imu().measure(TUMBLING, TIMES[:7], np.random.default_rng(0))
    assert {(x.dtype.str, x.shape) for x in measured.values()} == {("<f4", (7, 3))}
