"""Prints how small and how fast the formats for single frames are, on real recordings.

`python -m bench.codecs [FOLDER]`: FOLDER has `ouster/*/scans.npz` and `traces/short`; without it,
the recordings of the tests are taken. Times are of one thread's own time.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.formats import filters, pco, xz, zstd

_HERE = os.path.dirname(os.path.abspath(__file__))
_TEST_DATA = os.path.join(os.path.dirname(_HERE), "tests", "data")
_FRAME = 512 << 10  # bytes that times are scaled to

Frames = list[NDArray[Any]]


@dataclass(frozen=True)
class _Kind:
    """A kind of channel, and frames of it."""

    name: str
    frames: Frames


@dataclass(frozen=True)
class _Codec:
    """A format with its settings."""

    name: str
    takes: Callable[[NDArray[Any]], bool]
    encode: Callable[[NDArray[Any]], bytes]
    decode: Callable[[bytes, NDArray[Any]], None]


def _lidar(folder: str) -> Iterator[_Kind]:
    names = {"rng": "range", "nir": "near-IR", "rfl": "reflectivity"}
    found: dict[str, Frames] = {}
    for capture in sorted(os.listdir(os.path.join(folder, "ouster"))):
        file = os.path.join(folder, "ouster", capture, "scans.npz")
        if not os.path.exists(file):
            continue
        with np.load(file) as scans:
            for key, name in names.items():
                if key not in scans:
                    continue
                frames = scans[key]
                if key == "rng":
                    found.setdefault("range u4", []).extend(frames.astype("<u4"))
                    frames = np.minimum(frames, 65535).astype("<u2")
                found.setdefault(f"{name} {frames.dtype.str[1:]}", []).extend(frames)
    yield from (_Kind(f"lidar {name}", frames) for name, frames in found.items())


def _others(folder: str) -> Iterator[_Kind]:
    trace = os.path.join(folder, "traces", "short")
    iq = np.fromfile(os.path.join(trace, "radar", "iq"), "<i2").reshape(-1, 16, 1, 1, 40)
    yield _Kind("radar I/Q i2, frames of 1280 B", list(iq))
    # The same values in frames of a usual size.
    yield _Kind("radar I/Q i2, 16 frames as one", list(iq.reshape(-1, 16 * 16, 40)))
    for name in ("acc", "avel", "rot"):
        values = np.fromfile(os.path.join(trace, "imu", name), "<f4").reshape(-1, 3)
        yield _Kind(f"IMU {name} f4 [3]", list(values[:50]))
        yield _Kind(f"IMU {name} f4, all as one frame", [values])
    stamps = np.fromfile(os.path.join(trace, "imu", "ts"), "<f8")
    yield _Kind("timestamps f8, all as one frame", [stamps])


def _codecs() -> Iterator[_Codec]:
    yield _Codec(
        "lzmaf preset 0",
        lambda _: True,
        lambda frame: xz.encode(frame.tobytes(), 0),
        xz.decode_into,
    )
    for level in (4, 8, 12):
        yield _Codec(
            f"pcof level {level}",
            lambda frame: frame.dtype.str[1:] in pco.TYPES,
            lambda frame, level=level: pco.encode(frame, level),
            pco.decode_into,
        )
    for name in filters.FILTERS:
        for level in (1, 3, 6, 9):

            def encode(frame: NDArray[Any], name: str = name, level: int = level) -> bytes:
                return zstd.encode(filters.apply(frame, name), level)

            def decode(data: bytes, out: NDArray[Any], name: str = name) -> None:
                filters.undo_into(zstd.decode(data, out.nbytes), name, out)

            yield _Codec(
                f"zstdf {name} level {level}",
                lambda frame, name=name: filters.takes(name, frame.dtype),
                encode,
                decode,
            )


def _times(function: Callable[[], object], rounds: int) -> list[float]:
    function()
    found: list[float] = []
    for _ in range(rounds):
        begin = time.thread_time()
        function()
        found.append(time.thread_time() - begin)
    return found


def _row(kind: _Kind, codec: _Codec, rounds: int) -> list[str]:
    whole = sum(frame.nbytes for frame in kind.frames)
    encoded = [codec.encode(frame) for frame in kind.frames]
    outs = [np.empty_like(frame) for frame in kind.frames]

    def encode() -> None:
        for frame in kind.frames:
            codec.encode(frame)

    def decode() -> None:
        for data, out in zip(encoded, outs, strict=True):
            codec.decode(data, out)

    times = [_times(encode, max(3, rounds // 4)), _times(decode, rounds)]
    for frame, out in zip(kind.frames, outs, strict=True):
        if frame.tobytes() != out.tobytes():
            raise AssertionError(f"{kind.name}: {codec.name} gives back another frame")
    # Small frames cost what a call costs, whatever their bytes.
    small = whole / len(kind.frames) < 8192
    scale = 1e6 / len(kind.frames) if small else 1e3 * _FRAME / whole
    cells = [
        f"{min(found) * scale:.2f} / {statistics.median(found) * scale:.2f}" for found in times
    ]
    return [codec.name, f"{whole / sum(map(len, encoded)):.2f}", *cells]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.codecs", description=__doc__)
    parser.add_argument("folder", nargs="?", default=_TEST_DATA)
    parser.add_argument("--rounds", type=int, default=12, help="how often to decode each set")
    parser.add_argument("--only", default="", help="kinds whose names have this in them")
    options = parser.parse_args(arguments)
    for kind in (*_lidar(options.folder), *_others(options.folder)):
        if options.only not in kind.name:
            continue
        size = kind.frames[0].nbytes
        unit = "µs a frame" if size < 8192 else "ms per 512 KiB"
        print(f"\n### {kind.name}: {len(kind.frames)} frames of {size} bytes or so\n")
        print(f"| codec | ratio | encode, {unit} (min / median) | decode, {unit} |")
        print("|---|---|---|---|")
        for codec in _codecs():
            if codec.takes(kind.frames[0]):
                print(f"| {' | '.join(_row(kind, codec, options.rounds))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
