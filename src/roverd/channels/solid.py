"""Frames in one compressed file: reading a frame means decompressing what comes before it.

Every .xz stream of the file is a place to begin, and a reader that goes on where the last one
stopped decompresses nothing twice.
"""

import lzma
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.layouts import Run, read_in_order
from roverd.errors import CorruptFileError
from roverd.formats import xz
from roverd.storage import File
from roverd.storage.read_ahead import read_ahead

_INPUT = 256 << 10
_PIECE = 1 << 20
# An error takes with it what the same call decompressed: not much of what is sound.
_CHECKED_PIECE = 64 << 10


@dataclass
class SolidIndex:
    """What an .xz file holds.

    Attributes:
        streams: its streams in order; the last one may be cut off.
        starts: where each one's content begins in the content of all.
        content: bytes that can be decompressed.
        note: what was not understood of the file; empty where all was.
        cursors: readers that stopped somewhere, for the next reader to go on from.
    """

    streams: list[xz.Stream]
    starts: list[int]
    content: int
    note: str
    cursors: list["_Cursor"] = field(default_factory=list["_Cursor"])

    @classmethod
    def of(cls, file: File) -> "SolidIndex":
        """Find the streams of a file.

        Raises:
            CorruptFileError: it does not begin with a stream.
        """
        file = read_ahead(file)
        streams = xz.streams_from_end(file.read, file.size)
        if streams is None:
            streams = list[xz.Stream]()
            try:
                streams.extend(xz.walk(file.read, 0, file.size))
            except CorruptFileError as error:
                # Zeros are what a loss of power leaves of what it came before.
                if not streams and any(file.read(0, xz.HEADER_SIZE)):
                    raise CorruptFileError(f"{file.path}: {error}") from error
        return cls._of_streams(file, streams)

    @classmethod
    def _of_streams(cls, file: File, streams: list[xz.Stream]) -> "SolidIndex":
        starts = list(accumulate((stream.content for stream in streams), initial=0))
        content = starts.pop()
        end = streams[-1].end if streams else 0
        note = ""
        if streams and not streams[-1].whole:
            content = starts[-1] + _decodable(file, streams[-1])
            note = f"the xz stream at byte {streams[-1].offset} is torn or damaged"
        elif end != file.size:
            note = f"the {file.size - end} bytes from byte {end} on are no xz stream"
        return cls(streams, starts, content, note)

    def followed(self, file: File) -> "SolidIndex":
        """What the file holds now, if it has grown since; anything else is found out anew."""
        last = self.streams[-1] if self.streams else None
        if last is None or not last.whole or file.size <= last.end:
            return self.of(file)
        if xz.stream_ending_at(file.read, last.end) != last:
            return self.of(file)
        streams = list(self.streams)
        try:
            streams.extend(xz.walk(file.read, last.end, file.size))
        except CorruptFileError:
            return self.of(file)
        return self._of_streams(file, streams)


def _decodable(file: File, stream: xz.Stream) -> int:
    """Bytes that can be decompressed of a stream that was cut off."""
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    offset = stream.offset
    count = 0
    try:
        while not decoder.eof:
            data = b""
            if decoder.needs_input:
                data = file.read(offset, _input_size(stream, offset))
                if not data:
                    break
                offset += len(data)
            # In small pieces, since an error takes with it what the same call decompressed.
            count += len(decoder.decompress(data, 256))
    except lzma.LZMAError:
        pass  # what was decompressed until then counts
    return count


