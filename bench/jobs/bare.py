"""The bare library calls that roverd is compared with."""

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray


def shuffled(count: int, times: int = 50) -> list[int]:
    """All frame numbers in random order, again and again."""
    rng = np.random.default_rng(2)
    return [int(i) for _ in range(times) for i in rng.permutation(count)]


@contextmanager
def descriptor(path: str) -> Generator[int]:
    """A file open for reading."""
    number = os.open(path, os.O_RDONLY)
    try:
        yield number
    finally:
        os.close(number)


@contextmanager
def all_cores() -> Generator[ThreadPoolExecutor]:
    """A plain thread pool with a thread for each core."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    with ThreadPoolExecutor(cores) as pool:
        yield pool


def read_array(file: int, offset: int, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Read into a new array."""
    out = np.empty(shape, dtype)
    os.preadv(file, [out], offset)
    return out


def decode_xz(stream: bytes, size: int) -> Any:
    """Decompress, with the size known beforehand: the faster way."""
    return imagecodecs.lzma_decode(stream, out=size)


def decode_jpeg(image: bytes) -> NDArray[Any]:
    """Decompress to RGB."""
    return simplejpeg.decode_jpeg(image)
