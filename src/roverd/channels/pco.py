"""Channel format `pcof`: each frame a standalone file of pcodec."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract.channel import Path
from roverd.channels.consume import Consumer
from roverd.channels.frame_streams import Encode, FrameStreamChannel
from roverd.channels.utils import Data, Streamable
from roverd.errors import CorruptFileError, MetadataError
from roverd.formats import pco
from roverd.storage import File

__all__ = ["PcoFrameChannel"]

_LEVEL = 8


class PcoFrameChannel(FrameStreamChannel):
    """Each frame a standalone .pco file; see `FrameStreamChannel`.

    Small for numbers of 16 bits and more, and decoded fast. A frame has no check sum in it: damage
    may go unnoticed where the channel keeps none (`roverd.channels.checksums`).

    Args:
        path: where its data is.
        dtype: type of the values: integers, floats and complex numbers whose parts have 16 bits or
            more, and at most 64.
        shape: shape of one frame; `()` for one value a frame.

    Raises:
        MetadataError: pcodec has no such type.
    """

    encoding = "pco file"
    _magic = pco.MAGIC

    def __init__(self, path: Path, dtype: Any, shape: Sequence[int]) -> None:
        super().__init__(path, dtype, shape)
        kind, width = self.type.kind, self.type.itemsize
        # A complex number is two floats, the real part first.
        self._number = np.dtype(f"<f{width // 2}") if kind == "c" else self.type
        if self._number.str[1:] not in pco.TYPES:
            raise MetadataError(
                f"{self.path}: format 'pcof' expects type {', '.join(pco.TYPES)}, c8 or c16, got "
                f"{self.type.str[1:]}; 'zstdf' takes every type"
            )

    @property
    def codec(self) -> str:
        """`"pco"`."""
        return "pco"

    def _encoder(self, level: int = _LEVEL, **options: Any) -> Encode:
        if level not in pco.LEVELS:
            raise ValueError(f"{self.path}: level must be 0 (fast) to 12 (small), got {level}")
        return lambda frame: pco.encode(frame.reshape(-1).view(self._number), level)

    def _decode_into(self, data: bytes, out: NDArray[Any]) -> None:
        pco.decode_into(data, out.reshape(-1).view(self._number))

    def walk(self, file: File, start: int, end: int) -> Iterator[int]:
        """Find .pco files by decoding them; see `FrameStreamChannel.walk`."""
        scratch = self._scratch()
        longest = pco.largest(self.size)
        while start < end:
            data = file.read(start, min(longest, end - start))
            if data[:4] != pco.MAGIC[: len(data)]:
                raise CorruptFileError(
                    f"at byte {start}: expected a pco file ({pco.MAGIC!r}), found {data[:4]!r}"
                )
            size = pco.end_of(data, scratch)
            if size is None:
                if start == 0:
                    self._check_first(data, scratch)
                return
            start += size
            yield start

    def _check_first(self, data: bytes, like: NDArray[Any]) -> None:
        """Refuse a file whose first frame is not torn but wrong."""
        found = pco.declared(data)
        if found is not None and found != (like.size, like.dtype.str[1:]):
            raise self._wrong_size(f"{found[0]} numbers of type {found[1]}", 0)
        if (at := data.find(pco.MAGIC, 1)) >= 0:
            raise CorruptFileError(
                f"at byte 0: damaged pco file; the one behind it begins at byte {at}"
            )

    def _is_whole(self, file: File, start: int, end: int) -> bool:
        if not 0 < end - start <= pco.largest(self.size):
            return False
        data = file.read(start, end - start)
        scratch = self._scratch()
        # A file decodes with bytes behind it, too, and its last one is 0.
        return data[-1:] == b"\0" and pco.is_whole(data, scratch)

    def _scratch(self) -> NDArray[Any]:
        return np.empty(self.size // self._number.itemsize, self._number)

    def write(self, data: Data, append: bool = False, level: int = _LEVEL) -> None:
        """Write frames; see `Channel.write`.

        Args:
            data: array `(n, *shape)`.
            append: whether to keep the frames that are there.
            level: pcodec's level, 0 (fast) to 12 (small).
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
            level: pcodec's level, 0 (fast) to 12 (small).
            batch: how many frames to compress at a time, if so many have come; 0 where items are
                lists already.
            append: whether to keep the frames that are there.
        """
        return self._consume(stream, thread, append, batch, level=level)
