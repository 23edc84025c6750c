"""Channel formats `lzma` (one .xz file) and `lzmaf` (each frame an .xz stream of its own)."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract.channel import Keep
from roverd.channels.consume import Consumer
from roverd.channels.layouts import OffsetLayout
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
            _check_nothing_behind(file, end)
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


class LzmaFrameChannel(SingleFileChannel):
    """Each frame an .xz stream of its own, found by the offsets in a second file, `{path}_i`.

    Where the second file is missing, short, long or torn, frames are found from the data.
    """

    @property
    def index_path(self) -> str:
        """Path of the file with the offsets: N + 1 unsigned 64-bit integers."""
        return f"{self.path}_i"

    @property
    def files(self) -> set[str]:
        """Names that the channel takes in its folder."""
        return {*super().files, os.path.basename(self.index_path)}

    @property
    def filesize(self) -> int:
        """Bytes on disk now, of data and offsets."""
        return super().filesize + (self._storage.size(self.index_path) or 0)

    def _layout(self) -> OffsetLayout:
        file, offsets = self._find()

        def place(frame: int) -> tuple[int, int]:
            begin, end = offsets[frame : frame + 2].tolist()
            return begin, end - begin

        layout = OffsetLayout(file, len(offsets) - 1, place, xz.decode_into)
        end = int(offsets[-1])
        if end != file.size:
            layout.note = f"the {file.size - end} bytes from byte {end} on hold no whole frame"
        return layout

    @property
    def codec(self) -> str:
        """`"xz"`."""
        return "xz"

    def _find(self) -> tuple[File, NDArray[np.int64]]:
        """The data file, and where frames begin and end in it."""
        # The index is opened first: it never says more than the data that is opened after it.
        try:
            index = self._storage.open(self.index_path)
        except FileNotFoundError:
            index = None
        file = self._storage.open(self.path)
        version = (file.version, None if index is None else index.version)
        # One look at the cache: another thread may change it at any moment.
        known = self._cache
        if known is None or known[0] != version:
            known = (version, self._offsets(file, index))
            self._keep(known, known[1].nbytes)
        return file, known[1]

    def _offsets(self, file: File, index: File | None) -> NDArray[np.int64]:
        stored = b"" if index is None else index.read(0, index.size)
        offsets = _agreed(np.frombuffer(stored, "<u8", len(stored) // 8), file)
        end = int(offsets[-1])
        if end == file.size:
            return offsets
        return np.concatenate([offsets, self._walk(file, end)])

    def _walk(self, file: File, start: int) -> NDArray[np.int64]:
        """Ends of the whole frames from `start` on, found from the data alone."""
        ends: list[int] = []
        wrong_size: CorruptFileError | None = None
        try:
            for stream in xz.walk(file.read, start, file.size):
                if stream.content > self.size or (stream.whole and stream.content < self.size):
                    if stream.offset == 0:
                        wrong_size = self._wrong_size(stream)
                    break
                if stream.whole:
                    ends.append(stream.end)
        except CorruptFileError as error:
            # Zeros are what a loss of power leaves of what it came before.
            if start == 0 and not ends and any(file.read(0, xz.HEADER_SIZE)):
                raise CorruptFileError(f"{file.path}: {error}") from error
        if wrong_size is not None:
            raise wrong_size
        return np.array(ends, np.int64)

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

    def _wrong_size(self, stream: xz.Stream) -> CorruptFileError:
        if self.is_mislabelled():
            return CorruptFileError(
                f"{self.path}: expected one xz stream per frame of {self.size} bytes, found one "
                f"of {stream.content} bytes or more: this is an 'lzma' file under another name; "
                f"in the meta.json beside it, change this channel's format from 'lzmaf' to 'lzma'"
            )
        return CorruptFileError(
            f"{self.path}: expected xz streams of one frame ({self.size} bytes) each, found one of "
            f"{stream.content} bytes at byte {stream.offset}; do type and shape in meta.json fit?"
        )

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

    def _replace(self, frames: NDArray[Any], preset: int = 0, **options: Any) -> None:
        _check_preset(self.path, preset)
        storage = self._storage
        # The data file is moved into place before the index is.
        with storage.replacing(self.index_path) as index, storage.replacing(self.path) as file:
            LzmaFrameWriter(file, index, preset).add(frames)
            # Until the new one is there, no index is better than that of other data. Emptied, not
            # removed, since it may be a link.
            storage.write(self.index_path, b"")

    def _writer(self, append: bool, preset: int = 0, **options: Any) -> "LzmaFrameWriter":
        _check_preset(self.path, preset)
        storage = self._storage
        if append and self.exists():
            file, offsets = self._find()
            self._check_size(file, offsets)
            self.cut(len(offsets) - 1, drop)
        else:
            storage.write(self.index_path, b"")
            storage.write(self.path, b"")
        return LzmaFrameWriter(
            storage.append_to(self.path), storage.append_to(self.index_path), preset
        )

    def cut(self, count: int, keep: Keep, force: bool = False) -> bool:
        """Bring both files to exactly the first frames; see `Channel.cut`."""
        file, offsets = self._find()
        if count == len(offsets) - 1 and not force:
            _check_nothing_behind(file, int(offsets[-1]))
        storage = self._storage
        expected = offsets[: count + 1].astype("<u8").tobytes()
        found = storage.read(self.index_path) if storage.size(self.index_path) else b""
        changed = found != expected
        if found.startswith(expected):
            # Needs no room, which there may be none of.
            self._truncate(self.index_path, len(expected), keep)
        else:
            keep(self.index_path, 0)
            storage.write(self.index_path, expected, durable=True)
        return self._truncate(self.path, int(offsets[count]), keep) or changed

    def _check_size(self, file: File, offsets: NDArray[np.int64]) -> None:
        """Refuse to mix frames with others of another size."""
        if len(offsets) > 1:
            last = xz.stream_ending_at(file.read, int(offsets[-1]))
            if last is not None and last.content != self.size:
                raise UnsupportedError(
                    f"{self.path}: expected frames of {self.size} bytes to add others to, found "
                    f"one of {last.content} bytes; do type and shape in meta.json fit?"
                )


def _check_preset(path: str, preset: int) -> None:
    if not 0 <= preset <= 9:
        raise ValueError(f"{path}: preset must be 0 (fast) to 9 (small), got {preset}")


def _check_nothing_behind(file: File, end: int) -> None:
    """Refuse to cut off what is behind `end` when it is more than one torn stream.

    Raises:
        CorruptFileError: another stream begins there, so that the file was not torn but damaged.
    """
    offset = end + len(xz.MAGIC)
    while offset < file.size:
        piece = file.read(offset, _STREAM_SIZE)
        if (found := piece.find(xz.MAGIC)) >= 0:
            raise CorruptFileError(
                f"{file.path}: damaged at byte {end}; adding frames would destroy those behind the "
                f"damage (one begins at byte {offset + found}). Keep a copy of the file, or move "
                f"it away and record to a new one"
            )
        if not piece:
            return
        # A stream's first bytes may lie across two pieces.
        offset += max(1, len(piece) - len(xz.MAGIC) + 1)


def _agreed(stored: NDArray[np.uint64], file: File) -> NDArray[np.int64]:
    """The offsets that begin at 0, ascend, lie in the file, and end with a whole frame."""
    if not len(stored) or stored[0] != 0:
        return np.zeros(1, np.int64)
    good = np.concatenate([[True], (stored[1:] > stored[:-1]) & (stored[1:] <= file.size)])
    count = len(good) if good.all() else int(np.argmin(good))
    offsets = stored[:count].astype(np.int64)

    def ends_whole(frames: int) -> bool:
        first, last = int(offsets[frames - 1]), int(offsets[frames])
        return frames == 0 or xz.ends_whole(file.read, first, last)

    # Usually the last frame is whole, or one of those before it. An index that lies throughout
    # must not be looked through one by one: from the end in growing steps, then by halves.
    whole, torn, step = len(offsets) - 1, len(offsets), 1
    while not ends_whole(whole):
        whole, torn, step = max(0, whole - step), whole, 2 * step
    while torn - whole > 1:
        middle = (whole + torn) // 2
        whole, torn = (middle, torn) if ends_whole(middle) else (whole, middle)
    return offsets[: whole + 1]


class LzmaFrameWriter:
    """Adds frames, each as an .xz stream, and then their offsets; see `Writer`.

    Args:
        file: where the frames go; it holds whole frames only.
        index: where the offsets go; empty, or the offsets of all that is in `file`.
        preset: liblzma's preset.
    """

    def __init__(self, file: Appender, index: Appender, preset: int) -> None:
        self._file = file
        self._index = index
        self._preset = preset
        if index.position == 0:
            index.append(bytes(8))

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames; see `Writer.add`."""
        self.add_encoded(self.encode(frames))

    def encode(self, frames: NDArray[Any]) -> list[bytes]:
        """Compress frames; see `EncodedWriter.encode`."""
        return map_all(lambda frame: xz.encode(frame.tobytes(), self._preset), list(frames))

    def add_encoded(self, frames: Sequence[bytes]) -> None:
        """Write frames that are xz streams; see `EncodedWriter.add_encoded`."""
        for stream in frames:
            self._file.append(stream)
            self._index.append(self._file.position.to_bytes(8, "little"))

    def sync(self) -> None:
        """See `Writer.sync`."""
        self._file.sync()
        self._index.sync()

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        self._index.close()
