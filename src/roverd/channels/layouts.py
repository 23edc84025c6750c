"""Where frames lie: from frame numbers to bytes in storage.

A layout is a channel's data as it was at one moment. It knows how many frames there are whole and
reads any of them into an array of the caller's. Channels make one for each read; what is expensive
to find out (an index) they keep for the next one.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roverd.errors import CorruptFileError
from roverd.parallel import for_each
from roverd.storage import File

Decode = Callable[[bytes, NDArray[Any]], None]
"""Decompresses the bytes of one frame into an array of its shape."""

# Frames that are skipped are read along when the whole stride is smaller than this: one read of a
# few KiB costs less than another system call and another turn of a Python loop.
_READ_THROUGH = 16 << 10
_PIECE = 8 << 20


class Layout(Protocol):
    """The frames that a channel has.

    Attributes:
        note: why the frames end where they do, where that is odd; empty otherwise.
    """

    @property
    def note(self) -> str: ...  # noqa: D102

    def __len__(self) -> int:
        """Number of whole frames."""
        ...

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames, all of which are there.

        Args:
            frames: their numbers; the step may be negative.
            out: C-contiguous array `(len(frames), *shape)`; slot `k` takes the `k`-th of them.

        Raises:
            CorruptFileError: the bytes of a frame are not what they should be.
        """
        ...


@runtime_checkable
class EncodedLayout(Layout, Protocol):
    """Frames that are encoded one by one."""

    def encoded(self, frames: range) -> Iterator[bytes]:
        """The bytes of frames, all of which are there; see `Channel.encoded`."""
        ...


class EmptyLayout:
    """No frames; see `Layout`.

    Args:
        note: why there are none.
    """

    def __init__(self, note: str) -> None:
        self.note = note

    def __len__(self) -> int:
        return 0

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read no frames; see `Layout.read`."""

    def encoded(self, frames: range) -> Iterator[bytes]:
        """No frames; see `EncodedLayout.encoded`."""
        return iter(())


class FixedLayout:
    """Frames of one size, back to back.

    Args:
        file: what they are in.
        frame_size: bytes of one frame.
    """

    __slots__ = ("_count", "_file", "_size")
    note = ""

    def __init__(self, file: File, frame_size: int) -> None:
        self._file = file
        self._size = frame_size
        self._count = file.size // frame_size

    def __len__(self) -> int:
        return self._count

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames; see `Layout.read`."""
        if not len(frames):
            return
        if frames.step == 1 or len(frames) == 1:
            self._read_run(frames[0], out)
        elif abs(frames.step) * self._size <= _READ_THROUGH:
            self._read_through(frames, out)
        else:
            for slot, frame in enumerate(frames):
                self._read_run(frame, out[slot : slot + 1])

    def _read_run(self, first: int, out: NDArray[Any]) -> None:
        """Fill `out` with the frames from `first` on."""
        read = self._file.read_into(first * self._size, out.data)
        if read != out.nbytes:
            raise CorruptFileError(
                f"{self._file.path}: expected {out.nbytes} bytes from byte "
                f"{first * self._size} on, found {read}; the file was cut while it was read"
            )

    def _read_through(self, frames: range, out: NDArray[Any]) -> None:
        """Read whole stretches of the file and keep every `step`-th frame."""
        if frames.step < 0:
            self._read_through(frames[::-1], out[::-1])
            return
        at_once = max(1, _PIECE // (frames.step * self._size))
        for begin in range(0, len(frames), at_once):
            wanted = frames[begin : begin + at_once]
            span = wanted[-1] - wanted[0] + 1
            stretch = np.empty((span, *out.shape[1:]), out.dtype)
            self._read_run(wanted[0], stretch)
            out[begin : begin + len(wanted)] = stretch[:: frames.step]


class OffsetLayout:
    """Frames at known places of a file, each compressed by itself.

    Args:
        file: what they are in.
        offsets: Int64[n], where each frame's bytes begin.
        sizes: Int64[n], how many bytes they are.
        decode: decompresses one frame.
    """

    note = ""

    def __init__(
        self, file: File, offsets: NDArray[np.int64], sizes: NDArray[np.int64], decode: Decode
    ) -> None:
        self._file = file
        self._offsets = offsets
        self._sizes = sizes
        self._decode = decode

    def __len__(self) -> int:
        return len(self._offsets)

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames, several at a time; see `Layout.read`."""

        def read_one(slot: int) -> None:
            frame = frames[slot]
            offset, size = int(self._offsets[frame]), int(self._sizes[frame])
            try:
                self._decode(self._file.read(offset, size), out[slot, ...])
            except CorruptFileError as error:
                place = f"frame {frame} ({size} bytes from byte {offset} on)"
                raise CorruptFileError(f"{self._file.path}: {place}: {error}") from error

        for_each(read_one, range(len(frames)))

    def encoded(self, frames: range) -> Iterator[bytes]:
        """The bytes of frames; see `EncodedLayout.encoded`."""
        for frame in frames:
            offset, size = int(self._offsets[frame]), int(self._sizes[frame])
            data = self._file.read(offset, size)
            if len(data) != size:
                raise CorruptFileError(
                    f"{self._file.path}: frame {frame}: expected {size} bytes from byte {offset} "
                    f"on, found {len(data)}; the file was cut while it was read"
                )
            yield data
