"""The program in `examples/` that trains on rows of Ray."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from roverd.ops.demo import demo
from support.traces import SHORT

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_ray.py"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["demo", "real"])
def test_a_network_learns_from_rows_of_ray(tmp_path: Path, ray_cluster: str, kind: str) -> None:
    pytest.importorskip("torch", reason="not installed: torch (pip install 'roverd[torch]')")
    folder, epochs = SHORT, 25
    if kind == "demo":
        folder, epochs = tmp_path / "demo", 10
        demo(str(folder), seconds=2.0)
    flags = ["--address", ray_cluster, "--epochs", epochs, "--batch-size", 2]
    done = subprocess.run(
        [sys.executable, *map(str, [EXAMPLE, folder, *flags])],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = [float(word) for word in re.findall(r"loss (\S+) m", done.stdout)]
    assert len(losses) == epochs
    # Means of several epochs, each of which hides other columns.
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:2]), losses
