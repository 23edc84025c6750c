"""Channel format `mjpg`: an AVI file with one JPEG per frame."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract import Channel
from roverd.channels.abstract.channel import Keep, Path
from roverd.channels.consume import Consumer
from roverd.channels.images import ImageDecoder, check_image
from roverd.channels.layouts import ContradictionError, EmptyLayout, Layout, OffsetLayout, Read, Run
from roverd.channels.other_video import OtherVideoLayout
from roverd.channels.raw import SingleFileChannel, drop
from roverd.channels.utils import Data, Streamable
from roverd.channels.writers import Writer
from roverd.errors import CorruptFileError, UnsupportedError
from roverd.formats import avi, jpeg
from roverd.parallel import map_all
from roverd.storage import Appender, File, is_url
from roverd.storage.read_ahead import read_ahead

__all__ = ["VideoChannel"]

# Headers are a few KiB; in a file longer than this, what looks like a cut is damage.
_LONGEST_HEADER = 32 << 10
_PIECE = 1 << 20

_LOWEST_RATE, _HIGHEST_RATE = 1e-5, 1e6  # frames per second that an AVI is believed to have

_JPEG_CODECS = (b"MJPG", b"mjpg", b"JPEG", b"jpeg", b"AVRn", b"dmb1")


class VideoChannel(SingleFileChannel):
    """RGB frames `(height, width, 3)` in an AVI file, found by frame number.

    Every AVI is read whose frames are JPEGs, with or without an index; one with another codec is
    read through PyAV, slower.

    Args:
        path: the file.
        dtype: `u1`.
        shape: shape of one frame as it is stored, `(height, width, 3)`; `(height, width)` for grey
            images.
        resolution: `(width, height)` that frames are resized to when they are read; `shape` stays
            that of what is stored.
        interp: how they are resized: nearest, linear, cubic, area or lanczos, as OpenCV does it.
        exact: `area` by a half, a quarter or an eighth in both directions is done by the JPEG
            decoder, in a fraction of the time and almost the same; whether to resize the full
            image with OpenCV, too, in that case.
        quality: JPEG quality for writing, 1 to 100.
    """

    repeats_dropped = True

    def __init__(
        self,
        path: Path,
        dtype: Any,
        shape: Sequence[int],
        resolution: Sequence[int] | None = None,
        interp: str = "area",
        exact: bool = False,
        quality: int = 95,
    ) -> None:
        super().__init__(path, dtype, shape)
        check_image(self, quality)
        self.quality = quality
        self.decoder = ImageDecoder(self, resolution, interp, exact)

    @property
    def _read_shape(self) -> tuple[int, ...]:
        return self.decoder.out_shape

    def _frames_at_once(self) -> int:
        return 16 if is_url(self.path) else 4

    def _layout(self) -> Layout:
        file = self._storage.open(self.path)
        try:
            known = self._known(file)
        except CorruptFileError:
            if not _is_cut_in_header(file):
                raise
            return EmptyLayout("the file is cut off inside its header")
        if not _holds_jpegs(known.index):
            return OtherVideoLayout(file, known.index, known.decoders, self.decoder, self.shape)
        return _VideoLayout(self, file, known)

    def _known(self, file: File) -> "_Known":
        """Where the frames are, found anew only when the file has changed."""
        # One look at the cache: another thread may change it at any moment.
        cached: _Known | None = self._cache
        if cached is not None and cached.version == file.version:
            return cached
        read = read_ahead(file).read
        try:
            if cached is not None and cached.size < file.size:
                index = avi.extend_index(read, file.size, cached.index)
            else:
                index = avi.read_index(read, file.size)
        except CorruptFileError as error:
            raise CorruptFileError(f"{self.path}: {error}") from error
        known = _Known(file, index)
        self._keep(known, known.memory)
        return known

    @property
    def codec(self) -> str | None:
        """`"jpeg"`; `None` for a file with another codec."""
        known = self._known_if_there()
        return "jpeg" if known is None or _holds_jpegs(known.index) else None

    @property
    def frame_rate(self) -> float | None:
        """Frames per second, for players; `None` where there is no file or it does not say."""
        known = self._known_if_there()
        rate = 0.0 if known is None else known.index.frame_rate
        # Of a header that says nonsense, the frames are still good.
        return rate if _LOWEST_RATE <= rate <= _HIGHEST_RATE else None

    def _known_if_there(self) -> "_Known | None":
        try:
            file = self._storage.open(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if _is_cut_in_header(file) else self._known(file)

    def unresized(self) -> "VideoChannel":
        """The channel without its `resolution`."""
        other = self.open_like(self.path)
        other.decoder = ImageDecoder(other, None, "area", False)
        return other

    def is_whole_file(self, start: int, stop: int) -> bool:
        """Whether these are all frames of a file with another codec, which may have a torn tail."""
        known = self._known_if_there()
        if known is None or _holds_jpegs(known.index):
            return False
        return start == 0 and stop == len(known.index)

    def open_writer(self, append: bool, fps: float = 10.0) -> Writer:
        """Open the channel for frames to come; see `Channel.open_writer`.

        Args:
            append: whether to keep the frames that are there.
            fps: frames per second, for players; a file that is added to keeps its own.
        """
        return self._open_writer(append, fps=fps)

    def writer_like(self, source: Channel, **options: Any) -> Writer:
        """Open the channel for frames of another one, whose frame rate it gets if that has one."""
        rate = source.frame_rate if isinstance(source, VideoChannel) else None
        if rate is not None:
            options.setdefault("fps", rate)
        return self._open_writer(append=False, **options)

    def distrust_index(self, file: File) -> "_Known":
        """Find the frames of a file again, going by its data alone."""
        known = _Known(file, avi.walk_index(read_ahead(file).read, file.size))
        self._keep(known, known.memory)
        return known

    def write(self, data: Data, append: bool = False, fps: float = 10.0) -> None:
        """Write frames; see `Channel.write`.

        Args:
            data: array `(n, height, width, 3)`.
            append: whether to keep the frames that are there.
            fps: frames per second, for players; a file that is added to keeps its own.
        """
        self._write(self.checked(data), append, fps=fps)

    def consume(
        self,
        stream: Streamable[Any],
        thread: bool = False,
        fps: float = 10.0,
        *,
        append: bool = False,
    ) -> Consumer:
        """Write single frames as they come; see `Channel.consume`.

        Args:
            stream: frames `(height, width, 3)`.
            thread: whether to write in a background thread.
            fps: frames per second, for players.
            append: whether to keep the frames that are there.
        """
        return self._consume(stream, thread, append, fps=fps)

    def _checked_item(self, item: Any) -> NDArray[Any]:
        return self.checked_frame(item)[None]

    def _replace(self, frames: NDArray[Any], fps: float = 10.0, **options: Any) -> None:
        with self._storage.replacing(self.path) as file:
            writer = self._started(self._new_container(fps), file)
            writer.add(frames)
            writer.close()

    def _writer(self, append: bool, fps: float = 10.0, **options: Any) -> "_VideoWriter":
        storage = self._storage
        file = storage.open(self.path) if append and self.exists() else None
        if file is None or self._is_empty(file):
            container = self._new_container(fps)
            # With its header, durably: without one, what frames a loss of power leaves are lost.
            ((_, header),) = container.start()
            storage.write(self.path, header, durable=True)
            return _VideoWriter(storage.append_to(self.path), container, self.quality)
        index = self._known(file).index
        if (index.height, index.width) != self.shape[:2]:
            raise UnsupportedError(
                f"{self.path}: expected a video of {self.shape[1]} × {self.shape[0]} pixels to add "
                f"frames to, found one of {index.width} × {index.height}"
            )
        end = self._known(file).index.end
        return self._resumed(file, end if _is_zero(file, end) else file.size, drop)

    def _is_empty(self, file: File) -> bool:
        """Whether a file holds no frames, and nothing that could be some."""
        if _is_cut_in_header(file):
            return True
        index = self._known(file).index
        return index.finished and not len(index)

    def _resumed(self, file: File, size: int, keep: Keep) -> "_VideoWriter":
        """Go on with a file after its first bytes, which end with a whole frame or a torn one."""
        try:
            container, end, writes = avi.AviWriter.resume(file.read, size)
        except (CorruptFileError, UnsupportedError) as error:
            raise type(error)(f"{self.path}: {error}") from error
        keep(self.path, min(end, file.size))
        appender = self._storage.append_to(self.path)
        _carry_out(writes, appender)
        appender.truncate(end)
        return _VideoWriter(appender, container, self.quality)

    def cut(self, count: int, keep: Keep, force: bool = False) -> bool:
        """Bring the file to exactly the first frames, indexed; see `Channel.cut`."""
        file = self._storage.open(self.path)
        if _is_cut_in_header(file):
            keep(self.path, 0)
            self._replace(np.empty((0, *self.shape), self.type))
            return True
        index = self._known(file).index
        if index.finished and index.end == file.size and count == len(index):
            return False
        size = index.end if force or _is_zero(file, index.end) else file.size
        if count < len(index):
            size = int(index.offsets[count]) - avi.CHUNK_HEADER
        self._resumed(file, size, keep).close()
        return True

    def _new_container(self, fps: float) -> avi.AviWriter:
        height, width = self.shape[:2]
        try:
            return avi.AviWriter(width, height, fps)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error

    def _started(self, container: avi.AviWriter, file: Appender) -> "_VideoWriter":
        _carry_out(container.start(), file)
        return _VideoWriter(file, container, self.quality)


def _is_cut_in_header(file: File) -> bool:
    """Whether a recorder died before it had described the video: there is no frame then."""
    if file.size > _LONGEST_HEADER:
        return False
    data = file.read(0, file.size)
    begins_well = b"RIFF".startswith(data[:4]) and b"AVI ".startswith(data[8:12])
    return begins_well and b"movi" not in data


def _is_zero(file: File, start: int) -> bool:
    """Whether there are only zeros from a byte on: what a loss of power has left unwritten."""
    for offset in range(start, file.size, _PIECE):
        if file.read(offset, _PIECE).strip(b"\0"):
            return False
    return file.size > start


def _holds_jpegs(index: avi.AviIndex) -> bool:
    return index.fourcc in _JPEG_CODECS or not len(index)


class _Known:
    """What was found out about a file.

    Attributes:
        version: of the file.
        size: of the file.
        index: where its frames are.
        memory: bytes that it takes.
        leading: number of dropped frames that there is no frame before.
        decoders: for other codecs than JPEG: decoders that stopped somewhere.
    """

    def __init__(self, file: File, index: avi.AviIndex) -> None:
        self.version = file.version
        self.size = file.size
        self.index = index
        self.memory = index.offsets.nbytes + index.sizes.nbytes
        self.decoders: list[Any] = []
        self.leading = 0
        # For each frame the one that is shown, if some were dropped, which repeat the one before.
        self._shown: NDArray[np.int64] | None = None
        if not index.sizes.all():
            numbers = np.where(index.sizes > 0, np.arange(len(index)), -1)
            self._shown = np.maximum.accumulate(numbers)
            self.leading = int(np.count_nonzero(self._shown < 0))
            self.memory += self._shown.nbytes

    def place(self, frame: int) -> tuple[int, int]:
        """Where the chunk begins that shows a frame, and its bytes, its header included."""
        shown = frame if self._shown is None else int(self._shown[frame])
        offset, size = int(self.index.offsets[shown]), int(self.index.sizes[shown])
        return offset - avi.CHUNK_HEADER, size + avi.CHUNK_HEADER


class _VideoLayout:
    """JPEGs in an AVI file; see `Layout`.

    The header of its chunk is read along with every frame. Where it is not what the index led to
    expect, the index lies, and the frames are found without it.
    """

    note = ""

    def __init__(self, channel: VideoChannel, file: File, known: _Known) -> None:
        self._channel = channel
        self._file = file
        self._known = known

    def __len__(self) -> int:
        return len(self._known.index)

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames, several at a time; see `Layout.read`."""
        try:
            self._read(frames, out)
        except ContradictionError:
            self._known = self._channel.distrust_index(self._file)
            if len(frames):
                self._check_there(max(frames[0], frames[-1]))
            self._read(frames, out)

    def _check_there(self, frame: int) -> None:
        if frame >= len(self):
            raise CorruptFileError(
                f"{self._file.path}: its index promises more than the {len(self)} frames "
                f"that are there"
            )

    def encoded(self, frames: range) -> Iterator[bytes]:
        """The JPEGs of frames; see `EncodedLayout.encoded`."""
        sizes = self._known.index.sizes
        # All at once: from a store, the next ones come while these are worked on.
        chunks = self._chunks().encoded([number for number in frames if sizes[number]])
        for number in frames:
            if sizes[number] == 0:
                yield b""
                continue
            chunk = next(chunks)
            if self._contradicts(chunk):
                # The rest is where the file is known better.
                self._known = self._channel.distrust_index(self._file)
                self._check_there(frames[-1])
                yield from self.encoded(range(number, frames.stop))
                return
            yield chunk[avi.CHUNK_HEADER :]

    def _contradicts(self, chunk: bytes) -> bool:
        size = len(chunk) - avi.CHUNK_HEADER
        return not avi.check_chunk_header(chunk[: avi.CHUNK_HEADER], self._known.index, size)

    def _read(self, frames: range, out: NDArray[Any]) -> None:
        if len(frames):
            self._check_shown(min(frames[0], frames[-1]))
        self._chunks().read(frames, out)

    def plan(self, runs: Sequence[Run]) -> list[Read]:
        """One range for each frame; see `Layout.plan`."""
        if runs:
            self._check_shown(min(first for first, _ in runs))
        return self._chunks().plan(runs)

    def _check_shown(self, frame: int) -> None:
        if frame < self._known.leading:
            raise CorruptFileError(
                f"{self._file.path}: frame {frame} was dropped by the recorder, and there is no "
                f"frame before it that it could repeat"
            )

    def _chunks(self) -> OffsetLayout:
        return OffsetLayout(self._file, len(self), self._known.place, self._decode)

    def _decode(self, chunk: bytes, out: NDArray[Any]) -> None:
        if self._contradicts(chunk):
            raise ContradictionError
        self._channel.decoder.decode_into(memoryview(chunk)[avi.CHUNK_HEADER :], out)


class _VideoWriter:
    """Adds JPEGs to an AVI file; see `Writer`."""

    def __init__(self, file: Appender, container: avi.AviWriter, quality: int) -> None:
        self._file = file
        self._container = container
        self._quality = quality

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames; see `Writer.add`."""
        self.add_encoded(self.encode(frames))

    def encode(self, frames: NDArray[Any]) -> list[bytes]:
        """Compress frames; see `EncodedWriter.encode`."""
        return map_all(lambda frame: jpeg.encode(frame, self._quality), list(frames))

    def add_encoded(self, frames: Sequence[bytes]) -> None:
        """Write frames that are JPEGs; see `EncodedWriter.add_encoded`."""
        for image in frames:
            _carry_out(self._container.add(image), self._file)

    def sync(self) -> None:
        """See `Writer.sync`."""
        self._file.sync()

    def close(self) -> None:
        """Complete headers and index, and close the file."""
        try:
            _carry_out(self._container.finish(), self._file)
        finally:
            self._file.close()


def _carry_out(writes: avi.Writes, file: Appender) -> None:
    for offset, data in writes:
        if offset == file.position:
            file.append(data)
        else:
            file.write_at(offset, data)
