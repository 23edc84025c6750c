"""The tables that range images are turned into points with."""

import numpy as np
from jaxtyping import Float32, Float64, Shaped

from roverd.errors import MetadataError
from roverd.transforms.ouster.intrinsics import LidarIntrinsics

_METRES = 1e-3  # in a millimetre


class Geometry:
    """A lidar's intrinsics, and what is computed from them when first needed.

    Ouster's "Lidar Range to XYZ": a column `w` of `W` was measured with the encoder at
    `2 pi (1 - w / W)`. Its beams start where `beam_to_lidar_transform`, turned by the encoder
    about the axis, puts the origin. The measured range counts from the axis: the length of that
    offset is a part of it. With `|n|` that length, `d` the beam's direction and `o` its start, a
    point is `lidar_to_sensor @ (o + (range - |n|) d)`. Only the translation of
    `beam_to_lidar_transform` counts.

    Threads may share one; what two compute at a time is the same.

    Attributes:
        intrinsics: of the lidar.
    """

    def __init__(self, intrinsics: LidarIntrinsics) -> None:
        self.intrinsics = intrinsics
        self.shifts: list[int] = intrinsics.pixel_shift_by_row.tolist()
        self._offset = float(np.linalg.norm(intrinsics.beam_to_lidar_transform[:3, 3]))
        self._tables: (
            tuple[Float32[np.ndarray, "3 beam column"], Float32[np.ndarray, "3 column"]] | None
        ) = None

    def check(self, shape: tuple[int, ...], path: str) -> None:
        """Raise unless an image's last two axes are the beams and columns of this lidar.

        Args:
            shape: of the image.
            path: of the intrinsics, for the message.

        Raises:
            MetadataError: a `ValueError`: they are not.
        """
        expected = (self.intrinsics.pixels_per_column, self.intrinsics.columns_per_frame)
        if shape[-2:] != expected:
            raise MetadataError(
                f"{path}: is of a lidar of {expected[0]} beams × {expected[1]} columns, but the "
                f"range image has shape {shape}; are the intrinsics of another sensor or mode?"
            )

    def points(
        self, rng: Shaped[np.ndarray, "beam column"], out: Float32[np.ndarray, "beam column 3"]
    ) -> None:
        """Compute the point of each pixel, whatever its range.

        Args:
            rng: ranges, mm, of any real type.
            out: set to the points, metres, in the sensor's frame.
        """
        if self._tables is None:
            self._tables = self._compute()
        directions, origins = self._tables
        # One coordinate at a time: its table and temporary fit into the processor's cache.
        beyond = np.subtract(rng, self._offset, dtype=np.float32, casting="unsafe")
        product = np.empty_like(beyond)
        for axis in range(3):
            np.multiply(beyond, directions[axis], out=product)
            np.add(product, origins[axis], out=out[..., axis])

    def _compute(
        self,
    ) -> tuple[Float32[np.ndarray, "3 beam column"], Float32[np.ndarray, "3 column"]]:
        """Directions and starts of the beams in the sensor's frame, in metres (per mm of range)."""
        intrinsics = self.intrinsics
        columns = intrinsics.columns_per_frame
        encoder = 2 * np.pi * (1 - np.arange(columns) / columns)
        altitude = np.radians(intrinsics.beam_altitude_angles)[:, None]
        azimuth = encoder - np.radians(intrinsics.beam_azimuth_angles)[:, None]
        level = np.cos(altitude)
        directions = np.stack(
            [
                np.cos(azimuth) * level,
                np.sin(azimuth) * level,
                np.broadcast_to(np.sin(altitude), azimuth.shape),
            ]
        )
        x, y, z = intrinsics.beam_to_lidar_transform[:3, 3]
        cos, sin = np.cos(encoder), np.sin(encoder)
        origins = np.stack([x * cos - y * sin, x * sin + y * cos, np.full(columns, z)])
        rotation = intrinsics.lidar_to_sensor_transform[:3, :3]
        translation = intrinsics.lidar_to_sensor_transform[:3, 3:]
        return (
            _single(np.einsum("ij,jbc->ibc", rotation, directions) * _METRES),
            _single((rotation @ origins + translation) * _METRES),
        )


def _single(table: Float64[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    return np.ascontiguousarray(table, dtype=np.float32)
