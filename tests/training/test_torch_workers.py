"""`roverd.torch` in the worker processes of a `DataLoader`."""

import itertools
import multiprocessing
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from roverd.torch import DataLoader, Dataset, Sampler
from support import torch_worker
from support.traces import record_trace

# Since Python 3.12, forking a process that has threads warns. That is what data loaders do where
# "fork" is asked for, and what is tested here: that it works all the same.
EXPECTED_WARNING = "ignore:This process (pid:DeprecationWarning"
# Each new process loads PyTorch, which takes seconds.
METHODS = [
    "fork",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("forkserver", "spawn")),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("workers")
    for number in range(2):
        record_trace(root / f"t{number}", 1.0, seed=number)
    return [str(root / "t0"), str(root / "t1")]


def run(*arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-W", EXPECTED_WARNING, torch_worker.__file__]
    search = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": search},
        timeout=110,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("method", METHODS)
def test_workers_make_the_right_batches_in_shared_memory(folders: list[str], method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    assert run(method, *folders) == "the same batches\n"


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_memory_of_workers_stays_flat(folders: list[str], method: str) -> None:
    lines = [
        [int(word) for word in line.split()]
        for line in run("--memory", method, *folders).splitlines()
    ]
    held = np.array([max(line) for line in lines])
    assert len(held) == 150
    # The first epochs fill caches and pools.
    assert held[-30:].max() - held[20:50].max() < 2 << 20


class Numbers:
    """Samples that are their numbers."""

    def __len__(self) -> int:
        return 101

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array(index)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", range(5))
@pytest.mark.parametrize("world", range(1, 9))
def test_ranks_and_workers_make_no_difference_to_the_order(world: int, workers: int) -> None:
    whole = list(Sampler(Numbers(), seed=5))
    ranks: list[list[Any]] = []
    for rank in range(world):
        sampler = Sampler(Numbers(), 4, seed=5, rank=rank, world_size=world)
        loader = DataLoader(Dataset(Numbers()), sampler, num_workers=workers)
        ranks.append([batch.tolist() for batch in loader])
    together = [
        number
        for step in zip(*ranks, strict=True)
        for number in itertools.chain(*zip(*step, strict=True))
    ]
    assert together == whole + whole[: -len(whole) % world]
