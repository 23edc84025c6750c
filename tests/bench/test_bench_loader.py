"""The figures of loading with PyTorch; how fast it is, they do not ask here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT / "bench").is_dir(), reason="a source distribution comes without bench/"
)
def test_every_way_of_loading_is_measured(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "bench.loader", "--quick", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=True,
    )
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if "|" in line]
    assert rows[2:] == [
        "bare decodes in a thread pool",
        "no workers",
        "1 workers, fork",
        "2 workers, fork",
        "1 workers, spawn",
        "2 workers, spawn",
    ]
