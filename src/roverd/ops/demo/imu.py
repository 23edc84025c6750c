"""Inertial measurement unit: accelerometer, gyroscope and attitude of the moving rig."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from roverd.ops.demo.motion import RigMotion


@dataclass(frozen=True)
class Imu:
    """Noise of the three outputs, one standard deviation per sample.

    The figures are those of a common MEMS part at 100 Hz; the attitude is what its filter reports.

    Attributes:
        acc_noise: accelerometer, m/s².
        avel_noise: gyroscope, rad/s.
        rot_noise: attitude, radians.
    """

    acc_noise: float = 0.02
    avel_noise: float = 0.002
    rot_noise: float = 0.0005

    def measure(
        self, motion: RigMotion, t: Float64[np.ndarray, " n"], generator: np.random.Generator
    ) -> dict[str, Float32[np.ndarray, "n 3"]]:
        """Measure the motion of the rig.

        Args:
            motion: trajectory of the rig.
            t: times of the samples, seconds.
            generator: source of the noise.

        Returns:
            `acc`: specific force in the rig frame, gravity included (level and at rest: +g along
            z), m/s². `avel`: angular velocity in the rig frame, rad/s. `rot`: intrinsic XYZ Euler
            angles from rig to world, radians.
        """
        ideal = {
            "acc": (motion.specific_force(t), self.acc_noise),
            "avel": (motion.angular_velocity(t), self.avel_noise),
            "rot": (motion.euler(t), self.rot_noise),
        }
        return {
            name: (truth + noise * generator.standard_normal(truth.shape)).astype("<f4")
            for name, (truth, noise) in ideal.items()
        }
