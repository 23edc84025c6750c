"""The load figure is printed; whether this machine keeps up, it does not ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "bench").is_dir(), reason="a source distribution comes without bench/"
)


def test_the_load_figure_names_every_sensor_and_leaves_no_recording(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", "--quick", "--seconds", "1", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    frames = {row[1].strip(): int(row[4]) for row in table[2:]}
    assert frames == {"radar": 20, "lidar": 10, "camera": 30, "imu": 100}
    assert {row[5].strip() for row in table[2:]} == {"0"}  # dropped
    assert not (tmp_path / "load").exists()
