"""Recordings in child processes of `multiprocessing`, which exit in ways of their own."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roverd.formats.avi import read_index
from support import child_recorder
from support.avi import reading
from support.channels import CASES, LocalPlace, whole_frames

COUNT = child_recorder.COUNT
LIMIT = 90  # seconds
# Since Python 3.12, forking a process that has threads warns; that is what is tried here.
EXPECTED_WARNING = "ignore:This process (pid:DeprecationWarning"


@pytest.mark.parametrize(
    ("source", "method"),
    [
        ("queue", "fork"),
        ("iterator", "fork"),
        pytest.param("queue", "spawn", marks=pytest.mark.slow),
        pytest.param("iterator", "spawn", marks=pytest.mark.slow),
        pytest.param("queue", "forkserver", marks=pytest.mark.slow),
        pytest.param("iterator", "forkserver", marks=pytest.mark.slow),
    ],
)
def test_a_child_that_returns_without_join_has_written_what_it_was_given(
    method: str, source: str, tmp_path: Path
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-W", "error", "-W", EXPECTED_WARNING, child_recorder.__file__]
    process = subprocess.Popen(
        [*command, method, source, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the children, too
        process.communicate()
        raise
    assert (process.returncode, output, errors) == (0, "done\n", "")
    for case in CASES:
        case.check(case.open(str(tmp_path / case.name)).read(), case.upto(COUNT))
        files = LocalPlace(str(tmp_path)).files(str(tmp_path / case.name))
        assert whole_frames(case, files, case.name) == COUNT
        assert not [name for name in files if name.endswith(".tmp")]
    for name, count in (("mjpg", COUNT), ("parent", 2)):
        data = (tmp_path / name).read_bytes()
        index = read_index(reading(data), len(data))
        assert index.finished
        assert len(index) == count
