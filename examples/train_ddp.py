"""Trains on several processes, and goes on where it was when it is started again.

    torchrun --nproc-per-node 2 examples/train_ddp.py TRACE --checkpoint FILE

May be killed at any moment, and started again with another number of processes: no sample of an
epoch is lost or trained on twice, but for those that fill up its last step: fewer than there are
processes. To show it, the checkpoint keeps which samples the model has seen in this epoch, by their
timestamps.
"""

import argparse
import os
from typing import Any

import numpy as np
import torch
import torch.distributed
from abstract_dataloader import generic
from torch.nn.parallel import DistributedDataParallel

import roverd
from roverd.torch import DataLoader, Dataset, Sampler


def prepare(sample: dict[str, Any]) -> dict[str, np.ndarray]:
    """Mean range by beam and sector, in hectometres; and when that was."""
    rng = sample["lidar"].rng[0, 0].astype(np.float32)
    sectors = rng.reshape(rng.shape[0], 16, -1).mean(axis=2)
    return {"sectors": sectors / 1e5, "time": sample["lidar"].timestamps[0, 0]}


def save(path: str, content: dict[str, Any]) -> None:
    """Replace the checkpoint as a whole: whoever is killed leaves the old one or the new one."""
    torch.save(content, f"{path}.new")
    os.replace(f"{path}.new", path)


def gathered(values: torch.Tensor) -> torch.Tensor:
    """The values of all ranks, which have equally many."""
    parts = [torch.empty_like(values) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, values)
    return torch.cat(parts)


def main() -> None:
    """Read the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()

    torch.distributed.init_process_group("gloo")
    first = torch.distributed.get_rank() == 0
    sync = generic.Nearest("lidar")
    recording = roverd.Dataset.from_config(options.trace, sync, {"lidar": "auto"})
    dataset = Dataset(recording, prepare)
    sampler = Sampler(dataset, batch_size=2, seed=0)  # knows rank and number of ranks
    loader = DataLoader(dataset, sampler, num_workers=1)
    beams = dataset[0]["sectors"].shape[0]
    model = DistributedDataParallel(torch.nn.Conv1d(beams, beams, 3, padding=1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    seen = torch.empty(0, dtype=torch.float64)
    if os.path.exists(options.checkpoint):
        state = torch.load(options.checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        loader.load_state_dict(state["loader"])
        seen = state["seen"]
        if first:
            print(f"goes on in epoch {sampler.epoch} after {len(seen)} samples", flush=True)

    for epoch in range(sampler.epoch, options.epochs):
        sampler.set_epoch(epoch)
        for batch in loader:
            loss = (model(batch["sectors"]) - batch["sectors"]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen = torch.cat([seen, gathered(batch["time"])])
            if first:
                parts = {"model": model, "optimizer": optimizer, "loader": loader}
                states = {name: part.state_dict() for name, part in parts.items()}
                save(options.checkpoint, states | {"seen": seen})
                print(f"saved after {len(seen)} samples", flush=True)
        if first:
            print(f"epoch {epoch}: {len(seen)} samples, {len(seen.unique())} different", flush=True)
        seen = seen[:0]
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
