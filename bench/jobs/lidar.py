"""Transforms of lidar frames."""

import json
import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import Data
from bench.jobs import bare
from bench.timing import Job, Pair, Time
from roverd.transforms.ouster import Destagger, PointCloud
from roverd.types import OSDepth

_FRAMES = 8
_DROPPED = 0.12  # proportion of pixels that nothing came back to
_NEAREST, _FARTHEST = 500, 65535  # mm
_SHIFTS = (36, 12, -12, -36)  # for 2048 columns: like a real OS-1's, four lasers to a group


def _lidar_json(path: str, beams: int, columns: int) -> None:
    shifts = [_SHIFTS[beam % 4] * columns // 2048 for beam in range(beams)]
    text = {
        "pixels_per_column": beams,
        "columns_per_frame": columns,
        "pixel_shift_by_row": shifts,
        "beam_altitude_angles": np.linspace(22, -22, beams).tolist(),
        "beam_azimuth_angles": [shift * 360 / columns for shift in shifts],
        "lidar_origin_to_beam_origin_mm": 15.806,
        "lidar_to_sensor_transform": [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 36.18, 0, 0, 0, 1],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(text, file)


def _samples(shape: tuple[int, int], path: str) -> list[OSDepth[np.ndarray]]:
    rng = np.random.default_rng(4)
    frames = rng.integers(_NEAREST, _FARTHEST, (_FRAMES, 1, 1, *shape), endpoint=True)
    frames[rng.random(frames.shape) < _DROPPED] = 0
    stamps = np.zeros((1, 1))
    return [OSDepth(frame.astype(np.uint16), stamps, path) for frame in frames]


@contextmanager
def _lidar(made: Data) -> Generator[list[OSDepth[np.ndarray]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lidar.json")
        _lidar_json(path, *made.size.lidar)
        yield _samples(made.size.lidar, path)


@contextmanager
def _destagger(made: Data) -> Generator[Pair]:
    with _lidar(made) as samples:
        transform = Destagger()
        shifts = transform.config[samples[0].intrinsics].pixel_shift_by_row
        beams, columns = made.size.lidar
        sources = (np.arange(columns) - shifts[:, None]) % columns
        flat = sources + columns * np.arange(beams)[:, None]
        order = bare.shuffled(_FRAMES)

        def limit(k: int) -> NDArray[Any]:
            return samples[order[k % len(order)]].rng.reshape(-1).take(flat)

        def check(ours: Any, limit: NDArray[Any]) -> None:
            np.testing.assert_array_equal(ours.rng[0, 0], limit)

        yield Pair(lambda k: transform(samples[order[k % len(order)]]), limit, check)


def _multiply_add(samples: list[OSDepth[np.ndarray]]) -> Callable[[int], NDArray[Any]]:
    """All pixels of a frame, by tables that are derived from two such frames' points."""
    points = PointCloud()
    near, far = (
        points.xyz(OSDepth(np.full_like(samples[0].rng, rng), np.zeros((1, 1)), sample.intrinsics))
        for rng, sample in zip((_NEAREST, _FARTHEST), samples, strict=False)
    )
    steps = (far[0, 0].astype(np.float64) - near[0, 0]) / (_FARTHEST - _NEAREST)
    starts = near[0, 0] - _NEAREST * steps
    directions, offsets = (
        np.ascontiguousarray(np.moveaxis(table, -1, 0), np.float32) for table in (steps, starts)
    )

    def compute(k: int) -> NDArray[Any]:
        rng = samples[k].rng[0, 0].astype(np.float32)
        out = np.empty((*rng.shape, 3), np.float32)
        for axis in range(3):
            np.add(rng * directions[axis], offsets[axis], out=out[..., axis])
        return out

    return compute


@contextmanager
def _points(made: Data) -> Generator[Pair]:
    with _lidar(made) as samples:
        transform = PointCloud()
        multiply_add = _multiply_add(samples)
        order = bare.shuffled(_FRAMES)

        def check(ours: Any, limit: NDArray[Any]) -> None:
            seen = samples[order[0]].rng[0, 0] > 0
            assert ours.length == np.count_nonzero(seen)
            np.testing.assert_allclose(ours.xyz[0, 0], limit[seen], rtol=1e-5, atol=1e-4)

        yield Pair(
            lambda k: transform(samples[order[k % len(order)]]),
            lambda k: multiply_add(order[k % len(order)]),
            check,
        )


JOBS = [
    Job("destagger a 128×2048 frame", "np.take", Time(0.5e-3), _destagger),
    Job(
        "points of a 128×2048 frame",
        "three multiply-adds of all pixels",
        Time(4e-3),
        _points,
    ),
]
