"""How things move in the simulation: smooth curves whose derivatives are known exactly.

Position and attitude are sines, so velocity, acceleration and angular rate need no
numerical differentiation, and every sensor can be asked at any instant.

Frames: the *world* is fixed to the room, z up. The *rig* has x forward, y left, z up.
Times are seconds since the start of the recording.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

GRAVITY = 9.80665
"""Standard gravity, m/s² (CGPM 1901)."""


@dataclass(frozen=True)
class Wave:
    """`offset + amplitude * sin(omega * t + phase)`.

    Attributes:
        offset: mean value, in metres or radians.
        amplitude: in the unit of `offset`.
        omega: angular frequency, rad/s.
        phase: radians.
    """

    offset: float
    amplitude: float = 0.0
    omega: float = 0.0
    phase: float = 0.0

    def __call__(self, t: Float64[np.ndarray, "*n"], order: int = 0) -> Float64[np.ndarray, "*n"]:
        """Value of the derivative of that order (0: the value itself) at times `t`, in seconds."""
        # Each derivative of a sine is the sine a quarter turn ahead, times omega.
        angle = self.omega * t + self.phase + order * (np.pi / 2)
        swing = self.amplitude * self.omega**order * np.sin(angle)
        return swing + self.offset if order == 0 else swing


@dataclass(frozen=True)
class RigMotion:
    """Trajectory of the rig in the world.

    The attitude is intrinsic XYZ Euler angles: roll about x, then pitch about the new y, then
    yaw about the new z, so that rig to world is `Rx(roll) @ Ry(pitch) @ Rz(yaw)`.

    Attributes:
        x: position along the room, metres, as are `y` and `z`.
        y: position across the room.
        z: height above the floor.
        roll: radians, as are `pitch` and `yaw`.
        pitch: about y; positive looks down.
        yaw: about z; positive looks left.
    """

    x: Wave
    y: Wave
    z: Wave
    roll: Wave
    pitch: Wave
    yaw: Wave

    def position(self, t: Float64[np.ndarray, "*n"], order: int = 0) -> Float64[np.ndarray, "*n 3"]:
        """Position (m), or with order 1 and 2 velocity (m/s) and acceleration (m/s²), in the world.

        Args:
            t: times in seconds.
            order: order of the derivative.
        """
        return np.stack([wave(t, order) for wave in (self.x, self.y, self.z)], axis=-1)

    def euler(self, t: Float64[np.ndarray, "*n"], order: int = 0) -> Float64[np.ndarray, "*n 3"]:
        """Roll, pitch, yaw in radians, or their derivative of that order."""
        return np.stack([wave(t, order) for wave in (self.roll, self.pitch, self.yaw)], axis=-1)

    def rotation(self, t: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n 3 3"]:
        """Rotation matrices from rig to world."""
        return euler_to_matrix(self.euler(t))

    def angular_velocity(self, t: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n 3"]:
        """Angular velocity in the rig frame, rad/s: what an ideal gyroscope measures.

        Each Euler rate turns about the axis it was applied to, carried into the rig frame by the
        rotations that came after it (Diebel, "Representing Attitude", 2006, section 5.6, for this
        axis order): `Rz' Ry' [roll', 0, 0] + Rz' [0, pitch', 0] + [0, 0, yaw']`.
        """
        _, pitch, yaw = np.moveaxis(self.euler(t), -1, 0)
        roll_rate, pitch_rate, yaw_rate = np.moveaxis(self.euler(t, 1), -1, 0)
        return np.stack(
            [
                roll_rate * np.cos(pitch) * np.cos(yaw) + pitch_rate * np.sin(yaw),
                -roll_rate * np.cos(pitch) * np.sin(yaw) + pitch_rate * np.cos(yaw),
                roll_rate * np.sin(pitch) + yaw_rate,
            ],
            axis=-1,
        )

    def specific_force(self, t: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n 3"]:
        """What an ideal accelerometer measures, in the rig frame, m/s².

        Acceleration minus gravitation: at rest and level it reads +g along z.
        """
        force = self.position(t, 2) + np.array([0.0, 0.0, GRAVITY])
        return np.einsum("...wr,...w->...r", self.rotation(t), force)


def euler_to_matrix(angles: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3 3"]:
    """Rotation matrices `Rx(roll) @ Ry(pitch) @ Rz(yaw)` of intrinsic XYZ Euler angles.

    Args:
        angles: roll, pitch, yaw in radians.
    """
    sin, cos = np.sin(angles), np.cos(angles)
    sin_x, sin_y, sin_z = np.moveaxis(sin, -1, 0)
    cos_x, cos_y, cos_z = np.moveaxis(cos, -1, 0)
    rows = [
        [cos_y * cos_z, -cos_y * sin_z, sin_y],
        [
            cos_x * sin_z + sin_x * sin_y * cos_z,
            cos_x * cos_z - sin_x * sin_y * sin_z,
            -sin_x * cos_y,
        ],
        [
            sin_x * sin_z - cos_x * sin_y * cos_z,
            sin_x * cos_z + cos_x * sin_y * sin_z,
            cos_x * cos_y,
        ],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
