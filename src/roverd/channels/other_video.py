"""AVI files with another codec than JPEG, decoded by PyAV.

Frame `i` is what the decoder makes of chunk `i`; for codecs that reorder frames, it is the i-th
frame in the order of showing. The chunks are found by our own index, so that PyAV only ever
decodes and its seeking, which is not exact, plays no part.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.images import ImageDecoder
from roverd.channels.layouts import Run, read_in_order
from roverd.errors import CorruptFileError
from roverd.formats.avi import AviIndex
from roverd.storage import File

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext


class OtherVideoLayout:
    """Frames of any codec that FFmpeg knows; see `Layout`.

    Args:
        file: the AVI file.
        index: where its chunks are.
        decoders: decoders that stopped somewhere, to go on from; those used are left here.
        images: resizes the frames.
        shape: shape of the frames as they are stored.
    """

    note = ""

    def __init__(
        self,
        file: File,
        index: AviIndex,
        decoders: list["_Decoder"],
        images: ImageDecoder,
        shape: tuple[int, ...],
    ) -> None:
        self._file = file
        self._index = index
        self._decoders = decoders
        self._images = images
        self._shape = shape

    def __len__(self) -> int:
        return len(self._index)

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames, one after the other; see `Layout.read`."""
        if frames.step < 0:
            frames, out = frames[::-1], out[::-1]
        if not len(frames):
            return
        try:
            decoder = self._decoders.pop()
        except IndexError:
            decoder = _Decoder(self._file, self._index)
        for slot, frame in enumerate(frames):
            image = decoder.frame(self._file, frame)
            if image.shape != self._shape:
                raise CorruptFileError(
                    f"{self._file.path}: frame {frame} is {list(image.shape)}, "
                    f"expected {list(self._shape)}"
                )
            self._images.resize_into(image, out[slot])
        self._decoders.append(decoder)

    def plan(self, runs: Sequence[Run]) -> list[Callable[[], object]]:
        """All frames, one after the other; see `Layout.plan`."""
        return [partial(read_in_order, self, runs)]


class _Decoder:
    """Decodes chunks in order, from the beginning or from a key frame."""

    def __init__(self, file: File, index: AviIndex) -> None:
        self._index = index
        self._chunks = np.flatnonzero(index.sizes)
        self._open(file)
        self._intra_only = bool(self._context.codec.intra_only)
        self._fed = 0  # how many of the non-empty chunks the decoder has got
        self._made = -1  # number of the last frame it made, among the non-empty chunks
        self._image: NDArray[np.uint8] | None = None
        self._waiting: list[Any] = []

    def _open(self, file: File) -> None:
        import av
        from av.error import FFmpegError

        # The container is opened only to set up the codec as its headers ask for.
        try:
            self._container = av.open(_Reader(file), format="avi", metadata_errors="replace")
        except FFmpegError as error:
            raise CorruptFileError(
                f"{file.path}: codec {self._index.fourcc!r} cannot be decoded ({error})"
            ) from error
        self._context: VideoCodecContext = self._container.streams.video[0].codec_context
        # One frame per chunk, at once, as far as the codec allows.
        self._context.thread_count = 1

    def frame(self, file: File, number: int) -> NDArray[np.uint8]:
        """Frame `number`, `(height, width, 3)`."""
        # A dropped frame repeats the one before.
        wanted = int(np.searchsorted(self._chunks, number, side="right")) - 1
        if wanted < 0:
            raise CorruptFileError(
                f"{file.path}: frame {number} was dropped by the recorder, and there is no frame "
                f"before it that it could repeat"
            )
        if self._intra_only and wanted != self._made:
            self._restart(file, wanted)
        elif wanted < self._made:
            self._restart(file, 0)
        while self._made < wanted:
            self._image = self._next(file, number)
            self._made += 1
        assert self._image is not None
        return self._image

    def _restart(self, file: File, chunk: int) -> None:
        self._open(file)
        self._fed = chunk
        self._made = chunk - 1
        self._waiting = []

    def _next(self, file: File, number: int) -> NDArray[np.uint8]:
        import av
        from av.error import FFmpegError

        try:
            while not self._waiting:
                if self._fed > len(self._chunks):
                    raise CorruptFileError(
                        f"{file.path}: frame {number} is missing: {len(self._chunks)} chunks make "
                        f"only {self._made + 1} frames"
                    )
                packet = None  # makes the decoder give out what it still holds
                if self._fed < len(self._chunks):
                    chunk = int(self._chunks[self._fed])
                    offset, size = self._index.offsets[chunk], self._index.sizes[chunk]
                    packet = av.Packet(file.read(int(offset), int(size)))
                self._fed += 1
                frames = self._context.decode(packet)  # pyright: ignore[reportUnknownMemberType]
                self._waiting += frames
        except FFmpegError as error:
            raise CorruptFileError(f"{file.path}: frame {number}: {error}") from error
        return self._waiting.pop(0).to_ndarray(format="rgb24")


class _Reader:
    """A file for PyAV to read."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes."""
        left = max(0, self._file.size - self._position)
        data = self._file.read(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset."""
        self._position = offset + (0, self._position, self._file.size)[whence]
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position
