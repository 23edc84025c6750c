"""Keeping what is cut off: nothing that a repair removes is gone."""

import errno
import json
import os
import secrets
from datetime import UTC, datetime
from typing import Any

from roverd.storage import Appender, storage_for

SCRATCH = "_scratch"
LIST = "repair.json"

_PIECE = 16 << 20
_END = b"\n]}\n"
_HELP = (
    "What was cut off or written over. `copy` is where it is in this folder; it was at byte "
    "`offset` of `file`, or was the whole file or folder where `offset` is null."
)


class Rescue:
    """The folder `_scratch/repair-…` of a trace, made when there is something to be kept.

    What is in it is listed in its `repair.json`, at any moment: where each piece came from.

    Args:
        trace: the trace's folder.

    Attributes:
        folder: where things are kept; `None` as long as there is nothing.
        bytes: how many were kept so far.
    """

    def __init__(self, trace: str | os.PathLike[str]) -> None:
        self._trace = os.path.abspath(trace)
        self._storage = storage_for(self._trace)
        self._list: Appender | None = None
        self._listed = 0
        self._copies: set[str] = set()
        self._unsynced: set[str] = set()
        self.folder: str | None = None
        self.bytes = 0

    def keep(self, path: str, offset: int, stop: int | None = None) -> int:
        """Copy bytes of a file, which are safe on return.

        Args:
            path: the file, in the trace.
            offset: where the bytes begin.
            stop: where they end; at the end of the file if `None`.

        Returns:
            How many bytes these are; where there are none, nothing is made.
        """
        try:
            file = self._storage.open(path, keep=False)
        except FileNotFoundError:
            return 0  # an index that is made anew
        end = file.size if stop is None else min(stop, file.size)
        if end <= offset:
            return 0
        copy = self._place(path, f".from-{offset}")
        target = self._storage.append_to(copy)
        try:
            for begin in range(offset, end, _PIECE):
                target.append(file.read(begin, min(_PIECE, end - begin)))
            target.sync()
        finally:
            target.close()
        self._note(path, copy, offset, end - offset)
        assert self._list is not None
        self._list.sync()
        return end - offset

    def keep_whole(self, path: str) -> int:
        """Copy a file that is about to be replaced; returns its bytes."""
        data = self._storage.read(path)
        copy = self._place(path, "")
        self._storage.write(copy, data, durable=True)
        self._note(path, copy, None, len(data))
        return len(data)

    def move(self, path: str) -> int:
        """Move a file or a folder here; returns its bytes."""
        size = _size(path)
        copy = self._place(path, "")
        try:
            self._storage.move(path, copy)
        except OSError as error:
            if error.errno != errno.EXDEV or os.path.isdir(path):
                raise
            # A link has led to another file system.
            self._storage.write(copy, self._storage.read(path), durable=True)
            self._storage.remove(path)
        self._unsynced |= {os.path.dirname(path), os.path.dirname(copy)}
        self._note(path, copy, None, size)
        return size

    def close(self) -> None:
        """Make all that was moved safe."""
        for folder in sorted(self._unsynced):
            if self._storage.folder_version(folder) is not None:
                self._storage.sync(folder)
        self._unsynced.clear()
        if self._list is not None:
            self._list.sync()
            self._list.close()

    def _place(self, path: str, suffix: str) -> str:
        """A path in the folder that is free, its parents being there."""
        relative = os.path.relpath(os.path.abspath(path), self._trace)
        if relative == os.pardir or relative.startswith(os.pardir + os.sep):
            raise ValueError(f"{path}: expected a file of the trace {self._trace}")
        if self.folder is None:
            self._begin()
        assert self.folder is not None
        copy = plain = f"{self.folder}/{relative}{suffix}"
        number = 1
        while copy in self._copies:
            number += 1
            copy = f"{plain}-{number}"
        self._copies.add(copy)
        self._storage.make_folder(os.path.dirname(copy), durable=True)
        return copy

    def _begin(self) -> None:
        now = datetime.now(UTC)
        folder = f"{self._trace}/{SCRATCH}/repair-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self._storage.make_folder(folder, durable=True)
        self.folder = folder
        self._list = self._storage.append_to(f"{folder}/{LIST}")
        about = json.dumps({"made": now.isoformat(timespec="seconds"), "about": _HELP})
        self._list.append(about[:-1].encode() + b', "kept": [' + _END)

    def _note(self, path: str, copy: str, offset: int | None, size: int) -> None:
        assert self._list is not None and self.folder is not None
        entry: dict[str, Any] = {
            "file": os.path.relpath(os.path.abspath(path), self._trace),
            "offset": offset,
            "bytes": size,
            "copy": os.path.relpath(copy, self.folder),
        }
        line = (",\n" if self._listed else "\n") + json.dumps(entry)
        # In one write over the end of the list, so that it always is one.
        self._list.write_at(self._list.position - len(_END), line.encode() + _END)
        self._listed += 1
        self.bytes += size


def _size(path: str) -> int:
    if not os.path.isdir(path) or os.path.islink(path):
        return os.lstat(path).st_size
    return sum(
        os.lstat(os.path.join(here, name)).st_size
        for here, _, names in os.walk(path)
        for name in names
    )
