"""A trace's IMU and lidar as a ROS bag."""

import os
from typing import Literal

from roverd.errors import ChannelNotFoundError, MissingFileError
from roverd.ops.progress import Progress
from roverd.sensors import IMU, OSLidarDepth
from roverd.trace import Trace
from roverd.transforms.ros import BagReport, rover_to_rosbag

__all__ = ["BagReport", "rosbag"]

_DEFAULT_OUT = {"ros1": "_scratch/lidar.bag", "ros2": "_scratch/lidar_ros2"}


def rosbag(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    min_range: float | None = None,
    format: Literal["ros1", "ros2"] = "ros1",
    storage: Literal["sqlite3", "mcap"] = "sqlite3",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BagReport:
    """Write the sensors `imu` and `lidar` of a trace to a ROS bag, with their recorded timestamps.

    Args:
        path: the trace's folder.
        out: the bag; by default `_scratch/lidar.bag` (ROS 2: `_scratch/lidar_ros2`) in the trace's
            folder. See `roverd.transforms.ros.rover_to_rosbag`, also for what follows.
        min_range: points nearer than this are left out, in metres.
        format: `"ros1"` or `"ros2"`.
        storage: `"sqlite3"` or `"mcap"`; for ROS 2.
        overwrite: whether to replace a bag that is there.
        progress: told of messages.

    Returns:
        What was written.

    Raises:
        MissingFileError: there is no such folder; or, as `rover_to_rosbag` does.
        ChannelNotFoundError: the trace lacks one of the sensors.
    """
    folder = os.fspath(path)
    if not os.path.isdir(folder):
        raise MissingFileError(f"{folder}: no such folder; expected a trace")
    names = Trace.find_sensors(folder)
    for name in ("imu", "lidar"):
        if name not in names:
            raise ChannelNotFoundError(
                f"{folder}: no sensor {name!r}; a bag is made of the sensors imu and lidar, and "
                f"there {'are ' + ', '.join(names) if names else 'is none'}"
            )
    if out is None:
        out = os.path.join(folder, _DEFAULT_OUT.get(format, ""))
    return rover_to_rosbag(
        out,
        IMU(os.path.join(folder, "imu")),
        OSLidarDepth(os.path.join(folder, "lidar")),
        min_range,
        format=format,
        storage=storage,
        overwrite=overwrite,
        progress=progress,
    )
