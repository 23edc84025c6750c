"""What the commands do, as functions that a program can call."""

from roverd.ops.blobify import Converted, ConvertedChannel, blobify, unblobify
from roverd.ops.checksum import ChecksumReport, checksum
from roverd.ops.extract import Extracted, ExtractedSensor, extract
from roverd.ops.info import ChannelInfo, SensorInfo, TraceInfo, info
from roverd.ops.repair import ChannelRepair, RepairReport, SensorRepair, TraceRepair, repair
from roverd.ops.rosbag import BagReport, rosbag
from roverd.ops.validate import (
    Problem,
    SensorStatistics,
    TraceReport,
    ValidationReport,
    read_schema,
    validate,
)

__all__ = [
    "Converted",
    "ConvertedChannel",
    "Extracted",
    "ExtractedSensor",
    "blobify",
    "extract",
    "unblobify",
    "ChannelInfo",
    "SensorInfo",
    "TraceInfo",
    "info",
    "ChecksumReport",
    "checksum",
    "ChannelRepair",
    "RepairReport",
    "SensorRepair",
    "TraceRepair",
    "repair",
    "BagReport",
    "rosbag",
    "Problem",
    "SensorStatistics",
    "TraceReport",
    "ValidationReport",
    "read_schema",
    "validate",
]
