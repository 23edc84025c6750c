"""The data that is measured on: shapes, rates and compressibility of the public data set.

Made with NumPy, lzma and OpenCV only, so that what is read is nobody's own output, and kept in
`bench/out` for the next run.
"""

import itertools
import json
import lzma
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.sparse_avi import write_sparse_avi

_VERSION = 1  # in the folder's name: data of other versions is not used
_START = 1.7279e9  # seconds since the epoch
_SECONDS = 2.0
_RADAR_HZ, _LIDAR_HZ, _CAMERA_HZ, _IMU_HZ = 20, 10, 30, 100
_DROPPED = 0.12  # proportion of lidar pixels that nothing came back to
_BLOBS = 16
_LIGHT_FRAMES = 10
_CAMERA_BITS = 16  # of the frame number, as black and white blocks in the picture
_BLOCK = 16  # pixels a side


@dataclass(frozen=True)
class Size:
    """How much data to measure on.

    Attributes:
        name: of the folder.
        radar: shape of a radar frame.
        lidar: shape of a lidar frame.
        camera: height and width of a camera frame.
        traces: how many light traces the dataset has.
        long_frames: frames of the AVI that only has an index.
    """

    name: str
    radar: tuple[int, ...]
    lidar: tuple[int, int]
    camera: tuple[int, int]
    traces: int
    long_frames: int


FULL = Size("full", (64, 3, 4, 512), (128, 2048), (1080, 1920), 1000, 56_000)
QUICK = Size("quick", (8, 3, 4, 64), (32, 512), (272, 480), 50, 3_000)


@dataclass(frozen=True)
class Data:
    """Where the data is.

    Attributes:
        folder: what all of it is in.
        size: how much it is.
    """

    folder: str
    size: Size

    @property
    def trace(self) -> str:
        """A trace: radar, lidar, camera and IMU, some seconds."""
        return f"{self.folder}/trace"

    @property
    def long_trace(self) -> str:
        """The same trace with `long_avi` for a video."""
        return f"{self.folder}/long_trace"

    @property
    def long_avi(self) -> str:
        """An AVI of half an hour: all of its index, and holes where the images would be."""
        return f"{self.folder}/long.avi"

    @property
    def blobs(self) -> str:
        """Radar frames as one stored npz each."""
        return f"{self.folder}/iq"

    @property
    def light_traces(self) -> list[str]:
        """Traces of a few small frames."""
        return [f"{self.folder}/light/{i:04d}" for i in range(self.size.traces)]


def provide(out: str, size: Size) -> Data:
    """The data, made if it is not there yet."""
    folder = os.path.join(out, f"data-{_VERSION}-{size.name}")
    if not os.path.isdir(folder):
        unfinished = f"{folder}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make(Data(unfinished, size))
        os.replace(unfinished, folder)
    return Data(folder, size)


def jpeg_places(path: str) -> list[tuple[int, int]]:
    """Offset and size of the JPEGs in an AVI file of less than 1 GiB, by its chunks."""
    content = _read(path)
    found: list[tuple[int, int]] = []
    movi = content.index(b"movi")
    position = movi + 4
    end = movi + int.from_bytes(content[movi - 4 : movi], "little")
    while position < end:
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        if content[position : position + 4] == b"00dc":
            found.append((position + 8, size))
        position += 8 + size + (size & 1)
    return found


def jpegs(path: str) -> list[bytes]:
    """The JPEGs in an AVI file."""
    content = _read(path)
    return [content[offset : offset + size] for offset, size in jpeg_places(path)]


def xz_offsets(path: str) -> list[int]:
    """Where the frames of an `lzmaf` channel begin; last, where the last one ends."""
    return np.fromfile(f"{path}_i", "<u8").tolist()


def xz_streams(path: str) -> list[bytes]:
    """The .xz streams of an `lzmaf` channel."""
    offsets, content = xz_offsets(path), _read(path)
    return [content[a:b] for a, b in itertools.pairwise(offsets)]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _make(data: Data) -> None:
    rng = np.random.default_rng(0)
    _make_radar(data, rng)
    _make_lidar(data, rng)
    _make_camera(data, rng)
    _make_imu(f"{data.trace}/imu", round(_IMU_HZ * _SECONDS), ("rot", "acc", "avel"), rng)
    _mark(data.trace)
    for path in data.light_traces:
        _make_imu(f"{path}/imu", _LIGHT_FRAMES, ("acc",), rng)
        _mark(path)
    write_sparse_avi(data.long_avi, data.size.long_frames, data.size.camera, _CAMERA_HZ)
    _link_long_trace(data)


def _mark(trace: str) -> None:
    with open(f"{trace}/config.yaml", "w") as file:
        file.write("radar:\n  type: radar\nlidar:\n  type: lidar\n")


def _write_json(path: str, content: Mapping[str, Any]) -> None:
    with open(path, "w") as file:
        json.dump(content, file, indent=4)


