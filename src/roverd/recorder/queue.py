"""Frames that wait to be written: few enough that they are written soon."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

# What is written at a time: enough for all cores, or to make a write worth its while.
_GROUP_FRAMES = 8
_GROUP_BYTES = 1 << 20
_LARGEST_GROUP_FRAMES = 64
_LARGEST_GROUP_BYTES = 64 << 20

# How long a frame is believed to take before any was written.
_FIRST_GUESS = 1e-3  # seconds
_GUESSED_RATE = 1e6  # bytes per second; of what compresses slowly

# Of the time within which a frame is to be written: how long another may have waited, and how
# long those that wait are to take, such that there is some time left when they take longer.
_OLDEST = 0.5
_EXPECTED = 0.75

# How much of the expectation the newest measurement makes up.
_WEIGHT = 0.3


@dataclass(slots=True)
class QueuedFrame:
    """One frame of all channels of a sensor.

    Attributes:
        timestamp: in seconds.
        frames: an array of the channel's shape for each channel, in the sensor's order.
        size: bytes of all of them.
        came: when it was taken into the queue, by `time.monotonic`.
    """

    timestamp: NDArray[Any]
    frames: tuple[NDArray[Any], ...]
    size: int
    came: float = field(default=0.0)


class ClosedError(Exception):
    """The queue takes nothing more."""


class FrameQueue:
    """A queue that is bounded in bytes and in time.

    It is full while those that wait are too many bytes or, going by how long others took, would
    take too long to be written; and while one has waited too long. An empty one takes any frame.
    Frames count as long as they are not written.

    Args:
        most_bytes: that may wait.
        soon: seconds within which a frame is to be written.
        block: whether `put` waits for room.
    """

    def __init__(self, most_bytes: int, soon: float, block: bool) -> None:
        self._most_bytes = most_bytes
        self._soon = soon
        self._block = block
        # Only the lock itself is used in `with`: a signal handler that raises cannot leave it held.
        # One that uses the queue itself must not wait for the call that it interrupted.
        self._lock = threading.RLock()
        self._came = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._waiting: deque[QueuedFrame] = deque()
        self._being_written: list[QueuedFrame] = []
        self._bytes = 0
        self._expected: float | None = None  # seconds per frame
        self._begun = 0.0  # when writing did
        self._closed = False

    def put(self, frame: QueuedFrame) -> bool:
        """Add a frame.

        Returns:
            Whether there was room for it; always so if `put` waits for room.

        Raises:
            ClosedError: the queue takes nothing more.
        """
        with self._lock:
            while not self._closed and not self._has_room(frame.size):
                if not self._block:
                    return False
                self._room.wait()
            if self._closed:
                raise ClosedError
            frame.came = time.monotonic()
            self._waiting.append(frame)
            self._bytes += frame.size
            self._came.notify()
        return True

    def _has_room(self, size: int) -> bool:
        oldest = self._oldest()
        if oldest is None:
            return True
        now = time.monotonic()
        each = self._expected
        if each is None:
            each = _FIRST_GUESS + size / _GUESSED_RATE
        writing = len(self._being_written)
        left = max(0.0, writing * each - (now - self._begun)) if writing else 0.0
        return (
            self._bytes + size <= self._most_bytes
            and now - oldest.came <= _OLDEST * self._soon
            and left + (len(self._waiting) + 1) * each <= _EXPECTED * self._soon
        )

    def _oldest(self) -> QueuedFrame | None:
        if self._being_written:
            return self._being_written[0]
        return self._waiting[0] if self._waiting else None

    def take(self) -> list[QueuedFrame]:
        """Take what has come, a few frames at most, waiting for the first.

        They count as waiting until `written` is called.

        Returns:
            The frames in order; none when the queue was closed, and nothing is left in it.
        """
        with self._lock:
            while not self._waiting and not self._closed:
                self._came.wait()
            group: list[QueuedFrame] = []
            size = 0
            while self._waiting and self._fits(len(group), size + self._waiting[0].size):
                size += self._waiting[0].size
                group.append(self._waiting.popleft())
            self._being_written = group
            self._begun = time.monotonic()
            return group

    @staticmethod
    def _fits(count: int, size: int) -> bool:
        """Whether a group of `count` frames may be made one of `size` bytes by one more."""
        if count < _GROUP_FRAMES:
            return not count or size <= _LARGEST_GROUP_BYTES
        return count < _LARGEST_GROUP_FRAMES and size <= _GROUP_BYTES

    def written(self) -> None:
        """Forget what was taken: it is written."""
        with self._lock:
            measured = (time.monotonic() - self._begun) / len(self._being_written)
            before = measured if self._expected is None else self._expected
            self._expected = before + _WEIGHT * (measured - before)
            self._bytes -= sum(frame.size for frame in self._being_written)
            self._being_written = []
            self._room.notify_all()

    def close(self) -> None:
        """Take no more; what waits can still be taken out."""
        with self._lock:
            self._closed = True
            self._came.notify_all()
            self._room.notify_all()

    def clear(self) -> int:
        """Close, and drop what waits.

        Returns:
            How many frames were dropped; those that were being written count among them.
        """
        with self._lock:
            self._closed = True
            count = len(self._waiting) + len(self._being_written)
            self._waiting.clear()
            self._being_written = []
            self._bytes = 0
            self._came.notify_all()
            self._room.notify_all()
            return count

    def waiting(self) -> tuple[int, int, float]:
        """Frames and bytes that wait, and for how many seconds the oldest has."""
        with self._lock:
            oldest = self._oldest()
            age = 0.0 if oldest is None else time.monotonic() - oldest.came
            return len(self._waiting) + len(self._being_written), self._bytes, age
