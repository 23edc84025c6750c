"""What channels and sensors ask of a storage. Nothing here knows frames."""

from collections.abc import Hashable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Protocol, TypeGuard

from roverd.storage.ranges import Merging

BytesLike = bytes | bytearray | memoryview


class File(Protocol):
    """A file as it was when it was opened, to read ranges of.

    Reads of one `File` come from one and the same file, even when another takes its name
    meanwhile. It may be shared by threads.

    Attributes:
        path: where it is.
        size: bytes it had when it was opened.
        version: equal for two `File`s only if neither size nor content can have changed.
        merging: when several ranges of it are read in one go.
    """

    @property
    def path(self) -> str: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102

    @property
    def version(self) -> Hashable: ...  # noqa: D102

    @property
    def merging(self) -> Merging: ...  # noqa: D102

    def read(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`: `size` of them, fewer only at the end of the file."""
        ...

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset` on; returns how many bytes there were for it.

        The buffer is C-contiguous, of any shape and type.
        """
        ...


class Fetching(File, Protocol):
    """A file whose bytes take long to come, so that many reads are better begun at once."""

    def begin(self, offset: int, size: int) -> "Future[bytes]":
        """Begin to read; see `read`."""
        ...


def is_fetching(file: File) -> TypeGuard[Fetching]:
    """Whether a file is such a one; to ask whether it fits the protocol would take far longer."""
    return hasattr(type(file), "begin")


class Appender(Protocol):
    """A file open for writing.

    Every write reaches the operating system before it returns: another process sees it, and the
    death of this one does not undo it.
    """

    @property
    def path(self) -> str: ...  # noqa: D102

    @property
    def position(self) -> int:
        """Where the next `append` goes: the end of the file."""
        ...

    def append(self, data: BytesLike) -> None:
        """Add `data` at the end, whole or not at all (when the disk is full, say)."""
        ...

    def write_at(self, offset: int, data: BytesLike) -> None:
        """Write `data` at `offset`, growing the file where need be."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def sync(self) -> None:
        """Make what was written survive a loss of power, the file's name included.

        Another thread than the one that writes may call it, even after `close`.

        Raises:
            FileNotFoundError: the file is not where it was opened any more.
        """
        ...

    def close(self) -> None:
        """Close the file; closing it again does nothing."""
        ...


class Storage(Protocol):
    """A place that holds files under paths."""

    def open(self, path: str, keep: bool = True) -> File:
        """Open a file for reading.

        Args:
            path: where it is.
            keep: whether it is likely to be read again soon.

        Raises:
            FileNotFoundError: there is no such file.
        """
        ...

    def size(self, path: str) -> int | None:
        """Bytes in a file, `None` if there is none."""
        ...

    def folder_version(self, path: str) -> Hashable | None:
        """Changes whenever an entry of the folder comes or goes; `None` if there is no folder."""
        ...

    def names(self, path: str) -> list[str]:
        """Names of a folder's entries, sorted; none if there is no such folder."""
        ...

    def read(self, path: str) -> bytes:
        """All bytes of a file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        ...

    def look_around(self, path: str) -> None:
        """Learn what a folder holds, where that saves to ask for each of its files.

        Whatever goes wrong with it is left to whoever asks for one of them.
        """
        ...

    def forget(self, path: str) -> None:
        """Look anew, when next asked, at a file, or at a folder and all that is in it."""
        ...

    def make_folder(self, path: str, durable: bool = False) -> None:
        """Make a folder and those above it, unless it is there.

        If `durable`, those that were made survive a loss of power.
        """
        ...

    def write(self, path: str, data: BytesLike, durable: bool = False) -> None:
        """Put `data` under `path`, replacing what was there at once: a reader sees old or new.

        If `durable`, that holds for a loss of power too, and the new is safe on return.
        """
        ...

    def sync(self, path: str) -> None:
        """Make what was written to a file, or the entries of a folder, survive a loss of power.

        Raises:
            FileNotFoundError: it is not there (any more).
        """
        ...

    def append_to(self, path: str) -> Appender:
        """Open a file for writing at its end; an empty one is made if there is none."""
        ...

    def replacing(self, path: str) -> AbstractContextManager[Appender]:
        """An empty file that takes the place of `path` when the context is left without error."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        ...

    def remove_folder(self, path: str) -> None:
        """Remove a folder and all that is in it, if it is there."""
        ...

    def move(self, source: str, target: str) -> None:
        """Give a file another name, replacing what has it."""
        ...
