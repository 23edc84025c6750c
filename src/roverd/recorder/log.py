"""`_recorder/log.jsonl`: how a recording went, for those who read the trace later."""

import json
import threading
import time
from typing import Any

from roverd.storage import Appender, storage_for

_PIECE = 1 << 16


class Log:
    """One JSON object a line, each with the `event` it tells of and its `time` (seconds, epoch).

    What goes wrong with it is kept, and does not disturb the recording.

    Args:
        path: of the file, in a folder that is there. Lines are added to those that it has; a torn
            last one is dropped.

    Attributes:
        error: why nothing more is logged, if that is so.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.error: OSError | None = None
        self._lock = threading.Lock()
        self._unsynced = False
        self._file = _append_whole_lines(path)

    def add(self, event: str, **fields: Any) -> None:
        """Add a line."""
        line = json.dumps({"event": event, "time": time.time(), **fields}, default=str)
        with self._lock:
            if self.error is not None:
                return
            try:
                self._file.append(line.encode() + b"\n")
                self._unsynced = True
            except (OSError, ValueError) as error:
                self.error = _as_os_error(error)

    def sync(self) -> None:
        """Make what was logged survive a loss of power."""
        with self._lock:
            wanted, self._unsynced = self._unsynced, False
        if wanted and self.error is None:
            try:
                self._file.sync()
            except OSError as error:
                self.error = error

    def close(self) -> None:
        """Close the file; more than once does nothing."""
        with self._lock:
            self._file.close()


def _as_os_error(error: OSError | ValueError) -> OSError:
    # Python calls it a ValueError when a file is closed.
    return error if isinstance(error, OSError) else OSError(str(error))


def _append_whole_lines(path: str) -> Appender:
    """Open a file for lines to come, after its last whole one."""
    storage = storage_for(path)
    end = storage.size(path) or 0
    if end:
        file = storage.open(path, keep=False)
        while end:
            begin = max(0, end - _PIECE)
            found = file.read(begin, end - begin).rfind(b"\n")
            if found >= 0:
                end = begin + found + 1
                break
            end = begin
    appender = storage.append_to(path)
    appender.truncate(end)
    return appender
