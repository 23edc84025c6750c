"""Where frames lie: from frame numbers to bytes in storage.

A layout is a channel's data as it was at one moment. It knows how many frames there are whole and
reads any of them into an array of the caller's. Channels make one for each read; what is expensive
to find out (an index) they keep for the next one.
"""

import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roverd.channels.fetching import Fetch
from roverd.errors import CorruptFileError
from roverd.parallel import for_each
from roverd.storage import Fetching, File, is_fetching
from roverd.storage.ranges import Span, spans

Decode = Callable[[bytes, NDArray[Any]], None]
"""Decompresses the bytes of one frame into an array of its shape."""

Run = tuple[int, NDArray[Any]]
"""A frame's number, and a C-contiguous array `(n, *shape)` for it and those that follow it."""

# Frames that are skipped are read along when the whole stride is smaller than this: one read of a
# few KiB costs less than another system call and another turn of a Python loop.
_READ_THROUGH = 16 << 10
_PIECE = 8 << 20
# Frames whose bytes are asked for in one go, when all are wanted one after the other.
_FETCHED_FRAMES = 64


class ContradictionError(Exception):
    """A frame is not where the index says, so that all frames have to be found without it."""


class Read(ABC):
    """Bytes of a file that are wanted, for one frame or several.

    Args:
        file: what they are in.
        offset: where they begin.
        size: how many they are.
        cost: about how long it takes until they are frames; in any unit, the same for all.

    Attributes:
        file: what they are in.
        offset: where they begin.
        size: how many they are.
        cost: about how long it takes until they are frames.
    """

    __slots__ = ("cost", "file", "offset", "size")

    def __init__(self, file: File, offset: int, size: int, cost: float) -> None:
        self.file = file
        self.offset = offset
        self.size = size
        self.cost = cost

    @abstractmethod
    def read(self) -> None:
        """Read them, and put the frames into their places.

        Raises:
            CorruptFileError: the bytes of a frame are not what they should be.
            ContradictionError: this is not how the file is laid out.
        """

    @abstractmethod
    def take(self, data: bytes) -> None:
        """The same with the bytes, which somebody else has read; fewer if the file was cut."""


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

    def plan(self, runs: Sequence[Run]) -> Iterable[Read | Fetch | Callable[[], object]]:
        """What has to be done to read any frames.

        Args:
            runs: which frames, all of which are there, and where they go. The same one may be
                wanted several times.

        Returns:
            Ranges of bytes, all of one file, whole files, and other things to do; each is done
            once, in any order, several at a time.
        """
        ...


def places(runs: Sequence[Run]) -> dict[int, list[NDArray[Any]]]:
    """For each frame that is wanted, in ascending order, the places it goes to."""
    found: dict[int, list[NDArray[Any]]] = {}
    for first, out in sorted(runs, key=lambda run: run[0]):
        for slot in range(len(out)):
            found.setdefault(first + slot, []).append(out[slot, ...])
    return dict(sorted(found.items()))


def fill(rest: Sequence[NDArray[Any]], frame: NDArray[Any]) -> None:
    """Copy a frame that was wanted several times."""
    for place in rest:
        place[...] = frame


