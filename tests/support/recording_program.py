"""A program that records, for tests that let its process end in one way or another.

`python recording_program.py HOW TRACE …`; see `HOWS`. Most record 20 frames of every format, print
`ready` once these are written, and go on as they are named.
"""

import multiprocessing
import os
import resource
import signal
import sys
import threading
from typing import Any

from roverd import Recorder
from roverd.errors import RecordingError
from roverd.recorder import RecordedSensor
from support.channels import wait_until
from support.recording import RAW, add_all_formats, frame, write, write_number

COUNT = 20


def _begin(trace: str, first: int = 0, **options: Any) -> tuple[Recorder, RecordedSensor]:
    recorder = Recorder(trace, **options)
    sensor = add_all_formats(recorder)
    write(sensor, range(first, first + COUNT))
    return recorder, sensor


def _ready(recorder: Recorder, count: int = COUNT) -> None:
    wait_until(lambda: all(s.frames >= count for s in recorder.stats().values()), 60)
    print("ready", flush=True)


def leave_with_status(trace: str) -> None:
    _begin(trace)
    sys.exit(3)


def fail(trace: str) -> None:
    _begin(trace)
    raise RuntimeError("the program's own error")


def leave_producers(trace: str) -> None:
    """Daemon threads go on producing while the interpreter exits."""
    recorder, sensor = _begin(trace)

    def produce() -> None:
        try:
            while True:
                sensor.write(0.0, frame(0))
        except RecordingError:
            return

    _ready(recorder)
    for _ in range(3):
        threading.Thread(target=produce, daemon=True).start()


def wait(trace: str, first: str = "0", append: str = "") -> None:
    recorder, _ = _begin(trace, int(first), append=bool(append))
    _ready(recorder)
    threading.Event().wait()


def wait_within(trace: str) -> None:
    with Recorder(trace) as recorder:
        write(add_all_formats(recorder), range(COUNT))
        _ready(recorder)
        threading.Event().wait()


def wait_with_handler(trace: str) -> None:
    """The program has a handler of its own, which is left alone."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    recorder, _ = _begin(trace)
    _ready(recorder)
    stop.wait()
    recorder.close()
    print("my own handler")


def wait_closed(trace: str) -> None:
    """SIGTERM ends the program at once when nothing is recorded any more."""
    recorder, _ = _begin(trace)
    recorder.close()
    _ready(recorder)
    threading.Event().wait()


def _child(recorder: Recorder, sensor: RecordedSensor) -> None:
    for attempt in (
        lambda: sensor.write(0.0, frame(0)),
        recorder.stats,
        lambda: add_all_formats(recorder, "other"),
    ):
        try:
            attempt()
        except RecordingError as error:
            assert str(os.getpid()) in str(error)
        else:
            raise AssertionError(f"{attempt} works in a child")
    recorder.close()


def fork(trace: str) -> None:
    """Children of all kinds come and go while threads of the parent are recording."""
    recorder, sensor = _begin(trace)
    other = recorder.sensor("other", RAW)
    stop = threading.Event()
    done = [0]

    def produce() -> None:
        while not stop.is_set():
            write_number(other, done[0])
            done[0] += 1

    producer = threading.Thread(target=produce)
    producer.start()
    for _ in range(4):
        child = os.fork()
        if not child:
            _child(recorder, sensor)
            sys.exit(0)  # which calls what `atexit` knows
        assert os.waitpid(child, 0)[1] == 0
    # A child that is told to end does so at once, as without a recorder.
    child = os.fork()
    if not child:
        threading.Event().wait()
    os.kill(child, signal.SIGTERM)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    process = multiprocessing.get_context("fork").Process(target=_child, args=(recorder, sensor))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    stop.set()
    producer.join()
    write(sensor, range(COUNT, 2 * COUNT))
    recorder.close()
    print(done[0])


def _record_in_child(trace: str) -> None:
    _begin(trace)


def record_in_children(trace: str, method: str) -> None:
    """Children that record something of their own, and leave without closing it."""
    recorder, sensor = _begin(trace)
    context: Any = multiprocessing.get_context(method)
    children = [
        context.Process(target=_record_in_child, args=(f"{trace}-{number}",)) for number in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0, child.exitcode
    write(sensor, range(COUNT, 2 * COUNT))
    recorder.close()


def limit(trace: str, size: str) -> None:
    """No file may get larger than `size` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    fill(trace)


def fill(trace: str) -> None:
    """Record until there is no more room, and what is small a little longer."""
    recorder = Recorder(trace)
    sensor = add_all_formats(recorder)
    small = recorder.sensor("small", RAW)
    write_number(small, 0)
    try:
        write(sensor, range(100_000))
    except RecordingError as error:
        print(error)
        print(repr(error.__cause__))
    wait_until(lambda: recorder.stats()["small"].frames == 1)
    try:
        recorder.close()
    except RecordingError as error:
        print(error)


def steps(trace: str) -> None:
    """For every line that comes, record another 10 frames, and say how many there are."""
    with Recorder(trace) as recorder:
        sensor = add_all_formats(recorder)
        count = 0
        print("ready", flush=True)
        for _ in sys.stdin:
            write(sensor, range(count, count + 10))
            count += 10
            wait_until(lambda: recorder.stats()["all"].frames == count, 60)  # noqa: B023
            print(count, flush=True)


def run(trace: str, count: str) -> None:
    """Record without a pause, and wait for the end of the input."""
    recorder = Recorder(trace)
    sensor = add_all_formats(recorder)
    print("ready", flush=True)
    write(sensor, range(int(count)))
    sys.stdin.read()


def show(trace: str) -> None:
    with Recorder(trace, progress=True) as recorder:
        write(add_all_formats(recorder), range(COUNT))


HOWS = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(leave_with_status, fail, leave_producers),
        *(wait, wait_within, wait_with_handler, wait_closed),
        *(fork, record_in_children),
        *(limit, fill, steps, run, show),
    )
}

if __name__ == "__main__":
    HOWS[sys.argv[1]](*sys.argv[2:])
