"""How a recording goes: counts, rates, delays."""

import threading
import time
from collections import deque
from dataclasses import dataclass

# Rates are those of so many seconds, or periods between two calls of `tick`.
_WINDOW = 5


@dataclass(frozen=True)
class SensorStats:
    """How the recording of a sensor goes.

    Attributes:
        frames: that were written since the recorder was started.
        dropped: frames that there was no room for, with `overflow="drop"`.
        rate: frames per second written in the last seconds.
        target: frames per second that the sensor is said to have; `None` if that was not said.
        queued_frames: that wait to be written.
        queued_bytes: of those.
        lag: the longest that a frame had to wait in the last second or two until it was written,
            or has waited until now, in seconds; to be compared with `flush_interval`.
        unsynced: how long the oldest frame that a loss of power would take has been written, in
            seconds; together with `lag` to be compared with `sync_interval`.
        encode_seconds: processor time that encoding has taken, in seconds, of all cores.
        bytes: that were written.
        bytes_per_second: written in the last seconds.
        error: why the sensor is not recorded any more; `None` if it is.
    """

    frames: int
    dropped: int
    rate: float
    target: float | None
    queued_frames: int
    queued_bytes: int
    lag: float
    unsynced: float
    encode_seconds: float
    bytes: int
    bytes_per_second: float
    error: str | None


class Meter:
    """Counts what is written. One thread counts, any may read."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may interrupt a call, and ask
        self.frames = 0
        self.bytes = 0
        self.encode_seconds = 0.0
        self._dropped = 0
        self._longest = 0.0  # of this period
        self._longest_before = 0.0
        self._marks: deque[tuple[float, int, int]] = deque(maxlen=_WINDOW)

    def dropped_one(self) -> None:
        """Count a frame that was dropped; any thread may call it."""
        with self._lock:
            self._dropped += 1

    @property
    def dropped(self) -> int:
        """Frames that were dropped."""
        return self._dropped

    def written(self, frames: int, size: int, encode_seconds: float, came: float) -> None:
        """Count what was written.

        Args:
            frames: how many.
            size: bytes.
            encode_seconds: processor time.
            came: when the oldest of the frames came, by `time.monotonic`.
        """
        with self._lock:
            if not self._marks:
                self._marks.append((came, self.frames, self.bytes))
            self.frames += frames
            self.bytes += size
            self.encode_seconds += encode_seconds
            self._longest = max(self._longest, time.monotonic() - came)

    def tick(self) -> None:
        """Begin another period, about a second after the last one."""
        with self._lock:
            if self._marks:
                self._marks.append((time.monotonic(), self.frames, self.bytes))
            self._longest_before, self._longest = self._longest, 0.0

    def rates(self) -> tuple[float, float]:
        """Frames and bytes per second."""
        with self._lock:
            if not self._marks:
                return 0.0, 0.0
            begin, frames, size = self._marks[0]
            # At the beginning there is not much to go by.
            seconds = max(time.monotonic() - begin, 1.0)
            return (self.frames - frames) / seconds, (self.bytes - size) / seconds

    def longest_wait(self) -> float:
        """Seconds between the coming of a frame and its being written: the most of late."""
        return max(self._longest, self._longest_before)
