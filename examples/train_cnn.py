"""Trains a tiny CNN to complete a lidar's range images, and shows the loss of each epoch.

    python examples/train_cnn.py TRACE...

Half of the columns are hidden from the network, which learns from the ranges themselves what was
there: no labels are needed, and any recording with a lidar will do (`roverd demo demo` makes one).
"""

import argparse
from typing import Any

import numpy as np
import torch
from abstract_dataloader import generic

import roverd
from roverd.torch import DataLoader, Dataset, Sampler

FARTHEST = 60.0  # metres; what is beyond counts as that


def prepare(sample: dict[str, Any]) -> dict[str, np.ndarray]:
    """Every fourth beam and eighth column, in units of the farthest range: Float32[1, h, w]."""
    metres = sample["lidar"].rng[0, :, ::4, ::8].astype(np.float32) / 1000
    return {"depth": np.minimum(metres, FARTHEST) / FARTHEST}


def network() -> torch.nn.Module:
    """From what is seen, and where that is, to all ranges."""
    layers: list[torch.nn.Module] = []
    for inputs, outputs, dilation in ((2, 12, 1), (12, 12, 2), (12, 1, 1)):
        layers += [
            torch.nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation),
            torch.nn.ReLU(),
        ]
    return torch.nn.Sequential(*layers[:-1])


def loss_of(model: torch.nn.Module, depth: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of the hidden ranges, where something came back."""
    seen = torch.rand(len(depth), 1, 1, depth.shape[3]).expand_as(depth) < 0.5
    predicted = model(torch.cat([depth * seen, seen.float()], dim=1))
    return (predicted - depth).abs()[~seen & (depth > 0)].mean()


def main() -> None:
    """Read the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", nargs="+", help="folders of traces, or folders with traces")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(0)
    paths = roverd.Dataset.find_traces(*options.traces)
    recordings = roverd.Dataset.from_config(paths, generic.Nearest("lidar"), {"lidar": "auto"})
    dataset = Dataset(recordings, prepare)
    sampler = Sampler(dataset, options.batch_size, seed=0)
    loader = DataLoader(dataset, sampler, num_workers=options.workers)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        losses: list[float] = []
        for batch in loader:
            loss = loss_of(model, batch["depth"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {FARTHEST * float(np.mean(losses)):.3f} m", flush=True)


if __name__ == "__main__":
    main()
