"""A program whose signal handler uses the recorder that it interrupts, at every step of a call.

`python interrupted_program.py CALL USE TRACE`; prints how many steps there were.
"""

import itertools
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from roverd import Recorder, recorder
from roverd.errors import RecordingError
from roverd.recorder import RecordedSensor
from support.recording import RAW, log_of, numbers, write_number

SOURCES = str(Path(recorder.__file__).parent)
STRIDES = {"write": 2, "stats": 2, "close": 7, "sensor": 40}


def call(what: str, rec: Recorder, sensor: RecordedSensor) -> bool:
    """Whether a frame was taken."""
    if what == "write":
        return write_number(sensor, 1)
    if what == "sensor":
        rec.sensor("another", RAW)
    else:
        getattr(rec, what)()
    return False


def interrupt(step: int) -> Any:
    """Tracing that sends this process a signal in a certain step of the recorder's."""
    left = [step]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(SOURCES):
            return None
        if event == "line":
            left[0] -= 1
            if not left[0]:
                signal.raise_signal(signal.SIGUSR1)
        return trace

    return trace


def run(what: str, use: str, trace: Path) -> None:
    for step in itertools.count(1, STRIDES[what]):
        folder = trace / str(step)
        rec = Recorder(folder)
        sensor = rec.sensor("sensor", RAW)
        wanted = [0]
        write_number(sensor, 0)
        came: list[int] = []

        def handle(number: int, _: Any) -> None:
            came.append(number)  # noqa: B023
            if use == "write":
                wanted.extend([2] * write_number(sensor, 2))  # noqa: B023
            else:
                getattr(rec, use)()  # noqa: B023

        signal.signal(signal.SIGUSR1, handle)
        sys.settrace(interrupt(step))
        try:
            wanted.extend([1] * call(what, rec, sensor))
        except RecordingError:
            assert use == "close" or what == "close"
        finally:
            sys.settrace(None)
        if came and use == "close":
            assert log_of(folder)[-1]["event"] == "close"
        rec.close()
        assert sorted(numbers(folder / "sensor")) == sorted(wanted)
        assert len(log_of(folder, "close")) == 1
        if not came:
            print(step)
            return


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
