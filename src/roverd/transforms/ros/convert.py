"""An IMU's and a lidar's recordings as one ROS bag."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from abstract_dataloader import spec
from jaxtyping import Float32, Int64

from roverd.channels.utils import Prefetch
from roverd.errors import CorruptFileError, MissingFileError, RoverdWarning
from roverd.parallel import map_all, thread_count
from roverd.transforms.ouster import PointCloud
from roverd.transforms.ros.bags import Format, Storage, check_format, new_bag
from roverd.transforms.ros.messages import IMU, POINTS, nanoseconds
from roverd.types import IMUData, OSData, OSDepth

# Frames whose points are computed side by side; as many may wait to be written.
_AHEAD = min(2 * thread_count(), 16)

# The seconds of a time are an int32, in `rosbags` for ROS 1 too.
_END_OF_TIME = 2**31


@dataclass
class BagReport:
    """A bag that was written.

    Attributes:
        path: of the file, or folder.
        messages: number of messages by topic.
        duration: seconds from the first to the last message.
        size: bytes on disk.
    """

    path: str
    messages: dict[str, int]
    duration: float
    size: int


def rover_to_rosbag(
    out: str | os.PathLike[str],
    imu: spec.Sensor[IMUData[np.ndarray], Any],
    lidar: spec.Sensor[OSDepth[np.ndarray], Any] | spec.Sensor[OSData[np.ndarray], Any],
    min_range: float | None = None,
    *,
    format: Format = "ros1",
    storage: Storage = "sqlite3",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> BagReport:
    """Write an IMU's and a lidar's recordings to a ROS bag.

    The topics are those that Cartographer's configurations expect, both latching (ROS 2: durability
    transient-local):

    - `/imu`: `sensor_msgs/Imu` in the frame `imu_link`. `acc` is the linear acceleration, `avel`
      the angular velocity; `rot` is read as intrinsic XYZ Euler angles in radians, see
      `euler_to_quaternion`. The covariances are zero, which stands for unknown.
    - `/points2`: `sensor_msgs/PointCloud2` in the frame `os_sensor`: the points of
      `roverd.transforms.ouster.PointCloud`, in metres, as float32 fields x, y, z. A frame in which
      nothing came back is a cloud of no points.

    All frames of both sensors are written, in the order of their timestamps (an IMU's frame before
    a lidar's of the same time), whether or not the other sensor was recording then. Timestamps are
    the sensors', with their correction, if any; see `nanoseconds`. They are the messages' stamps
    and the times in the bag alike.

    A few lidar frames at a time are in memory, and of all frames what the bag's index says of them.

    Args:
        out: the bag: a file for ROS 1, a folder for ROS 2. It appears when it is complete; on an
            error, nothing does. Folders that are missing above it are made.
        imu: a `roverd.sensors.IMU`, or another sensor with such samples, of one frame each.
        lidar: a `roverd.sensors.OSLidarDepth` or `OSLidar`, or another sensor with such samples, of
            one frame each.
        min_range: points nearer than this are left out, in metres. Where it is not given, only
            those are where nothing came back.
        format: `"ros1"` or `"ros2"`.
        storage: `"sqlite3"` or `"mcap"`; for ROS 2.
        overwrite: whether to replace a bag that is there. What is no bag is never replaced.
        progress: called with the number of messages that are written, and that there will be.

    Returns:
        What was written.

    Raises:
        AlreadyExistsError: `out` is there already.
        MissingFileError: a sensor has no frames, or the lidar no intrinsics.
        CorruptFileError: a timestamp is no time, or beyond what ROS has room for; a frame cannot be
            read.
        ValueError: samples are windows of several frames; `min_range` is no distance; unknown
            format or storage; the intrinsics are damaged, or not those of such frames.
    """
    path = os.fspath(out)
    check_format(path, format, storage)
    transform = PointCloud(min_range)
    _check_intrinsics(lidar)
    imu_stamps = _stamps(imu, "imu")
    stamps = np.concatenate([imu_stamps, _stamps(lidar, "lidar")])
    # Stable: of frames at one time, the IMU's come first, and each sensor's in their order.
    order = np.argsort(stamps, kind="stable")
    first_cloud = len(imu_stamps)
    frames = order[order >= first_cloud] - first_cloud
    with (
        new_bag(path, format, storage, overwrite) as bag,
        closing(Prefetch(_clouds(lidar, frames, transform), _AHEAD)) as ahead,
    ):
        clouds = iter(ahead)
        for done, position in enumerate(order, 1):
            frame, stamp = int(position), int(stamps[position])
            if frame < first_cloud:
                message = bag.messages.imu(bag.counts[IMU.name], stamp, imu[frame])
                bag.write(IMU, stamp, message)
            else:
                message = bag.messages.points(bag.counts[POINTS.name], stamp, next(clouds))
                bag.write(POINTS, stamp, message)
            if progress is not None:
                progress(done, len(order))
    return BagReport(
        path=path,
        messages=bag.counts,
        duration=int(stamps[order[-1]] - stamps[order[0]]) / 1e9,
        size=_size(path),
    )


def _clouds(
    lidar: spec.Sensor[Any, Any], frames: Int64[np.ndarray, " n"], transform: PointCloud
) -> Iterator[Float32[np.ndarray, "points 3"]]:
    """The points of frames, in the order of `frames`, computed a few frames at a time."""

    def cloud(frame: int) -> Float32[np.ndarray, "points 3"]:
        points = transform(lidar[frame])
        return points.xyz[0, 0, : int(points.length[0, 0])]

    for first in range(0, len(frames), _AHEAD):
        yield from map_all(cloud, cast(Sequence[int], frames[first : first + _AHEAD].tolist()))


def _check_intrinsics(lidar: spec.Sensor[Any, Any]) -> None:
    with warnings.catch_warnings():
        # What it warns of is an error here.
        warnings.filterwarnings("ignore", ".* intrinsics are unknown", RoverdWarning)
        intrinsics = getattr(lidar.metadata, "intrinsics", None)
    if intrinsics == "":
        raise MissingFileError(
            f"{_where(lidar, 'lidar')}/lidar.json: no such file; points can be computed only with "
            f"the lidar's intrinsics"
        )


def _stamps(sensor: spec.Sensor[Any, Any], name: str) -> Int64[np.ndarray, " n"]:
    """Times of all frames, in nanoseconds."""
    where = _where(sensor, name)
    window = getattr(sensor, "window", 1)
    if window != 1:
        raise ValueError(
            f"{where}: samples are windows of {window} frames; open the sensor with past=0 and "
            f"future=0"
        )
    seconds = np.asarray(sensor.metadata.timestamps, np.float64)
    if not len(seconds):
        raise MissingFileError(f"{where}: no frames; a bag needs those of an IMU and of a lidar")
    wrong = np.flatnonzero(~((seconds >= 0) & (seconds < _END_OF_TIME)))
    if len(wrong):
        raise CorruptFileError(
            f"{where}/ts: frame {wrong[0]} is at {seconds[wrong[0]]} s; a bag takes times from 0 "
            f"up to {_END_OF_TIME} s after the beginning of 1970"
        )
    return np.array([nanoseconds(time) for time in seconds.tolist()], np.int64)


def _where(sensor: spec.Sensor[Any, Any], name: str) -> str:
    return str(getattr(sensor, "path", name))


def _size(path: str) -> int:
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(entry) for entry in os.scandir(path))
