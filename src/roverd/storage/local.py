"""Files on a local (or mounted) file system."""

import errno
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from stat import S_ISDIR, S_ISREG

from roverd.storage.abstract import BytesLike
from roverd.storage.ranges import Merging

# Linux reads at most 0x7ffff000 bytes in one call, macOS 2 GiB - 1.
_READ_LIMIT = 1 << 30


def _kept_handles() -> int:
    """How many open files are kept for the next read: opening costs more than a small frame."""
    try:
        import resource
    except ImportError:
        return 0  # on Windows, an open file cannot be replaced
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 256 if allowed == resource.RLIM_INFINITY else min(256, allowed // 4)


_KEPT_HANDLES = _kept_handles()

# File systems stamp changes with a clock that stands still for some milliseconds.
_CLOCK_TICK = 100_000_000  # nanoseconds


def _descriptor(path: str) -> int:
    # Opening a pipe would wait for somebody to write to it.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    for wait in (0.0, 0.001, 0.01, 0.1):
        try:
            return os.open(path, flags)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        # The program needs them more than we do. Another thread may be about to close them.
        _handles.clear()
        time.sleep(wait)
    return os.open(path, flags)


class _Handle:
    """An open file descriptor; closed when nobody reads from it any more."""

    __slots__ = ("descriptor", "identity", "stat")

    def __init__(self, path: str) -> None:
        self.descriptor = _descriptor(path)
        self.stat = stat = os.fstat(self.descriptor)
        if not S_ISREG(stat.st_mode):
            os.close(self.descriptor)
            if S_ISDIR(stat.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            raise OSError(errno.EINVAL, "expected a file, found a pipe, socket or device", path)
        self.identity = (stat.st_dev, stat.st_ino)

    def __del__(self) -> None:
        if hasattr(self, "identity"):
            os.close(self.descriptor)


_handles: dict[str, _Handle] = {}


def _keep(path: str, handle: _Handle) -> None:
    # A reader of an evicted handle still holds it, so the order of eviction matters little. Other
    # threads change the dictionary too; a copy of its keys is taken in one step.
    kept = list(_handles)
    if kept and (oldest := _handles.pop(kept[0], None)) is not None:
        # One is looked at each time, so that deleted files do not keep their disk space for long.
        there = os.fstat(oldest.descriptor).st_nlink > 0
        if there and len(kept) < _KEPT_HANDLES:
            _handles[kept[0]] = oldest
    if _KEPT_HANDLES:
        _handles[path] = handle


def _let_go(path: str) -> None:
    """Close what is open of a file that goes away, or of the files in a folder that does."""
    for kept in list(_handles):
        if kept == path or kept.startswith(path + "/"):
            _handles.pop(kept, None)


# A call costs as much as copying some KiB. Larger frames are better read by several threads, each
# to where it goes.
_MERGING = Merging(gap=8 << 10, most=64 << 10)


class LocalFile:
    """A local file, to read ranges of; see `File`."""

    __slots__ = ("_handle", "path", "size", "version")
    merging = _MERGING

    def __init__(self, path: str, keep: bool) -> None:
        handle = _handles.get(path)
        if handle is None:
            handle = _Handle(path)
            stat = handle.stat
            if keep:
                _keep(path, handle)
        else:
            stat = os.stat(path)
            if handle.identity != (stat.st_dev, stat.st_ino):  # another file has taken the name
                handle = _Handle(path)
                stat = handle.stat
                _keep(path, handle)
        self.path = path
        self.size = stat.st_size
        self.version: Hashable = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        self._handle = handle

    def read(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`: `size` of them, fewer only at the end of the file."""
        # An index may lie about a size; memory is asked for only as far as the file goes.
        size = max(0, min(size, self.size - offset))
        data = _pread(self._handle.descriptor, min(size, _READ_LIMIT), offset)
        if len(data) == size:
            return data
        buffer = bytearray(size)
        return bytes(memoryview(buffer)[: self.read_into(offset, memoryview(buffer))])

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset` on; returns how many bytes there were for it."""
        descriptor = self._handle.descriptor
        total = buffer.nbytes
        done = _pread_into(descriptor, buffer, offset) if total <= _READ_LIMIT else 0
        if done == total:
            return done
        import numpy as np  # which commands without arrays need not load

        # As bytes, of which a part can be taken; `memoryview.cast` knows no complex numbers.
        rest = np.frombuffer(buffer, np.uint8).data
        while done < total:
            piece = _pread_into(descriptor, rest[done : done + _READ_LIMIT], offset + done)
            if piece == 0:
                break
            done += piece
        return done


if hasattr(os, "preadv"):
    _pread = os.pread

    def _pread_into(descriptor: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(descriptor, [buffer], offset)

else:
    # Without preadv (Windows), the position belongs to the open file, which threads share.
    _position_lock = threading.Lock()

    def _pread(fd: int, length: int, offset: int, /) -> bytes:
        with _position_lock:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)

    def _pread_into(descriptor: int, buffer: memoryview, offset: int) -> int:
        data = _pread(descriptor, buffer.nbytes, offset)
        buffer[: len(data)] = data
        return len(data)


def _sync_path(path: str) -> None:
    """See `Storage.sync`."""
    if os.name == "nt" and os.path.isdir(path):
        return  # the entries of a folder are in the file system's journal
    # Any descriptor will do, on Windows any that may write.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            import fcntl

            # There, fsync leaves it in the drive's own memory.
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalAppender:
    """A local file open for writing; see `Appender`."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        # Unbuffered, so that no library buffer holds frames that a crash would take.
        self._file = os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)
        self.path = path
        self._named = False  # whether its entry in the folder was synced
        self._end = self._file.seek(0, os.SEEK_END)

    @property
    def position(self) -> int:
        """Where the next `append` goes: the end of the file."""
        return self._end

    def append(self, data: BytesLike) -> None:
        """Add `data` at the end, whole or not at all (when the disk is full, say)."""
        try:
            self.write_at(self._end, data)
        except BaseException:
            self._file.truncate(self._end)
            raise

    def write_at(self, offset: int, data: BytesLike) -> None:
        """Write `data` at `offset`, growing the file where need be."""
        view = memoryview(data).cast("B")
        self._file.seek(offset)
        done = 0
        while done < len(view):
            written = self._file.write(view[done : done + _READ_LIMIT])
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)
            done += written
        self._end = max(self._end, offset + done)

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        self._file.truncate(size)
        self._end = size

    def sync(self) -> None:
        """Make what was written survive a loss of power, the file's name included."""
        # By its name: that shows whether the file is still there, and needs no lock.
        _sync_path(self.path)
        if not self._named:
            _sync_path(os.path.dirname(os.path.realpath(self.path)))
            self._named = True

    def close(self) -> None:
        """Close the file; closing it again does nothing."""
        self._file.close()


class LocalStorage:
    """Local files; see `Storage`."""

    def open(self, path: str, keep: bool = True) -> LocalFile:
        """Open a file for reading."""
        return LocalFile(path, keep)

    def size(self, path: str) -> int | None:
        """Bytes in a file, `None` if there is none."""
        try:
            return os.stat(path).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def folder_version(self, path: str) -> Hashable | None:
        """Changes whenever an entry of the folder comes or goes; `None` if there is no folder."""
        try:
            stat = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not S_ISDIR(stat.st_mode):
            return None
        now = time.time_ns()
        if abs(now - stat.st_mtime_ns) < _CLOCK_TICK:
            # More may change before the file system's clock moves on: equal to no other version.
            return (stat.st_ino, stat.st_mtime_ns, time.monotonic_ns())
        return (stat.st_ino, stat.st_mtime_ns)

    def names(self, path: str) -> list[str]:
        """Names of a folder's entries, sorted; none if there is no such folder."""
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        file = LocalFile(path, keep=False)
        return file.read(0, file.size)

    def look_around(self, path: str) -> None:
        """Nothing: files are looked at anew with every read."""

    def forget(self, path: str) -> None:
        """Nothing: files are looked at anew with every read."""

    def make_folder(self, path: str, durable: bool = False) -> None:
        """Make a folder and those above it, unless it is there."""
        missing: list[str] = []
        there = os.path.abspath(path)
        while durable and not os.path.isdir(there):
            missing.append(there)
            there = os.path.dirname(there)
        os.makedirs(path, exist_ok=True)
        for folder in reversed(missing):
            self.sync(os.path.dirname(folder))

    def write(self, path: str, data: BytesLike, durable: bool = False) -> None:
        """Put `data` under `path`, replacing what was there at once: a reader sees old or new."""
        with self.replacing(path) as file:
            file.append(data)
            if durable:
                # Otherwise the name may get to the disk before the content.
                self.sync(file.path)
        if durable:
            self.sync(os.path.dirname(os.path.realpath(path)))

    def sync(self, path: str) -> None:
        """Make what was written to a file, or the entries of a folder, survive a loss of power."""
        _sync_path(path)

    def append_to(self, path: str) -> LocalAppender:
        """Open a file for writing at its end; an empty one is made if there is none."""
        return LocalAppender(path)

    @contextmanager
    def replacing(self, path: str) -> Generator[LocalAppender]:
        """An empty file that takes the place of `path` when the context is left without error."""
        # What a link points to is replaced, as when one opens the link for writing.
        target = os.path.realpath(path)
        folder, name = os.path.split(target)
        temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
        file = LocalAppender(temporary)
        try:
            yield file
            file.close()
            os.replace(temporary, target)
            _let_go(path)
        except BaseException:
            file.close()
            self.remove(temporary)
            raise

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        _let_go(path)
        try:
            os.unlink(path)
        except FileNotFoundError:
            return

    def remove_folder(self, path: str) -> None:
        """Remove a folder and all that is in it, if it is there."""
        _let_go(path)
        shutil.rmtree(path, ignore_errors=True)

    def move(self, source: str, target: str) -> None:
        """Give a file another name, replacing what has it."""
        os.replace(source, target)
