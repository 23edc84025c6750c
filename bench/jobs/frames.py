"""One frame of each format."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import simplejpeg

from bench import data
from bench.data import Data
from bench.jobs import bare
from bench.timing import Job, Over, Pair, Target
from roverd.channels import LzmaFrameChannel, NPZBlobChannel, RawChannel, VideoChannel

_SMALLER = 4  # how many times in each direction: 1920×1080 to 480×270


def _raw_pair(file: int, channel: RawChannel, count: int) -> Pair:
    order = bare.shuffled(count)
    shape, dtype, size = (1, *channel.shape), channel.type.str, channel.size

    def limit(k: int) -> Any:
        return bare.read_array(file, order[k % len(order)] * size, shape, dtype)

    return Pair(lambda k: channel[order[k % len(order)]], limit)


@contextmanager
def _raw_radar(made: Data) -> Generator[Pair]:
    channel = RawChannel(f"{made.trace}/radar/iq", "i2", made.size.radar)
    with bare.descriptor(channel.path) as file:
        yield _raw_pair(file, channel, len(channel))


@contextmanager
def _raw_imu(made: Data) -> Generator[Pair]:
    channel = RawChannel(f"{made.trace}/imu/acc", "f4", (3,))
    with bare.descriptor(channel.path) as file:
        yield _raw_pair(file, channel, len(channel))


@contextmanager
def _video(made: Data) -> Generator[Pair]:
    path = f"{made.trace}/camera/video.avi"
    channel = VideoChannel(path, "u1", (*made.size.camera, 3))
    images = data.jpegs(path)
    order = bare.shuffled(len(images))
    yield Pair(
        lambda k: channel[order[k % len(order)]][0],
        lambda k: bare.decode_jpeg(images[order[k % len(order)]]),
    )


@contextmanager
def _small_video(made: Data) -> Generator[Pair]:
    path = f"{made.trace}/camera/video.avi"
    height, width = (side // _SMALLER for side in made.size.camera)
    shape = (*made.size.camera, 3)
    channel = VideoChannel(path, "u1", shape, resolution=(width, height))
    images = data.jpegs(path)
    order = bare.shuffled(len(images))

    def limit(k: int) -> Any:
        image = images[order[k % len(order)]]
        return simplejpeg.decode_jpeg(image, min_height=height, min_width=width)

    yield Pair(lambda k: channel[order[k % len(order)]][0], limit)


@contextmanager
def _lzmaf(made: Data) -> Generator[Pair]:
    path = f"{made.trace}/lidar/rng"
    channel = LzmaFrameChannel(path, "u2", made.size.lidar)
    streams = data.xz_streams(path)
    order = bare.shuffled(len(streams))

    def check(ours: Any, limit: Any) -> None:
        np.testing.assert_array_equal(ours.reshape(-1), np.frombuffer(limit, "<u2"))

    yield Pair(
        lambda k: channel[order[k % len(order)]],
        lambda k: bare.decode_xz(streams[order[k % len(order)]], channel.size),
        check,
    )


@contextmanager
def _npz(made: Data) -> Generator[Pair]:
    channel = NPZBlobChannel(made.blobs, "i2", made.size.radar)
    order = bare.shuffled(len(channel))

    def limit(k: int) -> bytes:
        path = f"{made.blobs}/{order[k % len(order)]:06d}.npz"
        file = os.open(path, os.O_RDONLY)
        content = os.pread(file, channel.size, _PAYLOAD)
        os.close(file)
        return content

    def check(ours: Any, limit: bytes) -> None:
        np.testing.assert_array_equal(ours.reshape(-1), np.frombuffer(limit, "<i2"))

    yield Pair(lambda k: channel[order[k % len(order)]], limit, check)


# Where NumPy puts an array in a stored npz: headers of the zip (30 bytes, the name, 20 bytes) and
# of the array, which is padded to 64 bytes.
_PAYLOAD = 30 + len("data.npy") + 20 + 128

JOBS = [
    Job("one raw frame, 786 kB", "os.preadv into a new array", Target(1.3), _raw_radar),
    Job("one raw frame, 12 B", "os.preadv into a new array", Over(8e-6), _raw_imu),
    Job("one 1080p frame of an AVI, random", "simplejpeg.decode_jpeg", Target(1.1), _video),
    Job(
        "one 1080p frame at resolution=(480, 270)",
        "simplejpeg.decode_jpeg, scaled",
        Target(1.2),
        _small_video,
    ),
    Job("one lzmaf frame", "imagecodecs.lzma_decode", Target(1.1), _lzmaf),
    Job("one npz blob, stored, 786 kB", "os.open, os.pread, os.close", Target(1.5), _npz),
]