def check_stream(
    file: File, stream: xz.Stream, take: Callable[[bytes], object] | None = None
) -> tuple[int, str]:
    """Decompress a whole stream to its end, where its check sums are compared.

    Args:
        file: the file.
        stream: where in it the stream is.
        take: called with the content as it comes.

    Returns:
        How many bytes of content came out whole, and what is wrong; nothing where all is well.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    offset, done = stream.offset, 0
    try:
        while not decoder.eof:
            data = b""
            if decoder.needs_input:
                data = file.read(offset, min(_INPUT, stream.end - offset))
                if not data:
                    return done, "it has no end"
                offset += len(data)
            piece = decoder.decompress(data, _CHECKED_PIECE)
            done += len(piece)
            if done > stream.content:
                return done, "it holds more bytes than its headers promise"
            if take is not None:
                take(piece)
    except lzma.LZMAError as error:
        return done, str(error)
    return done, "" if done == stream.content else "it holds fewer bytes than its headers promise"


def _input_size(stream: xz.Stream, offset: int) -> int:
    """How much to read for a decoder: first all of the stream that is sound, then what follows.

    An error in what follows then takes nothing with it that was sound.
    """
    return min(_INPUT, stream.end - offset) if offset < stream.end else _INPUT


class SolidLayout:
    """Frames of one size in an .xz file; see `Layout`.

    Args:
        file: the file.
        index: what it holds.
        frame_size: bytes of one frame.
    """

    def __init__(self, file: File, index: SolidIndex, frame_size: int) -> None:
        self.note = index.note
        self._file = file
        self._index = index
        self._size = frame_size

    def __len__(self) -> int:
        return self._index.content // self._size

    @property
    def holds_nothing_else(self) -> bool:
        """Whether the file is nothing but whole streams of whole frames."""
        return not self.note and self._index.content % self._size == 0

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames; see `Layout.read`."""
        if frames.step < 0:
            frames, out = frames[::-1], out[::-1]
        if not len(frames):
            return
        try:
            cursor = self._index.cursors.pop()
        except IndexError:
            cursor = _Cursor()
        if frames.step == 1 and out.flags.c_contiguous:
            cursor.read_into(self._file, self._index, frames[0] * self._size, out)
        else:
            for slot, frame in enumerate(frames):
                cursor.read_into(self._file, self._index, frame * self._size, out[slot, ...])
        # Only kept when nothing went wrong.
        self._index.cursors.append(cursor)

    def plan(self, runs: Sequence[Run]) -> list[Callable[[], object]]:
        """All frames, one after the other; see `Layout.plan`."""
        return [partial(read_in_order, self, runs)]


class _Cursor:
    """A place in the content of a file, and the decoder that stands there."""

    def __init__(self) -> None:
        self._stream = -1
        self._position = 0
        self._offset = 0
        self._decoder: lzma.LZMADecompressor | None = None

    def read_into(self, file: File, index: SolidIndex, start: int, out: NDArray[Any]) -> None:
        """Fill `out` with the content from byte `start` on."""
        stream = bisect_right(index.starts, start) - 1
        if self._decoder is None or stream > self._stream or start < self._position:
            self._begin(index, stream)
        while self._position < start:
            self._decode(file, index, min(_PIECE, start - self._position))
        view = out.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            piece = self._decode(file, index, min(_PIECE, len(view) - done))
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._check_end(file, index)

    def _begin(self, index: SolidIndex, stream: int) -> None:
        self._stream = stream
        self._position = index.starts[stream]
        self._offset = index.streams[stream].offset
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)

    def _decode(self, file: File, index: SolidIndex, size: int) -> bytes:
        """The next bytes of the content, at least one and at most `size`."""
        while True:
            if self._decoder is None or self._decoder.eof:
                if self._stream + 1 >= len(index.streams):
                    raise self._damaged(file, "it holds fewer bytes than its headers promise")
                self._begin(index, self._stream + 1)
            if piece := self._step(file, index.streams[self._stream], size):
                self._position += len(piece)
                return piece

    def _check_end(self, file: File, index: SolidIndex) -> None:
        """Have the check behind a stream's last byte compared, once that byte was read."""
        stream = index.streams[self._stream]
        if not stream.whole or self._position != index.starts[self._stream] + stream.content:
            return
        while self._decoder is not None and not self._decoder.eof:
            if self._step(file, stream, 1):
                raise self._damaged(file, "it holds more bytes than its headers promise")

    def _step(self, file: File, stream: xz.Stream, size: int) -> bytes:
        """Decompress up to `size` bytes from at most one read of the file."""
        assert self._decoder is not None
        data = b""
        if self._decoder.needs_input:
            data = file.read(self._offset, _input_size(stream, self._offset))
            self._offset += len(data)
            if not data:
                raise self._damaged(file, "the file ends inside it")
        try:
            return self._decoder.decompress(data, size)
        except lzma.LZMAError as error:
            raise self._damaged(file, str(error)) from error

    def _damaged(self, file: File, why: str) -> CorruptFileError:
        return CorruptFileError(
            f"{file.path}: damaged xz stream {self._stream}, "
            f"content byte {self._position} on: {why}"
        )
