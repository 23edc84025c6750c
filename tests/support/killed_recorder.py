"""Processes that record the rig of `support.rig`, to be killed.

As a program (`python killed_recorder.py`) it records: each line on stdin is a JSON object, for
which a process is forked that records until it is killed or has recorded enough. It tells of
everything it does through a named pipe, as `Teller` does.
"""

import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from support.rig import RIG

FLUSH_INTERVAL = 0.25  # the recorder's default, and its promise
_LIMIT = 60.0  # seconds
NAMES = list(RIG)

# ── recording it ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Order:
    """What a process is to record.

    Attributes:
        path: of the trace.
        told: the named pipe where it tells what it does.
        how: `recorder`, or `consume` for the channels' own threads.
        seconds: how long, if nothing kills it before.
        first: number of the first frames.
        append: whether to continue what is there.
    """

    path: str
    told: str
    how: str = "recorder"
    seconds: float = _LIMIT
    first: int = 0
    append: bool = False


_TOLD = struct.Struct("<BId")  # what, a number, time.monotonic
# Other values are sensors, by their place in RIG.
_FAILED, _PROCESS, _CLOSING, _CLOSED = 252, 253, 254, 255


class Teller:
    """Tells of frames that were taken, and of what else happens.

    Args:
        path: of a named pipe.
    """

    def __init__(self, path: str) -> None:
        self._pipe = os.open(path, os.O_WRONLY)
        self._tell(_PROCESS, os.getpid())

    def took(self, sensor: str, number: int) -> None:
        """A frame of a sensor was taken just now."""
        self._tell(NAMES.index(sensor), number)

    def failed(self) -> None:
        """An error came up."""
        self._tell(_FAILED, 0)

    def closing(self) -> None:
        """The recording is about to be closed."""
        self._tell(_CLOSING, 0)

    def closed(self) -> None:
        """It is closed."""
        self._tell(_CLOSED, 0)

    def _tell(self, what: int, number: int) -> None:
        # So few bytes are written at once or not at all, whichever thread does it.
        os.write(self._pipe, _TOLD.pack(what, number, time.monotonic()))


class Listener:
    """Hears within this process what a `Teller` tells."""

    def __init__(self) -> None:
        self.told = Told({name: [] for name in NAMES})

    def took(self, sensor: str, number: int) -> None:
        """See `Teller`."""
        del number
        self.told.taken[sensor].append(time.monotonic())

    def failed(self) -> None:
        """See `Teller`."""
        self.told.failed = True

    def closing(self) -> None:
        """See `Teller`."""

    def closed(self) -> None:
        """See `Teller`."""
        self.told.closed = True


def pace(sensor: str, seconds: float, first: int, take: Any, tell: Any) -> None:
    """Give the frames of a sensor at its rate, and tell of each that was taken."""
    try:
        _pace(sensor, seconds, first, take, tell)
    except BaseException:
        tell.failed()
        raise


def _pace(sensor: str, seconds: float, first: int, take: Any, tell: Any) -> None:
    rig, clock = RIG[sensor], threading.Event()
    begin = time.monotonic()
    for i in range(max(1, round(seconds * rig.rate))):
        clock.wait(max(0.0, begin + i / rig.rate - time.monotonic()))
        number = first + i
        frames = {name: channel.frame(number) for name, channel in rig.channels.items()}
        take(rig.time(number), frames)
        tell.took(sensor, number)


