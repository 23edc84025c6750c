"""Ouster lidars: from range images to upright images and to points.

The geometry is the manufacturer's, as published in "Sensor Data", section "Lidar Range to XYZ",
of the firmware user manual. It is made of the sensor's metadata, which lie beside its channels as
`lidar.json`. Extrinsics that the metadata may hold are not applied.
"""

from roverd.transforms.ouster.config import ConfigCache
from roverd.transforms.ouster.destagger import Destagger, destagger
from roverd.transforms.ouster.intrinsics import LidarIntrinsics
from roverd.transforms.ouster.points import PointCloud

__all__ = ["ConfigCache", "Destagger", "LidarIntrinsics", "PointCloud", "destagger"]
