"""Upright images."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Integer, Shaped

from roverd import types
from roverd.transforms.ouster.config import ConfigCache
from roverd.transforms.ouster.samples import Sample, range_images


def destagger(
    images: Shaped[np.ndarray, "*batch beam column"],
    shifts: Sequence[int] | Integer[np.ndarray, " beam"],
) -> Shaped[np.ndarray, "*batch beam column"]:
    """Move each row to the right by its shift, around the revolution.

    `out[..., h, w] = images[..., h, (w - shifts[h]) mod W]`. With the shifts negated, it is undone.

    Args:
        images: of any type: ranges, reflectivity, near infrared.
        shifts: columns, one for each row: `LidarIntrinsics.pixel_shift_by_row`.

    Returns:
        New images of the same type.

    Raises:
        ValueError: there is another number of shifts than rows.
    """
    images = np.asarray(images)
    if images.ndim < 2 or images.shape[-2] != len(shifts):
        raise ValueError(
            f"expected a row for each of {len(shifts)} shifts, got images of shape {images.shape}"
        )
    out = np.empty(images.shape, images.dtype)
    columns = images.shape[-1]
    # The two pieces of each row are moved in one go for the whole batch.
    for row, shift in enumerate(shifts):
        turned = operator.index(shift) % columns if columns else 0
        out[..., row, turned:] = images[..., row, : columns - turned]
        out[..., row, :turned] = images[..., row, columns - turned :]
    return out


class Destagger:
    """Destagger range images: each column becomes an azimuth, and what is upright stands upright.

    `out[..., h, w] = rng[..., h, (w - pixel_shift_by_row[h]) mod W]`: exactly what the
    manufacturer's SDK does. It is a transform of `abstract_dataloader`, from `OSDepth` or `OSData`
    to `Depth`. For other images see `destagger`.

    Args:
        config: intrinsics by path; one cache may be shared by several transforms.
    """

    def __init__(self, config: ConfigCache | None = None) -> None:
        self.config = ConfigCache() if config is None else config

    def __call__(self, data: Sample[Any]) -> types.Depth[np.ndarray]:
        """Destagger the range images of a sample.

        Args:
            data: from `sensors.OSLidarDepth` or `OSLidar`, or a batch of such; any type of `rng`
                is kept.

        Raises:
            ValueError: `intrinsics` is empty, is not of a lidar with as many beams and columns, or
                the file is damaged.
            FileNotFoundError: there is no such file.
        """
        rng, groups = range_images(data, self.config)
        pieces = [destagger(rng[part], lidar.shifts) for part, lidar in groups]
        images = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return types.Depth(rng=images, timestamps=data.timestamps)
