"""Writing an AVI file, as a state machine without input or output.

Every method says which bytes belong where; the caller writes them, in that order. Frames only ever
go to the end of the file, whole, so whatever moment a recorder dies at, all frames before it are
found by walking the chunks. Lengths and counts in the headers stay 0 until they are known: readers
take that as "up to the end of the file".
"""

import math
import struct
from dataclasses import replace
from fractions import Fraction
from typing import Self

from roverd.errors import CorruptFileError, InvalidDataError, UnsupportedError
from roverd.formats.avi import build
from roverd.formats.avi.header import Header, Place, read_header
from roverd.formats.avi.index import AviIndex, walk_index
from roverd.formats.avi.riff import CHUNK_HEADER, LIST_HEADER, ReadAt, Reader, Segment, padded
from roverd.formats.avi.tables import INDX_HEADER, SUPER_ENTRY, read_super_index

Writes = list[tuple[int, bytes]]
"""Bytes to be written, each with its file offset, in this order."""

# Lengths are 32 bits. The margin is for readers that add a header's length to them.
LARGEST_SEGMENT = 0xFFFF0000
_DEFAULT_SEGMENT = 1 << 30
_MOST_PIXELS = 32767  # a side, in the 16-bit rectangle of the stream header
_LARGEST_DENOMINATOR = 1_000_000

# Fields that are filled in, by their offset within the chunk.
_AVIH_FLAGS, _AVIH_FRAMES, _AVIH_LARGEST = 12, 16, 28
_STRH_FRAMES, _STRH_LARGEST = 32, 36

# A file cut off in its header is begun anew. A longer one may hide frames behind a damaged header,
# which beginning anew would destroy.
_LONGEST_HEADER = 1 << 16


