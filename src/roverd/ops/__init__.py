"""What the commands do, as functions that a program can call."""

from roverd.ops.info import ChannelInfo, SensorInfo, TraceInfo, info

__all__ = ["ChannelInfo", "SensorInfo", "TraceInfo", "info"]
