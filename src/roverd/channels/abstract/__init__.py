"""What all channels have in common."""

from roverd.channels.abstract.blob import BlobChannel
from roverd.channels.abstract.channel import Channel

__all__ = ["BlobChannel", "Channel"]
