"""Spinning lidar with Ouster's geometry, in a room that it casts rays into.

The geometry is that of the manufacturer (Ouster, "Sensor data", section "Lidar range to XYZ", and
`XYZLut` of the ouster-sdk): in column `m` of `W` the encoder stands at `2 pi (1 - m / W)`; beams
leave from a circle of radius `lidar_origin_to_beam_origin_mm` around the axis, each turned by its
azimuth offset and raised by its altitude angle; the range counts from the axis.

All beams of a column fire at once, but look in directions that differ by their azimuth offsets.
A stored image therefore is *staggered*: what stands upright in the world is a zigzag in it.
`transforms.ouster.destagger` shifts each row by the columns that its offset amounts to.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from roverd.ops.demo.motion import RigMotion
from roverd.ops.demo.scene import Scene


@dataclass(frozen=True)
class Lidar:
    """A lidar of the OS-1 family.

    Attributes:
        beams: rows of an image; a multiple of 4.
        columns: columns of an image, one revolution.
        rate: revolutions per second.
        top: altitude angle of the first beam, degrees; the last is `-top`.
        beam_radius: distance of the beams' origins from the axis, mm.
        sensor_height: of the lidar's origin over the sensor's, mm.
        range_noise: standard deviation, mm.
        dropouts: share of pixels without an echo (range 0).
    """

    beams: int = 64
    columns: int = 1024
    rate: float = 10.0
    top: float = 22.5
    beam_radius: float = 12.163
    sensor_height: float = 36.18
    range_noise: float = 8.0
    dropouts: float = 0.003

    @property
    def altitude_angles(self) -> Float64[np.ndarray, " beam"]:
        """Elevation of the beams, degrees, from the top."""
        return np.round(np.linspace(self.top, -self.top, self.beams), 2)

    @property
    def azimuth_angles(self) -> Float64[np.ndarray, " beam"]:
        """Offset of the beams about the axis, degrees, clockwise seen from above."""
        return np.tile([3.16, 1.05, -1.05, -3.16], self.beams // 4)

    @property
    def pixel_shifts(self) -> Int64[np.ndarray, " beam"]:
        """Columns to move each row to the right by; the least is 0."""
        shifts = np.rint(self.azimuth_angles / 360 * self.columns).astype(np.int64)
        return shifts - shifts.min()

    def intrinsics(self) -> dict[str, Any]:
        """Contents of lidar.json, in the layout of the manufacturer's SDK (angles deg, lengths mm).

        Transforms are homogeneous 4 x 4 matrices, row by row.
        """
        raised = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, self.sensor_height, 0, 0, 0, 1]
        offset = [1, 0, 0, self.beam_radius, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        return {
            "sensor_info": {
                "prod_line": f"OS-1-{self.beams}",
                "prod_sn": "0",
                "image_rev": "simulated",
                "status": "RUNNING",
            },
            "config_params": {"lidar_mode": f"{self.columns}x{self.rate:.0f}"},
            "lidar_data_format": {
                "pixels_per_column": self.beams,
                "columns_per_frame": self.columns,
                "columns_per_packet": 16,
                "column_window": [0, self.columns - 1],
                "fps": round(self.rate),
                "pixel_shift_by_row": self.pixel_shifts.tolist(),
                "udp_profile_lidar": "RNG19_RFL8_SIG16_NIR16",
            },
            "beam_intrinsics": {
                "beam_altitude_angles": self.altitude_angles.tolist(),
                "beam_azimuth_angles": self.azimuth_angles.tolist(),
                "lidar_origin_to_beam_origin_mm": self.beam_radius,
                "beam_to_lidar_transform": [float(x) for x in offset],
            },
            "lidar_intrinsics": {"lidar_to_sensor_transform": [float(x) for x in raised]},
        }

    def rays(
        self,
    ) -> tuple[Float64[np.ndarray, "3 beam column"], Float64[np.ndarray, "3 beam column"]]:
        """Where the beams start (metres) and point (unit vectors), in the sensor frame."""
        encoder = 2 * np.pi * (1 - np.arange(self.columns) / self.columns)
        altitude = np.radians(self.altitude_angles)[:, None]
        azimuth = encoder - np.radians(self.azimuth_angles)[:, None]
        shape = (self.beams, self.columns)
        direction = np.stack(
            [
                np.cos(azimuth) * np.cos(altitude),
                np.sin(azimuth) * np.cos(altitude),
                np.broadcast_to(np.sin(altitude), shape),
            ]
        )
        circle = np.stack([np.cos(encoder), np.sin(encoder), np.zeros_like(encoder)])
        origin = np.broadcast_to(circle[:, None] * self.beam_radius, (3, *shape))
        # The lidar's x axis points to the connector, backwards; the sensor's points ahead.
        half_turn = np.array([-1.0, -1.0, 1.0])[:, None, None]
        raised = np.array([0.0, 0.0, self.sensor_height])[:, None, None]
        return (half_turn * origin + raised) / 1000, half_turn * direction

    def scan(
        self, scene: Scene, motion: RigMotion, time: float, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """One revolution, with the sensor at the origin of the rig and moving on as it turns.

        Args:
            scene: what there is to see.
            motion: of the rig.
            time: middle of the revolution, seconds; the lidar then looks ahead.
            generator: source of the noise.

        Returns:
            Staggered images `[beam, column]`: `rng` u2 in mm, 0 without an echo; `nir` u2 ambient
            light; `rfl` u1 reflectivity in percent.
        """
        shape = (self.beams, self.columns)
        column_time = time + (np.arange(self.columns) / self.columns - 0.5) / self.rate
        rotation = motion.rotation(column_time)
        origin, direction = self.rays()
        # Left alone, einsum returns a memory layout that makes the ray caster several times slower.
        origin = np.einsum("cij,jbc->ibc", rotation, origin, order="C")
        direction = np.einsum("cij,jbc->ibc", rotation, direction, order="C")
        origin += motion.position(column_time).T[:, None]
        hits = scene.cast(
            origin.reshape(3, -1).astype(np.float32),
            direction.reshape(3, -1).astype(np.float32),
            np.broadcast_to(column_time, shape).reshape(-1),
        )

        noise = generator.standard_normal((3, self.beams * self.columns), dtype=np.float32)
        distance = hits.distance * 1000 + self.beam_radius + self.range_noise * noise[0]
        lost = generator.random(shape) < self.dropouts
        reflected = 100 * scene.reflectivities[hits.surface] + 1.5 * noise[1]
        # Daylight comes from above: high and bright surfaces shine most.
        brightness = scene.colours[hits.surface].mean(axis=1) * (0.6 + 0.3 * hits.point[2])
        ambient = 4 * brightness + 12 * noise[2]
        return {
            "rng": np.where(lost, 0, np.rint(distance).reshape(shape)).astype("<u2"),
            "nir": np.clip(np.rint(ambient), 0, 65535).reshape(shape).astype("<u2"),
            "rfl": np.clip(np.rint(reflected), 0, 255).reshape(shape).astype("u1"),
        }
