"""Channel format `zstdf`: each frame filtered, and then a zstd frame of its own."""

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from roverd.channels.abstract.channel import Path
from roverd.channels.consume import Consumer
from roverd.channels.frame_streams import Encode, FrameStreamChannel
from roverd.channels.utils import Data, Streamable
from roverd.errors import CorruptFileError, MetadataError
from roverd.formats import filters, zstd
from roverd.storage import File

__all__ = ["ZstdFrameChannel"]

_LEVEL = 1


class ZstdFrameChannel(FrameStreamChannel):
    """Each frame a zstd frame of its own, behind a filter; see `FrameStreamChannel`.

    Written and read fast, for every type. A frame has a check sum in it.

    Args:
        path: where its data is.
        dtype: type of the values.
        shape: shape of one frame; `()` for one value a frame.
        filter: what is done to a frame before it is compressed: `"none"`, `"planes"` (all least
            significant bytes first, then the next ones), `"centered-planes"` (the same, for
            integers that are small, of either sign), `"delta-planes"` (the same, of differences to
            the left neighbour). If `None`, the last for unsigned integers, the one before for
            signed ones, `"planes"` for floats and complex numbers; `"none"` for bools and frames of
            one value.

    Attributes:
        filter: the filter, by name.

    Raises:
        MetadataError: there is no such filter, or it is not for this type.
    """

    encoding = "zstd frame"
    _magic = zstd.MAGIC

    def __init__(
        self, path: Path, dtype: Any, shape: Sequence[int], filter: str | None = None
    ) -> None:
        super().__init__(path, dtype, shape)
        self.filter = filters.usual_filter(self.type, self.shape) if filter is None else filter
        known = [name for name in filters.FILTERS if filters.takes(name, self.type)]
        if self.filter not in known:
            raise MetadataError(
                f"{self.path}: unknown filter {filter!r} for type {self.type.str[1:]}; the known "
                f"ones are {', '.join(known)}"
            )

    @property
    def codec(self) -> str:
        """`"zstd"` and the filter, such as `"zstd:delta-planes"`."""
        return f"zstd:{self.filter}"

    def _encoder(self, level: int = _LEVEL, **options: Any) -> Encode:
        if level not in zstd.LEVELS:
            raise ValueError(f"{self.path}: level must be 1 (fast) to 19 (small), got {level}")
        return lambda frame: zstd.encode(filters.apply(frame, self.filter), level)

    def _decode_into(self, data: bytes, out: NDArray[Any]) -> None:
        filters.undo_into(zstd.decode(data, out.nbytes), self.filter, out)

    def walk(self, file: File, start: int, end: int) -> Iterator[int]:
        """Find zstd frames by their headers; see `FrameStreamChannel.walk`."""
        for frame in zstd.walk(file.read, start, end, self.size):
            if frame.content not in (None, self.size) and frame.offset == 0:
                raise self._wrong_size(f"{frame.content} bytes", 0)
            if frame.whole and self._is_written(file, frame.offset, frame.end):
                yield frame.end
            else:
                return

    def _is_whole(self, file: File, start: int, end: int) -> bool:
        try:
            frame = zstd.frame_at(file.read, start, end, self.size)
        except CorruptFileError:
            return False
        return frame.whole and frame.end == end and self._is_written(file, start, end)

    def _is_written(self, file: File, start: int, end: int) -> bool:
        """Whether the end of a frame is what was written, not zeros that a loss of power left."""
        if file.read(end - 1, 1) != b"\0":
            return True
        try:
            zstd.decode(file.read(start, end - start), self.size)
        except CorruptFileError:
            return False
        return True

    def write(self, data: Data, append: bool = False, level: int = _LEVEL) -> None:
        """Write frames; see `Channel.write`.

        Args:
            data: array `(n, *shape)`.
            append: whether to keep the frames that are there.
            level: zstd's level, 1 (fast) to 19 (small).
        """
        self._write(self.checked(data), append, level=level)

    def consume(
        self,
        stream: Streamable[Any],
        thread: bool = False,
        level: int = _LEVEL,
        batch: int = 8,
        *,
        append: bool = False,
    ) -> Consumer:
        """Write frames as they come; see `Channel.consume`.

        Args:
            stream: frames, batches or lists of frames.
            thread: whether to write in a background thread.
            level: zstd's level, 1 (fast) to 19 (small).
            batch: how many frames to compress at a time, if so many have come; 0 where items are
                lists already.
            append: whether to keep the frames that are there.
        """
        return self._consume(stream, thread, append, batch, level=level)
