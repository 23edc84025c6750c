"""What is on disk when the program that recorded has ended, however it did."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.recording import check_all_formats, finish, log_of, numbers, start

COUNT = 20


def check_ended_well(trace: Path, count: int = COUNT) -> None:
    check_all_formats(trace / "all", count)
    assert log_of(trace)[-1]["event"] == "close"


@pytest.mark.parametrize(("how", "status"), [("leave-with-status", 3), ("fail", 1)])
def test_all_is_written_when_the_program_ends_without_closing(
    tmp_path: Path, how: str, status: int
) -> None:
    trace = tmp_path / "trace"
    process = start(how, trace)
    _, errors = finish(process)
    assert process.returncode == status
    assert errors.count("Traceback") == (how == "fail")
    check_ended_well(trace)


def test_threads_that_go_on_producing_do_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    process = start("leave-producers", tmp_path / "trace")
    _, errors = finish(process)
    assert (process.returncode, errors) == (0, "")
    assert log_of(tmp_path / "trace")[-1]["event"] == "close"


def ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", finish(process)


@pytest.mark.parametrize("how", ["wait", "wait-within"])
def test_sigterm_completes_the_recording(tmp_path: Path, how: str) -> None:
    process = start(how, tmp_path / "trace")
    ready(process)
    process.terminate()
    _, errors = finish(process)
    assert (process.returncode, errors) == (143, "")
    check_ended_well(tmp_path / "trace")


PRODUCING = """
import sys, threading
from pathlib import Path
from roverd import Recorder
from roverd.errors import RecordingError
from support.recording import RAW, write_number

recorder = Recorder(Path(sys.argv[1]))
sensor = recorder.sensor("sensor", RAW)
go_on = threading.Event()

def produce():
    number = 0
    try:
        while not go_on.wait(0.001):
            write_number(sensor, number)
            number += 1
            if number == 20:
                print("ready", flush=True)
    except RecordingError:
        pass

threading.Thread(target=produce).start()
"""


def test_sigterm_ends_a_program_of_which_only_threads_are_left(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PRODUCING, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
        text=True,
    )
    ready(process)
    process.terminate()
    _, errors = finish(process)
    assert (process.returncode, errors) == (-signal.SIGTERM, "")
    found = numbers(tmp_path / "sensor")
    assert found == list(range(len(found)))
    assert len(found) >= COUNT
    assert log_of(tmp_path)[-1]["event"] == "close"


@pytest.mark.parametrize("how", ["wait", "wait-within"])
def test_sigint_completes_the_recording(tmp_path: Path, how: str) -> None:
    process = start(how, tmp_path / "trace")
    ready(process)
    process.send_signal(signal.SIGINT)
    _, errors = finish(process)
    assert process.returncode == -signal.SIGINT
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    check_ended_well(tmp_path / "trace")


def test_a_handler_of_the_program_is_left_alone(tmp_path: Path) -> None:
    process = start("wait-with-handler", tmp_path / "trace")
    ready(process)
    process.terminate()
    out, errors = finish(process)
    assert (process.returncode, out, errors) == (0, "my own handler\n", "")
    check_ended_well(tmp_path / "trace")


def test_sigterm_is_as_it_was_once_the_recorder_is_closed(tmp_path: Path) -> None:
    process = start("wait-closed", tmp_path / "trace")
    ready(process)
    process.terminate()
    finish(process)
    assert process.returncode == -signal.SIGTERM


def test_children_leave_the_recording_of_their_parent_alone(tmp_path: Path) -> None:
    process = start("fork", tmp_path / "trace")
    out, errors = finish(process)
    assert process.returncode == 0, errors
    check_ended_well(tmp_path / "trace", 2 * COUNT)
    assert numbers(tmp_path / "trace" / "other") == list(range(int(out)))


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_children_may_record_something_of_their_own(tmp_path: Path, method: str) -> None:
    process = start("record-in-children", tmp_path / "trace", method)
    _, errors = finish(process)
    assert process.returncode == 0, errors
    check_ended_well(tmp_path / "trace", 2 * COUNT)
    for number in range(2):
        check_ended_well(tmp_path / f"trace-{number}")
