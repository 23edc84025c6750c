"""Recordings as ROS bags.

Needs no ROS: `rosbags` writes the files, with the standard definitions of the messages.
"""

from roverd.transforms.ros.convert import BagReport, rover_to_rosbag
from roverd.transforms.ros.messages import euler_to_quaternion, nanoseconds

__all__ = ["BagReport", "euler_to_quaternion", "nanoseconds", "rover_to_rosbag"]
