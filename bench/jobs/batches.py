"""Many frames at a time, on all cores."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench import data
from bench.data import Data
from bench.jobs import bare
from bench.timing import Job, Pair, Target
from roverd.channels import LzmaFrameChannel, VideoChannel

_FRAMES = 16


@contextmanager
def _video(made: Data) -> Generator[Pair]:
    path = f"{made.trace}/camera/video.avi"
    channel = VideoChannel(path, "u1", (*made.size.camera, 3))
    images = data.jpegs(path)
    starts = bare.shuffled(len(images) - _FRAMES + 1)
    with bare.all_cores() as pool:

        def limit(k: int) -> list[Any]:
            start = starts[k % len(starts)]
            return list(pool.map(bare.decode_jpeg, images[start : start + _FRAMES]))

        yield Pair(lambda k: channel.read(starts[k % len(starts)], _FRAMES), limit)


@contextmanager
def _lzmaf(made: Data) -> Generator[Pair]:
    path = f"{made.trace}/lidar/rng"
    channel = LzmaFrameChannel(path, "u2", made.size.lidar)
    streams = data.xz_streams(path)
    starts = bare.shuffled(len(streams) - _FRAMES + 1)
    sizes = [channel.size] * _FRAMES
    with bare.all_cores() as pool:

        def limit(k: int) -> list[Any]:
            start = starts[k % len(starts)]
            return list(pool.map(bare.decode_xz, streams[start : start + _FRAMES], sizes))

        def check(ours: Any, limit: list[Any]) -> None:
            for frame, decoded in zip(ours, limit, strict=True):
                np.testing.assert_array_equal(frame.reshape(-1), np.frombuffer(decoded, "<u2"))

        yield Pair(lambda k: channel.read(starts[k % len(starts)], _FRAMES), limit, check)


JOBS = [
    Job("16 frames of an AVI", "simplejpeg.decode_jpeg in a thread pool", Target(1.15), _video),
    Job("16 frames of lzmaf", "imagecodecs.lzma_decode in a thread pool", Target(1.15), _lzmaf),
]
