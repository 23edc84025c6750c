"""The programs in `examples/` that train with PyTorch."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from roverd.ops.demo import demo
from support.traces import SHORT, record_trace

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT = 100  # seconds

pytestmark = pytest.mark.slow


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *map(str, arguments)]


def environment(**more: object) -> dict[str, str]:
    search = os.pathsep.join(entry for entry in sys.path if entry)
    return os.environ | {"PYTHONPATH": search} | {name: str(more[name]) for name in more}


@pytest.mark.parametrize("kind", ["demo", "real"])
def test_a_network_learns_to_complete_ranges(tmp_path: Path, kind: str) -> None:
    folder, epochs = SHORT, 25
    if kind == "demo":
        folder, epochs = tmp_path / "demo", 10
        demo(str(folder), seconds=2.0)
    done = subprocess.run(
        command("train_cnn.py", folder, "--epochs", epochs, "--batch-size", 2),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=LIMIT,
        check=True,
    )
    losses = [float(word) for word in re.findall(r"loss (\S+) m", done.stdout)]
    assert len(losses) == epochs
    # Means of several epochs, each of which hides other columns.
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:2]), losses


def start(world: int, *arguments: object) -> list[subprocess.Popen[str]]:
    """What `torchrun` does: a process for each rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        subprocess.Popen(
            command("train_ddp.py", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(
                RANK=rank,
                WORLD_SIZE=world,
                LOCAL_WORLD_SIZE=world,
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=port,
                OMP_NUM_THREADS=1,
            ),
            start_new_session=True,
        )
        for rank in range(world)
    ]


@pytest.mark.parametrize("afterwards", [2, 1])
def test_a_training_that_was_killed_sees_every_sample_once(tmp_path: Path, afterwards: int) -> None:
    times = record_trace(tmp_path / "trace", 12.0)["lidar"].stamps.tolist()
    assert len(times) % 2 == 0  # two processes would see one twice, to have as many each
    checkpoint = tmp_path / "checkpoint.pt"
    arguments = (tmp_path / "trace", "--checkpoint", checkpoint, "--epochs", 1)

    ranks = start(2, *arguments)
    try:
        out = ranks[0].stdout
        assert out is not None
        for _ in range(5):
            line = out.readline()
            assert line.startswith("saved"), line
    finally:
        for process in ranks:
            os.killpg(process.pid, signal.SIGKILL)  # its workers, too
            process.communicate(timeout=LIMIT)
    saved = torch.load(checkpoint, weights_only=True)
    assert 20 <= len(saved["seen"]) < len(times)

    ranks = start(afterwards, *arguments)
    try:
        ends = [process.communicate(timeout=LIMIT) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    assert [process.returncode for process in ranks] == [0] * afterwards, ends
    first, *saves, last = ends[0][0].splitlines()
    assert first == f"goes on in epoch 0 after {len(saved['seen'])} samples"
    assert len(saves) == -(-(len(times) - len(saved["seen"])) // (2 * afterwards))
    assert last == f"epoch 0: {len(times)} samples, {len(times)} different"
    seen = torch.load(checkpoint, weights_only=True)["seen"]
    assert seen[: len(saved["seen"])].tolist() == saved["seen"].tolist()
    assert sorted(seen.tolist()) == sorted(times)