class AviWriter:
    """Writes, or goes on writing, an AVI file of one MJPEG video (OpenDML, AVI 1.0 index in front).

    Args:
        width: pixels.
        height: pixels.
        frame_rate: frames per second; stored as the simplest fraction that is this float.
        fourcc: codec.
        segment_limit: length at which a RIFF is closed and the next one is begun, bytes. Frames
            that are larger get a segment each.
    """

    def __init__(
        self,
        width: int,
        height: int,
        frame_rate: float | Fraction,
        fourcc: bytes = b"MJPG",
        segment_limit: int = _DEFAULT_SEGMENT,
    ) -> None:
        if not (0 < width <= _MOST_PIXELS and 0 < height <= _MOST_PIXELS):
            raise InvalidDataError(
                f"expected a width and height of 1 to {_MOST_PIXELS}, found {width} × {height}"
            )
        if len(fourcc) != 4:
            raise InvalidDataError(f"expected a fourcc of 4 bytes, found {fourcc!r}")
        if not 0 < segment_limit <= LARGEST_SEGMENT:
            raise InvalidDataError(
                f"expected a segment_limit of 1 to {LARGEST_SEGMENT}, found {segment_limit}"
            )
        self._head = build.file_header(width, height, _fraction(frame_rate), fourcc)
        self._header = read_header(_reading(self._head), len(self._head))
        self._limit = segment_limit
        self._segment = self._header.segment
        self._end = 0  # where the next chunk goes
        self._heads: list[int] = []  # of this segment
        self._sizes: list[int] = []
        self._count = 0  # of the file
        self._first_count = 0  # of the first segment, once that is closed
        self._largest = 0
        self._super_count = 0
        self._flags = int.from_bytes(self._head[44:48], "little")
        self._finished = False

    def start(self) -> Writes:
        """Begin the file: its header, with all lengths open."""
        self._end = len(self._head)
        return [(0, self._head)]

    def add(self, jpeg: bytes) -> Writes:
        """Add a frame.

        Args:
            jpeg: the encoded image; `b""` is a dropped frame, which repeats the one before.

        Returns:
            The last write is the frame, at the end of the file; writes before it close a segment.
        """
        if self._finished or not self._end:
            state = "finished" if self._finished else "not started"
            raise UnsupportedError(f"expected an open AVI file to add a frame to, found it {state}")
        if len(jpeg) > LARGEST_SEGMENT - build.AVIX_HEADER_SIZE - build.index_bytes(1, first=True):
            raise InvalidDataError(f"expected a frame below 4 GiB, found {len(jpeg)} bytes")
        writes: Writes = []
        if self._heads and self._length_with(len(jpeg)) > self._limit:
            writes = self._close() + self._open_next()
        writes.append((self._end, build.chunk(b"00dc", jpeg)))
        self._heads.append(self._end)
        self._sizes.append(len(jpeg))
        self._end += CHUNK_HEADER + padded(len(jpeg))
        self._count += 1
        self._largest = max(self._largest, len(jpeg))
        return writes

    def finish(self) -> Writes:
        """Complete the file: indexes, lengths, counts. A second call has nothing left to do."""
        if self._finished or not self._end:
            return []
        writes = self._close()
        self._finished = True
        header, strh = self._header, self._header.video.strh
        writes += _set(header.avih, _AVIH_FLAGS, self._flags | build.FLAG_HAS_INDEX)
        writes += _set(header.avih, _AVIH_LARGEST, self._largest)
        writes += _set(strh, _STRH_LARGEST, self._largest)
        # Once all counts are there, so is all else.
        writes += _set(header.avih, _AVIH_FRAMES, self._first_count)
        writes += _set(header.dmlh, 0, self._count)
        return writes + _set(strh, _STRH_FRAMES, self._count)

    def _length_with(self, size: int) -> int:
        """How long this segment would get with one more frame of `size` bytes, indexes included."""
        chunks = self._end - self._segment.riff + CHUNK_HEADER + padded(size)
        return chunks + build.index_bytes(len(self._heads) + 1, first=self._is_first)

    @property
    def _is_first(self) -> bool:
        return self._segment.riff == 0

    def _close(self) -> Writes:
        """Index this segment and fill in its lengths."""
        writes: Writes = []
        if self._is_first:
            self._first_count = len(self._heads)
        indexes = build.index_bytes(len(self._heads), first=self._is_first)
        if self._end - self._segment.riff + indexes > 0xFFFFFFFF:
            # Begun by a writer that let it grow past what 32 bits can say: stays open.
            return writes
        standard = b""
        if self._heads and self._has_super_room():
            standard = build.standard_index(self._segment.movi, self._heads, self._sizes)
            writes.append((self._end, standard))
        movi_end = self._end + len(standard)
        riff_end = movi_end
        if self._is_first and self._heads:
            index = build.first_index(self._segment.movi, self._heads, self._sizes)
            writes.append((movi_end, index))
            riff_end += len(index)
        if standard:
            writes += self._enter_in_super_index(len(standard))
        self._end = riff_end
        writes += _patch(self._segment.movi + 4, movi_end - self._segment.movi - CHUNK_HEADER)
        return writes + _patch(self._segment.riff + 4, riff_end - self._segment.riff - CHUNK_HEADER)

    def _has_super_room(self) -> bool:
        room = (self._header.video.indx.size - INDX_HEADER) // SUPER_ENTRY
        return self._super_count < room

    def _enter_in_super_index(self, size: int) -> Writes:
        """Enter the `ix00` chunk of `size` bytes about to be written: first it, then the count."""
        place = self._header.video.indx
        entry = build.super_entry(self._end, size, len(self._heads))
        writes = [(place.offset + INDX_HEADER + self._super_count * SUPER_ENTRY, entry)]
        self._super_count += 1
        return writes + _patch(place.offset + 4, self._super_count)

    def _open_next(self) -> Writes:
        """Begin an AVIX segment."""
        writes = [(self._end, build.riff_header(b"AVIX"))]
        self._segment = Segment(self._end, 0, self._end + LIST_HEADER, 0)
        self._end += build.AVIX_HEADER_SIZE
        self._heads, self._sizes = [], []
        return writes

    # ── going on with a file ─────────────────────────────────────────────────────────────────────

    @classmethod
    def resume(
        cls, read_at: ReadAt, size: int, segment_limit: int = _DEFAULT_SEGMENT
    ) -> tuple[Self, int, Writes]:
        """Go on with a file, of whatever writer, finished or torn. Its frames stay in place.

        Args:
            read_at: the file.
            size: its length, bytes.
            segment_limit: as for a new file.

        Returns:
            The writer; the length to truncate the file to, bytes; writes to be done before that,
            which mark the file as open.

        Raises:
            CorruptFileError: not an AVI file, cut off before its video is described, or damaged
                in the middle, so that going on would destroy frames behind the damage.
            UnsupportedError: other streams than one video, or another codec than MJPEG.
        """
        # What is cut off is gone: no index is trusted to say where that may begin.
        index = walk_index(read_at, size)
        _check_resumable(read_at, size, index)
        rate = index.header.video.frame_rate
        writer = cls(index.width, index.height, rate, segment_limit=segment_limit)
        if not index.header.segment.movi:  # cut off before the first frame: begin anew
            return writer, len(writer._head), writer.start()
        return writer, index.frames_end, writer._take_over(Reader(read_at, size), index)

    def _take_over(self, reader: Reader, index: AviIndex) -> Writes:
        """Take over the state of a file and open its lengths, up to its last frame."""
        header = self._header = index.header
        self._end = index.frames_end
        self._count = len(index)
        self._largest = int(index.sizes.max(initial=0))
        segments = [s for s in index.segments if s.movi and s.movi < self._end]
        self._segment = segments[-1]
        heads = index.offsets - CHUNK_HEADER
        here = heads > self._segment.movi
        self._heads = heads[here].tolist()
        self._sizes = index.sizes[here].tolist()
        second = segments[1].riff if len(segments) > 1 else self._end
        self._first_count = int((heads < second).sum())
        self._flags = int.from_bytes(reader.read(header.avih.offset + 12, 4), "little")

        writes: Writes = []
        if self._end > reader.size:  # only the pad byte of the last frame is missing
            writes.append((reader.size, b"\0"))
        writes += self._take_over_super_index(reader)
        if not self._has_super_room():  # segments that no index lists: as few as possible
            self._limit = LARGEST_SEGMENT
        writes += _set(header.video.strh, _STRH_FRAMES, 0)
        writes += _set(header.avih, _AVIH_FRAMES, 0)
        writes += _set(header.dmlh, 0, 0)
        writes += _patch(self._segment.riff + 4, 0)
        return writes + _patch(self._segment.movi + 4, 0)

    def _take_over_super_index(self, reader: Reader) -> Writes:
        """Keep the entries of closed segments; or make a super index of JUNK."""
        indx, spare = self._header.video.indx, self._header.video.spare
        if indx.size >= INDX_HEADER:
            entries = [
                build.super_entry(
                    entry.place.offset - CHUNK_HEADER, entry.place.size + CHUNK_HEADER, entry.frames
                )
                for entry in read_super_index(reader, indx)
                if entry.place.offset < self._segment.riff
            ]
            self._super_count = len(entries)
            head = build.super_index_header()[:4] + len(entries).to_bytes(4, "little") + b"00dc"
            return [(indx.offset + INDX_HEADER, b"".join(entries)), (indx.offset, head)]
        if spare.size < INDX_HEADER + SUPER_ENTRY:
            return []
        self._header = _with_index(self._header)
        head = build.super_index_header()
        return [
            (spare.offset, head + bytes(spare.size - len(head))),
            (spare.offset - CHUNK_HEADER, b"indx"),
        ]


