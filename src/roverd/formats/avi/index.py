"""Where every frame of an AVI file is.

The truth is the chain of chunk headers (`walk_index`). The indexes in the file are a way to know it
without visiting every header: what they claim is taken where the claims fit together without a gap,
the gaps are walked, and where anything contradicts, everything is walked.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roverd.formats.avi.header import Header, read_header
from roverd.formats.avi.riff import (
    CHUNK_HEADER,
    ReadAt,
    Reader,
    Segment,
    Walk,
    padded,
    walk_chunks,
)
from roverd.formats.avi.tables import Extents, read_idx1, read_opendml

_OPEN_SIZES = (0, 0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class AviIndex:
    """The frames of one video stream.

    Attributes:
        fourcc: codec of the video, 4 bytes.
        width: pixels.
        height: pixels.
        frame_rate: frames per second; 0.0 when the file does not say.
        stream: number of the video stream in the file.
        stream_count: streams in the file.
        offsets: file offset of each frame's payload, bytes, int64 [n], read-only.
        sizes: length of each payload, bytes, int64 [n], read-only; 0 is a dropped frame, which
            counts and repeats the one before.
        end: file offset just after the last whole chunk and its padding, bytes; what lies beyond it
            is torn. Never more than the size of the file.
        finished: the lengths and counts in the headers, and an index of all frames, are there.
            False from `walk_index`, which looks at no index.
        header: the file's header.
        segments: every RIFF of the file, in order.
    """

    fourcc: bytes
    width: int
    height: int
    frame_rate: float
    stream: int
    stream_count: int
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    end: int
    finished: bool
    header: Header
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def frames_end(self) -> int:
        """File offset where the chunk after the last frame belongs, bytes.

        One more than the size of the file when only the last pad byte is missing.
        """
        if not len(self):
            return self.header.start
        return int(self.offsets[-1]) + padded(int(self.sizes[-1]))


def read_index(read_at: ReadAt, size: int) -> AviIndex:
    """Find all frames, by the indexes in the file as far as they are right.

    Args:
        read_at: the file.
        size: its length, bytes.

    Raises:
        CorruptFileError: not an AVI file, or cut off before its video stream is described.
    """
    header = read_header(read_at, size)
    if header.segment.movi:
        reader = Reader(read_at, size)
        for table in (read_opendml, read_idx1):
            claimed = table(reader, header)
            index = _from_claims(reader, header, claimed) if claimed.frames.any() else None
            if index is not None:
                return index
    index = _from_walk(read_at, size, header)
    # Where there are no frames, there is nothing that an index could list.
    empty = not len(index) and not header.promised and index.end == size
    if empty and _are_closed(list(index.segments), index.offsets, index.sizes, size):
        return replace(index, finished=True)
    return index


def walk_index(read_at: ReadAt, size: int) -> AviIndex:
    """Find all frames by visiting every chunk header: slower, and the truth.

    Args:
        read_at: the file.
        size: its length, bytes.

    Raises:
        CorruptFileError: not an AVI file, or cut off before its video stream is described.
    """
    return _from_walk(read_at, size, read_header(read_at, size))


def extend_index(read_at: ReadAt, size: int, previous: AviIndex) -> AviIndex:
    """Add the frames that a file has got since `previous` was read.

    Reads the header, the last frame's chunk header and what is behind it. Where the file no longer
    is the one of `previous`, or has been finished meanwhile, it is read anew.

    Args:
        read_at: the file.
        size: its length now, bytes.
        previous: the index as it was.

    Raises:
        CorruptFileError: no longer an AVI file.
    """
    header = read_header(read_at, size)
    if not len(previous) or not _same_file(read_at, header, previous):
        return read_index(read_at, size)
    reader = Reader(read_at, size)
    start = previous.frames_end
    segments = [header.segment, *(s for s in previous.segments[1:] if s.riff < start)]
    found = Walk(_read_again(reader, segments))
    end = walk_chunks(reader, start, size, header.names, found)
    offsets = np.concatenate([previous.offsets, np.array(found.offsets, np.int64)])
    sizes = np.concatenate([previous.sizes, np.array(found.sizes, np.int64)])
    if _are_closed(found.segments, offsets, sizes, size):
        return read_index(read_at, size)
    return _index(header, offsets, sizes, found.segments, min(end, size), finished=False)


def check_chunk_header(header: bytes, index: AviIndex, size: int) -> bool:
    """Whether the 8 bytes before a payload are those of a frame of the size that the index says.

    Read along with every frame, they keep a lying index from yielding a wrong frame.

    Args:
        header: the 8 bytes before a frame's offset.
        index: the index.
        size: the frame's size.
    """
    return (
        header[:4] in index.header.names
        and len(header) == CHUNK_HEADER
        and int.from_bytes(header[4:], "little") == size
    )


def _from_walk(read_at: ReadAt, size: int, header: Header) -> AviIndex:
    found = Walk([header.segment])
    end = header.start
    if header.segment.movi:
        end = walk_chunks(Reader(read_at, size), end, size, header.names, found)
    offsets, sizes = np.array(found.offsets, np.int64), np.array(found.sizes, np.int64)
    return _index(header, offsets, sizes, found.segments, min(end, size), finished=False)


def _from_claims(reader: Reader, header: Header, claimed: Extents) -> AviIndex | None:
    """The frames claimed and those in the gaps between; None where anything contradicts."""
    size = reader.size
    whole = claimed.heads + CHUNK_HEADER + claimed.sizes <= size
    # From the first chunk that is not whole on nothing is believed; the walk sees what is there.
    count = len(whole) if whole.all() else int(np.argmin(whole))
    heads, lengths = claimed.heads[:count], claimed.sizes[:count]
    frames = claimed.frames[:count]
    gap_starts = np.concatenate([[header.start], heads + CHUNK_HEADER + lengths + (lengths & 1)])
    gaps = heads - gap_starts[:-1]
    if np.any(gaps < 0) or (count and not _is_there(reader, header, claimed, count - 1)):
        return None
    found = Walk([header.segment])
    for i in np.flatnonzero(gaps).tolist():
        stop = int(heads[i])
        if walk_chunks(reader, int(gap_starts[i]), stop, header.names, found) != stop:
            return None
    inner = len(found.offsets)
    end = walk_chunks(reader, int(gap_starts[-1]), size, header.names, found)
    offsets, sizes = heads[frames] + CHUNK_HEADER, lengths[frames]
    if found.offsets:
        offsets = np.concatenate([offsets, np.array(found.offsets, np.int64)])
        sizes = np.concatenate([sizes, np.array(found.sizes, np.int64)])
        if inner:
            order = np.argsort(offsets, kind="stable")
            offsets, sizes = offsets[order], sizes[order]
    # With more streams than one, an entry of the wrong stream leaves no gap. It changes the count.
    if len(header.streams) > 1 and header.promised and len(offsets) not in header.promised:
        return None
    closed = _are_closed(found.segments, offsets, sizes, size)
    # The main header counts the frames of the first RIFF only, so the largest count is the file's.
    counted = header.counted and len(offsets) == max(header.promised, default=0)
    complete = closed and not found.offsets and counted
    return _index(header, offsets, sizes, found.segments, min(end, size), finished=complete)


def _is_there(reader: Reader, header: Header, claimed: Extents, i: int) -> bool:
    """Whether a claimed chunk is in its place.

    Asked of the last one: a wrong size of any other leaves a gap that does not end where it must.
    """
    head = reader.read(int(claimed.heads[i]), CHUNK_HEADER)
    named = head[:4] in header.names or not claimed.frames[i]
    return named and int.from_bytes(head[4:], "little") == int(claimed.sizes[i])


def _index(
    header: Header,
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    segments: list[Segment],
    end: int,
    *,
    finished: bool,
) -> AviIndex:
    offsets.setflags(write=False)
    sizes.setflags(write=False)
    video = header.video
    return AviIndex(
        fourcc=video.fourcc,
        width=video.width,
        height=video.height,
        frame_rate=float(video.frame_rate),
        stream=header.number,
        stream_count=len(header.streams),
        offsets=offsets,
        sizes=sizes,
        end=end,
        finished=finished,
        header=header,
        segments=tuple(segments),
    )


def _are_closed(
    segments: list[Segment], offsets: NDArray[np.int64], sizes: NDArray[np.int64], size: int
) -> bool:
    """Whether the lengths of every RIFF and `movi` are filled in, and right."""
    last_of = np.searchsorted(offsets, [s.riff for s in segments[1:]] + [size + 1]) - 1
    for i, segment in enumerate(segments):
        riff_end = segment.riff + CHUNK_HEADER + segment.riff_size
        movi_end = segment.movi + CHUNK_HEADER + segment.movi_size
        last = int(last_of[i])
        content = int(offsets[last] + sizes[last]) if last >= 0 else segment.movi
        sound = (
            segment.movi > 0
            and segment.riff_size not in _OPEN_SIZES
            and segment.movi_size not in _OPEN_SIZES
            and content <= movi_end <= riff_end <= size
            and (i + 1 == len(segments) or padded(riff_end) == segments[i + 1].riff)
        )
        if not sound:
            return False
    return True


def _same_file(read_at: ReadAt, header: Header, previous: AviIndex) -> bool:
    """Whether the frames of `previous` still are where they were, as far as 8 bytes can tell."""
    old, new = previous.header, header
    last = int(previous.offsets[-1]) - CHUNK_HEADER
    return (
        (new.number, new.start, new.segment.movi) == (old.number, old.start, old.segment.movi)
        and len(new.streams) == len(old.streams)
        and (new.video.fourcc, new.video.width, new.video.height)
        == (previous.fourcc, previous.width, previous.height)
        and check_chunk_header(read_at(last, CHUNK_HEADER), previous, int(previous.sizes[-1]))
    )


def _read_again(reader: Reader, segments: list[Segment]) -> list[Segment]:
    """The segments with their lengths as they are now: a writer fills them in later."""
    fresh = segments[:1]
    for segment in segments[1:]:
        riff = int.from_bytes(reader.read(segment.riff + 4, 4), "little")
        movi = int.from_bytes(reader.read(segment.movi + 4, 4), "little")
        fresh.append(segment._replace(riff_size=riff, movi_size=movi))
    return fresh
