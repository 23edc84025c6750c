"""Synchronised samples of traces and datasets."""

import os
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

import numpy as np
from abstract_dataloader import generic

from bench import data
from bench.data import Data
from bench.jobs import bare
from bench.timing import Job, Over, Pair, Target
from roverd import Dataset, Trace
from roverd.sensors import DynamicSensor

_BATCH = 16
_LIGHT_SAMPLES = 200  # fewer than roverd keeps files open

Read = Callable[[int], Any]


class _BareTrace:
    """The channels of a trace, to be read without any library.

    Args:
        made: the data.
        lidar: channels of the lidar to read.
        stack: closes the files.
    """

    def __init__(self, made: Data, lidar: Mapping[str, str], stack: ExitStack) -> None:
        self._trace = made.trace
        self._stack = stack
        size = made.size
        pixels = int(np.prod(size.lidar))
        # In the order of the sensors' names, as a trace has them.
        self.reads: list[tuple[str, Read]] = [
            ("camera", self._jpeg("camera/video.avi")),
            *(("imu", self._raw(f"imu/{name}", (1, 3), "f4")) for name in ("acc", "rot", "avel")),
            *(
                ("lidar", self._xz(f"lidar/{name}", pixels * np.dtype(dtype).itemsize))
                for name, dtype in lidar.items()
            ),
            ("radar", self._raw("radar/iq", (1, *size.radar), "i2")),
            ("radar", self._raw("radar/valid", (1,), "u1")),
        ]

    def sample(self, pool: ThreadPoolExecutor, numbers: Mapping[str, int]) -> list[Any]:
        """Read one frame of everything."""
        asked = [pool.submit(read, numbers[sensor]) for sensor, read in self.reads]
        return [future.result() for future in asked]

    def _open(self, name: str) -> int:
        return self._stack.enter_context(bare.descriptor(f"{self._trace}/{name}"))

    def _raw(self, name: str, shape: tuple[int, ...], dtype: str) -> Read:
        file, size = self._open(name), int(np.prod(shape)) * np.dtype(dtype).itemsize
        return lambda frame: bare.read_array(file, frame * size, shape, dtype)

    def _xz(self, name: str, size: int) -> Read:
        file, offsets = self._open(name), data.xz_offsets(f"{self._trace}/{name}")

        def read(frame: int) -> Any:
            begin, end = offsets[frame], offsets[frame + 1]
            return bare.decode_xz(os.pread(file, end - begin, begin), size)

        return read

    def _jpeg(self, name: str) -> Read:
        path = f"{self._trace}/{name}"
        file, places = self._open(name), data.jpeg_places(path)

        def read(frame: int) -> Any:
            offset, size = places[frame]
            return bare.decode_jpeg(os.pread(file, size, offset))

        return read


@contextmanager
def _trace(made: Data, lidar: Mapping[str, str], kind: Any) -> Generator[Pair]:
    sensors = {"camera": "auto", "imu": "auto", "lidar": kind, "radar": "auto"}
    trace = Trace[Any].from_config(made.trace, generic.Nearest("lidar"), sensors)
    indices = trace.indices or {}
    order = bare.shuffled(len(trace))
    with ExitStack() as stack:
        plain = _BareTrace(made, lidar, stack)
        pool = stack.enter_context(bare.all_cores())
        table = [
            {name: int(numbers[k]) for name, numbers in indices.items()} for k in range(len(trace))
        ]

        def check(ours: Any, limit: list[Any]) -> None:
            image, *_, iq, _ = limit
            np.testing.assert_array_equal(ours["camera"].image[0, 0], image)
            np.testing.assert_array_equal(ours["radar"].iq[0], iq)

        yield Pair(
            lambda k: trace[order[k % len(order)]],
            lambda k: plain.sample(pool, table[order[k % len(order)]]),
            check,
        )


@contextmanager
def _batch(made: Data, loop: bool) -> Generator[Pair]:
    """Samples of camera and lidar, against bare decodes or against a loop over `dataset[i]`."""
    sensors = {"camera": "auto", "lidar": "auto"}
    dataset = Dataset[Any].from_config(made.trace, generic.Nearest("lidar"), sensors)
    indices = cast(Trace[Any], dataset.traces[0]).indices or {}
    # No number twice: it would be read once.
    orders = np.array(bare.shuffled(len(dataset))).reshape(-1, len(dataset))[:, :_BATCH].tolist()
    with ExitStack() as stack:
        plain = _BareTrace(made, {"rng": "u2"}, stack)
        reads = [(sensor, read) for sensor, read in plain.reads if sensor in sensors]
        pool = stack.enter_context(bare.all_cores())

        def chosen(k: int) -> list[int]:
            return orders[k % len(orders)]

        def decode(k: int) -> list[Any]:
            asked = [
                [pool.submit(read, int(indices[sensor][number])) for sensor, read in reads]
                for number in chosen(k)
            ]
            return [[future.result() for future in sample] for sample in asked]

        def check(ours: Any, limit: list[Any]) -> None:
            for sample, other in zip(ours, limit, strict=True):
                image = other["camera"].image[0, 0] if loop else other[0]
                np.testing.assert_array_equal(sample["camera"].image[0, 0], image)

        yield Pair(
            lambda k: dataset.__getitems__(chosen(k)),
            (lambda k: [dataset[number] for number in chosen(k)]) if loop else decode,
            check,
        )


@contextmanager
def _dataset(made: Data) -> Generator[Pair]:
    dataset = Dataset[Any].from_config(
        made.light_traces,
        generic.Nearest("imu"),
        {"imu": partial(DynamicSensor, subset=["acc"])},
    )
    rng = np.random.default_rng(3)
    numbers = rng.permutation(len(dataset))[:_LIGHT_SAMPLES].tolist()
    each = len(dataset) // len(dataset.traces)
    places = [(dataset.traces[number // each], number % each) for number in numbers]
    count = len(numbers)

    def limit(k: int) -> Any:
        trace, number = places[k % count]
        return trace[number]

    def check(ours: Any, limit: Any) -> None:
        np.testing.assert_array_equal(ours["imu"]["acc"], limit["imu"]["acc"])

    for k in range(count):  # its file is opened once, and not at anybody's cost
        limit(k)
    yield Pair(lambda k: dataset[numbers[k % count]], limit, check)


_ALL_LIDAR = {"rng": "u2", "nir": "u2", "rfl": "u1"}
_BARE = "bare reads and decodes in a thread pool"

JOBS = [
    Job(
        "trace[i]: radar, lidar (rng), camera, imu",
        _BARE,
        Target(1.2),
        partial(_trace, lidar={"rng": "u2"}, kind="auto"),
    ),
    Job(
        "trace[i]: radar, lidar (rng, nir, rfl), camera, imu",
        _BARE,
        Target(1.2),
        partial(_trace, lidar=_ALL_LIDAR, kind=partial(DynamicSensor, subset=list(_ALL_LIDAR))),
    ),
    Job(
        "16 samples of camera and lidar by dataset.__getitems__",
        _BARE,
        Target(1 / 0.87),
        partial(_batch, loop=False),
    ),
    Job(
        "the same, against a loop",
        "a loop over dataset[i]",
        Target(1.0),
        partial(_batch, loop=True),
    ),
    Job("dataset[i], 1,000 traces", "trace[i] of the same", Over(10e-6), _dataset),
]
