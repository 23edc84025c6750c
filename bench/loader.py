"""Samples per second of a `DataLoader`, against bare decodes on all cores; memory of its workers.

Samples are a 1080p frame of an AVI and a range image of 128×2048 in `lzmaf`, in random order, in
batches of tensors. Each way of loading is timed in turns with the limit, which reads the same
batches, so that a noisy machine cancels out. Starting the workers is not in it: they are kept
(`persistent_workers=True`).
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from abstract_dataloader import generic

import roverd
from bench import data
from bench.jobs import bare
from roverd.torch import DataLoader, Dataset, Sampler

_OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "out")
_TRACES = 3  # the same one, opened as often
_BATCH = 8
_WAYS = ((0, None), (1, "fork"), (2, "fork"), (1, "spawn"), (2, "spawn"))

Epoch = Callable[[int], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.loader", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data, to see that it runs")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", default=_OUT, help="folder for the data")
    options = parser.parse_args(arguments)
    made = data.provide(options.out, data.QUICK if options.quick else data.FULL)
    with ExitStack() as stack:
        rows = _measure(made, 2 if options.quick else options.rounds, stack)
    print("| | samples/s | of the limit (quartiles) | MB of a worker, first – last round |")
    print("|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    if options.quick:
        print("\nOf small data, in little time: these figures say nothing about speed.")
    return 0


def _measure(made: data.Data, rounds: int, stack: ExitStack) -> list[list[str]]:
    sensors = {"camera": "auto", "lidar": "auto"}
    recordings = roverd.Dataset[Any].from_config(
        [made.trace] * _TRACES, generic.Nearest("lidar"), sensors
    )
    limit = _limit(made, recordings, stack)
    rows: list[list[str]] = []
    rates: list[float] = []
    for count, method in _WAYS:
        ours, workers = _loader(recordings, count, method)
        seconds = np.empty((rounds, 2))
        held: list[int] = []
        for number in range(rounds):
            # Which goes first alternates: others may come and go meanwhile.
            for side in ((0, 1), (1, 0))[number % 2]:
                begin = time.perf_counter()
                samples = (ours, limit)[side](number + 1)
                seconds[number, side] = (time.perf_counter() - begin) / samples
            held.append(max((_anonymous_memory(process) for process in workers), default=0))
        low, middle, high = np.quantile(seconds[:, 1] / seconds[:, 0], (0.25, 0.5, 0.75))
        rates.extend(1 / seconds[:, 1])
        rows.append(
            [
                f"{count} workers, {method}" if method else "no workers",
                f"{1 / float(np.median(seconds[:, 0])):.1f}",
                f"{middle:.2f} ({low:.2f} – {high:.2f})",
                f"{held[0] / 1e6:.0f} – {held[-1] / 1e6:.0f}" if workers else "",
            ]
        )
    return [["bare decodes in a thread pool", f"{float(np.median(rates)):.1f}", "1", ""], *rows]


def _limit(made: data.Data, recordings: Any, stack: ExitStack) -> Epoch:
    """The same frames by library calls, a batch at a time on all cores."""
    pool = stack.enter_context(bare.all_cores())
    avi, rng = f"{made.trace}/camera/video.avi", f"{made.trace}/lidar/rng"
    video, lidar = (stack.enter_context(bare.descriptor(path)) for path in (avi, rng))
    places, offsets = data.jpeg_places(avi), data.xz_offsets(rng)
    size = 2 * int(np.prod(made.size.lidar))
    indices = recordings.traces[0].indices
    sampler = Sampler(recordings, _BATCH)

    def image(number: int) -> Any:
        offset, length = places[int(indices["camera"][number])]
        return bare.decode_jpeg(os.pread(video, length, offset))

    def ranges(number: int) -> Any:
        frame = int(indices["lidar"][number])
        begin, end = offsets[frame], offsets[frame + 1]
        return bare.decode_xz(os.pread(lidar, end - begin, begin), size)

    def epoch(number: int) -> int:
        sampler.set_epoch(number)
        count = 0
        for batch in sampler:
            inside = [index % len(recordings.traces[0]) for index in batch]
            asked = [pool.submit(read, n) for n in inside for read in (image, ranges)]
            for future in asked:
                future.result()
            count += len(batch)
        return count

    return epoch


def _loader(recordings: Any, count: int, method: str | None) -> tuple[Epoch, list[int]]:
    sampler = Sampler(recordings, _BATCH)
    options: dict[str, Any] = {}
    if count:
        options = {"multiprocessing_context": method, "persistent_workers": True}
    loader = DataLoader(Dataset(recordings), sampler, num_workers=count, **options)

    def epoch(number: int) -> int:
        sampler.set_epoch(number)
        count = 0
        for batch in loader:
            assert batch["lidar"].rng.dtype == torch.uint16
            count += len(batch["camera"].image)
        return count

    before = {child.pid for child in multiprocessing.active_children()}
    epoch(0)
    now = {child.pid for child in multiprocessing.active_children()}
    return epoch, [process for process in now - before if process is not None]


def _anonymous_memory(process: int) -> int:
    """Bytes of a process's own memory that are in use."""
    try:
        with open(f"/proc/{process}/status", encoding="ascii") as file:
            (line,) = [line for line in file if line.startswith("RssAnon")]
    except OSError:
        return 0
    return int(line.split()[1]) << 10


if __name__ == "__main__":
    sys.exit(main())
