"""The picture is drawn of every sensor; how fast anything is, it does not ask."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "bench").is_dir(), reason="a source distribution comes without bench/"
    ),
    pytest.mark.slow,
]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def test_the_picture_shows_every_sensor_three_times(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `plot`")
    done = run("bench.picture", "--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["radar", "lidar", "camera", "imu", "sample"]
    assert all(len(times) == 3 and min(times.values()) > 0 for times in found.values())
    with Image.open(tmp_path / "time-per-sample.png") as picture:
        assert picture.size == (1200, 540)


def test_many_traces_are_opened_and_told_about(tmp_path: Path) -> None:
    done = run("bench.many_traces", "--traces", "3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 traces of 600 s, 18000 samples\n")
    assert "held: " in done.stdout
