"""Channel formats `lzma` (one .xz file) and `lzmaf` (each frame an .xz stream of its own)."""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from roverd.channels.abstract.channel import Keep
from roverd.channels.consume import Consumer
from roverd.channels.frame_streams import Encode, FrameStreamChannel, check_nothing_behind
from roverd.channels.raw import SingleFileChannel, drop
from roverd.channels.solid import SolidIndex, SolidLayout
from roverd.channels.utils import Data, Streamable
from roverd.errors import CorruptFileError, InvalidDataError, UnsupportedError
from roverd.formats import xz
from roverd.parallel import map_all
from roverd.storage import Appender, File

__all__ = ["LzmaChannel", "LzmaFrameChannel"]

# Frames that are written together make streams of about this size: places where a reader can
# begin, and work for several cores; twice liblzma's dictionary would gain a percent or two.
_STREAM_SIZE = 8 << 20


class LzmaChannel(SingleFileChannel):
    """The bytes of a `raw` channel as one .xz file, of one or more streams.

    Small, but a frame can only be read by decompressing those before it, back to the beginning of
    its stream. Reading frames in order decompresses each once.
    """

    def _layout(self) -> SolidLayout:
        file = self._storage.open(self.path)
        # One look at the cache: another thread may change it at any moment.
        known = self._cache
        if known is None or known[0] != file.version:
            index = SolidIndex.of(file) if known is None else known[1].followed(file)
            self._cache = known = (file.version, index)
        return SolidLayout(file, known[1], self.size)

    def is_whole_file(self, start: int, stop: int) -> bool:
        """Whether these frames are all that the file holds."""
        layout = self._layout()
        return start == 0 and stop == len(layout) and layout.holds_nothing_else

    def write(self, data: Data, append: bool = False) -> None:
        """Write frames; see `Channel.write`.

        Args:
            data: array `(n, *shape)`. Bytes are taken, too: whole .xz streams as they are, and
                otherwise the uncompressed bytes of whole frames.
            append: whether to keep the frames that are there.
        """
        if isinstance(data, bytes | bytearray | memoryview):
            data = bytes(data)
            if data.startswith(xz.MAGIC):
                self._write_streams(data, append)
                return
            data = self.buffer_to_array(data, final=False)
        super().write(data, append)

    def _write_streams(self, data: bytes, append: bool) -> None:
        streams = xz.streams_from_end(lambda offset, size: data[offset : offset + size], len(data))
        content = sum(stream.content for stream in streams or ())
        if not streams or content % self.size:
            found = f"streams of {content} bytes" if streams else "something else"
            raise InvalidDataError(
                f"{self.path}: expected whole xz streams of frames of {self.size} bytes, "
                f"got {found}"
            )
        if append:
            writer = self._writer(append=True)
            try:
                writer.add_streams(data)
            finally:
                writer.close()
        else:
            self._storage.write(self.path, data)

    def _replace(self, frames: NDArray[Any], **options: Any) -> None:
        with self._storage.replacing(self.path) as file:
            LzmaWriter(file).add(frames)

    def _writer(self, append: bool, **options: Any) -> "LzmaWriter":
        if not append:
            self._storage.write(self.path, b"")
        elif self.exists():
            self.cut(len(self), drop)
        return LzmaWriter(self._storage.append_to(self.path))

    def cut(self, count: int, keep: Keep, force: bool = False) -> bool:
        """Bring the file to whole streams of exactly the first frames; see `Channel.cut`."""
        file = self._storage.open(self.path)
        index = SolidIndex.of(file)
        layout = SolidLayout(file, index, self.size)
        kept = 0  # frames that need not be compressed again
        end = 0
        for start, stream in zip(index.starts, index.streams, strict=True):
            reached = start + stream.content
            if stream.whole and reached <= count * self.size and reached % self.size == 0:
                kept, end = reached // self.size, stream.end
        if force:
            # Zeros, which not all other readers pass over.
            end = xz.before_padding(file.read, end)
        if end == file.size and kept == count:
            return False
        if count == len(layout) and not force:
            check_nothing_behind(file, end, xz.MAGIC)
        if kept == count:
            return self._truncate(self.path, end, keep)
        keep(self.path, end)
        # The other frames of a stream are compressed anew, in a file that takes this one's place
        # when it is complete.
        with self._storage.replacing(self.path) as replacement:
            for offset in range(0, end, _STREAM_SIZE):
                replacement.append(file.read(offset, min(_STREAM_SIZE, end - offset)))
            writer = LzmaWriter(replacement)
            at_once = max(1, _STREAM_SIZE // self.size)
            for first in range(kept, count, at_once):
                writer.add(self._read(layout, range(first, min(first + at_once, count))))
            # Otherwise the name may get to the disk before the content.
            self._storage.sync(replacement.path)
        return True


class LzmaWriter:
    """Adds .xz streams of frames; see `Writer`.

    Args:
        file: where they go; it holds whole streams only.
    """

    def __init__(self, file: Appender) -> None:
        self._file = file

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames; see `Writer.add`."""
        if not len(frames):
            return
        at_once = max(1, _STREAM_SIZE // frames[0].nbytes)
        pieces = [frames[first : first + at_once] for first in range(0, len(frames), at_once)]
        for stream in map_all(lambda piece: xz.encode(piece.tobytes()), pieces):
            self.add_streams(stream)

    def add_streams(self, streams: bytes) -> None:
        """Write ready-made streams."""
        self._file.append(streams)

    def sync(self) -> None:
        """See `Writer.sync`."""
        self._file.sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class LzmaFrameChannel(FrameStreamChannel):
    """Each frame an .xz stream of its own; see `FrameStreamChannel`."""

    encoding = "xz stream"
    _magic = xz.MAGIC

    @property
    def codec(self) -> str:
        """`"xz"`."""
        return "xz"

    def _encoder(self, preset: int = 0, **options: Any) -> Encode:
        if not 0 <= preset <= 9:
            raise ValueError(f"{self.path}: preset must be 0 (fast) to 9 (small), got {preset}")
        return lambda frame: xz.encode(frame.tobytes(), preset)

    def _decode_into(self, data: bytes, out: NDArray[Any]) -> None:
        xz.decode_into(data, out)

    def walk(self, file: File, start: int, end: int) -> Iterator[int]:
        """Find streams by their headers; see `FrameStreamChannel.walk`."""
        for stream in xz.walk(file.read, start, end):
            if stream.content > self.size or (stream.whole and stream.content < self.size):
                if stream.offset == 0:
                    raise self._not_of_frames(stream)
                return
            if stream.whole:
                yield stream.end

    def _is_whole(self, file: File, start: int, end: int) -> bool:
        return xz.ends_whole(file.read, start, end)

    def _check_size(self, file: File, start: int, end: int) -> None:
        last = xz.stream_ending_at(file.read, end)
        if last is not None and last.content != self.size:
            raise UnsupportedError(
                f"{self.path}: expected frames of {self.size} bytes to add others to, found "
                f"one of {last.content} bytes; do type and shape in meta.json fit?"
            )

    def is_mislabelled(self) -> bool:
        """Whether this is the file of an `lzma` channel: its first stream holds several frames.

        Where there is an index, or a second stream, it rather has a stream for each frame of
        another shape than `meta.json` says: files may have been swapped. So an index has to be
        missing, or that one stream be all that there is, even if torn.

        Raises:
            FileNotFoundError: there is no file.
        """
        file = self._storage.open(self.path)
        last = xz.stream_ending_at(file.read, xz.before_padding(file.read, file.size))
        if last is not None and last.offset == 0:
            return last.content > self.size
        try:
            first = next(xz.walk(file.read, 0, file.size), None)
        except CorruptFileError:
            return False
        if first is None or first.content <= self.size:
            return False
        # A file that ends well was not cut: something inside it is damaged.
        is_torn = last is None and not first.whole
        return is_torn or self._storage.size(self.index_path) is None

    def _not_of_frames(self, stream: xz.Stream) -> CorruptFileError:
        if self.is_mislabelled():
            return CorruptFileError(
                f"{self.path}: expected one xz stream per frame of {self.size} bytes, found one "
                f"of {stream.content} bytes or more: this is an 'lzma' file under another name; "
                f"in the meta.json beside it, change this channel's format from 'lzmaf' to 'lzma'"
            )
        return self._wrong_size(f"{stream.content} bytes", stream.offset)

    def write(self, data: Data, append: bool = False, preset: int = 0) -> None:
        """Write frames; see `Channel.write`.

        Args:
            data: array `(n, *shape)`.
            append: whether to keep the frames that are there.
            preset: liblzma's preset, 0 (fast) to 9 (small).
        """
        self._write(self.checked(data), append, preset=preset)

    def consume(
        self,
        stream: Streamable[Any],
        thread: bool = False,
        preset: int = 0,
        batch: int = 8,
        *,
        append: bool = False,
    ) -> Consumer:
        """Write frames as they come; see `Channel.consume`.

        Args:
            stream: frames, batches or lists of frames.
            thread: whether to write in a background thread.
            preset: liblzma's preset, 0 (fast) to 9 (small).
            batch: how many frames to compress at a time, if so many have come; 0 where items are
                lists already.
            append: whether to keep the frames that are there.
        """
        return self._consume(stream, thread, append, batch, preset=preset)
