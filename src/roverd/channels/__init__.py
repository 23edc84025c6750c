"""Channels: homogeneous time series of frames, one class per format on disk.

To add a format, write its class in a file of its own and enter it in `CHANNEL_TYPES`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from roverd.channels import abstract, utils
from roverd.channels.abstract import Channel
from roverd.channels.abstract.channel import Path
from roverd.channels.blob import JPEGBlobChannel, NPZBlobChannel
from roverd.channels.checksums import METHOD
from roverd.channels.lzma import LzmaChannel, LzmaFrameChannel
from roverd.channels.pco import PcoFrameChannel
from roverd.channels.raw import RawChannel
from roverd.channels.video import VideoChannel
from roverd.channels.zstd import ZstdFrameChannel
from roverd.errors import MetadataError

__all__ = [
    "CHANNEL_TYPES",
    "Channel",
    "JPEGBlobChannel",
    "LzmaChannel",
    "LzmaFrameChannel",
    "NPZBlobChannel",
    "PcoFrameChannel",
    "RawChannel",
    "VideoChannel",
    "ZstdFrameChannel",
    "abstract",
    "from_config",
    "utils",
]

CHANNEL_TYPES: dict[str, type[Channel]] = {
    "raw": RawChannel,
    "lzma": LzmaChannel,
    "lzmaf": LzmaFrameChannel,
    "pcof": PcoFrameChannel,
    "zstdf": ZstdFrameChannel,
    "mjpg": VideoChannel,
    "npz": NPZBlobChannel,
    "jpg": JPEGBlobChannel,
}
"""Class of each format name. Formats of your own may be added."""


def from_config(
    path: Path,
    format: str,
    type: str,
    shape: Sequence[int],
    description: str | None = None,
    desc: str | None = None,
    args: Mapping[str, Any] = {},
    checksum: str | None = None,
) -> Channel:
    """Make a channel from its description in `meta.json`.

    Args:
        path: where its data is, or is to be.
        format: one of `CHANNEL_TYPES`.
        type: kind and bytes of the values, such as `i2`.
        shape: shape of one frame.
        description: for people; not used.
        desc: another name of `description`.
        args: further constructor arguments of the format.
        checksum: `"xxh3_64"` where the check sum of each frame is kept beside the channel; see
            `roverd.channels.checksums`.

    Returns:
        The channel.

    Raises:
        MetadataError: there is no such format, or it does not take these arguments.
    """
    del description, desc
    if format not in CHANNEL_TYPES:
        known = ", ".join(sorted(CHANNEL_TYPES))
        raise MetadataError(f"{path}: unknown format {format!r}; the known ones are {known}")
    try:
        channel = CHANNEL_TYPES[format](path, type, shape, **args)
    except TypeError as error:
        message = f"{path}: format {format!r} does not take the arguments {args!r} ({error})"
        raise MetadataError(message) from error
    channel.has_checksums = checksum == METHOD
    return channel
