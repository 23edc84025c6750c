"""Channels that keep each frame in a file of its own."""

import operator
import re
import secrets
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar

from numpy.typing import NDArray

from roverd.channels.abstract.channel import Channel, Keep, Path
from roverd.channels.consume import Consumer
from roverd.channels.fetching import Fetch
from roverd.channels.layouts import Run, fill, places
from roverd.channels.utils import Streamable
from roverd.errors import CorruptFileError, MissingFileError, RoverdWarning, UnsupportedError
from roverd.parallel import for_each, map_all
from roverd.storage import is_url, storage_for
from roverd.storage.paths import parent

_NUMBERED = re.compile(r"(\d{6,})(\..+)?")


class BlobChannel(Channel):
    """A folder with one file per frame, numbered from `000000`.

    A subclass writes `_read_blob` and `_write_blob`; everything else follows. Where it also names
    its `extension`, only files with that extension count as frames, otherwise all with numbers
    for names do. Other files in the folder are ignored.

    Args:
        path: the folder.
        dtype: type of the values.
        shape: shape of one frame.
        workers: how many frames may be read or written at a time.
        length: how many frames there are, where the caller knows; otherwise they are counted.
    """

    extension: ClassVar[str | None] = None
    _whole_files = True

    def __init__(
        self,
        path: Path,
        dtype: Any,
        shape: Sequence[int],
        workers: int = 8,
        length: int | None = None,
    ) -> None:
        super().__init__(path, dtype, shape)
        if workers < 1:
            raise ValueError(f"{self.path}: workers must be at least 1, got {workers}")
        if length is not None and length < 0:
            raise ValueError(f"{self.path}: length must not be negative, got {length}")
        self.workers = operator.index(workers)
        self.length = None if length is None else operator.index(length)

    @abstractmethod
    def _read_blob(self, index: int) -> NDArray[Any]:
        """Read one frame, an array of the channel's shape and type."""

    @abstractmethod
    def _write_blob(self, index: int, data: NDArray[Any]) -> None:
        """Write one frame, under a name that begins with `_filename(index)`."""

    def _filename(self, index: int) -> str:
        """Path of a frame's file, without its extension."""
        return f"{self.path}/{index:06d}"

    def _read_encoded(self, index: int) -> bytes:
        """Read the file of one frame, of a channel that has a `codec`."""
        raise self._no_codec()

    def _write_encoded(self, index: int, data: bytes) -> None:
        """Write the file of one frame, of a channel that has a `codec`."""
        raise self._no_codec()

    def _encode_blob(self, data: NDArray[Any]) -> bytes:
        """The content of the file of one frame, of a channel that has a `codec`."""
        raise self._no_codec()

    def _no_codec(self) -> UnsupportedError:
        return UnsupportedError(f"{self.path}: its files have no codec that other channels know")

    def _begin_blob(self, index: int) -> "Callable[[], Future[bytes]] | None":
        """What asks for the bytes of one frame, where they take long to come."""
        del index
        return None

    def _take_blob_into(self, index: int, data: bytes, out: NDArray[Any]) -> None:
        """Decode one frame, whose bytes have come, into `out`."""
        raise self._no_codec()

    def _read_blob_into(self, index: int, out: NDArray[Any]) -> None:
        """Read one frame into `out`."""
        frame = self._read_blob(index)
        if frame.shape != out.shape or not self._holds(frame.dtype):
            raise CorruptFileError(
                f"{self._filename(index)}: expected a frame of {self._frame_text()}, "
                f"found type {frame.dtype.str} and shape {list(frame.shape)}"
            )
        out[...] = frame

    def _blobs(self) -> dict[int, list[str]]:
        """Names of the files of each frame."""
        blobs: dict[int, list[str]] = {}
        for name in self._storage.names(self.path):
            match = _NUMBERED.fullmatch(name)
            if match is None or self.extension not in (None, match[2]):
                continue
            index = int(match[1])
            if f"{index:06d}" == match[1]:
                blobs.setdefault(index, []).append(name)
        return blobs

    @property
    def filesize(self) -> int:
        """Bytes of all frames' files on disk now."""
        names = (name for blob in self._blobs().values() for name in blob)
        return sum(self._storage.size(f"{self.path}/{name}") or 0 for name in names)

    def exists(self) -> bool:
        """Whether there is a folder."""
        return self._storage.folder_version(self.path) is not None

    def _layout(self) -> "_BlobLayout":
        if self.length is not None:
            return _BlobLayout(self, self.length, None)
        # Counting means listing the folder: do so only when its entries have changed.
        version = self._storage.folder_version(self.path)
        if version is None:
            raise FileNotFoundError(2, "no such folder", self.path)
        # One look at the cache: another thread may change it at any moment.
        known = self._cache
        if known is None or known[0] != version:
            before, known = known, (version, *self._count())
            self._cache = known
            if known[2] is not None and (before is None or before[1:] != known[1:]):
                warnings.warn(
                    f"{self.path}: number {known[1]} is missing, though {known[2]} is there; the "
                    f"channel ends before the gap",
                    RoverdWarning,
                    stacklevel=4,
                )
        _, count, beyond = known
        return _BlobLayout(self, count, beyond)

    def _count(self) -> tuple[int, int | None]:
        """Frames before the first gap, and the first number after it, if there is a gap."""
        blobs = self._blobs()
        count = 0
        while count in blobs:
            count += 1
        return count, min((index for index in blobs if index > count), default=None)

    def gap(self) -> tuple[int, int] | None:
        """Where the numbering is interrupted.

        Returns:
            The first missing number and the next one that is there, or `None` if none is missing.
        """
        count, beyond = self._count()
        return None if beyond is None else (count, beyond)

    def _check_no_gap(self) -> int:
        count, beyond = self._count()
        if beyond is not None:
            raise CorruptFileError(
                f"{self.path}: cannot add frames: number {count} is missing but {beyond} is there; "
                f"move the files from {beyond:06d} on elsewhere, or bring back those in between"
            )
        return count

    def _replace(self, frames: NDArray[Any], **options: Any) -> None:
        if is_url(self.path):
            self._replace_objects(frames)
            return
        # All new files are there before the first old one goes.
        staging = _Staging(self)
        try:
            staging.write(0, frames)
            staging.publish_instead_of(self._names_to_remove())
        finally:
            staging.close()
        self._now_has(len(frames))

    def _replace_objects(self, frames: NDArray[Any]) -> None:
        """Write over the old objects, each at once, and remove those that are left."""
        staging = _Direct(self)
        staging.write(0, frames)
        for name in self._names_to_remove(len(frames)):
            self._storage.remove(f"{self.path}/{name}")
        self._now_has(len(frames))

    def _now_has(self, count: int) -> None:
        """Keep the length that the caller knew true."""
        if self.length is not None:
            self.length = count

    def _names_to_remove(self, start: int = 0) -> list[str]:
        """Frames' files, from the last to the first: what is left is never with a gap.

        Args:
            start: the first frame that is to go.
        """
        blobs = sorted(self._blobs().items(), reverse=True)
        return [name for index, names in blobs if index >= start for name in names]

    def _remove_all(self) -> None:
        for name in self._names_to_remove():
            self._storage.remove(f"{self.path}/{name}")
        self._now_has(0)

    def cut(self, count: int, keep: Keep, force: bool = False) -> bool:
        """Remove all frames but the first; see `Channel.cut`."""
        names = self._names_to_remove(count)
        for name in names:
            keep(f"{self.path}/{name}", 0)
        for name in names:
            self._storage.remove(f"{self.path}/{name}")
        self._now_has(count)
        return bool(names)

    def _writer(self, append: bool, **options: Any) -> "_BlobWriter":
        self._storage.make_folder(self.path)
        if not append:
            self._remove_all()
        return _BlobWriter(self, self._check_no_gap())

    def consume(  # pyright: ignore[reportIncompatibleMethodOverride] - it accepts more
        self, stream: Streamable[Any], thread: bool = False, append: bool = False
    ) -> Consumer:
        """Write single frames as they come; see `Channel.consume`."""
        return self._consume(stream, thread, append, batch=self.workers)

    def _checked_item(self, item: Any) -> NDArray[Any]:
        return self.checked_frame(item)[None]


