"""Prints how many samples a second come from a store, next to the same from the local disk.

`python -m bench.remote`: samples of radar, lidar and camera at random, 32 at a time by
`Dataset.prefetch`, from a server on this machine that answers late (`bench.far_server`). Server and
reader share the cores. Local and remote take turns, in pieces of 64 samples; what is shown is the
median of the ratios. `first epoch` fills a cache, `second epoch` reads from it.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from abstract_dataloader import generic

import roverd
from bench import data
from bench.far_server import far_server
from bench.timing import keep_memory
from roverd import Dataset

_OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "out")
_KINDS = {"radar": "auto", "lidar": None, "camera": "auto"}
_TRACES = 16
_IN_FLIGHT = 32
_TURN = 2 * _IN_FLIGHT
_LEAST_RATIO = 0.8  # of local, at 20 ms
_SLACK = 0.05


@dataclass(frozen=True)
class _Store:
    """How a server is reached.

    Attributes:
        name: for people.
        top: URL of the folder of traces.
        options: of fsspec.
    """

    name: str
    top: str
    options: dict[str, Any] | None


def _stores(address: str) -> list[_Store]:
    s3 = {
        "key": "key",
        "secret": "secret",
        "client_kwargs": {"endpoint_url": f"http://{address}"},
        "config_kwargs": {"s3": {"addressing_style": "path"}},
    }
    return [_Store("HTTP", f"http://{address}/data", None), _Store("S3", "s3://data", s3)]


def _opened(top: str, options: dict[str, Any] | None = None) -> Dataset[Any]:
    paths = [f"{top}/{number:02d}" for number in range(_TRACES)]
    return Dataset[Any].from_config(
        paths, generic.Nearest("lidar"), _KINDS, storage_options=options
    )


def _rate(dataset: Dataset[Any], numbers: Sequence[int]) -> float:
    begin = time.perf_counter()
    found = sum(1 for _ in dataset.prefetch(numbers, _IN_FLIGHT))
    assert found == len(numbers)
    return found / (time.perf_counter() - begin)


def _turns(count: int, seed: int) -> Iterator[list[int]]:
    """All samples once, at random, some at a time."""
    order = np.random.default_rng(seed).permutation(count).tolist()
    for first in range(0, count - _TURN + 1, _TURN):
        yield order[first : first + _TURN]


def _compared(local: Dataset[Any], remote: Dataset[Any], most: int, seed: int) -> list[list[float]]:
    """Samples a second of both, for each turn."""
    found: list[list[float]] = []
    for turn, numbers in enumerate(_turns(len(local), seed)):
        if turn == most:
            break
        both = {id(dataset): _rate(dataset, numbers) for dataset in _in_turn(local, remote, turn)}
        found.append([both[id(local)], both[id(remote)]])
    return found


def _in_turn(first: Dataset[Any], second: Dataset[Any], turn: int) -> list[Dataset[Any]]:
    return [first, second] if turn % 2 else [second, first]


def _check(local: Dataset[Any], remote: Dataset[Any]) -> None:
    for number in (0, len(local) - 1):
        expected, got = _arrays(local[number]), _arrays(remote[number])
        for one, other in zip(expected, got, strict=True):
            np.testing.assert_array_equal(other, one)


def _arrays(sample: Any) -> list[Any]:
    if isinstance(sample, np.ndarray):
        return [sample]
    fields = sample if isinstance(sample, dict) else getattr(sample, "__dict__", {})
    return [array for key in sorted(fields) for array in _arrays(fields[key])]


def _row(name: str, delay: float, reads: str, found: list[list[float]]) -> tuple[str, float]:
    rates = np.array(found)
    ratios = rates[:, 1] / rates[:, 0]
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
    local, remote = np.median(rates, axis=0).tolist()
    cells = (
        name,
        f"{delay * 1e3:.0f} ms",
        reads,
        f"{local:.1f}",
        f"{remote:.1f}",
        f"{middle:.2f}",
        f"{low:.2f} – {high:.2f}",
    )
    return f"| {' | '.join(cells)} |", middle


def _measure(local: Dataset[Any], folder: str, turns: int, delays: Sequence[float]) -> bool:
    missed = False
    for delay in delays:
        with far_server(folder, delay) as address:
            for store in _stores(address):
                remote = _opened(store.top, store.options)
                if not delay:
                    _check(local, remote)
                line, ratio = _row(
                    store.name, delay, "no cache", _compared(local, remote, turns, 1)
                )
                print(line, flush=True)
                missed |= delay == 0.02 and ratio < _LEAST_RATIO - _SLACK
                with tempfile.TemporaryDirectory(dir=_OUT) as cache:
                    roverd.cache(cache, size="8GB")
                    for epoch in ("first epoch", "second epoch"):
                        found = _compared(local, remote, turns, 2)
                        print(_row(store.name, delay, epoch, found)[0], flush=True)
                    roverd.cache(None)
    return missed


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status is 1 where the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.remote", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="in little time, to see that it runs")
    options = parser.parse_args(arguments)
    keep_memory()
    made = data.provide(_OUT, data.QUICK if options.quick else data.FULL)
    with tempfile.TemporaryDirectory(dir=_OUT) as folder:
        os.makedirs(f"{folder}/data")
        for number in range(_TRACES):
            os.symlink(made.trace, f"{folder}/data/{number:02d}")
        local = _opened(f"{folder}/data")
        print("| store | round trip | reads | local/s | remote/s | ratio | quartiles |")
        print("|---|---|---|---|---|---|---|")
        missed = _measure(local, folder, 1 if options.quick else 5, (0.0, 0.02, 0.08))
    return int(missed and not options.quick)


if __name__ == "__main__":
    sys.exit(main())
