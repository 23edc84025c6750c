"""What is on disk when the process that recorded has ended, however it did."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support import recorder
from support.channels import CASES, Array, Case, LocalPlace, wait_until, whole_frames

COUNT = 30


def describe(folder: Path, case: Case, frames: Array) -> str:
    """A file that tells the recorder what to write."""
    np.save(folder / f"{case}.npy", frames)
    description = {
        "path": str(folder / f"channel-{case}"),
        "format": case.format,
        "type": case.dtype,
        "shape": case.shape,
        "args": case.args,
        "frames": str(folder / f"{case}.npy"),
    }
    written = folder / f"{case}.json"
    written.write_text(json.dumps(description), encoding="utf-8")
    return str(written)


@pytest.fixture
def descriptions(tmp_path: Path) -> list[str]:
    """What the recorder is to write, in every format."""
    return [describe(tmp_path, case, case.upto(COUNT)) for case in CASES]


def start(how: str, descriptions: list[str]) -> "subprocess.Popen[str]":
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-W", "error", recorder.__file__, how, *descriptions],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def check_all_is_there(tmp_path: Path) -> None:
    for case in CASES:
        name = f"channel-{case}"
        case.check(case.open(str(tmp_path / name)).read(), case.upto(COUNT))
        files = LocalPlace(str(tmp_path)).files(str(tmp_path / name))
        assert whole_frames(case, files, name) == COUNT
        assert not [name for name in files if name.endswith(".tmp")]


@pytest.mark.parametrize("how", ["queue", "process-queue", "iterator", "crash"])
def test_a_process_that_exits_without_join_has_written_what_it_was_given(
    tmp_path: Path, descriptions: list[str], how: str
) -> None:
    process = start(how, descriptions)
    _, errors = process.communicate(timeout=60)
    if how == "crash":
        assert process.returncode == 1
        assert errors.strip().endswith("RuntimeError: the recorder's own error")
        assert errors.count("Traceback") == 1
    else:
        assert (process.returncode, errors) == (0, "")
    check_all_is_there(tmp_path)


def test_a_frame_that_takes_long_to_write_is_not_lost_on_exit(tmp_path: Path) -> None:
    case = Case("big", "raw", "<f8", (1500, 1500))
    process = start("slow", [describe(tmp_path, case, case.upto(2))])
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    case.check(case.open(str(tmp_path / "channel-big")).read(), case.upto(2))


@pytest.mark.parametrize("how", ["endless", "endless-iterator"])
@pytest.mark.parametrize("case", [CASES[0], CASES[2]], ids=str)
def test_a_producer_that_never_pauses_does_not_keep_the_interpreter_from_exiting(
    tmp_path: Path, how: str, case: Case
) -> None:
    process = start(how, [describe(tmp_path, case, case.upto(COUNT))])
    try:
        _, errors = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert (process.returncode, errors) == (0, "")
    case.check(case.open(str(tmp_path / f"channel-{case}")).read(0, COUNT), case.upto(COUNT))


def test_what_a_reader_sees_outlives_a_killed_recorder(
    tmp_path: Path, descriptions: list[str]
) -> None:
    process = start("wait", descriptions)
    readers = [case.open(str(tmp_path / f"channel-{case}")) for case in CASES]
    try:
        wait_until(lambda: all(len(reader) == COUNT for reader in readers), seconds=60)
    finally:
        process.kill()
        process.communicate()
    for case, reader in zip(CASES, readers, strict=True):
        case.check(reader.read(), case.upto(COUNT))
        again = case.open(reader.path)
        case.check(again.read(), case.upto(COUNT))
        again.write(case.upto(2, COUNT), append=True)
        case.check(again.read(), case.upto(COUNT + 2))
        case.check(reader.read(), case.upto(COUNT + 2))
