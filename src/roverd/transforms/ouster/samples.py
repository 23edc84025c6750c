"""What the transforms have in common: range images of samples, with the intrinsics of each."""

import os
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from jaxtyping import Shaped

from roverd.transforms.ouster.config import ConfigCache
from roverd.transforms.ouster.geometry import Geometry
from roverd.types import OSData, OSDepth, TArray

Sample = OSDepth[TArray] | OSData[TArray]

Group = tuple[tuple[slice, ...], Geometry]
"""Part of a batch, and the geometry of its lidar."""


def range_images(
    sample: Sample[Any], config: ConfigCache
) -> tuple[Shaped[np.ndarray, "*batch beam column"], list[Group]]:
    """Range images of a sample, and the lidars that they are of.

    Args:
        sample: from `sensors.OSLidarDepth` or `OSLidar`. Of a collated batch, `intrinsics` may be a
            list of paths, one for each element of the first axis.
        config: where to look up the intrinsics.

    Returns:
        The images, and for each part of the batch the geometry; one for all if they are of one
        lidar.

    Raises:
        ValueError: the images do not have the shape that the intrinsics say, or there is none or
            another number of paths.
    """
    rng = np.asarray(sample.rng)
    intrinsics: Any = sample.intrinsics
    each = not isinstance(intrinsics, str | os.PathLike)
    paths = cast(Sequence[str], intrinsics if each else [intrinsics])
    if each and (not paths or rng.ndim < 3 or len(paths) != len(rng)):
        raise ValueError(
            f"expected one path of intrinsics, or one for each of a batch; got {len(paths)} for "
            f"range images of shape {rng.shape}"
        )
    lidars: list[Geometry] = []
    for path in paths:
        lidar = config.geometry(path)
        lidar.check(rng.shape, path)
        lidars.append(lidar)
    if all(lidar is lidars[0] for lidar in lidars):
        return rng, [((), lidars[0])]
    return rng, [((slice(i, i + 1),), lidar) for i, lidar in enumerate(lidars)]
