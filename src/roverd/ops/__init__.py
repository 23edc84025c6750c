"""What the commands do, as functions that a program can call.

Names load when they are first used, so that a command waits for nothing that it does not need. No
module in here has the name of one of them: importing it would put it in that one's place.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roverd.ops.bags import BagReport, rosbag
    from roverd.ops.blobs import Converted, ConvertedChannel, blobify, blobify_all, unblobify
    from roverd.ops.caching import CacheInfo, cache_info, clear_cache
    from roverd.ops.checksums import ChecksumReport, checksum
    from roverd.ops.contents import ChannelInfo, SensorInfo, TraceInfo, info
    from roverd.ops.extraction import Extracted, ExtractedSensor, extract, extract_all
    from roverd.ops.many_traces import MadeTrace, MadeTraces
    from roverd.ops.repairs import ChannelRepair, RepairReport, SensorRepair, TraceRepair, repair
    from roverd.ops.synchronising import TraceSync, sync
    from roverd.ops.target_formats import Format
    from roverd.ops.transcoding import Transcoded, transcode
    from roverd.ops.transcoding_trace import TranscodedChannel, TranscodedTrace, transcode_trace
    from roverd.ops.uploading import Uploaded, upload
    from roverd.ops.uploading_trace import UploadedTrace
    from roverd.ops.validation import (
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
    "MadeTrace",
    "MadeTraces",
    "blobify",
    "blobify_all",
    "extract",
    "extract_all",
    "unblobify",
    "CacheInfo",
    "cache_info",
    "clear_cache",
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
    "TraceSync",
    "sync",
    "Format",
    "Transcoded",
    "TranscodedChannel",
    "TranscodedTrace",
    "transcode",
    "transcode_trace",
    "Uploaded",
    "UploadedTrace",
    "upload",
    "Problem",
    "SensorStatistics",
    "TraceReport",
    "ValidationReport",
    "read_schema",
    "validate",
]

_NAMES = {
    "bags": ("BagReport", "rosbag"),
    "blobs": ("Converted", "ConvertedChannel", "blobify", "blobify_all", "unblobify"),
    "caching": ("CacheInfo", "cache_info", "clear_cache"),
    "checksums": ("ChecksumReport", "checksum"),
    "contents": ("ChannelInfo", "SensorInfo", "TraceInfo", "info"),
    "extraction": ("Extracted", "ExtractedSensor", "extract", "extract_all"),
    "many_traces": ("MadeTrace", "MadeTraces"),
    "repairs": ("ChannelRepair", "RepairReport", "SensorRepair", "TraceRepair", "repair"),
    "synchronising": ("TraceSync", "sync"),
    "target_formats": ("Format",),
    "transcoding": ("Transcoded", "transcode"),
    "transcoding_trace": ("TranscodedChannel", "TranscodedTrace", "transcode_trace"),
    "uploading": ("Uploaded", "upload"),
    "uploading_trace": ("UploadedTrace",),
    "validation": (
        "Problem",
        "SensorStatistics",
        "TraceReport",
        "ValidationReport",
        "read_schema",
        "validate",
    ),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'roverd.ops' has no attribute {name!r}")
    value = getattr(import_module(f"roverd.ops.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