class _BlobLayout:
    """Frames in files of their own; see `Layout`."""

    def __init__(self, channel: BlobChannel, count: int, beyond: int | None) -> None:
        self._channel = channel
        self._count = count
        self.note = "" if beyond is None else f"number {count} is missing, though {beyond} is there"

    def __len__(self) -> int:
        return self._count

    def read(self, frames: range, out: NDArray[Any]) -> None:
        """Read frames, several at a time; see `Layout.read`."""

        def read_one(slot: int) -> None:
            self._read_one(frames[slot], [out[slot, ...]])

        for_each(read_one, range(len(frames)), self._channel.workers)

    def plan(self, runs: Sequence[Run]) -> list[Fetch | Callable[[], object]]:
        """Each frame by itself; see `Layout.plan`."""
        begin = self._channel._begin_blob  # pyright: ignore[reportPrivateUsage]
        tasks: list[Fetch | Callable[[], object]] = []
        for frame, outs in places(runs).items():
            if (begun := begin(frame)) is None:
                tasks.append(partial(self._read_one, frame, outs))
            else:
                take = partial(self._take_one, frame, outs)
                tasks.append(Fetch(begun, take, self._channel.size))
        return tasks

    def _take_one(self, frame: int, outs: Sequence[NDArray[Any]], data: bytes) -> None:
        take = self._channel._take_blob_into  # pyright: ignore[reportPrivateUsage]
        take(frame, data, outs[0])
        fill(outs[1:], outs[0])

    def _read_one(self, frame: int, outs: Sequence[NDArray[Any]]) -> None:
        read_into = self._channel._read_blob_into  # pyright: ignore[reportPrivateUsage]
        try:
            read_into(frame, outs[0])
        except FileNotFoundError as error:
            raise MissingFileError(
                f"{error.filename or self._channel.path}: no such file; expected frame "
                f"{frame} of {self._count} here"
            ) from None
        fill(outs[1:], outs[0])

    def encoded(self, frames: range) -> Iterator[bytes]:
        """The content of the files, several read at a time; see `EncodedLayout.encoded`."""
        read = self._channel._read_encoded  # pyright: ignore[reportPrivateUsage]
        for first in range(0, len(frames), self._channel.workers):
            group = frames[first : first + self._channel.workers]
            yield from map_all(read, group, self._channel.workers)


