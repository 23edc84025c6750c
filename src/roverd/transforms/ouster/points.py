"""Points in space."""

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Shaped

from roverd import types
from roverd.transforms.ouster.config import ConfigCache
from roverd.transforms.ouster.samples import Sample, range_images


class PointCloud:
    """Points that range images show, in metres, in the sensor's frame.

    The geometry is the manufacturer's (see `geometry.Geometry`), to within the rounding of
    float32. It is a transform of `abstract_dataloader`, from `OSDepth` (or `OSData`) to
    `types.PointCloud`.

    Pixels of range 0, where nothing came back, are left out. The others keep their order in the
    image: beam by beam, and column by column as they were measured (staggered).

    Args:
        min_range: points whose range is less are left out too, metres; a range of just that stays.
        config: intrinsics by path; one cache may be shared by several transforms.

    Raises:
        ValueError: `min_range` is negative, or not a finite number.
    """

    def __init__(self, min_range: float | None = None, config: ConfigCache | None = None) -> None:
        if min_range is not None and not 0 <= min_range < math.inf:
            raise ValueError(f"min_range: expected metres, at least 0, got {min_range}")
        self.min_range = min_range
        self.config = ConfigCache() if config is None else config

    def __call__(self, data: Sample[Any]) -> types.PointCloud[np.ndarray]:
        """Points of a sample.

        Args:
            data: from `sensors.OSLidarDepth` or `OSLidar`, or a batch of such; `rng` may have any
                real type.

        Returns:
            Points of each frame, followed by zeros up to the length of the longest, and how many
            there are.

        Raises:
            ValueError: `intrinsics` is empty, is not of a lidar with as many beams and columns, or
                the file is damaged.
            FileNotFoundError: there is no such file.
        """
        rng, groups = range_images(data, self.config)
        frames, pixels = rng.shape[:-2], rng.shape[-2] * rng.shape[-1]
        seen = self._seen(rng)
        length = np.zeros(frames, np.int64)
        for frame in np.ndindex(frames):
            length[frame] = np.count_nonzero(seen[frame])
        longest = int(length.max(initial=0))
        xyz = np.empty((*frames, longest, 3), np.float32)
        every = np.empty((*rng.shape[-2:], 3), np.float32)
        flat = every.reshape(pixels, 3)
        for part, lidar in groups:
            images, masks, clouds = rng[part], seen[part], xyz[part]
            for frame in np.ndindex(images.shape[:-2]):
                lidar.points(images[frame], every)
                kept = np.flatnonzero(masks[frame])
                # All indices are good. Without "clip", `take` would work on a copy of `out`.
                flat.take(kept, axis=0, out=clouds[frame][: len(kept)], mode="clip")
                clouds[frame][len(kept) :] = 0
        return types.PointCloud(xyz=xyz, length=length, timestamps=data.timestamps)

    def xyz(self, data: Sample[Any]) -> Float32[np.ndarray, "*batch beam column 3"]:
        """Points of all pixels, in the order of the image: an organised cloud.

        Args:
            data: as for a call.

        Returns:
            Metres, in the sensor's frame; (0, 0, 0) for pixels that a call leaves out.

        Raises:
            ValueError: as for a call.
            FileNotFoundError: as for a call.
        """
        rng, groups = range_images(data, self.config)
        seen = self._seen(rng)
        xyz = np.empty((*rng.shape, 3), np.float32)
        for part, lidar in groups:
            images, masks, clouds = rng[part], seen[part], xyz[part]
            for frame in np.ndindex(images.shape[:-2]):
                lidar.points(images[frame], clouds[frame])
                clouds[frame].reshape(-1, 3)[np.flatnonzero(~masks[frame])] = 0
        return xyz

    def _seen(self, rng: Shaped[np.ndarray, "*batch beam column"]) -> Bool[np.ndarray, "..."]:
        """Which pixels are points."""
        if not self.min_range:
            return rng > 0
        # Metres in binary are seldom whole millimetres: 2.007 m would be 2007.0000000000002 mm.
        return (rng > 0) & (rng >= round(self.min_range * 1000, 6))
