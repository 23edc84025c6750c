"""The header of an AVI file: its streams, and where the fields are that a writer fills in."""

from dataclasses import dataclass
from fractions import Fraction

from roverd.errors import CorruptFileError
from roverd.formats.avi.riff import (
    CHUNK_HEADER,
    LIST_HEADER,
    ReadAt,
    Reader,
    Segment,
    is_fourcc,
    padded,
)

# ffmpeg writes headers of 6 to 10 kB, OpenCV 4, this library 17: one read.
_HEADER_BLOCK = 32768
# Chunks are named by two decimal digits of the stream.
_MOST_STREAMS = 100

_LISTS = (b"hdrl", b"strl", b"odml")


@dataclass(frozen=True, slots=True)
class Place:
    """Payload of a chunk: file offset and length, bytes. All zero: there is no such chunk."""

    offset: int = 0
    size: int = 0

    def __bool__(self) -> bool:
        return self.size > 0


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as its header describes it.

    Attributes:
        kind: `vids`, `auds`, …
        fourcc: its codec, for a video.
        width: pixels, for a video.
        height: pixels, for a video.
        frame_rate: frames per second, exact; 0 when the header does not say.
        length: frames that the header promises.
        strh: where the stream header is.
        indx: where its OpenDML index is.
        spare: the largest JUNK chunk within its list, which an OpenDML index may replace.
    """

    kind: bytes
    fourcc: bytes = b""
    width: int = 0
    height: int = 0
    frame_rate: Fraction = Fraction(0)
    length: int = 0
    strh: Place = Place()
    indx: Place = Place()
    spare: Place = Place()


@dataclass(frozen=True, slots=True)
class Header:
    """All that stands before the first frame.

    Attributes:
        streams: every stream, in order.
        number: which of them is the video.
        segment: the first RIFF; without `movi` when the file ends before it.
        start: file offset of the first chunk within `movi`, or where the header is cut off, bytes.
        avih: where the main header is.
        dmlh: where the OpenDML header (number of frames) is.
        promised: numbers of frames that the header states, zeros left out.
        counted: whether all fields for that are filled in.
    """

    streams: tuple[Stream, ...]
    number: int
    segment: Segment
    start: int
    avih: Place
    dmlh: Place
    promised: frozenset[int]
    counted: bool

    @property
    def video(self) -> Stream:
        """The video stream."""
        return self.streams[self.number]

    @property
    def names(self) -> tuple[bytes, ...]:
        """Fourccs of the chunks that hold frames of the video (compressed, uncompressed)."""
        return (b"%02ddc" % self.number, b"%02ddb" % self.number)


class _Parser:
    """Gathers the header while its chunks go by."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.streams: list[dict[str, Place]] = []
        self.stream_end = 0
        self.avih = Place()
        self.dmlh = Place()
        self.movi: Segment | None = None

    def walk(self, riff_size: int) -> int:
        """Go through the header up to `movi`; give the offset where that ended."""
        position = LIST_HEADER
        while self.movi is None:
            head = self.reader.read(position, LIST_HEADER)
            name, length = head[:4], int.from_bytes(head[4:8], "little")
            if len(head) < CHUNK_HEADER or not is_fourcc(name):
                break
            kind = head[8:]
            if name == b"LIST" and kind == b"movi":
                self.movi = Segment(0, riff_size, position, length)
                position += LIST_HEADER
            elif name == b"LIST" and (kind in _LISTS or length < 4):
                if kind == b"strl":
                    self._open_stream(position + CHUNK_HEADER + length)
                position += LIST_HEADER
            elif position + CHUNK_HEADER + length > self.reader.size:
                break
            else:
                self._take(name, Place(position + CHUNK_HEADER, length))
                position += CHUNK_HEADER + padded(length)
        return position

    def _open_stream(self, end: int) -> None:
        if len(self.streams) == _MOST_STREAMS:
            raise CorruptFileError(f"expected at most {_MOST_STREAMS} streams, found more")
        self.streams.append({})
        self.stream_end = end

    def _take(self, name: bytes, place: Place) -> None:
        if name == b"avih":
            self.avih = place
        elif name == b"dmlh":
            self.dmlh = place
        elif self.streams and name in (b"strh", b"strf", b"indx"):
            self.streams[-1].setdefault(name.decode(), place)
        elif name == b"JUNK" and place.offset + place.size <= self.stream_end:
            spare = self.streams[-1].get("spare", Place())
            if place.size > spare.size:
                self.streams[-1]["spare"] = place

    def field(self, place: Place, offset: int, size: int = 4, *, signed: bool = False) -> int:
        """A number within a chunk; 0 where the chunk is too short for it."""
        if offset + size > place.size:
            return 0
        return int.from_bytes(
            self.reader.read(place.offset + offset, size), "little", signed=signed
        )

    def stream(self, places: dict[str, Place]) -> Stream:
        """What the chunks of one stream say."""
        strh, strf = places.get("strh", Place()), places.get("strf", Place())
        kind = self.reader.read(strh.offset, 4) if strh.size >= 4 else b""
        common = (strh, places.get("indx", Place()), places.get("spare", Place()))
        if kind != b"vids" or strf.size < 20:
            return Stream(kind, b"", 0, 0, Fraction(0), 0, *common)
        scale, rate = self.field(strh, 20), self.field(strh, 24)
        microseconds = self.field(self.avih, 0)
        if not (scale and rate):
            scale, rate = microseconds, 1_000_000 if microseconds else 0
        return Stream(
            kind,
            self.reader.read(strf.offset + 16, 4),
            abs(self.field(strf, 4, signed=True)) or self.field(self.avih, 32),
            abs(self.field(strf, 8, signed=True)) or self.field(self.avih, 36),  # < 0: top down
            Fraction(rate, scale) if scale else Fraction(0),
            self.field(strh, 32),
            *common,
        )


def read_header(read_at: ReadAt, size: int) -> Header:
    """Read everything before the first frame.

    Args:
        read_at: the file.
        size: its length, bytes.

    Raises:
        CorruptFileError: not an AVI file, or one cut off before its video stream is described.
    """
    reader = Reader(read_at, size, _HEADER_BLOCK)
    head = reader.read(0, LIST_HEADER)
    if head[:4] != b"RIFF" or head[8:] != b"AVI ":
        raise CorruptFileError(f"expected an AVI file (RIFF … AVI), found the bytes {head!r}")
    riff_size = int.from_bytes(head[4:8], "little")
    parser = _Parser(reader)
    end = parser.walk(riff_size)
    streams = tuple(parser.stream(places) for places in parser.streams)
    number = next((i for i, stream in enumerate(streams) if stream.fourcc), None)
    if number is None:
        kinds = ", ".join(repr(stream.kind) for stream in streams) or "no stream"
        where = "before the frames begin" if parser.movi else f"up to byte {end} of {size}"
        raise CorruptFileError(
            f"expected the format of a video stream (strh, strf) {where}, found {kinds}"
        )
    counts = {parser.field(parser.avih, 16), streams[number].length}
    if parser.dmlh:
        counts.add(parser.field(parser.dmlh, 0))
    return Header(
        streams=streams,
        number=number,
        segment=parser.movi or Segment(0, riff_size),
        start=end,
        avih=parser.avih,
        dmlh=parser.dmlh,
        promised=frozenset(counts - {0}),
        counted=0 not in counts,
    )