def _fraction(frame_rate: float | Fraction) -> Fraction:
    """The simplest fraction that is this float: 29.97 is 2997/100, 30 / 1.001 is 30000/1001."""
    if not (math.isfinite(frame_rate) and 0 < frame_rate < 0xFFFFFFFF):
        raise InvalidDataError(f"expected a positive frame rate, found {frame_rate}")
    rate = Fraction(frame_rate)
    if not isinstance(frame_rate, Fraction):
        # A float is told from its neighbours by this already; the numerator has 32 bits.
        largest = min(_LARGEST_DENOMINATOR, int(0xFFFFFFFF / frame_rate))
        rate = rate.limit_denominator(max(largest, 1))
    if not rate or rate.numerator > 0xFFFFFFFF or rate.denominator > 0xFFFFFFFF:
        raise InvalidDataError(
            f"expected a frame rate that a fraction of 32-bit numbers can state, found {frame_rate}"
        )
    return rate


def _reading(data: bytes) -> ReadAt:
    return lambda offset, size: data[offset : offset + size]


def _patch(offset: int, value: int) -> Writes:
    return [(offset, struct.pack("<I", value))]


def _set(place: Place, offset: int, value: int) -> Writes:
    """Fill in a field of a chunk, if the chunk is there and long enough to have it."""
    return _patch(place.offset + offset, value) if offset + 4 <= place.size else []


def _with_index(header: Header) -> Header:
    """The header once its JUNK has become a super index."""
    streams = list(header.streams)
    streams[header.number] = replace(header.video, indx=header.video.spare, spare=Place())
    return replace(header, streams=tuple(streams))


def _check_resumable(read_at: ReadAt, size: int, index: AviIndex) -> None:
    """Refuse files that cannot be gone on with, or only by destroying what is in them."""
    if index.stream_count > 1 or index.fourcc.upper() != b"MJPG":
        raise UnsupportedError(
            f"expected a file of one MJPG stream to go on with, found {index.stream_count} "
            f"stream(s), the video {index.fourcc!r}"
        )
    if not (0 < index.width <= _MOST_PIXELS and 0 < index.height <= _MOST_PIXELS):
        raise CorruptFileError(
            f"expected a width and height of 1 to {_MOST_PIXELS} in the header, "
            f"found {index.width} × {index.height}"
        )
    if not index.header.video.frame_rate:
        raise CorruptFileError("expected a frame rate in the header, found 0")
    last = index.segments[-1]
    if not last.movi:
        torn = read_at(index.end, _LONGEST_HEADER)
        if size - index.end > _LONGEST_HEADER or b"movi" in torn:
            raise CorruptFileError(
                f"expected a header that ends in a movi list, or is cut off, found damage at byte "
                f"{index.end}; going on would destroy the {size - index.end} bytes behind it"
            )
        return
    movi_end = last.movi + CHUNK_HEADER + last.movi_size
    riff_end = last.riff + CHUNK_HEADER + last.riff_size
    if last.movi_size and index.end < movi_end <= riff_end <= size:
        raise CorruptFileError(
            f"expected chunks up to byte {movi_end}, where the movi list ends, found damage at "
            f"byte {index.end}; going on would destroy the frames behind it"
        )
