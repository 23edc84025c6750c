"""Opens a data set of 1,000 ten-minute traces: time, memory, what a pickle takes, a sample's cost.

The traces have the rates of the public data set (radar 20 Hz, lidar 10 Hz, camera 30 Hz, IMU
100 Hz) and tiny frames, so that what is left is what grows with the number of frames: timestamps,
indices, synchronisation. They are links to one trace's files.
"""

import argparse
import io
import json
import lzma
import os
import pickle
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from abstract_dataloader import generic

from roverd import Dataset
from roverd.channels import VideoChannel

_OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "out", "many")
_SECONDS = 600
_START = 1.7279e9  # seconds since the epoch
_RATES = {"radar": 20, "lidar": 10, "camera": 30, "imu": 100}
_SHAPES = {"radar": (8,), "lidar": (2, 4), "camera": (16, 16, 3), "imu": (3,)}
_OPEN_SECONDS, _HELD, _SAMPLE_SECONDS = 20.0, 1.2e9, 10e-6
_SAMPLES = 3000


def _channels(name: str) -> dict[str, dict[str, Any]]:
    kinds: dict[str, list[tuple[str, str, str, tuple[int, ...]]]] = {
        "radar": [("iq", "raw", "i2", _SHAPES["radar"]), ("valid", "raw", "u1", ())],
        "lidar": [
            (key, "lzmaf", dtype, _SHAPES["lidar"])
            for key, dtype in (("rng", "u2"), ("nir", "u2"), ("rfl", "u1"))
        ],
        "camera": [("video.avi", "mjpg", "u1", _SHAPES["camera"])],
        "imu": [(key, "raw", "f4", _SHAPES["imu"]) for key in ("acc", "rot", "avel")],
    }
    described = {
        key: {"format": kind, "type": dtype, "shape": list(shape), "desc": ""}
        for key, kind, dtype, shape in kinds[name]
    }
    return {"ts": {"format": "raw", "type": "f8", "shape": [], "desc": ""}, **described}


def _write_trace(path: str) -> None:
    rng = np.random.default_rng(0)
    for name, rate in _RATES.items():
        folder, count = f"{path}/{name}", _SECONDS * rate
        os.makedirs(folder)
        channels = _channels(name)
        with open(f"{folder}/meta.json", "w", encoding="utf-8") as file:
            json.dump(channels, file)
        stamps = _START + np.sort(rng.uniform(0, 0.2 / rate, count) + np.arange(count) / rate)
        stamps.tofile(f"{folder}/ts")
        for key, entry in channels.items():
            if key != "ts":
                _write_channel(f"{folder}/{key}", entry, count)
    for name, text in (("radar/radar.json", _RADAR), ("lidar/lidar.json", "{}")):
        with open(f"{path}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    with open(f"{path}/config.yaml", "w", encoding="utf-8") as file:
        file.write("bench: true\n")


_RADAR = '{"range_resolution": 0.25, "doppler_resolution": 0.125}'


def _write_channel(path: str, entry: dict[str, Any], count: int) -> None:
    shape, dtype = entry["shape"], np.dtype(entry["type"])
    if entry["format"] == "raw":
        with open(path, "wb") as file:
            file.truncate(count * dtype.itemsize * int(np.prod(shape)))
    elif entry["format"] == "lzmaf":
        stream = lzma.compress(bytes(dtype.itemsize * int(np.prod(shape))), preset=0)
        with open(path, "wb") as file:
            file.write(stream * count)
        (np.arange(count + 1, dtype="<u8") * len(stream)).tofile(f"{path}_i")
    else:
        VideoChannel(path, dtype, shape).consume(iter(np.zeros((count, *shape), dtype)))


def _provide(out: str, traces: int) -> list[str]:
    folder = os.path.join(out, str(traces))
    if not os.path.exists(folder):
        making = f"{folder}.making"
        shutil.rmtree(making, ignore_errors=True)
        first = f"{making}/0000"
        _write_trace(first)
        for number in range(1, traces):
            shutil.copytree(first, f"{making}/{number:04d}", copy_function=os.link)
        os.rename(making, folder)
    return [f"{folder}/{number:04d}" for number in range(traces)]


def _held() -> int:
    """Bytes of memory that the process holds now and that no file backs."""
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Open, measure, print; 1 where a limit is missed by more than 10 %."""
    parser = argparse.ArgumentParser(prog="python -m bench.many_traces", description=__doc__)
    parser.add_argument("--traces", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=0, help="traces to open at a time")
    parser.add_argument("--out", default=_OUT, help="folder for the data")
    options = parser.parse_args(arguments)
    paths = _provide(options.out, options.traces)

    before = _held()
    begin = time.perf_counter()
    dataset: Dataset[Any] = Dataset.from_config(
        paths, generic.Nearest("lidar"), "auto", workers=options.workers
    )
    count = len(dataset)
    opened = time.perf_counter() - begin
    held = _held() - before

    file = io.BytesIO()
    pickle.dump(dataset, file)
    begin = time.perf_counter()
    pickle.loads(file.getvalue())  # noqa: S301 - made here
    loaded = time.perf_counter() - begin

    numbers = np.random.default_rng(1).integers(0, count, _SAMPLES).tolist()
    ends = dataset.indices
    places = [int(np.searchsorted(ends, number, "right")) for number in numbers]
    local = [
        n - (int(ends[trace - 1]) if trace else 0) for trace, n in zip(places, numbers, strict=True)
    ]
    for number in numbers:  # so that neither side opens any file
        dataset[number]
    used = _held() - before
    getitem = dataset.__getitem__
    taken: tuple[list[float], list[float]] = ([], [])
    for turn, (trace, number, overall) in enumerate(zip(places, local, numbers, strict=True)):
        ways = (partial(dataset.traces[trace].__getitem__, number), partial(getitem, overall))
        # Which goes first alternates: the second finds the caches warmer.
        for way in (turn % 2, 1 - turn % 2):
            begin = time.perf_counter()
            ways[way]()
            taken[way].append(time.perf_counter() - begin)

    print(f"{options.traces} traces of {_SECONDS} s, {count} samples")
    print(f"opened and synchronised in {opened:.1f} s (limit {_OPEN_SECONDS:g} s)")
    print(f"held: {held / 1e6:.0f} MB (limit {_HELD / 1e6:.0f} MB)")
    print(f"held after {_SAMPLES} samples: {used / 1e6:.0f} MB")
    print(f"pickle: {len(file.getvalue()) / 1e6:.0f} MB, loaded in {loaded:.2f} s")
    over = float(np.median(taken[1]) - np.median(taken[0]))
    print(f"dataset[i] over trace[i]: {over * 1e6:+.1f} µs (limit {_SAMPLE_SECONDS * 1e6:.0f} µs)")
    missed = opened > 1.1 * _OPEN_SECONDS or held > 1.1 * _HELD or over > 1.1 * _SAMPLE_SECONDS
    return 1 if missed and options.traces == 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
