"""The channel: a homogeneous time series of frames."""

import copy
import math
import operator
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, ClassVar, Self, SupportsIndex, cast, overload

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract.frames import KINDS, description, frame_shape, frame_type
from roverd.channels.batch import Batch, as_numbers, read_planned
from roverd.channels.checksums import ChecksumFile, SummingWriter, checksums, frame_bytes
from roverd.channels.consume import Consumer, consume
from roverd.channels.copying import Moved, copy_frames
from roverd.channels.indexes import INDEXES
from roverd.channels.layouts import EncodedLayout, Layout
from roverd.channels.utils import Data, Prefetch, Streamable
from roverd.channels.writers import Writer
from roverd.errors import (
    InvalidDataError,
    MissingFileError,
    OutOfRangeError,
    UnsupportedError,
)
from roverd.storage import Storage, as_path, is_url, storage_for
from roverd.storage.options import state_from_pickle, state_to_pickle
from roverd.storage.paths import refuse_growing

Transform = Callable[[NDArray[Any]], Any]
Keep = Callable[[str, int], object]
Path = str | os.PathLike[str]

# How much `stream` reads at once: enough that the cost of a read is lost in it.
_STREAM_BYTES = 1 << 20
_REMOTE_STREAM_BYTES = 8 << 20
_SUM_BYTES = 16 << 20


