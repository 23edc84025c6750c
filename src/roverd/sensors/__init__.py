"""Sensors: channels that share their timestamps, and samples made of them.

To add a type of sensor, write its class in a file of its own and enter it in `SENSOR_TYPES`.
"""

import os
from collections.abc import Callable
from typing import Any

from abstract_dataloader import spec

from roverd.sensors.camera import Camera, Semseg
from roverd.sensors.dynamic import DynamicSensor, Metadata
from roverd.sensors.generic import Correction, Sensor
from roverd.sensors.imu import IMU
from roverd.sensors.lidar import LidarMetadata, OSLidar, OSLidarDepth
from roverd.sensors.pose import Pose
from roverd.sensors.radar import RadarMetadata, XWRRadar

__all__ = [
    "IMU",
    "SENSOR_TYPES",
    "Camera",
    "Correction",
    "DynamicSensor",
    "LidarMetadata",
    "Metadata",
    "OSLidar",
    "OSLidarDepth",
    "Pose",
    "RadarMetadata",
    "Semseg",
    "Sensor",
    "XWRRadar",
    "from_config",
]

AnySensor = spec.Sensor[Any, Any]
SensorType = str | Callable[[str], AnySensor] | AnySensor | None
"""What stands for a sensor: a type name, a constructor that takes a path, or the sensor itself."""

SENSOR_TYPES: dict[str, Callable[..., AnySensor]] = {
    "radar": XWRRadar,
    "lidar": OSLidarDepth,
    "camera": Camera,
    "_camera": Semseg,
    "imu": IMU,
    "pose": Pose,
}
"""Class of each type name. Types of your own may be added."""


def from_config(path: str | os.PathLike[str], type: SensorType) -> AnySensor:
    """Make a sensor.

    Args:
        path: its folder.
        type: `None` for a `DynamicSensor`, a name in `SENSOR_TYPES`, a constructor that takes the
            path, or a sensor, which is returned as it is.

    Returns:
        The sensor.

    Raises:
        ValueError: there is no type of that name.
    """
    if type is None:
        return DynamicSensor(path)
    if isinstance(type, str):
        if type not in SENSOR_TYPES:
            known = ", ".join(sorted(SENSOR_TYPES))
            raise ValueError(f"{path}: unknown sensor type {type!r}; the known ones are {known}")
        return SENSOR_TYPES[type](path)
    if callable(type):
        return type(os.fspath(path))
    return type
