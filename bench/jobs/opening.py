"""Opening traces and files, and importing the library."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from abstract_dataloader import generic

from bench.data import Data
from bench.jobs import bare
from bench.sparse_avi import index_places
from bench.timing import NO_TARGET, Job, Over, Pair, Time
from roverd import Trace
from roverd.channels import VideoChannel

_INDEX_HEADER, _INDEX_ENTRY = 32, 8  # bytes of an `ix00` chunk
_SENSORS = ("camera", "imu", "lidar", "radar")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _nothing(ours: Any, limit: Any) -> None:
    """There is nothing to compare."""


@contextmanager
def _trace(made: Data) -> Generator[Pair]:
    paths = [f"{made.long_trace}/{name}/meta.json" for name in _SENSORS]
    yield Pair(
        lambda k: Trace[Any].from_config(made.long_trace, sensors="auto"),
        lambda k: [_read(path) for path in paths],
        _nothing,
    )


@contextmanager
def _synchronised(made: Data) -> Generator[Pair]:
    names = [f"{name}/{file}" for name in _SENSORS for file in ("meta.json", "ts")]
    paths = [f"{made.trace}/{name}" for name in (*names, "radar/radar.json", "lidar/rng_i")]
    yield Pair(
        lambda k: Trace[Any].from_config(made.trace, generic.Nearest("lidar"), "auto"),
        lambda k: [_read(path) for path in paths],
        _nothing,
    )


@contextmanager
def _index(made: Data, again: bool) -> Generator[Pair]:
    shape = (*made.size.camera, 3)
    kept = VideoChannel(made.long_avi, "u1", shape)

    def ours(k: int) -> int:
        return len(kept if again else VideoChannel(made.long_avi, "u1", shape))

    places = index_places(made.long_avi)

    def limit(k: int) -> int:
        with bare.descriptor(made.long_avi) as file:
            tables = [bare.read_array(file, offset, (size,), "u1") for offset, size in places]
        return sum((len(table) - _INDEX_HEADER) // _INDEX_ENTRY for table in tables)

    yield Pair(ours, limit)


@contextmanager
def _import(made: Data, statement: str) -> Generator[Pair]:
    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    yield Pair(lambda k: run(statement), lambda k: run("import numpy"), _nothing)


JOBS = [
    Job("opening a trace, 21 GB AVI in it", "reading its meta.json files", Time(1.5e-3), _trace),
    Job(
        "opening a trace and synchronising it",
        "reading its small files",
        Time(1.5e-3),
        _synchronised,
    ),
    Job(
        "AVI of 56,000 frames, 21 GB: its index",
        "reading the bytes of the index",
        Time(50e-3),
        partial(_index, again=False),
    ),
    Job(
        "AVI of 56,000 frames, 21 GB: its index again",
        "reading the bytes of the index",
        NO_TARGET,
        partial(_index, again=True),
    ),
    Job(
        "import roverd",
        "import numpy",
        Over(0.2),
        partial(_import, statement="import numpy, roverd"),
    ),
    Job(
        "import roverd, and all its public names",
        "import numpy",
        NO_TARGET,
        partial(_import, statement="import numpy; from roverd import *"),
    ),
]
