"""Draws how long a sample takes: read as programs do today, by roverd, and transcoded.

"Today" is what a program without roverd does with OpenCV, the standard library's `lzma` and NumPy:
the video is opened, sought in and read for each frame; each lidar channel is decompressed, one
after the other; arrays are read with `np.fromfile`.
"""

import argparse
import json
import lzma
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from abstract_dataloader import generic

from bench import data
from bench.jobs import bare
from bench.timing import keep_memory
from roverd import Trace, ops

_OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "out")
_SENSORS = ("radar", "lidar", "camera", "imu")
_SECONDS, _LEAST_ROUNDS = 2.0, 10
_NAMES = ("today", "roverd, the same files", "roverd, transcoded")
_COLOURS = ("#b0b0b0", "#4c78a8", "#f58518")

Read = Callable[[int], Any]


def _today(trace: str, size: data.Size) -> dict[str, Read]:
    def array(path: str, dtype: str, shape: tuple[int, ...]) -> Read:
        count = int(np.prod(shape))
        bytes_each = count * np.dtype(dtype).itemsize
        return lambda frame: np.fromfile(path, dtype, count, offset=frame * bytes_each)

    def stream(path: str, dtype: str) -> Read:
        offsets = np.fromfile(f"{path}_i", "<u8")

        def read(frame: int) -> Any:
            begin, end = int(offsets[frame]), int(offsets[frame + 1])
            with open(path, "rb") as file:
                file.seek(begin)
                return np.frombuffer(lzma.decompress(file.read(end - begin)), dtype)

        return read

    def picture(path: str) -> Read:
        def read(frame: int) -> Any:
            video = cv2.VideoCapture(path)
            video.set(cv2.CAP_PROP_POS_FRAMES, frame)
            _, image = video.read()
            video.release()
            return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

        return read

    def together(*reads: Read) -> Read:
        return lambda frame: [read(frame) for read in reads]

    return {
        "radar": together(
            array(f"{trace}/radar/iq", "<i2", size.radar), array(f"{trace}/radar/valid", "u1", ())
        ),
        "lidar": together(
            *(
                stream(f"{trace}/lidar/{name}", dtype)
                for name, dtype in (("rng", "<u2"), ("nir", "<u2"), ("rfl", "u1"))
            )
        ),
        "camera": picture(f"{trace}/camera/video.avi"),
        "imu": together(
            *(array(f"{trace}/imu/{name}", "<f4", (3,)) for name in ("acc", "rot", "avel"))
        ),
    }


def _roverd(path: str) -> tuple[dict[str, Read], Trace[Any]]:
    kinds = {"radar": "auto", "lidar": None, "camera": "auto", "imu": "auto"}
    trace = Trace[Any].from_config(path, generic.Nearest("lidar"), kinds)
    return {name: trace.sensors[name].__getitem__ for name in _SENSORS}, trace


def _seconds(reads: Sequence[tuple[Read, Sequence[int]]]) -> list[float]:
    """Median seconds of each, taken in turns."""
    taken: list[list[float]] = [[] for _ in reads]
    deadline = time.perf_counter() + _SECONDS
    turn = 0
    while turn < _LEAST_ROUNDS or time.perf_counter() < deadline:
        for (read, frames), times in zip(reads, taken, strict=True):
            begin = time.perf_counter()
            read(frames[turn % len(frames)])
            times.append(time.perf_counter() - begin)
        turn += 1
    return [float(np.median(times)) for times in taken]


def measure(made: data.Data, out: str) -> dict[str, list[float]]:
    """Seconds per sensor and of a whole sample: today, with roverd, and transcoded."""
    transcoded = os.path.join(out, "transcoded")
    shutil.rmtree(transcoded, ignore_errors=True)
    ops.transcode(made.trace, transcoded, preset="fast")
    today = _today(made.trace, made.size)
    (same, trace), (fast, fast_trace) = _roverd(made.trace), _roverd(transcoded)
    indices = trace.indices or {}
    order = bare.shuffled(len(trace), 1)
    found: dict[str, list[float]] = {}
    for name in _SENSORS:
        frames = [int(indices[name][number]) for number in order]
        found[name] = _seconds([(reads[name], frames) for reads in (today, same, fast)])

    def sample(number: int) -> None:
        for name in _SENSORS:
            today[name](int(indices[name][number]))

    ways = (sample, trace.__getitem__, fast_trace.__getitem__)
    found["sample"] = _seconds([(way, order) for way in ways])
    return found


def draw(found: dict[str, list[float]], path: str) -> None:
    """Write the picture."""
    from matplotlib.figure import Figure

    figure = Figure((8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(found))
    for number, (name, colour) in enumerate(zip(_NAMES, _COLOURS, strict=True)):
        heights = [1e3 * times[number] for times in found.values()]
        bars = axes.barh(places + 0.27 * (number - 1), heights, 0.25, label=name, color=colour)
        axes.bar_label(bars, [_milliseconds(height) for height in heights], padding=3, fontsize=8)
    axes.set_yticks(places, [_LABELS[name] for name in found])
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds")
    axes.margins(x=0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    axes.set_title("Time to read one random sample", loc="left")
    figure.savefig(path, dpi=150)


_LABELS = {
    "radar": "radar I/Q",
    "lidar": "lidar, 3 channels",
    "camera": "camera, 1080p",
    "imu": "IMU",
    "sample": "all of them",
}


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, draw, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data, to see that it runs")
    parser.add_argument("--out", default=_OUT, help="folder for the data and the picture")
    options = parser.parse_args(arguments)
    keep_memory()
    made = data.provide(options.out, data.QUICK if options.quick else data.FULL)
    found = measure(made, options.out)
    path = os.path.join(options.out, "time-per-sample.png")
    draw(found, path)
    print(
        json.dumps(
            {name: dict(zip(_NAMES, times, strict=True)) for name, times in found.items()}, indent=2
        )
    )
    print(path, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