class Channel(ABC):
    """A channel of a sensor: N frames of one shape and type, read and written by frame number.

    A channel object holds no open files and no data; it always speaks of what is on disk now,
    pickles, and may be shared by threads and inherited by forked processes.

    Args:
        path: where its data is.
        dtype: type of the values: a bool, integer, float or complex number. Data is
            little-endian whatever byte order is named.
        shape: shape of one frame; `()` for one value a frame.

    Attributes:
        path: where its data is.
        type: type of the values.
        shape: shape of one frame, as it is stored.
        size: bytes of one frame.

    Raises:
        MetadataError: the type or the shape is none that a frame can have.
    """

    _compressed: ClassVar[bool] = True
    """Whether frames take long to encode or decode: several are then worked on at a time."""

    _whole_files: ClassVar[bool] = False
    """Whether files are written whole and then stay as they are."""

    repeats_dropped: ClassVar[bool] = False
    """Whether a frame can be stored as `b""`, to repeat the one before."""

    has_checksums = False
    """Whether the check sum of every frame is kept; see `roverd.channels.checksums`."""

    def __init__(self, path: Path, dtype: Any, shape: Sequence[int]) -> None:
        self.path = as_path(path)
        self.type: np.dtype[Any] = frame_type(dtype, self.path)
        self.shape = frame_shape(shape, self.path)
        self.size = self.type.itemsize * math.prod(self.shape)
        self._cache: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, {self.type.str[1:]!r}, {self.shape})"

    def __getstate__(self) -> dict[str, Any]:
        # What was found out about the file is found out again where the pickle is opened.
        return state_to_pickle(self.path, {**self.__dict__, "_cache": None})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state_from_pickle(state))

    def _keep(self, found: Any, size: int) -> None:
        """Keep what was found out about the file for the next read.

        Args:
            found: what that is.
            size: about how many bytes of memory it takes.
        """
        self._cache = found
        INDEXES.keep(self, size, _forget)

    def open_like(self, path: Path) -> Self:
        """A channel of the same class, with the same constructor arguments, for other data.

        Args:
            path: where the other data is, or is to be.

        Returns:
            The channel.
        """
        other = copy.copy(self)
        other.path = as_path(path)
        return other

    # What is there

    @property
    def files(self) -> set[str]:
        """Names that the channel takes in its folder."""
        paths = [self.path, self.checksums.path] if self.has_checksums else [self.path]
        return {os.path.basename(path) for path in paths}

    @property
    def checksums(self) -> ChecksumFile:
        """The check sums of the frames, if the channel has any."""
        return ChecksumFile(self.path)

    def give_way(self, names: Collection[str]) -> None:
        """Have no check sums where another channel has the name of the file that holds them.

        Args:
            names: of the channels of the sensor.
        """
        self.has_checksums &= os.path.basename(self.checksums.path) not in names

    @property
    @abstractmethod
    def filesize(self) -> int:
        """Bytes on disk now, of all files of the channel; 0 where there are none."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether the channel's data is there at all (it may hold no frames)."""

    @abstractmethod
    def _layout(self) -> Layout:
        """The frames that are on disk now. Raises FileNotFoundError where there is no data."""

    def __len__(self) -> int:
        """Number of whole frames on disk now; 0 where there is no data."""
        return self.whole_frames() or 0

    def whole_frames(self) -> int | None:
        """Number of whole frames on disk now; `None` where there is no data."""
        try:
            return len(self._layout())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def existing_layout(self) -> Layout:
        """The frames that are on disk now.

        Raises:
            MissingFileError: there is no data.
        """
        try:
            return self._layout()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingFileError(
                f"{error.filename or self.path}: no such file; {type(self).__name__} expected "
                f"frames of {self._frame_text()} here"
            ) from None

    @property
    def _storage(self) -> Storage:
        return storage_for(self.path)

    @property
    def _read_shape(self) -> tuple[int, ...]:
        """Shape of a frame as `read` returns it."""
        return self.shape

    def _frame_text(self) -> str:
        return f"type {self.type.str[1:]} and shape {list(self.shape)}"

    # Reading

    def buffer_to_array(
        self, data: bytes | bytearray | memoryview, batch: bool = True, final: bool = True
    ) -> NDArray[Any]:
        """Uncompressed bytes as an array.

        Args:
            data: the bytes of whole frames.
            batch: whether to return `(n, *shape)`; otherwise there must be exactly one frame.
            final: whether the array is for the user, who may write to it. Bytes that cannot be
                written to are then copied, and only then.

        Returns:
            The array, `(n, *shape)` or `shape`; it shares memory with `data` unless copied.

        Raises:
            InvalidDataError: these are not whole frames, or not one where `batch` is false.
        """
        view = memoryview(data).cast("B")
        if len(view) % self.size or (not batch and len(view) != self.size):
            wanted = "a whole number of frames" if batch else "one frame"
            raise InvalidDataError(
                f"{self.path}: expected {wanted} of {self.size} bytes, got {len(view)} bytes"
            )
        array = np.frombuffer(view, self.type).reshape(-1, *self.shape)
        if final and view.readonly:
            array = array.copy()
        return array if batch else array[0, ...]

    def read(self, start: SupportsIndex = 0, samples: SupportsIndex = -1) -> NDArray[Any]:
        """Read consecutive frames.

        Args:
            start: the first frame.
            samples: how many; -1 for all from `start` to the end. 0 gives an empty array, whatever
                `start` is.

        Returns:
            Array `(samples, *shape)`, writable and the caller's own.

        Raises:
            OutOfRangeError: `start` is negative, or frames are asked for that are not there.
            ValueError: `samples` is below -1.
            MissingFileError: there is no data.
            CorruptFileError: a frame's bytes are damaged.
        """
        first, count = operator.index(start), operator.index(samples)
        if count < -1:
            raise ValueError(f"{self.path}: samples must be a count, or -1 for all, got {count}")
        layout = self.existing_layout()
        there = len(layout)
        stop = max(first, there) if count == -1 else first + count
        if first < 0 or (stop > there and count != 0):
            last = "the end" if count == -1 else stop - 1
            raise OutOfRangeError(
                f"{self.path}: frames {first} to {last} were asked for, {_there(layout)}"
            )
        return self._read(layout, range(first, stop))

    def frame_number(self, layout: Layout, index: SupportsIndex) -> int:
        """The number of a frame that may be counted from the end.

        Raises:
            OutOfRangeError: there is no such frame.
        """
        there = len(layout)
        frame = operator.index(index)
        if not -there <= frame < there:
            raise OutOfRangeError(f"{self.path}: frame {frame} was asked for, {_there(layout)}")
        return frame % there

    def room_for(self, count: int) -> NDArray[Any]:
        """An array `(count, *shape)` for frames to be read into; its content is arbitrary."""
        return np.empty((count, *self._read_shape), self.type)

    def _read(self, layout: Layout, frames: range) -> NDArray[Any]:
        out = self.room_for(len(frames))
        if len(frames) > 1 and is_url(self.path):
            # As a batch: all requests at once.
            if frames.step == 1:
                read_planned(layout, self, [(frames[0], out)])
            else:
                runs = [(frame, out[slot : slot + 1]) for slot, frame in enumerate(frames)]
                read_planned(layout, self, runs)
        else:
            layout.read(frames, out)
        return out

    def read_many(self, indices: Sequence[SupportsIndex] | NDArray[Any]) -> NDArray[Any]:
        """Read any frames.

        All cores work on them; those that are wanted several times are read once.

        Args:
            indices: their numbers, in any order; negative: from the end.

        Returns:
            Array `(len(indices), *shape)`, frame `indices[k]` at `k`.

        Raises:
            OutOfRangeError: there is no such frame.
            MissingFileError: there is no data.
            CorruptFileError: a frame's bytes are damaged.
        """
        batch = Batch()
        frames = batch.read_each(self, as_numbers(indices, self.path))
        batch.run()
        return frames

    def __getitem__(self, index: SupportsIndex | slice) -> NDArray[Any]:
        """Read frames by number, as from an array.

        Args:
            index: a frame (negative: from the end), or a slice of frames.

        Returns:
            Array `(n, *shape)`: the leading axis is kept for a single frame, too.

        Raises:
            OutOfRangeError: there is no such frame.
            MissingFileError: there is no data.
            CorruptFileError: a frame's bytes are damaged.
        """
        layout = self.existing_layout()
        if isinstance(index, slice):
            return self._read(layout, range(len(layout))[index])
        frame = self.frame_number(layout, index)
        return self._read(layout, range(frame, frame + 1))

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Every frame in order, as `channel[i]` returns it."""
        for frame in self.stream():
            yield frame[None]

    @overload
    def stream(self, transform: None = None, batch: int = 0) -> Iterator[NDArray[Any]]: ...

    @overload
    def stream(self, transform: Transform, batch: int = 0) -> Iterator[Any]: ...

    def stream(self, transform: Transform | None = None, batch: int = 0) -> Iterator[Any]:
        """Read all frames in order.

        Args:
            transform: applied to each array before it is yielded; it may return anything.
            batch: how many frames to yield at a time; 0 for single ones.

        Returns:
            An iterator over frames without a leading axis, or over arrays `(batch, *shape)`, the
            last one shorter where they don't divide. It ends with the last frame that was there
            when it began.
        """
        if batch < 0:
            raise ValueError(f"{self.path}: batch must be 0 or a number of frames, got {batch}")
        return self._stream(self.existing_layout(), transform, batch)

    def _stream(self, layout: Layout, transform: Transform | None, batch: int) -> Iterator[Any]:
        there = len(layout)
        at_once = batch or self._frames_at_once()
        for first in range(0, there, at_once):
            frames = self._read(layout, range(first, min(first + at_once, there)))
            for piece in (frames,) if batch else frames:
                # A frame of no dimensions is an array all the same, not a NumPy scalar.
                array = np.asarray(piece)
                yield array if transform is None else transform(array)

    def _frames_at_once(self) -> int:
        if is_url(self.path):
            # A round trip takes as long as some MiB.
            return max(16, min(4096, _REMOTE_STREAM_BYTES // self.size))
        return max(4 if self._compressed else 1, min(4096, _STREAM_BYTES // self.size))

    def stream_prefetch(
        self, transform: Transform | None = None, size: int = 64, batch: int = 0
    ) -> Iterator[Any]:
        """Read all frames in order, ahead of the consumer in a thread.

        Args:
            transform: applied to each array, in the thread.
            size: how many results may wait.
            batch: as for `stream`.

        Returns:
            What `stream` returns. An exception is raised in the consumer; leaving the loop early
            ends the thread.
        """
        # In tuples, since `None`, which a transform may return, ends what is prefetched.
        wrapped = ((item,) for item in self.stream(transform, batch))
        return _unwrapped(Prefetch(wrapped, size))

    # Moving frames as they are stored

    @property
    def codec(self) -> str | None:
        """How each frame is encoded by itself: `"xz"`, `"jpeg"`, `"npz"`, `"pco"`, `"zstd:none"` ….

        Frames move as they are between channels of one codec. `None` where a frame's bytes mean
        nothing without others, or are the frame.
        """
        return None

    def encoded(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of frames as they are stored, of a channel that has a `codec`.

        Args:
            start: the first frame.
            stop: the one after the last.

        Yields:
            The bytes of each frame. `b""` is one that the recorder dropped, and that repeats the
            one before.

        Raises:
            UnsupportedError: the channel has no codec.
            CorruptFileError: a frame's bytes are not where they should be.
        """
        layout = self.existing_layout()
        if not isinstance(layout, EncodedLayout):
            raise UnsupportedError(f"{self.path}: its frames are not encoded one by one")
        return layout.encoded(range(start, stop))

    def copy_from(
        self,
        source: "Channel",
        start: int = 0,
        stop: int | None = None,
        moved: Moved | None = None,
        anew: bool = False,
        **options: Any,
    ) -> None:
        """Replace all frames by those of another channel.

        They are not decoded where both channels have the same codec; in any case, no more than a
        few are in memory at a time. Unlike `write`, this writes in place.

        Args:
            source: where the frames come from.
            start: the first of them.
            stop: the one after the last; all from `start` on if `None`.
            moved: called with the number of frames that were copied since the last time.
            anew: whether to decode frames and encode them even where both channels have the same
                codec, because it is to be used in another way.
            options: what `write` of this format takes: `fps`, `preset`.

        Raises:
            MissingFileError: `source` has no data.
            OutOfRangeError: `source` has no such frames.
            InvalidDataError: they are of another shape or type.
            UnsupportedError: `source` is this channel.
            CorruptFileError: a frame that has to be decoded is damaged.
        """
        last = len(source) if stop is None else stop
        copy_frames(source, self, start, last, moved or (lambda _: None), anew, options)

    def unresized(self) -> "Channel":
        """The channel, such that frames are read as they are stored."""
        return self

    def is_whole_file(self, start: int, stop: int) -> bool:
        """Whether these frames are all of a file that can only be understood as a whole."""
        del start, stop
        return False

    # Mending

    def cut(self, count: int, keep: Keep, force: bool = False) -> bool:
        """Bring the files to exactly the first frames: no torn tail, a complete index.

        Args:
            count: how many frames are to be left, all of which are there.
            keep: called with a file and an offset before what the file holds from there on is
                removed or written over.
            force: whether to remove frames that lie behind damage, too, and padding.

        Returns:
            Whether anything had to be changed.

        Raises:
            CorruptFileError: behind what is damaged there are frames, which this would destroy.
            UnsupportedError: the format does not know how.
        """
        del count, keep, force
        raise UnsupportedError(f"{self.path}: {type(self).__name__} cannot be cut to length")

    # Writing

    @abstractmethod
    def _replace(self, frames: NDArray[Any], **options: Any) -> None:
        """Make `frames` all that there is; on failure, what was there stays."""

    @abstractmethod
    def _writer(self, append: bool, **options: Any) -> Writer:
        """Open the channel for frames to come, each visible to readers once it is written.

        A torn tail is dropped where `append`; otherwise all old frames are.
        """

    def writer_like(self, source: "Channel", **options: Any) -> Writer:
        """Open the channel, emptied, for frames of another one."""
        del source
        return self._open_writer(append=False, **options)

    def open_writer(self, append: bool) -> Writer:
        """Open the channel for frames to come; see `Writer`.

        Args:
            append: whether to keep the frames that are there (and drop a torn tail), or none.
        """
        return self._open_writer(append)

    def _expect_writable(self) -> None:
        """Refuse, before anything is changed, to write what grows to where files do not."""
        if is_url(self.path) and (self.has_checksums or not self._whole_files):
            refuse_growing(self.path)

    def _open_writer(self, append: bool, **options: Any) -> Writer:
        """Open the channel for frames to come, and their check sums if it has any."""
        self._expect_writable()
        if not self.has_checksums:
            return self._writer(append, **options)
        if not append:
            self.checksums.write(np.empty(0, np.uint64))
        writer = self._writer(append, **options)
        there, known = len(self), self.checksums.read()
        if len(known) < there:
            missing = self.compute_checksums(len(known), there)
            self.checksums.write(np.concatenate([known, missing]))
        return SummingWriter(writer, self.codec is not None, self.checksums.append_to(there))

    def compute_checksums(self, start: int, stop: int) -> NDArray[np.uint64]:
        """The check sums of frames, from what is stored.

        Args:
            start: the first frame.
            stop: the one after the last.

        Returns:
            UInt64[stop - start].

        Raises:
            CorruptFileError: a frame cannot be read.
        """
        if self.codec is not None:
            return checksums(self.encoded(start, stop))
        stored, at_once = self.unresized(), max(1, _SUM_BYTES // self.size)
        pieces = [
            checksums(frame_bytes(stored.read(first, min(at_once, stop - first))))
            for first in range(start, stop, at_once)
        ]
        return np.concatenate([np.empty(0, np.uint64), *pieces])

    def write(self, data: Data, append: bool = False) -> None:
        """Write frames.

        Args:
            data: array `(n, *shape)` of the channel's type; any memory layout and byte order.
            append: whether to keep the frames that are there, and add these after them.
                Otherwise these take their place, all at once.

        Raises:
            InvalidDataError: data of another shape or type. What was there is untouched.
        """
        self._write(self.checked(data), append)

    def _write(self, frames: NDArray[Any], append: bool, **options: Any) -> None:
        self._expect_writable()
        if not append and not self.has_checksums:
            self._replace(frames, **options)
            return
        if not append:
            # Until the new ones are there, no sums are better than those of other frames.
            self.checksums.write(np.empty(0, np.uint64))
            self._replace(frames, **options)
            self.checksums.write(self.compute_checksums(0, len(frames)))
            return
        writer = self._open_writer(append=True, **options)
        try:
            writer.add(frames)
        finally:
            writer.close()

    def consume(
        self,
        stream: Streamable[Any],
        thread: bool = False,
        *,
        append: bool = False,
    ) -> Consumer:
        """Write everything that an iterable or a queue gives, as it comes.

        Every frame is checked, and on disk soon after it came. When one is refused or the
        producer fails, what came before it is kept.

        Args:
            stream: frames, as an iterable, or as a queue that ends with `None` and may carry an
                `ExceptionSentinel`.
            thread: whether to return at once and write in a thread of its own. The thread does
                not keep the interpreter from exiting; what waits in a queue then is still written.
            append: whether to keep the frames that are there, and add these after them.

        Returns:
            A handle whose `join` waits for the thread, if there is one, and raises what went wrong.

        Raises:
            InvalidDataError: a frame of another shape or type.
        """
        return self._consume(stream, thread, append)

    def _consume(
        self, stream: Streamable[Any], thread: bool, append: bool, batch: int = 8, **options: Any
    ) -> Consumer:
        return consume(
            stream,
            check=self._checked_item,
            open_writer=lambda: self._open_writer(append, **options),
            batch=batch if self._compressed else 0,
            thread=thread,
        )

    def checked(self, data: Any) -> NDArray[Any]:
        """`data` as a C-contiguous array `(n, *shape)` of the channel's type.

        Raises:
            InvalidDataError: it is of another shape or type.
        """
        if isinstance(data, np.ndarray):
            array = cast(NDArray[Any], data)
            if array.shape[1:] == self.shape and array.ndim and self._holds(array.dtype):
                return np.ascontiguousarray(array, self.type)
        raise InvalidDataError(
            f"{self.path}: expected an array of type {self.type.str[1:]} and shape "
            f"{['n', *self.shape]}, got {description(data)}"
        )

    def _checked_item(self, item: Any) -> NDArray[Any]:
        """An item of a stream as an array `(n, *shape)`: a frame, a batch or a list of frames."""
        if isinstance(item, list):
            frames = [self.checked_frame(frame) for frame in cast(list[Any], item)]
            return np.stack(frames) if frames else np.empty((0, *self.shape), self.type)
        if isinstance(item, np.ndarray) and item.ndim == len(self.shape) + 1:
            return self.checked(item)
        return self.checked_frame(item)[None]

    def checked_frame(self, frame: Any) -> NDArray[Any]:
        """One frame as a C-contiguous array of the channel's shape and type.

        Args:
            frame: the frame, or a Python number where frames are single values.

        Raises:
            InvalidDataError: it is of another shape or type.
        """
        if isinstance(frame, bool | int | float | complex) and not isinstance(frame, np.generic):
            array = self._checked_number(frame)
        else:
            array = frame
        if isinstance(array, np.ndarray | np.generic):
            array = np.asarray(cast(Any, array))
            if array.shape == self.shape and self._holds(array.dtype):
                return np.ascontiguousarray(array, self.type).reshape(self.shape)
        raise InvalidDataError(
            f"{self.path}: expected a frame of {self._frame_text()}, got {description(frame)}"
        )

    def _checked_number(self, number: complex) -> NDArray[Any] | None:
        """A Python number has no type of its own: it takes the channel's where it fits."""
        try:
            array = np.array(number, self.type)
        except (OverflowError, TypeError, ValueError):  # ValueError: NaN as an integer
            return None
        fits = KINDS[np.asarray(number).dtype.kind] <= KINDS[self.type.kind]
        return array if fits else None

    def _holds(self, dtype: np.dtype[Any]) -> bool:
        return dtype.newbyteorder("<") == self.type


def _forget(channel: Channel) -> None:
    channel._cache = None  # pyright: ignore[reportPrivateUsage]


def _unwrapped(prefetched: Prefetch[tuple[Any]]) -> Iterator[Any]:
    for (item,) in prefetched:
        yield item


def _there(layout: Layout) -> str:
    count = len(layout)
    there = f"but there are {count}: 0 to {count - 1}" if count else "but there are none"
    return f"{there} ({layout.note})" if layout.note else there
