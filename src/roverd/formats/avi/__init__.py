"""The AVI container: where the frames are, and writing it. Bytes only, no input or output."""

from roverd.formats.avi.index import (
    AviIndex,
    check_chunk_header,
    extend_index,
    read_index,
    walk_index,
)
from roverd.formats.avi.riff import CHUNK_HEADER, LIST_HEADER, ReadAt
from roverd.formats.avi.writer import AviWriter, Writes

__all__ = [
    "CHUNK_HEADER",
    "LIST_HEADER",
    "AviIndex",
    "AviWriter",
    "ReadAt",
    "Writes",
    "check_chunk_header",
    "extend_index",
    "read_index",
    "walk_index",
]