def read_in_order(layout: Layout, runs: Sequence[Run]) -> None:
    """Read frames one by one in ascending order, where others could not be read any faster."""
    for frame, outs in places(runs).items():
        layout.read(range(frame, frame + 1), outs[0][None])
        fill(outs[1:], outs[0])


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

    def plan(self, runs: Sequence[Run]) -> list[Read]:
        """Nothing; see `Layout.plan`."""
        del runs
        return []

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

    def plan(self, runs: Sequence[Run]) -> list[Read]:
        """One range for each run; see `Layout.plan`."""
        # What comes from far away comes in pieces that arrive, and go, one by one.
        most = self._file.merging.most if is_fetching(self._file) else sys.maxsize
        at_once = max(1, most // self._size)
        found: dict[tuple[int, int], list[NDArray[Any]]] = {}
        for first, out in runs:
            for start in range(0, len(out), at_once):
                piece = out[start : start + at_once]
                found.setdefault((first + start, len(piece)), []).append(piece)
        return [
            _PlainRead(self._file, first * self._size, outs) for (first, _), outs in found.items()
        ]

    def _read_run(self, first: int, out: NDArray[Any]) -> None:
        """Fill `out` with the frames from `first` on."""
        offset = first * self._size
        _check_size(self._file, offset, out.nbytes, self._file.read_into(offset, out.data))

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


def _check_size(file: File, offset: int, expected: int, found: int) -> None:
    if found != expected:
        raise CorruptFileError(
            f"{file.path}: expected {expected} bytes from byte {offset} on, found {found}; the "
            f"file was cut while it was read"
        )


# A byte that is decompressed costs about so many times what one does that is copied.
_DECODING = 32


class _PlainRead(Read):
    """Bytes that are frames as they are."""

    __slots__ = ("_outs",)

    def __init__(self, file: File, offset: int, outs: Sequence[NDArray[Any]]) -> None:
        size = outs[0].nbytes
        super().__init__(file, offset, size, size / _DECODING)
        self._outs = outs

    def read(self) -> None:
        out = self._outs[0]
        found = self.file.read_into(self.offset, out.data)
        _check_size(self.file, self.offset, out.nbytes, found)
        fill(self._outs[1:], out)

    def take(self, data: bytes) -> None:
        out = self._outs[0]
        _check_size(self.file, self.offset, out.nbytes, len(data))
        fill(self._outs, np.frombuffer(data, out.dtype).reshape(out.shape))


class OffsetLayout:
    """Frames at known places of a file, each compressed by itself.

    Args:
        file: what they are in.
        count: how many frames there are.
        place: tells where a frame's bytes begin, and how many they are.
        decode: decompresses one frame.
    """

    note = ""

    def __init__(
        self, file: File, count: int, place: Callable[[int], tuple[int, int]], decode: Decode
    ) -> None:
        self._file = file
        self._count = count
        self._place = place
        self._decode = decode

    def __len__(self) -> int:
        return self._count

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames, several at a time; see `Layout.read`."""

        def read_one(slot: int) -> None:
            self._read(frames[slot], [out[slot, ...]]).read()

        for_each(read_one, range(len(frames)))

    def plan(self, runs: Sequence[Run]) -> list[Read]:
        """One range for each frame; see `Layout.plan`."""
        found: dict[tuple[int, int], tuple[int, list[NDArray[Any]]]] = {}
        for frame, outs in places(runs).items():
            # Frames may lie at one place: some that were dropped, and the one that they repeat.
            found.setdefault(self._place(frame), (frame, []))[1].extend(outs)
        return [self._read(frame, outs) for frame, outs in found.values()]

    def _read(self, frame: int, outs: Sequence[NDArray[Any]]) -> "_CodedRead":
        offset, size = self._place(frame)
        return _CodedRead(self._file, frame, offset, size, self._decode, outs)

    def encoded(self, frames: Sequence[int]) -> Iterator[bytes]:
        """The bytes of frames; see `EncodedLayout.encoded`."""
        for frame, data in self._stored(frames):
            offset, size = self._place(frame)
            if len(data) != size:
                raise CorruptFileError(
                    f"{self._file.path}: frame {frame}: expected {size} bytes from byte {offset} "
                    f"on, found {len(data)}; the file was cut while it was read"
                )
            yield data

    def _stored(self, frames: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Each frame and its bytes, as far as they are there."""
        file = self._file
        if not is_fetching(file):
            yield from ((frame, file.read(*self._place(frame))) for frame in frames)
            return
        # The next ones are on their way while these are worked on.
        begun: deque[tuple[list[int], list[tuple[Span, Future[bytes]]]]] = deque()
        for first in range(0, len(frames), _FETCHED_FRAMES):
            begun.append(self._begin(file, list(frames[first : first + _FETCHED_FRAMES])))
            if len(begun) > 1:
                yield from self._arrived(*begun.popleft())
        while begun:
            yield from self._arrived(*begun.popleft())

    def _begin(
        self, file: Fetching, frames: list[int]
    ) -> tuple[list[int], list[tuple[Span, "Future[bytes]"]]]:
        wanted = spans([self._place(frame) for frame in frames], file.merging)
        return frames, [(span, file.begin(span.offset, span.size)) for span in wanted]

    def _arrived(
        self, frames: list[int], begun: list[tuple[Span, "Future[bytes]"]]
    ) -> Iterator[tuple[int, bytes]]:
        found: dict[int, bytes] = {}
        for span, future in begun:
            data = future.result()
            for number in span.ranges:
                offset, size = self._place(frames[number])
                found[frames[number]] = data[offset - span.offset : offset - span.offset + size]
        yield from ((frame, found[frame]) for frame in frames)


class _CodedRead(Read):
    """The bytes of a frame that is compressed."""

    __slots__ = ("_decode", "_frame", "_outs")

    def __init__(
        self,
        file: File,
        frame: int,
        offset: int,
        size: int,
        decode: Decode,
        outs: Sequence[NDArray[Any]],
    ) -> None:
        super().__init__(file, offset, size, size)
        self._frame = frame
        self._decode = decode
        self._outs = outs

    def read(self) -> None:
        self.take(self.file.read(self.offset, self.size))

    def take(self, data: bytes) -> None:
        try:
            self._decode(data, self._outs[0])
        except CorruptFileError as error:
            place = f"frame {self._frame} ({self.size} bytes from byte {self.offset} on)"
            raise CorruptFileError(f"{self.file.path}: {place}: {error}") from error
        fill(self._outs[1:], self._outs[0])