def pace_all(takes: Mapping[str, Any], seconds: float, first: int, tell: Any) -> None:
    """Give the frames of all sensors, each in a thread of its own."""
    threads = [
        threading.Thread(target=pace, args=(name, seconds, first, take, tell), daemon=True)
        for name, take in takes.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def add_sensors(recorder: Any) -> dict[str, Any]:
    """Add the rig to a `Recorder`; what takes the frames of each sensor."""
    made = {}
    for name, sensor in RIG.items():
        specs = {channel: spec.meta for channel, spec in sensor.channels.items()}
        made[name] = recorder.sensor(name, specs, rate=sensor.rate).write
    return made


def record(order: Order, tell: Any, **settings: Any) -> None:
    """Record with a `Recorder`."""
    from roverd import Recorder

    recorder = Recorder(order.path, {"rig": "all formats"}, order.append, **settings)
    pace_all(add_sensors(recorder), order.seconds, order.first, tell)
    tell.closing()
    recorder.close()
    tell.closed()


def _consume(order: Order, tell: Teller) -> None:
    import queue

    from roverd.sensors import DynamicSensor

    os.mkdir(order.path)
    with open(f"{order.path}/config.yaml", "w", encoding="utf-8") as file:
        file.write("rig: all formats\n")
    handles: list[Any] = []
    takes: dict[str, Any] = {}
    queues: list[queue.Queue[Any]] = []
    for name, rig in RIG.items():
        sensor = DynamicSensor(f"{order.path}/{name}", create=True)
        own: dict[str, queue.Queue[Any]] = {"ts": queue.Queue()}
        handles.append(sensor.channels["ts"].consume(own["ts"], thread=True))
        for channel, spec in rig.channels.items():
            own[channel] = queue.Queue()
            handles.append(sensor.create(channel, spec.meta).consume(own[channel], thread=True))
        queues += own.values()

        def take(stamp: float, frames: Any, own: Any = own) -> None:
            for channel, frame in frames.items():
                own[channel].put(frame)
            own["ts"].put(np.float64(stamp))

        takes[name] = take
    pace_all(takes, order.seconds, order.first, tell)
    tell.closing()
    for each in queues:
        each.put(None)
    for handle in handles:
        handle.join()
    tell.closed()


def _serve() -> None:
    import roverd.recorder  # noqa: F401 - so that the processes need not

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        order = Order(**json.loads(line))
        if os.fork():
            continue
        status = 1
        tell = Teller(order.told)
        try:
            (record if order.how == "recorder" else _consume)(order, tell)
            status = 0
        except BaseException:
            tell.failed()
            raise
        finally:
            os._exit(status)


# ── killing it ───────────────────────────────────────────────────────────────────────────────────


@dataclass
class Told:
    """What a process told until it ended.

    Attributes:
        taken: of each sensor, when each frame was taken, by `time.monotonic`.
        killed: when it was killed; `None` if it ended before.
        closed: whether it said that all was closed.
        failed: whether an error came up.
    """

    taken: dict[str, list[float]]
    killed: float | None = None
    closed: bool = False
    failed: bool = False

    def safe(self, interval: float) -> dict[str, int]:
        """Frames of each sensor that must be there, if that long ago is long enough."""
        if self.closed or self.killed is None:
            return {name: len(times) for name, times in self.taken.items()}
        return self.taken_before(self.killed - interval)

    def taken_before(self, moment: float) -> dict[str, int]:
        """Frames of each sensor that were taken before a moment."""
        return {name: sum(time < moment for time in times) for name, times in self.taken.items()}


class Recorders:
    """Starts processes that record.

    Args:
        process: that forks them.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lock = threading.Lock()

    def kill(self, order: Order, moment: float, closing: bool = False) -> Told:
        """Have a process record, and kill it.

        Args:
            order: what it is to record.
            moment: when to kill it, in seconds since it began.
            closing: whether the moment counts from when it begins to close.

        Returns:
            What it told. Nothing of it is running any more.
        """
        os.mkfifo(order.told)
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(asdict(order)) + "\n")
            self._process.stdin.flush()
        pipe = os.open(order.told, os.O_RDONLY)
        try:
            return _kill_after(pipe, moment, closing)
        finally:
            os.close(pipe)
            os.unlink(order.told)


def _kill_after(pipe: int, moment: float, closing: bool) -> Told:
    told = Told({name: [] for name in NAMES})
    process, due, rest = 0, float("inf"), b""
    give_up = time.monotonic() + _LIMIT
    while True:
        now = time.monotonic()
        assert now < give_up, "the process neither ended nor could be killed"
        if now >= due and told.killed is None:
            due = float("inf")
            with suppress(ProcessLookupError):  # it has ended, and told so before
                moment_of_kill = time.monotonic()
                os.kill(process, signal.SIGKILL)
                told.killed = moment_of_kill
        wait = give_up if told.killed is not None else min(due, give_up)
        if not select.select([pipe], [], [], max(0.0, wait - now))[0]:
            continue
        data = os.read(pipe, 1 << 16)
        if not data:  # the process is gone, and with it the last who could write
            assert not told.failed, "the recorder has failed; its output says why"
            assert told.closed or told.killed is not None
            return told
        rest += data
        whole = len(rest) // _TOLD.size * _TOLD.size
        for what, number, when in _TOLD.iter_unpack(rest[:whole]):
            if what == _PROCESS:
                process, due = number, float("inf") if closing else now + moment
            elif what == _CLOSING and closing:
                due = when + moment
            elif what == _FAILED:
                told.failed = True
            elif what == _CLOSED:
                told.closed = True
            elif what < len(NAMES):
                told.taken[NAMES[what]].append(when)
        rest = rest[whole:]


@contextmanager
def recorders() -> Generator[Recorders]:
    """A process that starts recording ones."""
    command = [sys.executable, os.path.abspath(__file__)]
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = [tests, *(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths))}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, text=True) as process:
        try:
            yield Recorders(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(_LIMIT)
    assert process.returncode == 0


if __name__ == "__main__":
    _serve()
