"""Takes note of what roverd does to files, at the level of the operating system's functions."""

import io
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from roverd.storage import local
from support.power_cut import Enter, Leave, Log, Step, Sync, Truncate, Write, names_of, tree

_SYNC_SECONDS = 1e-3  # that a disk takes


@contextmanager
def logged(root: str) -> Generator[Log]:
    """Take note of everything that roverd does to the files in a folder.

    Nothing is really synced meanwhile.
    """
    log = Log(root, tree(root))
    watch = _Watch(log)
    with (
        mock.patch.object(local, "os", _Os(watch)),
        mock.patch.object(local, "shutil", _Shutil(watch)),
    ):
        yield log
    log.end = time.monotonic()


class _Watch:
    """Does things to files, and takes note."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.lock = threading.RLock()
        self._numbers: dict[int, int] = {}  # by inode
        names = names_of(log.before)
        self._numbers[os.stat(log.root).st_ino] = names[""]
        for path in log.before:
            self._numbers[os.stat(f"{log.root}/{path}").st_ino] = names[path]
        self._next = len(names)

    def number(self, path: str | int) -> int:
        """The number of a file or folder that is there."""
        return self._numbers[os.stat(path).st_ino]

    def place(self, path: str) -> tuple[int, str]:
        """Folder and name of a path."""
        folder, name = os.path.split(os.path.abspath(path))
        return self.number(folder), name

    def note(self, kind: Callable[..., Step], *arguments: Any) -> None:
        self.log.steps.append(kind(time.monotonic(), *arguments))

    def made(self, path: str) -> None:
        """A file or a folder was made."""
        self._numbers[os.stat(path).st_ino] = self._next
        self.note(Enter, *self.place(path), self._next, os.path.isdir(path))
        self._next += 1


class _Os:
    """The module `os`, watched."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        with self._watch.lock:
            new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
            assert not flags & (os.O_TRUNC | os.O_APPEND)
            descriptor = os.open(path, flags, mode)
            if new:
                self._watch.made(path)
            return descriptor

    def fdopen(self, descriptor: int, mode: str, buffering: int) -> "_File":
        assert (mode, buffering) == ("wb", 0)
        return _File(descriptor, self._watch)

    def fsync(self, descriptor: int) -> None:
        with self._watch.lock:
            until = len(self._watch.log.steps)
            number = self._watch.number(descriptor)
        threading.Event().wait(_SYNC_SECONDS)
        with self._watch.lock:
            self._watch.note(Sync, number, until)

    def replace(self, source: str, target: str) -> None:
        with self._watch.lock:
            what, before = self._watch.number(source), self._watch.place(source)
            os.replace(source, target)
            place = self._watch.place(target)
            self._watch.note(Enter, *place, what, os.path.isdir(target), before)

    def unlink(self, path: str) -> None:
        with self._watch.lock:
            os.unlink(path)
            self._watch.note(Leave, *self._watch.place(path))

    def rmdir(self, path: str) -> None:
        with self._watch.lock:
            os.rmdir(path)
            self._watch.note(Leave, *self._watch.place(path))

    def makedirs(self, path: str, exist_ok: bool) -> None:
        assert exist_ok
        with self._watch.lock:
            if os.path.isdir(path):
                return
            self.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok)
            os.mkdir(path)
            self._watch.made(path)


class _Shutil:
    """What is used of the module `shutil`, watched."""

    def __init__(self, watch: _Watch) -> None:
        self._os = _Os(watch)

    def rmtree(self, path: str, ignore_errors: bool) -> None:
        assert ignore_errors
        for folder, names, files in os.walk(path, topdown=False):
            for name in files:
                self._os.unlink(f"{folder}/{name}")
            for name in names:
                self._os.rmdir(f"{folder}/{name}")
        if os.path.isdir(path):
            self._os.rmdir(path)


class _File(io.FileIO):
    """A file that is written to, watched."""

    def __init__(self, descriptor: int, watch: _Watch) -> None:
        super().__init__(descriptor, "wb")
        self._watch = watch
        self._number = watch.number(descriptor)

    def write(self, data: Any) -> int:
        with self._watch.lock:
            offset = self.tell()
            written = super().write(data)
            self._watch.note(Write, self._number, offset, bytes(data)[:written])
            return written

    def truncate(self, size: int | None = None) -> int:
        assert size is not None
        with self._watch.lock:
            super().truncate(size)
            self._watch.note(Truncate, self._number, size)
            return size
