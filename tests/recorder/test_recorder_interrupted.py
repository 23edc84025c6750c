"""Signal handlers that use the recorder, whatever of it they interrupt."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("interrupted_program.py")
USES = [
    *[(call, "close") for call in ("write", "stats", "close", "sensor")],
    *[("write", use) for use in ("stats", "write")],
    ("stats", "stats"),
]


@pytest.mark.parametrize(("call", "use"), USES)
def test_a_signal_handler_may_use_the_recorder_that_it_interrupts(
    tmp_path: Path, call: str, use: str
) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), call, use, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 10
