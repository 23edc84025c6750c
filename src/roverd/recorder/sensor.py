"""A sensor that is being recorded."""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels import Channel
from roverd.errors import InvalidDataError, RecordingError
from roverd.recorder.failures import explained
from roverd.recorder.interrupting import interruptible
from roverd.recorder.log import Log
from roverd.recorder.queue import ClosedError, FrameQueue, QueuedFrame
from roverd.recorder.statistics import Meter, SensorStats
from roverd.recorder.writers import SensorWriters


@dataclass(frozen=True)
class Limits:
    """What a recorder is told about its queues; see `Recorder`."""

    overflow: str
    queue_bytes: int
    flush_interval: float


class RecordedSensor:
    """Takes the frames of a sensor; made by `Recorder.sensor`.

    Frames are checked and copied by the thread that gives them, and encoded and written by
    another one.

    Args:
        name: of the sensor.
        path: its folder.
        channels: its channels by name, without the timestamps.
        timestamps: the channel of the timestamps.
        writers: its open files.
        limits: of its queue.
        rate: frames per second that are to be expected; for people.
        log: where what happens is told.

    Attributes:
        name: of the sensor.
        path: its folder.
    """

    def __init__(
        self,
        name: str,
        path: str,
        channels: Mapping[str, Channel],
        timestamps: Channel,
        writers: SensorWriters,
        limits: Limits,
        rate: float | None,
        log: Log,
    ) -> None:
        self.name = name
        self.path = path
        self._channels = dict(channels)
        self._timestamps = timestamps
        self._writers = writers
        self._rate = rate
        self._log = log
        self._queue = FrameQueue(
            limits.queue_bytes, limits.flush_interval, limits.overflow == "block"
        )
        self._meter = Meter()
        self._drops_told = 0
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._failure: BaseException | None = None  # what the next turn of the thread is to raise
        self._error: RecordingError | None = None
        self._stopped = False
        self._unsynced_since: float | None = time.monotonic()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"roverd-{name}", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"RecordedSensor({self.path!r}, [{', '.join(self._channels)}])"

    # What the program calls

    @interruptible
    def write(
        self, timestamp: float, frames: Mapping[str, Any] | None = None, /, **channels: Any
    ) -> bool:
        """Record one frame of all channels of the sensor.

        Everything is checked before anything is recorded, and copied: the caller may use the same
        arrays again. Any thread may call it.

        Args:
            timestamp: when it was taken, in seconds since the epoch.
            frames: the frame of each channel, by name: an array of the channel's type and shape,
                or a number where frames are single values.
            channels: the same as keywords, for names that are Python identifiers.

        Returns:
            Whether the frame was taken. False if it was dropped, which happens with
            `overflow="drop"` only.

        Raises:
            InvalidDataError: channels are missing, unknown, or of another type or shape, or the
                time is not finite. Nothing of the frame is recorded; the next one can be.
            RecordingError: the sensor is not recorded any more: an error came up earlier, or the
                recorder was closed, or belongs to another process.
        """
        if os.getpid() != self._process:
            raise RecordingError(
                f"{self.path}: this recorder belongs to process {self._process}, which forked "
                f"this one ({os.getpid()}); record there, or with a Recorder made here"
            )
        self._raise_error()
        frame = self._checked(timestamp, {} if frames is None else frames, channels)
        try:
            taken = self._queue.put(frame)
        except ClosedError:
            if not self._stopped:  # so it has failed, and is being cleaned up
                self._finished.wait()
            self._raise_error()
            raise RecordingError(
                f"{self.path}: the recorder was closed, it takes no more"
            ) from None
        if not taken:
            self._meter.dropped_one()
        return taken

    def _checked(
        self, timestamp: Any, frames: Mapping[str, Any], keywords: Mapping[str, Any]
    ) -> QueuedFrame:
        given = {**frames, **keywords}
        if given.keys() != self._channels.keys() or len(given) < len(frames) + len(keywords):
            raise InvalidDataError(self._difference(given, frames.keys() & keywords.keys()))
        made = tuple(
            channel.checked_frame(given[name]).copy() for name, channel in self._channels.items()
        )
        size = sum(frame.nbytes for frame in made)
        return QueuedFrame(self._checked_time(timestamp), made, size)

    def _difference(self, given: Mapping[str, Any], twice: set[str]) -> str:
        missing = [repr(name) for name in self._channels if name not in given]
        unknown = [repr(name) for name in given if name not in self._channels]
        found = [
            *([f"no {', '.join(missing)}"] if missing else []),
            *([f"unknown {', '.join(unknown)}"] if unknown else []),
            *([f"{', '.join(map(repr, sorted(twice)))} twice"] if twice else []),
        ]
        return (
            f"{self.path}: expected a frame of each channel ({', '.join(self._channels)}), got "
            f"{' and '.join(found)}"
        )

    def _checked_time(self, timestamp: Any) -> NDArray[Any]:
        array = np.asarray(timestamp)
        if not array.ndim and array.dtype.kind in "iuf":
            with np.errstate(over="ignore"):
                made = array.astype("<f8")
            if np.isfinite(made):
                return made
        raise InvalidDataError(
            f"{self.path}: expected a finite time in seconds, got {timestamp!r:.60}"
        )

    def _raise_error(self) -> None:
        error = self._error
        if error is not None:
            # Another one each time: each has the traceback of where it is raised.
            raise RecordingError(*error.args) from error.__cause__

    # What the threads do

    def _run(self) -> None:
        try:
            while group := self._queue.take():
                self._raise_failure()
                self._write(group)
            self._raise_failure()
            self._writers.close()
            # What fails to sync is told once: to the other thread, if that is at it.
            with self._sync_lock:
                self._writers.sync()
            self._raise_failure()
            self._unsynced_since = None
        except BaseException as error:  # noqa: BLE001 - raised by the next `write`, and by `close`
            self._give_up(error)
        finally:
            self._finished.set()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write(self, group: list[QueuedFrame]) -> None:
        size, encode_seconds = self._writers.size, self._writers.encode_seconds
        self._writers.write(group)
        with self._lock:
            if self._unsynced_since is None:
                self._unsynced_since = time.monotonic()
        self._meter.written(
            len(group),
            self._writers.size - size,
            self._writers.encode_seconds - encode_seconds,
            group[0].came,
        )
        self._queue.written()

    def _give_up(self, error: BaseException) -> None:
        lost = self._queue.clear()
        self._writers.abandon()
        self._error = explained(self.path, error, self._writers.count, lost)
        self._log.add("error", sensor=self.name, error=str(self._error), lost=lost)

    # What the recorder calls

    @property
    def error(self) -> RecordingError | None:
        """Why the sensor is not recorded any more, if that is so."""
        return self._error

    def sync(self) -> None:
        """Make what was written survive a loss of power; an error stops the sensor."""
        with self._lock:
            since, self._unsynced_since = self._unsynced_since, None
        if since is None or self._finished.is_set():
            return
        with self._sync_lock:
            try:
                self._writers.sync()
            except Exception as error:  # noqa: BLE001 - raised by the next `write`, and by `close`
                self._unsynced_since = since
                self._failure = error
                self._queue.close()

    def tell(self) -> None:
        """Write into the log how it goes; to be called about once a second."""
        self._meter.tick()
        dropped = self._meter.dropped
        if dropped > self._drops_told:
            self._log.add("drop", sensor=self.name, frames=dropped - self._drops_told)
            self._drops_told = dropped
        stats = self.stats()
        self._log.add("stats", sensor=self.name, **vars(stats))

    @interruptible
    def stats(self) -> SensorStats:
        """How it goes."""
        frames, size, age = self._queue.waiting()
        rate, bytes_per_second = self._meter.rates()
        since, error = self._unsynced_since, self._error
        return SensorStats(
            frames=self._meter.frames,
            dropped=self._meter.dropped,
            rate=rate,
            target=self._rate,
            queued_frames=frames,
            queued_bytes=size,
            lag=max(self._meter.longest_wait(), age),
            unsynced=0.0 if since is None else time.monotonic() - since,
            encode_seconds=self._meter.encode_seconds,
            bytes=self._meter.bytes,
            bytes_per_second=bytes_per_second,
            error=None if error is None else str(error),
        )

    def stop(self) -> None:
        """Take no more frames; those that wait are still written."""
        self._stopped = True
        self._queue.close()

    def wait(self) -> None:
        """Wait until all that was taken is written, synced and closed, or the sensor has failed."""
        self._finished.wait()
