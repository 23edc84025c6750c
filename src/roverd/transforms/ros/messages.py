"""ROS messages of samples."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from roverd.rotations import euler_to_quaternion
from roverd.types import IMUData

if TYPE_CHECKING:
    from rosbags.typesys.store import Msg, Typestore

_NANOSECONDS = 10**9
_FLOAT32 = 7  # sensor_msgs/PointField.FLOAT32
_POINT_BYTES = 12


@dataclass(frozen=True)
class Topic:
    """What one sensor's messages go under.

    Attributes:
        name: of the topic.
        type: of its messages.
        frame: coordinate frame that its messages are in.
    """

    name: str
    type: str
    frame: str


# As the configurations of Cartographer expect them.
IMU = Topic("/imu", "sensor_msgs/msg/Imu", "imu_link")
POINTS = Topic("/points2", "sensor_msgs/msg/PointCloud2", "os_sensor")
TOPICS = (IMU, POINTS)


def nanoseconds(seconds: float) -> int:
    """A time in whole nanoseconds: the one nearest to exactly what the float says.

    A float64 of today's time since the epoch has steps of 0.24 µs, and many decimals after them.
    They are all taken: a float product with 1e9 would be rounded before it is rounded.

    Args:
        seconds: the time.

    Returns:
        `round(seconds * 10**9)` of the exact product; a tie goes to the even neighbour.
    """
    return round(Fraction(seconds) * _NANOSECONDS)


class Messages:
    """Makes messages.

    Args:
        typestore: definitions of the messages.
    """

    def __init__(self, typestore: "Typestore") -> None:
        self._types = typestore.types
        _, fields = typestore.fielddefs["std_msgs/msg/Header"]
        # ROS 1 numbers messages, ROS 2 does not.
        self._numbered = "seq" in dict(fields)
        self._point_fields = [
            self._make(
                "sensor_msgs/msg/PointField",
                name=name,
                offset=offset,
                datatype=_FLOAT32,
                count=1,
            )
            for name, offset in (("x", 0), ("y", 4), ("z", 8))
        ]

    def imu(self, number: int, stamp: int, sample: IMUData[np.ndarray]) -> "Msg":
        """An IMU's measurement, as `sensor_msgs/Imu`.

        Args:
            number: of the message on its topic.
            stamp: its time, in nanoseconds.
            sample: the measurement, of one frame. Its angles are read as those of
                `euler_to_quaternion`.

        Returns:
            The message. All covariances are zero, which stands for unknown.
        """
        x, y, z, w = euler_to_quaternion(sample.rot).ravel().tolist()
        return self._make(
            IMU.type,
            header=self._header(IMU, number, stamp),
            orientation=self._make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
            orientation_covariance=np.zeros(9),
            angular_velocity=self._vector(sample.avel),
            angular_velocity_covariance=np.zeros(9),
            linear_acceleration=self._vector(sample.acc),
            linear_acceleration_covariance=np.zeros(9),
        )

    def points(self, number: int, stamp: int, xyz: Float32[np.ndarray, "n 3"]) -> "Msg":
        """A point cloud, as `sensor_msgs/PointCloud2`.

        Args:
            number: of the message on its topic.
            stamp: its time, in nanoseconds.
            xyz: the points, in metres; all of them are valid.

        Returns:
            The message, with one row of float32 fields x, y and z in little-endian order.
        """
        count = len(xyz)
        return self._make(
            POINTS.type,
            header=self._header(POINTS, number, stamp),
            height=1,
            width=count,
            fields=self._point_fields,
            is_bigendian=False,
            point_step=_POINT_BYTES,
            row_step=_POINT_BYTES * count,
            data=np.ascontiguousarray(xyz, "<f4").reshape(-1).view(np.uint8),
            is_dense=True,
        )

    def _header(self, topic: Topic, number: int, stamp: int) -> "Msg":
        sec, nanosec = divmod(stamp, _NANOSECONDS)
        time = self._make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
        seq = {"seq": number % 2**32} if self._numbered else {}
        return self._make("std_msgs/msg/Header", stamp=time, frame_id=topic.frame, **seq)

    def _vector(self, values: NDArray[Any]) -> "Msg":
        x, y, z = values.ravel().tolist()
        return self._make("geometry_msgs/msg/Vector3", x=x, y=y, z=z)

    def _make(self, type: str, /, **fields: Any) -> "Msg":
        return self._types[type](**fields)
