"""What is loaded when: a fork at the wrong moment inherits the locks of what is being loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("loading_program.py")


@pytest.mark.parametrize("format", ["raw", "lzma", "lzmaf", "npz", "jpg", "mjpg"])
def test_threads_that_record_load_nothing(tmp_path: Path, format: str) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), format, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")
