"""What blocks are called."""

import functools
import hashlib

DIGEST_SIZE = 16

BlockName = tuple[bytes, int]
"""Digest of an object with its version and the size of its blocks, and the number of the block."""


@functools.lru_cache(4096)
def object_digest(key: str, version: str, size: int, block_size: int) -> bytes:
    """Digest of an object that is cut into blocks. Another version of it is another object."""
    # Lengths first, so that no two objects are written the same way.
    named = f"{len(key)} {len(version)} {size} {block_size} {key}{version}"
    data = named.encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=DIGEST_SIZE).digest()