def _begin_sensor(
    path: str, count: int, rate: float, channels: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Write meta.json and timestamps with half a millisecond of jitter."""
    os.makedirs(path)
    stamps = {"format": "raw", "type": "f8", "shape": [], "desc": "Timestamp."}
    _write_json(f"{path}/meta.json", {"ts": stamps, **channels})
    times = _START + np.arange(count) / rate + rng.normal(0, 5e-4, count)
    np.sort(times).astype("<f8").tofile(f"{path}/ts")


def _channel(kind: str, dtype: str, shape: Iterable[int]) -> dict[str, Any]:
    return {"format": kind, "type": dtype, "shape": list(shape)}


def _make_radar(data: Data, rng: np.random.Generator) -> None:
    path, shape, count = f"{data.trace}/radar", data.size.radar, round(_RADAR_HZ * _SECONDS)
    channels = {"iq": _channel("raw", "i2", shape), "valid": _channel("raw", "u1", ())}
    _begin_sensor(path, count, _RADAR_HZ, channels, rng)
    os.makedirs(data.blobs)
    with open(f"{path}/iq", "wb") as file:
        for i in range(count):
            frame = rng.normal(0, 300, shape).astype("<i2")
            file.write(frame.tobytes())
            if i < _BLOBS:
                np.savez(f"{data.blobs}/{i:06d}.npz", data=frame)
    np.ones(count, "u1").tofile(f"{path}/valid")
    _write_json(f"{path}/radar.json", {"range_resolution": 0.0437, "doppler_resolution": 0.0373})


def _make_lidar(data: Data, rng: np.random.Generator) -> None:
    path, shape, count = f"{data.trace}/lidar", data.size.lidar, round(_LIDAR_HZ * _SECONDS)
    types = {"rng": "u2", "nir": "u2", "rfl": "u1"}
    channels = {name: _channel("lzmaf", dtype, shape) for name, dtype in types.items()}
    _begin_sensor(path, count, _LIDAR_HZ, channels, rng)
    azimuth = np.linspace(0, 2 * np.pi, shape[1])
    elevation = np.linspace(-0.78, 0.78, shape[0])[:, None]

    def ranges(i: int) -> NDArray[Any]:
        image = 6000 + 2500 * np.sin(3 * azimuth + 0.02 * i) * np.cos(2 * elevation)
        image = image + 1500 * np.sin(7 * azimuth) + rng.normal(0, 6, shape)
        image[rng.random(shape) < _DROPPED] = 0
        return image

    def ambient(i: int) -> NDArray[Any]:
        return 900 + 600 * np.sin(5 * azimuth + 0.01 * i) + rng.normal(0, 90, shape)

    def reflectivity(i: int) -> NDArray[Any]:
        del i
        return 30 + 20 * np.sin(4 * azimuth) + rng.normal(0, 4, shape)

    for name, image in (("rng", ranges), ("nir", ambient), ("rfl", reflectivity)):
        dtype = np.dtype(types[name])
        frames = (np.clip(image(i), 0, np.iinfo(dtype).max).astype(dtype) for i in range(count))
        _write_lzmaf(f"{path}/{name}", frames)
    _write_json(
        f"{path}/lidar.json",
        {"lidar_data_format": {"pixels_per_column": shape[0], "columns_per_frame": shape[1]}},
    )


def _write_lzmaf(path: str, frames: Iterator[NDArray[Any]]) -> None:
    offsets = [0]
    with open(path, "wb") as file:
        for frame in frames:
            stream = lzma.compress(frame.tobytes(), preset=0)
            file.write(stream)
            offsets.append(offsets[-1] + len(stream))
    np.array(offsets, "<u8").tofile(f"{path}_i")


def _make_camera(data: Data, rng: np.random.Generator) -> None:
    path, count = f"{data.trace}/camera", round(_CAMERA_HZ * _SECONDS)
    height, width = data.size.camera
    video = _channel("mjpg", "u1", (height, width, 3))
    _begin_sensor(path, count, _CAMERA_HZ, {"video.avi": video}, rng)
    coarse = rng.integers(0, 255, (height // 24, width // 24, 3)).astype("u1")
    base = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = [rng.normal(0, 4, (height, width, 3)).astype("i2") for _ in range(4)]
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(f"{path}/video.avi", fourcc, float(_CAMERA_HZ), (width, height))
    for i in range(count):
        moved = np.roll(base, 3 * i, axis=1).astype("i2")
        frame = np.clip(moved + noise[i % len(noise)], 0, 255).astype("u1")
        for bit in range(_CAMERA_BITS):
            value = 255 if i >> bit & 1 else 0
            frame[:_BLOCK, bit * _BLOCK : (bit + 1) * _BLOCK] = value
        writer.write(frame)
    writer.release()


def _make_imu(path: str, count: int, names: Iterable[str], rng: np.random.Generator) -> None:
    channels = {name: _channel("raw", "f4", (3,)) for name in names}
    _begin_sensor(path, count, _IMU_HZ, channels, rng)
    for name in channels:
        rng.normal(0, 1, (count, 3)).astype("<f4").tofile(f"{path}/{name}")


def _link_long_trace(data: Data) -> None:
    os.makedirs(data.long_trace)
    for sensor in ("radar", "lidar", "imu"):
        os.symlink(f"../trace/{sensor}", f"{data.long_trace}/{sensor}")
    os.makedirs(f"{data.long_trace}/camera")
    for name, target in (
        ("meta.json", "../../trace/camera/meta.json"),
        ("ts", "../../trace/camera/ts"),
        ("video.avi", "../../long.avi"),
    ):
        os.symlink(target, f"{data.long_trace}/camera/{name}")
    _mark(data.long_trace)
