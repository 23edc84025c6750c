"""The recorder: a trace that is being recorded."""

import contextlib
import math
import os
import threading
from types import TracebackType
from typing import Any, Self

from roverd import __version__
from roverd.errors import AlreadyExistsError, RecordingError
from roverd.parallel import for_each
from roverd.recorder import exiting
from roverd.recorder.claim import Claim
from roverd.recorder.creating import (
    ChannelSpecs,
    Config,
    FileContents,
    channel_entries,
    check_sensor_name,
    checked_rate,
    config_text,
    file_contents,
    forget_sensor,
    make_sensor,
    make_trace,
)
from roverd.recorder.display import Display
from roverd.recorder.existing import continue_sensor
from roverd.recorder.interrupting import interruptible, put_off
from roverd.recorder.log import Log
from roverd.recorder.periodic import Periodic
from roverd.recorder.sensor import Limits, RecordedSensor
from roverd.recorder.statistics import SensorStats
from roverd.recorder.writers import SensorWriters
from roverd.recovery.log import FOLDER, NAME
from roverd.sensors import DynamicSensor
from roverd.sensors.meta import META, TIMESTAMPS
from roverd.storage import storage_for
from roverd.storage.paths import expect_local

_OVERFLOWS = ("block", "drop")
_TELL_INTERVAL = 1.0  # seconds
_SYNCED_AT_ONCE = 8


