"""The benchmark runs and prints every row; how fast anything is, it does not ask."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ROWS = (
    "one raw frame, 786 kB",
    "one raw frame, 12 B",
    "one 1080p frame of an AVI, random",
    "one 1080p frame at resolution=(480, 270)",
    "one lzmaf frame",
    "one npz blob, stored, 786 kB",
    "16 frames of an AVI",
    "16 frames of lzmaf",
    "trace[i]: radar, lidar (rng), camera, imu",
    "trace[i]: radar, lidar (rng, nir, rfl), camera, imu",
    "16 samples of camera and lidar by dataset.__getitems__",
    "the same, against a loop",
    "dataset[i], 1,000 traces",
    "destagger a 128×2048 frame",
    "points of a 128×2048 frame",
    "opening a trace, 21 GB AVI in it",
    "opening a trace and synchronising it",
    "AVI of 56,000 frames, 21 GB: its index",
    "AVI of 56,000 frames, 21 GB: its index again",
    "import roverd",
    "import roverd, and all its public names",
)
A_TIME = re.compile(r"[+-]?\d+\.\d+ (s|ms|µs)")

pytestmark = pytest.mark.skipif(
    not (ROOT / "bench").is_dir(), reason="a source distribution comes without bench/"
)


def run_bench(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--out", str(out), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
    )


def rows_of(table: str) -> dict[str, list[str]]:
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines[2:]}


@pytest.mark.slow
def test_a_quick_run_prints_every_row_and_keeps_the_table_in_a_file(tmp_path: Path) -> None:
    done = run_bench(tmp_path)
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    assert tuple(rows) == ROWS
    for _, limit, ours, ratio, measured, _, state in rows.values():
        assert A_TIME.fullmatch(limit) and A_TIME.fullmatch(ours)
        assert float(ratio) > 0
        assert measured
        assert state in ("ok", "missed", "")
    assert rows_of((tmp_path / "results-quick.md").read_text(encoding="utf-8")) == rows


def test_a_job_that_fails_is_named_and_the_others_still_run(tmp_path: Path) -> None:
    assert run_bench(tmp_path, "--only", "one raw frame").returncode == 0
    (video,) = tmp_path.glob("*/trace/radar/iq")
    video.write_bytes(b"")
    done = run_bench(tmp_path, "--only", "one raw frame")
    assert done.returncode == 1
    rows = rows_of(done.stdout)
    assert rows["one raw frame, 786 kB"][-1] == "FAILED"
    assert rows["one raw frame, 12 B"][-1] in ("ok", "missed")
