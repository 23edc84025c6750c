"""`roverd rosbag`."""

from typing import Annotated, Literal, Optional, get_args

from roverd.cli.arguments import NO_DEFAULT, Flag, TracePath, number, one_of, text
from roverd.cli.progress import progress_bar
from roverd.cli.text import bytes_text
from roverd.cli.usage import UsageError

_Format = Literal["ros1", "ros2"]
_Storage = Literal["sqlite3", "mcap"]


def rosbag(
    path: TracePath,
    out: Annotated[Optional[str], text("F"), NO_DEFAULT] = None,
    min_range: Annotated[Optional[float], number("M", least=0), NO_DEFAULT] = None,
    format: Annotated[_Format, one_of(*get_args(_Format))] = "ros1",
    storage: Annotated[_Storage, one_of(*get_args(_Storage))] = "sqlite3",
    overwrite: Flag = False,
) -> int:
    """Write a trace's IMU and lidar to a ROS bag, as Cartographer expects it.

    Topics: /imu (sensor_msgs/Imu, frame imu_link) and /points2 (sensor_msgs/PointCloud2, frame
    os_sensor). The bag appears when it is complete.

    Example: `roverd rosbag /data/recordings/walk --out walk.bag --min-range 0.5`.

    Args:
        path: the trace's folder.
        out: the bag: a file, or for ROS 2 a folder; by default _scratch/lidar.bag (ROS 2:
            _scratch/lidar_ros2) in the trace's folder.
        min_range: leave out points nearer than this, in metres.
        format: of the bag.
        storage: of a ROS 2 bag.
        overwrite: replace a bag that is there.
    """
    if storage == "mcap" and format == "ros1":
        raise UsageError("--storage mcap is for bags of --format ros2")
    from roverd import ops

    with progress_bar("writing", "messages") as progress:
        made = ops.rosbag(path, out, min_range, format, storage, overwrite, progress)
    counts = ", ".join(f"{count} on {topic}" for topic, count in made.messages.items())
    print(f"{made.path}: messages {counts}; {made.duration:.3f} s, {bytes_text(made.size)}")
    return 0
