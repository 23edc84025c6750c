"""A long OpenDML AVI file in which everything is there but the images.

Headers and indexes are those of a recording of half an hour; the images are holes, and of the
chunk headers only the first and last of each segment are there, so that the file takes up next to
nothing.
"""

import struct
from typing import IO

import numpy as np
from numpy.typing import NDArray

_FRAME_BYTES = 375_000  # 21 GB / 56,000
_SPREAD = 40_000  # bytes that frames differ in size by
_SEGMENT = 1 << 30  # bytes at which a RIFF ends and the next one begins
_SUPER_ROOM = 256  # entries that the super index has room for, as ffmpeg leaves it
_CHUNK = 8  # bytes of a chunk's header
_LIST = 12  # bytes of a list's header


def write_sparse_avi(path: str, count: int, shape: tuple[int, int], rate: int) -> None:
    """Write the file.

    Args:
        path: where.
        count: frames.
        shape: height and width of the images, pixels.
        rate: frames per second.
    """
    sizes = _FRAME_BYTES + np.random.default_rng(1).integers(-_SPREAD, _SPREAD, count)
    with open(path, "wb") as file:
        head = _head(count, shape, rate, [])
        entries: list[bytes] = []
        riff, first, first_frames = 0, 0, 0
        while first < count:
            start = len(head) + _LIST if riff == 0 else riff + 2 * _LIST
            heads = start + np.concatenate([[0], np.cumsum(_padded(sizes[first:]) + _CHUNK)])
            stop = max(1, int(np.searchsorted(heads, riff + _SEGMENT)) - 1)
            stop = min(stop, count - first)
            segment = sizes[first : first + stop]
            if riff == 0:
                first_frames = stop
            riff, entry = _write_segment(file, riff, start, heads[: stop + 1], segment)
            entries.append(entry)
            first += stop
        file.truncate(riff)
        file.seek(_LIST)
        file.write(_head(count, shape, rate, entries, first_frames)[_LIST:])


def index_places(path: str) -> list[tuple[int, int]]:
    """Offset and size of each `ix00` chunk, by the super index."""
    with open(path, "rb") as file:
        content = file.read(1 << 16)
    indx = content.index(b"indx") + _CHUNK
    count = int.from_bytes(content[indx + 4 : indx + 8], "little")
    entries = np.frombuffer(content, "<u8, <u4, <u4", count, indx + 24)
    return [(int(offset), int(size)) for offset, size, _ in entries]


def _padded(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return sizes + (sizes & 1)


def _write_segment(
    file: IO[bytes], riff: int, start: int, heads: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[int, bytes]:
    """Write one RIFF; returns where the next one begins, and its entry in the super index."""
    movi = start - _LIST
    for i in (0, len(sizes) - 1):
        file.seek(int(heads[i]))
        file.write(b"00dc" + int(sizes[i]).to_bytes(4, "little"))
    end = int(heads[-1])
    standard = np.empty((len(sizes), 2), "<u4")
    standard[:, 0] = heads[:-1] + _CHUNK - movi
    standard[:, 1] = sizes
    index = struct.pack("<HBBI4sQI", 2, 0, 1, len(sizes), b"00dc", movi, 0) + standard.tobytes()
    file.seek(end)
    file.write(_chunk(b"ix00", index))
    movi_end = file.tell()
    if riff == 0:
        first = np.empty((len(sizes), 4), "<u4")
        first[:, 0] = int.from_bytes(b"00dc", "little")
        first[:, 1] = 16
        first[:, 2] = heads[:-1] - (movi + _CHUNK)
        first[:, 3] = sizes
        file.write(_chunk(b"idx1", first.tobytes()))
    riff_end = file.tell()
    kind = b"AVI " if riff == 0 else b"AVIX"
    file.seek(riff)
    file.write(b"RIFF" + (riff_end - riff - _CHUNK).to_bytes(4, "little") + kind)
    file.seek(movi)
    file.write(b"LIST" + (movi_end - movi - _CHUNK).to_bytes(4, "little") + b"movi")
    return riff_end, struct.pack("<QII", end, _CHUNK + len(index), len(sizes))


def _chunk(name: bytes, payload: bytes) -> bytes:
    return name + len(payload).to_bytes(4, "little") + payload + b"\0" * (len(payload) & 1)


def _head(
    count: int, shape: tuple[int, int], rate: int, entries: list[bytes], first_frames: int = 0
) -> bytes:
    """The file up to its first `movi` list, always of the same length."""
    height, width = shape
    avih = struct.pack(
        "<14I", 1_000_000 // rate, 0, 0, 0x910, first_frames, 0, 1, 0, width, height, 0, 0, 0, 0
    )
    strh = struct.pack(
        "<4s4sIHHIIIIIIII4H",
        *(b"vids", b"MJPG", 0, 0, 0, 0, 1, rate, 0, count),
        *(_FRAME_BYTES + _SPREAD, 0xFFFFFFFF, 0, 0, 0, width, height),
    )
    strf = struct.pack(
        "<IiiHH4s5I", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0
    )
    indx = struct.pack("<HBBI4s12x", 4, 0, 0, len(entries), b"00dc") + b"".join(entries)
    indx += bytes((_SUPER_ROOM - len(entries)) * 16)
    streams = _chunk(b"strh", strh) + _chunk(b"strf", strf) + _chunk(b"indx", indx)
    odml = _chunk(b"dmlh", count.to_bytes(4, "little") + bytes(244))
    lists = _chunk(b"LIST", b"strl" + streams) + _chunk(b"LIST", b"odml" + odml)
    return bytes(_LIST) + _chunk(b"LIST", b"hdrl" + _chunk(b"avih", avih) + lists)