class _Target:
    """Where a writer puts files: those of frames, several at a time.

    Args:
        channel: whose files they are.
    """

    def __init__(self, channel: BlobChannel) -> None:
        self._channel = channel

    def write(self, start: int, frames: NDArray[Any]) -> None:
        """Write frames under the numbers from `start` on, several at a time."""
        write_blob = self._channel._write_blob  # pyright: ignore[reportPrivateUsage]
        for_each(
            lambda slot: write_blob(start + slot, frames[slot]),
            range(len(frames)),
            self._channel.workers,
        )

    def write_encoded(self, start: int, frames: Sequence[bytes]) -> None:
        """The same for frames that are encoded already."""
        write_encoded = self._channel._write_encoded  # pyright: ignore[reportPrivateUsage]
        for_each(
            lambda slot: write_encoded(start + slot, frames[slot]),
            range(len(frames)),
            self._channel.workers,
        )


class _Staging(_Target):
    """A folder in which files are made before they get their names, in order.

    A recorder that dies leaves no half file and no gap, whatever `_write_blob` does.
    """

    def __init__(self, channel: BlobChannel) -> None:
        self._storage = storage_for(channel.path)
        self._target = channel.path
        token = secrets.token_hex(4)
        self._folder = f"{channel.path}/.{token}.tmp"
        self._old = f"{channel.path}/.{token}.old"
        super().__init__(channel.open_like(self._folder))
        self._storage.make_folder(self._folder)

    def publish(self) -> list[str]:
        """Move what was written to where it belongs; returns the names of the files."""
        names = self._storage.names(self._folder)
        names.sort(key=lambda name: (len(name.split(".")[0]), name))
        for name in names:
            self._storage.move(f"{self._folder}/{name}", f"{self._target}/{name}")
        return names

    def publish_instead_of(self, names: list[str]) -> None:
        """Move what was written to where it belongs, and away what is there.

        Nothing of the old is removed before all of the new is in its place: an error brings the
        old back, and a death leaves it in a folder beside.

        Args:
            names: files that make room, in the order in which they are to go.
        """
        new = self._storage.names(self._folder)
        self._storage.make_folder(self._old)
        try:
            for name in names:
                self._storage.move(f"{self._target}/{name}", f"{self._old}/{name}")
            self.publish()
        except BaseException:
            waiting, old = (set(self._storage.names(path)) for path in (self._folder, self._old))
            # Only what was moved is moved back: other files may have numbers for names, too.
            for name in reversed(new):
                if name not in waiting:
                    self._storage.move(f"{self._target}/{name}", f"{self._folder}/{name}")
            for name in reversed(names):
                if name in old:
                    self._storage.move(f"{self._old}/{name}", f"{self._target}/{name}")
            self._storage.remove_folder(self._old)
            raise
        else:
            self._storage.remove_folder(self._old)

    def close(self) -> None:
        """Remove the folder."""
        self._storage.remove_folder(self._folder)