class Recorder:
    """Records a trace: sensors' frames are encoded and written in background threads.

    Promise: what `write` returned from more than `flush_interval` ago survives the death of the
    process, and what it returned from more than `sync_interval` ago the death of the machine. Both
    hold as long as the disk takes less than half of the interval for what it is given at a time;
    `SensorStats.lag` and `SensorStats.unsynced` show how it is, in the log too.

    Args:
        path: the trace's folder, made where need be.
        config: what `config.yaml` is to hold: a mapping, or the text itself.
        append: whether to continue a trace that is there, torn or not; its `config.yaml` stays.
            One that is not there is made.
        overflow: what `write` does when frames come faster than they can be written: `"block"`
            waits for room; `"drop"` drops the frame, and counts it.
        queue_bytes: uncompressed bytes that may wait, of each sensor. Mostly fewer do, since
            frames must not wait for long either.
        flush_interval: seconds after which a frame is safe from the death of the process.
        sync_interval: seconds after which a frame is safe from a loss of power.
        checksums: whether to write the check sum of every frame, too, by which a damaged one can be
            told; sensors that are continued keep theirs, or do without.
        progress: whether to show a line per sensor on standard error, if that is a terminal.

    Raises:
        AlreadyExistsError: there is a trace, and it is not to be continued.
        InvalidDataError: YAML cannot express `config`.
        RecordingError: another recorder is recording the trace.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Config = None,
        append: bool = False,
        *,
        overflow: str = "block",
        queue_bytes: int = 256 << 20,
        flush_interval: float = 0.25,
        sync_interval: float = 2.0,
        checksums: bool = True,
        progress: bool = False,
    ) -> None:
        if not os.fspath(path):
            raise ValueError("expected the path of a folder, got an empty path")
        expect_local(os.fsdecode(path), "recordings are made on a local disk")
        # Absolute, since programs change their working directory.
        self.path = os.path.abspath(os.fsdecode(path))
        if overflow not in _OVERFLOWS:
            raise ValueError(
                f"{self.path}: overflow must be one of {', '.join(_OVERFLOWS)}, got {overflow!r}"
            )
        if queue_bytes < 1:
            raise ValueError(f"{self.path}: queue_bytes must be at least 1, got {queue_bytes}")
        if not 0 < flush_interval < sync_interval < math.inf:
            raise ValueError(
                f"{self.path}: expected 0 < flush_interval < sync_interval < inf, got "
                f"{flush_interval} and {sync_interval} seconds"
            )
        self._append = append
        self._limits = Limits(overflow, queue_bytes, flush_interval)
        self._checksums = checksums
        self._process = os.getpid()
        self._sensors: dict[str, RecordedSensor] = {}
        self._lock = threading.RLock()  # of making sensors, and of closing
        self._closed = False

        continued = make_trace(self.path, config, append)
        storage_for(self.path).make_folder(f"{self.path}/{FOLDER}", durable=True)
        self._claim = Claim(self.path)
        with contextlib.ExitStack() as begun:
            begun.callback(self._claim.release)
            self._log = Log(f"{self.path}/{FOLDER}/{NAME}")
            begun.callback(self._log.close)
            self._log.add(
                "start",
                version=__version__,
                continued=continued,
                settings={
                    "overflow": overflow,
                    "queue_bytes": queue_bytes,
                    "flush_interval": flush_interval,
                    "sync_interval": sync_interval,
                    "checksums": checksums,
                },
                **({"config": config_text(self.path, config)} if continued and config else {}),
            )
            # Repair goes by it, whenever the power fails.
            self._log.sync()
            self._display = Display() if progress else None
            # A frame is written, then waits for the next turn, which takes its time: half of what
            # is left is for either.
            period = (sync_interval - flush_interval) / 2
            self._syncing = Periodic(self._sync, period, "roverd-recorder-sync")
            begun.callback(self._syncing.stop)
            self._telling = Periodic(self._tell, _TELL_INTERVAL, "roverd-recorder-log")
            begun.pop_all()
        exiting.opened(self)

    def __repr__(self) -> str:
        return f"Recorder({self.path!r}, [{', '.join(self._sensors)}])"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except RecordingError as failure:
            # What the body raised is what the program is to see.
            error.add_note(f"while the recorder was closed: {failure}")

    @interruptible
    def sensor(
        self,
        name: str,
        channels: ChannelSpecs,
        rate: float | None = None,
        files: FileContents | None = None,
    ) -> RecordedSensor:
        """Add a sensor.

        With `append=True`, one that is there is continued: a torn end is mended first.

        Args:
            name: of the sensor, one path component.
            channels: description of each channel as `DynamicSensor.create` takes it: `format`,
                `type`, `shape`, `desc`, constructor arguments under `args`. `ts` comes with it.
            rate: frames per second that the sensor is to have: for people, and for video files.
            files: content of other files in the sensor's folder, such as intrinsics: a mapping,
                which becomes JSON, text, or bytes. Those that are there already stay.

        Returns:
            The sensor, to be written to.

        Raises:
            AlreadyExistsError: the sensor is there already, or recorded by this recorder already.
            MetadataError: a name, a description or the rate is not usable, or not that of the
                sensor that is to be continued.
            InvalidDataError: a file's name or content is not usable.
            RecordingError: the recorder is closed.
        """
        self._check_process()
        with self._lock:
            if self._closed:
                raise RecordingError(f"{self.path}: the recorder was closed, it takes no more")
            check_sensor_name(self.path, name)
            if name in self._sensors:
                raise AlreadyExistsError(
                    f"{self.path}/{name}: this recorder records it already; two sensors need two "
                    f"names"
                )
            folder = f"{self.path}/{name}"
            rate = checked_rate(folder, rate)
            entries = channel_entries(folder, channels, self._checksums)
            contents = file_contents(folder, files or {}, entries)
            mended: dict[str, Any] = {}
            there = storage_for(folder).size(f"{folder}/{META}") is not None
            if there and self._append:
                mended = continue_sensor(self.path, folder, entries, contents)
            else:
                make_sensor(folder, entries, contents)
            with contextlib.ExitStack() as begun:
                if not there:
                    begun.callback(forget_sensor, folder)
                sensor = DynamicSensor(folder)
                opened = dict(sensor.channels)
                timestamps = opened.pop(TIMESTAMPS)
                writers = SensorWriters(opened, (TIMESTAMPS, timestamps), there, rate)
                begun.callback(writers.abandon)
                # Otherwise a loss of power may leave frames in one file, and take the name of
                # another one or a video's header.
                writers.sync()
                self._log.add(
                    "sensor",
                    sensor=name,
                    rate=rate,
                    frames=writers.count,
                    channels=sensor.config,
                    **mended,
                )
                made = RecordedSensor(
                    name, folder, opened, timestamps, writers, self._limits, rate, self._log
                )
                begun.pop_all()
            # Another dictionary, since threads go through this one.
            self._sensors = {**self._sensors, name: made}
            return made

    @interruptible
    def stats(self) -> dict[str, SensorStats]:
        """How the recording goes, by sensor."""
        self._check_process()
        return {name: sensor.stats() for name, sensor in self._sensors.items()}

    @interruptible
    def close(self) -> None:
        """Write all that waits, complete all files, make them durable; again does nothing.

        It is called when the interpreter exits, and after SIGTERM or SIGINT. Called by a signal
        handler that interrupts another call of the recorder, it returns, and is made up for when
        that one ends.

        Raises:
            RecordingError: a sensor could not be recorded to its end. All others were.
        """
        if os.getpid() != self._process or put_off(self._close):
            return
        self._close()

    def _close(self) -> None:
        exiting.closing()
        try:
            with self._lock:
                self._complete()
        finally:
            exiting.closing_ended()

    def _complete(self) -> None:
        # If it is interrupted, calling it again goes on.
        if self._closed:
            return
        for sensor in self._sensors.values():
            sensor.stop()
        for sensor in self._sensors.values():
            sensor.wait()
        self._syncing.stop()
        self._telling.stop()
        self._tell()
        errors: list[Exception] = [s.error for s in self._sensors.values() if s.error is not None]
        counts = {
            name: {"frames": stats.frames, "dropped": stats.dropped, "error": stats.error}
            for name, stats in self.stats().items()
        }
        # Repair takes `close` for the sign that all frames are on the disk.
        self._log.add("failed" if errors else "close", sensors=counts)
        self._log.sync()
        self._log.close()
        self._claim.release()
        self._closed = True
        exiting.closed(self)
        if self._log.error is not None:
            errors.append(_not_logged(self._log))
        if errors:
            first, *others = errors
            raised = RecordingError(*first.args)
            for other in others:
                raised.add_note(str(other))
            raise raised from first.__cause__

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise RecordingError(
                f"{self.path}: this recorder belongs to process {self._process}, which forked "
                f"this one ({os.getpid()}); use it there, or make a Recorder here"
            )

    def _sync(self) -> None:
        # Side by side: file systems make what is asked for at once safe at once.
        for_each(lambda sensor: sensor.sync(), list(self._sensors.values()), _SYNCED_AT_ONCE)
        self._log.sync()

    def _tell(self) -> None:
        for sensor in self._sensors.values():
            sensor.tell()
        if self._display is not None:
            self._display.draw(self.stats())


def _not_logged(log: Log) -> RecordingError:
    made = RecordingError(f"{log.path}: what happened is not logged to its end: {log.error}")
    made.__cause__ = log.error
    return made
