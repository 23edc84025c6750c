"""Synchronises a day of timestamps: each rule against the bare searches it stands on.

A lidar at 10 Hz is the reference, an IMU at 100 Hz is found for each of its frames, both with
jitter. What a rule costs beyond the searches is checking that the timestamps ascend, distances,
limits, and which samples stay.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.timing import Pair, keep_memory, measure, seconds_text
from roverd.sync import Interpolate, Nearest, Next, Previous, Rule, Synchronization, Window

_START = 1.7279e9  # seconds since the epoch
_DAY, _QUICK = 86_400, 60  # seconds
_RULES: tuple[tuple[Rule, int], ...] = (
    (Nearest(), 1),
    (Previous(), 1),
    (Next(), 1),
    (Window(seconds=0.2), 2),
    (Window(frames=3), 1),
    (Interpolate(), 1),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each rule, and one for the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.sync", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, to see that it runs")
    options = parser.parse_args(arguments)
    keep_memory()
    span = _QUICK if options.quick else _DAY
    stamps = {"lidar": _ticks(span, 10), "imu": _ticks(span, 100)}
    seconds, least = (0.05, 3) if options.quick else (4.0, 7)
    print(f"lidar {len(stamps['lidar']):,} frames, imu {len(stamps['imu']):,} frames\n")
    print("| rule of the imu | np.searchsorted | its time | ours | ratio |")
    print("|---|---|---|---|---|")
    for rule, searches in _RULES:
        sync = Synchronization("lidar", {"imu": rule})
        pair = Pair(_aligning(sync, stamps), _searching(stamps, searches), _check)
        _row(str(rule), f"{searches} ×", pair, seconds, least)
    alignment = Synchronization("lidar").align(stamps)
    report = Pair(_reporting(stamps), _sorting(stamps), lambda *_: None)
    assert alignment.report().samples == len(alignment)
    _row("Nearest(), with its report", "np.median of the steps", report, seconds, least)
    return 0


def _ticks(span: int, rate: int) -> NDArray[np.float64]:
    count = span * rate
    jitter = np.random.default_rng(rate).uniform(0, 0.5 / rate, count)
    return _START + np.arange(count) / rate + jitter


def _aligning(sync: Synchronization, stamps: dict[str, Any]) -> Callable[[int], Any]:
    return lambda _: sync.align(stamps).indices["lidar"]


def _searching(stamps: dict[str, Any], searches: int) -> Callable[[int], Any]:
    def search(_: int) -> Any:
        for _ in range(searches):
            np.searchsorted(stamps["imu"], stamps["lidar"])
        return np.arange(len(stamps["lidar"]))

    return search


def _reporting(stamps: dict[str, Any]) -> Callable[[int], Any]:
    return lambda _: Synchronization("lidar").align(stamps).report()


def _sorting(stamps: dict[str, Any]) -> Callable[[int], Any]:
    return lambda _: [np.median(np.diff(times)) for times in stamps.values()]


def _check(ours: Any, limit: Any) -> None:
    """Nearly every frame of the reference makes a sample."""
    assert len(limit) - 10 <= len(ours) <= len(limit)


def _row(name: str, limit: str, pair: Pair, seconds: float, least: int) -> None:
    result = measure(pair, seconds, least)
    ours, bare = float(np.median(result.ours)), float(np.median(result.limit))
    cells = [name, limit, seconds_text(bare), seconds_text(ours), f"{result.ratio:.2f}"]
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
