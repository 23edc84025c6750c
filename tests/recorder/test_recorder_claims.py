"""Who records a trace, and who does no more."""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from roverd import Recorder
from support.recording import RAW, numbers, write_number


def test_a_recorder_that_could_not_be_made_leaves_the_trace_to_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "_recorder" / "log.jsonl"
    log.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(IsADirectoryError, match=r"log\.jsonl"):
            Recorder(tmp_path, append=True)
    log.rmdir()
    with Recorder(tmp_path, append=True) as recorder:
        write_number(recorder.sensor("sensor", RAW), 0)
    assert numbers(tmp_path / "sensor") == [0]


def _exit_status_of_child(work: Any) -> int:
    child = os.fork()
    if not child:
        try:
            os._exit(work())
        except BaseException as error:  # noqa: BLE001 - goes no further than this process
            print(error, flush=True)
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_may_go_on_when_its_parent_has_closed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    closed, tell = os.pipe()
    recorder = Recorder(tmp_path)
    write_number(recorder.sensor("sensor", RAW), 0)
    child = os.fork()
    if not child:
        os.close(tell)
        os.read(closed, 1)

        def work() -> int:
            with Recorder(tmp_path, append=True) as own:
                write_number(own.sensor("sensor", RAW), 1)
            return 0

        os._exit(_exit_status_of_child(work))
    recorder.close()
    os.close(tell)
    os.close(closed)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert (status, capfd.readouterr().out) == (0, "")
    assert numbers(tmp_path / "sensor") == [0, 1]


def test_a_claim_that_was_just_given_back_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lockf, path = fcntl.lockf, tmp_path / "_recorder" / "lock"
    left = [path.unlink]

    def lock(*args: Any) -> None:
        # The other one removes the file between its being opened and being locked.
        if left:
            left.pop()()
        lockf(*args)

    monkeypatch.setattr(fcntl, "lockf", lock)
    with Recorder(tmp_path):
        assert not left
        assert path.exists()
