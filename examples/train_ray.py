"""Trains the network of `train_cnn.py` on rows that a Ray cluster reads and prepares.

    python examples/train_ray.py TRACE... [--address HOST:PORT]

Recordings are read and made smaller by as many processes as the cluster has cores; this one only
trains. Without an address, Ray starts a cluster on this machine.
"""

import argparse

import numpy as np
import ray
import torch
from abstract_dataloader import generic

import roverd.ray
from train_cnn import FARTHEST, loss_of, network


def prepare(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every fourth beam and eighth column, in units of the farthest range: Float32[n, 1, h, w]."""
    metres = batch["lidar/rng"][:, :, ::4, ::8].astype(np.float32) / 1000
    return {"depth": np.minimum(metres, FARTHEST) / FARTHEST}


def main() -> None:
    """Read the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", nargs="+", help="folders of traces, or folders with traces")
    parser.add_argument("--address", help="of a Ray cluster; otherwise one is started here")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=4)
    options = parser.parse_args()

    ray.init(address=options.address, log_to_driver=False)
    torch.manual_seed(0)
    rows = roverd.ray.read(
        options.traces, generic.Nearest("lidar"), {"lidar": "auto"}, columns=["lidar/rng"]
    )
    depths = rows.map_batches(prepare, batch_size=options.batch_size).materialize()
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for epoch in range(options.epochs):
        losses: list[float] = []
        for batch in depths.iter_torch_batches(
            batch_size=options.batch_size, local_shuffle_buffer_size=64, local_shuffle_seed=epoch
        ):
            loss = loss_of(model, batch["depth"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {FARTHEST * float(np.mean(losses)):.3f} m", flush=True)


if __name__ == "__main__":
    main()
