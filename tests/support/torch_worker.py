"""Trains on nothing with a `DataLoader`, and exits with 0 if its workers give the right batches.

Run as a program: `torch_worker.py METHOD FOLDER...`, or with `--memory` before them to print the
memory of the workers after each epoch, in bytes, a line an epoch.
"""

import multiprocessing
import sys
from typing import Any

import optree
import torch
from abstract_dataloader import generic

import roverd
from roverd.torch import DataLoader, Dataset, Sampler, collate
from support.pool_worker import digest

WORKERS = 2
BATCH = 3
EPOCHS = 3


def fingerprint(batch: Any) -> str:
    return digest(optree.tree_map(lambda x: x.numpy() if torch.is_tensor(x) else x, batch))


def open_loader(method: str, folders: list[str], batch: int) -> tuple[DataLoader, Sampler]:
    recordings = roverd.Dataset.from_config(folders, generic.Nearest("lidar"), "auto")
    dataset = Dataset(recordings)
    sampler = Sampler(dataset, batch, seed=1)
    loader = DataLoader(
        dataset,
        sampler,
        num_workers=WORKERS,
        multiprocessing_context=method,
        persistent_workers=True,
    )
    return loader, sampler


def compare(method: str, folders: list[str]) -> None:
    loader, sampler = open_loader(method, folders, BATCH)
    source: Any = loader.dataset
    samples = [source[number] for number in range(len(source))]
    seen: set[str] = set()
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        for batch, numbers in zip(loader, list(sampler), strict=True):
            assert batch["radar"].iq.is_shared()
            assert fingerprint(batch) == fingerprint(collate([samples[n] for n in numbers]))
            seen.add(fingerprint(batch))
    assert len(seen) == EPOCHS * len(sampler)
    print("the same batches")


def anonymous_memory(process: int) -> int:
    with open(f"/proc/{process}/status") as file:
        (line,) = [line for line in file if line.startswith("RssAnon")]
    return int(line.split()[1]) << 10


def measure(method: str, folders: list[str]) -> None:
    loader, sampler = open_loader(method, folders, 8)
    for epoch in range(150):
        sampler.set_epoch(epoch)
        for _ in loader:
            pass
        # One of them tracks what the processes share, where they are not forked.
        workers = [child.pid for child in multiprocessing.active_children()]
        print(*[anonymous_memory(pid) for pid in workers if pid is not None])


if __name__ == "__main__":
    memory = sys.argv[1] == "--memory"
    arguments = sys.argv[1 + memory :]
    (measure if memory else compare)(arguments[0], arguments[1:])
