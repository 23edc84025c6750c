"""What the formats share that encode each frame by itself, all in one file: `lzmaf` and others."""

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract.channel import Keep
from roverd.channels.layouts import OffsetLayout
from roverd.channels.raw import SingleFileChannel, drop
from roverd.errors import CorruptFileError
from roverd.parallel import map_all
from roverd.storage import Appender, File
from roverd.storage.read_ahead import read_ahead

__all__ = ["FrameStreamChannel"]

Encode = Callable[[NDArray[Any]], bytes]

_PIECE = 8 << 20


class FrameStreamChannel(SingleFileChannel):
    """Frames encoded one by one, found by the offsets in a second file, `{path}_i`.

    Where the second file is missing, short, long or torn, frames are found from the data.

    A format of this kind says how a frame is encoded and decoded, and how its end is found.
    """

    encoding: ClassVar[str]
    """What an encoded frame is called, such as `"xz stream"`."""

    _magic: ClassVar[bytes]
    """What an encoded frame begins with."""

    # What a format has to say

    @abstractmethod
    def _encoder(self, **options: Any) -> Encode:
        """How frames are encoded.

        Raises:
            ValueError: the options are none.
        """

    @abstractmethod
    def _decode_into(self, data: bytes, out: NDArray[Any]) -> None:
        """Decode a frame. Raises CorruptFileError where it does not fill `out` exactly."""

    @abstractmethod
    def walk(self, file: File, start: int, end: int) -> Iterator[int]:
        """Find encoded frames from the data alone.

        Args:
            file: the data.
            start: where one begins.
            end: where to stop.

        Yields:
            Where each whole one ends, in order, up to one that is torn or of another size.

        Raises:
            CorruptFileError: none begins there. The ends before were yielded. The file is not
                named, unless the first frame in it is of another size.
        """

    @abstractmethod
    def _is_whole(self, file: File, start: int, end: int) -> bool:
        """Whether one encoded frame reaches from `start` to `end`."""

    def _check_size(self, file: File, start: int, end: int) -> None:
        """Refuse to mix frames with a last one of another size, if `_is_whole` takes that.

        Raises:
            UnsupportedError: the frame that reaches from `start` to `end` is of another size.
        """

    # What follows from it

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
        file, offsets = self.find()

        def place(frame: int) -> tuple[int, int]:
            begin, end = offsets[frame : frame + 2].tolist()
            return begin, end - begin

        layout = OffsetLayout(file, len(offsets) - 1, place, self._decode_into)
        end = int(offsets[-1])
        if end != file.size:
            layout.note = f"the {file.size - end} bytes from byte {end} on hold no whole frame"
        return layout

    def find(self) -> tuple[File, NDArray[np.int64]]:
        """The data file, and where frames begin and end in it.

        Returns:
            The file, and Int64[n + 1]: 0, then the end of each of the n whole frames.

        Raises:
            FileNotFoundError: there is no data.
            CorruptFileError: it is something else.
        """
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
        file = read_ahead(file)
        offsets = self._agreed(np.frombuffer(stored, "<u8", len(stored) // 8), file)
        end = int(offsets[-1])
        if end == file.size:
            return offsets
        return np.concatenate([offsets, self._walked(file, end)])

    def _walked(self, file: File, start: int) -> NDArray[np.int64]:
        """Ends of the whole frames from `start` on, found from the data alone."""
        ends: list[int] = []
        try:
            for end in self.walk(file, start, file.size):
                ends.append(end)  # noqa: PERF402 - those before an error count
        except CorruptFileError as error:
            # Zeros are what a loss of power leaves of what it came before.
            if start == 0 and not ends and any(file.read(0, 2 * len(self._magic))):
                named = str(error).startswith(self.path)
                raise CorruptFileError(str(error) if named else f"{file.path}: {error}") from error
        return np.array(ends, np.int64)

    def _agreed(self, stored: NDArray[np.uint64], file: File) -> NDArray[np.int64]:
        """The offsets that begin at 0, ascend, lie in the file, and end with a whole frame."""
        if not len(stored) or stored[0] != 0:
            return np.zeros(1, np.int64)
        good = np.concatenate([[True], (stored[1:] > stored[:-1]) & (stored[1:] <= file.size)])
        count = len(good) if good.all() else int(np.argmin(good))
        offsets = stored[:count].astype(np.int64)

        def ends_whole(frames: int) -> bool:
            first, last = int(offsets[frames - 1]), int(offsets[frames])
            return frames == 0 or self._is_whole(file, first, last)

        # Usually the last frame is whole, or one of those before it. An index that lies throughout
        # must not be looked through one by one: from the end in growing steps, then by halves.
        whole, torn, step = len(offsets) - 1, len(offsets), 1
        while not ends_whole(whole):
            whole, torn, step = max(0, whole - step), whole, 2 * step
        while torn - whole > 1:
            middle = (whole + torn) // 2
            whole, torn = (middle, torn) if ends_whole(middle) else (whole, middle)
        return offsets[: whole + 1]

    def _wrong_size(self, content: str, offset: int) -> CorruptFileError:
        """The first frame in the file is of another size; `content` is what it holds."""
        return CorruptFileError(
            f"{self.path}: expected {self.encoding}s of one frame ({self.size} bytes) each, found "
            f"one of {content} at byte {offset}; do type and shape in meta.json fit?"
        )

    def _replace(self, frames: NDArray[Any], **options: Any) -> None:
        encode = self._encoder(**options)
        storage = self._storage
        # The data file is moved into place before the index is.
        with storage.replacing(self.index_path) as index, storage.replacing(self.path) as file:
            FrameStreamWriter(file, index, encode).add(frames)
            # Until the new one is there, no index is better than that of other data. Emptied, not
            # removed, since it may be a link.
            storage.write(self.index_path, b"")

    def _writer(self, append: bool, **options: Any) -> "FrameStreamWriter":
        encode = self._encoder(**options)
        storage = self._storage
        if append and self.exists():
            file, offsets = self.find()
            if len(offsets) > 1:
                self._check_size(file, int(offsets[-2]), int(offsets[-1]))
            self.cut(len(offsets) - 1, drop)
        else:
            storage.write(self.index_path, b"")
            storage.write(self.path, b"")
        return FrameStreamWriter(
            storage.append_to(self.path), storage.append_to(self.index_path), encode
        )

    def cut(self, count: int, keep: Keep, force: bool = False) -> bool:
        """Bring both files to exactly the first frames; see `Channel.cut`."""
        file, offsets = self.find()
        if count == len(offsets) - 1 and not force:
            check_nothing_behind(file, int(offsets[-1]), self._magic)
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


def check_nothing_behind(file: File, end: int, magic: bytes) -> None:
    """Refuse to cut off what is behind `end` when it is more than one torn frame or stream.

    Args:
        file: the data.
        end: where what is whole ends.
        magic: what a frame or stream begins with.

    Raises:
        CorruptFileError: another one begins there, so that the file was not torn but damaged.
    """
    offset = end + len(magic)
    while offset < file.size:
        piece = file.read(offset, _PIECE)
        if (found := piece.find(magic)) >= 0:
            raise CorruptFileError(
                f"{file.path}: damaged at byte {end}; adding frames would destroy those behind the "
                f"damage (one begins at byte {offset + found}). Keep a copy of the file, or move "
                f"it away and record to a new one"
            )
        if not piece:
            return
        # The first bytes may lie across two pieces.
        offset += max(1, len(piece) - len(magic) + 1)


class FrameStreamWriter:
    """Adds encoded frames, and then their offsets; see `Writer`.

    Args:
        file: where the frames go; it holds whole frames only.
        index: where the offsets go; empty, or the offsets of all that is in `file`.
        encode: encodes a frame.
    """

    def __init__(self, file: Appender, index: Appender, encode: Encode) -> None:
        self._file = file
        self._index = index
        self._encode = encode
        if index.position == 0:
            index.append(bytes(8))

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames; see `Writer.add`."""
        self.add_encoded(self.encode(frames))

    def encode(self, frames: NDArray[Any]) -> list[bytes]:
        """Compress frames; see `EncodedWriter.encode`."""
        return map_all(self._encode, [frames[slot, ...] for slot in range(len(frames))])

    def add_encoded(self, frames: Sequence[bytes]) -> None:
        """Write encoded frames; see `EncodedWriter.add_encoded`."""
        for frame in frames:
            self._file.append(frame)
            self._index.append(self._file.position.to_bytes(8, "little"))

    def sync(self) -> None:
        """See `Writer.sync`."""
        self._file.sync()
        self._index.sync()

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        self._index.close()
