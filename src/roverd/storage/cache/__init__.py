"""Blocks of remote files, kept on a local disk; see `BlockCache`."""

from roverd.storage.cache.block_cache import DEFAULT_BLOCK_SIZE, BlockCache
from roverd.storage.cache.settings import active_cache, cache

__all__ = ["DEFAULT_BLOCK_SIZE", "BlockCache", "active_cache", "cache"]