class _Direct(_Target):
    """Writes objects where they belong; each appears at once, and whole.

    Whoever dies while several are written may leave a gap, before which the channel ends.
    """

    def publish(self) -> list[str]:
        """Nothing: they are where they belong, and safe."""
        return []

    def close(self) -> None:
        """Nothing is left."""


class _BlobWriter:
    """Writes frames under the next numbers; see `Writer`."""

    def __init__(self, channel: BlobChannel, start: int) -> None:
        self._channel = channel
        self._staging = _Direct(channel) if is_url(channel.path) else _Staging(channel)
        self._next = start
        self._unsynced: list[str] = []
        self._named = False  # whether the folder's own name was synced

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames; see `Writer.add`."""
        self._staging.write(self._next, frames)
        self._publish(len(frames))

    def encode(self, frames: NDArray[Any]) -> list[bytes]:
        """What the files of frames hold; see `EncodedWriter.encode`."""
        encode = self._channel._encode_blob  # pyright: ignore[reportPrivateUsage]
        return map_all(encode, list(frames))

    def add_encoded(self, frames: Sequence[bytes]) -> None:
        """Write frames that are encoded already; see `EncodedWriter.add_encoded`."""
        self._staging.write_encoded(self._next, frames)
        self._publish(len(frames))

    def _publish(self, count: int) -> None:
        self._unsynced += self._staging.publish()
        self._next += count
        self._channel._now_has(self._next)  # pyright: ignore[reportPrivateUsage]

    def sync(self) -> None:
        """See `Writer.sync`."""
        # What comes meanwhile goes into another list.
        names, self._unsynced = self._unsynced, []
        storage = storage_for(self._channel.path)
        for name in names:
            storage.sync(f"{self._channel.path}/{name}")
        storage.sync(self._channel.path)
        if not self._named:
            storage.sync(parent(self._channel.path))
            self._named = True

    def close(self) -> None:
        """Nothing is left to complete."""
        self._staging.close()
