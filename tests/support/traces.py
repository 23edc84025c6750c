"""Recordings made without roverd, and plain decodes of them.

Everything here knows the format from its description alone: NumPy, the standard library's `lzma`,
pcodec, zstandard, Pillow for JPEG, and an AVI of nothing but what the format needs.
"""

import io
import itertools
import json
import lzma
import math
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from support.plain import decode_plainly, encode_plainly

DATA = Path(__file__).parents[1] / "data"
SHORT = DATA / "traces" / "short"
START = 1_700_000_000.0

TS_ENTRY = {"format": "raw", "type": "f8", "shape": [], "desc": "Timestamp, in seconds."}


def numbered(count: int, shape: Sequence[int], dtype: str, seed: int = 0) -> np.ndarray:
    """Frames `(count, *shape)` of noise, every one of which is told from all others."""
    rng = np.random.default_rng([seed, count, *shape])
    kind = np.dtype(dtype)
    if kind.kind in "ui":
        frames = rng.integers(0, min(np.iinfo(kind).max, 30000), (count, *shape)).astype(kind)
    else:
        frames = rng.normal(size=(count, *shape)).astype(kind)
    frames.reshape(count, math.prod(shape))[:, 0] = np.arange(count) + 100 * (seed % 2)
    return frames


def pictures(count: int, height: int, width: int, seed: int = 0) -> list[bytes]:
    """JPEGs of smooth pictures, every one of which is told from all others."""
    rng = np.random.default_rng([seed, height, width])
    jpegs: list[bytes] = []
    for number in range(count):
        small = rng.integers(0, 255, (4, 5, 3)).astype(np.uint8)
        small[0, 0] = number * 3 % 256
        image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        jpegs.append(file.getvalue())
    return jpegs


def decoded(jpegs: Iterable[bytes]) -> np.ndarray:
    """What Pillow makes of JPEGs: `(n, height, width, 3)`."""
    return np.stack([np.array(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs])


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def avi(jpegs: Sequence[bytes], height: int, width: int, fps: int = 10) -> bytes:
    """An AVI 1.0 file with its index."""
    n = len(jpegs)
    avih = struct.pack("<14I", 10**6 // fps, 0, 0, 0x10, n, 0, 1, 0, width, height, 0, 0, 0, 0)
    strh = struct.pack("<4s4sIHHIIIIIIII", b"vids", b"MJPG", 0, 0, 0, 0, 1, fps, 0, n, 0, 0, 0)
    strh += struct.pack("<4H", 0, 0, width, height)
    strf = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    strl = b"strl" + _chunk(b"strh", strh) + _chunk(b"strf", strf)
    hdrl = b"hdrl" + _chunk(b"avih", avih) + _chunk(b"LIST", strl)
    movi, idx1 = b"movi", b""
    for jpeg in jpegs:
        idx1 += struct.pack("<4sIII", b"00dc", 0x10, len(movi), len(jpeg))
        movi += _chunk(b"00dc", jpeg)
    body = _chunk(b"LIST", hdrl) + _chunk(b"LIST", movi) + _chunk(b"idx1", idx1)
    return _chunk(b"RIFF", b"AVI " + body)


def jpegs_of(data: bytes) -> list[bytes]:
    """The JPEGs of an AVI 1.0 file, found by walking its chunks."""
    assert data[:4] == b"RIFF" and data[8:12] == b"AVI "
    return _jpegs(data, 12, 8 + int.from_bytes(data[4:8], "little"))


def _jpegs(data: bytes, position: int, end: int) -> list[bytes]:
    found: list[bytes] = []
    while position + 8 <= end:
        name, size = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 :][:4], "little"),
        )
        start = position + 8
        if name == b"LIST" and data[start : start + 4] == b"movi":
            found += _jpegs(data, start + 4, start + size)
        elif name == b"00dc":
            found.append(data[start : start + size])
        position = start + size + size % 2
    return found


def xz_frames(folder: Path, name: str, dtype: str, shape: Sequence[int]) -> np.ndarray:
    """All frames of an `lzmaf` channel."""
    data = (folder / name).read_bytes()
    offsets = np.fromfile(folder / f"{name}_i", "<u8").tolist()
    frames = [
        np.frombuffer(lzma.decompress(data[begin:end]), dtype).reshape(shape)
        for begin, end in itertools.pairwise(offsets)
    ]
    return np.stack(frames)


def stored_frames(folder: Path, name: str, kind: str) -> list[bytes]:
    """The bytes of each frame of a channel, as they are stored."""
    match kind:
        case "lzmaf" | "pcof" | "zstdf":
            data = (folder / name).read_bytes()
            offsets = np.fromfile(folder / f"{name}_i", "<u8").tolist()
            return [data[begin:end] for begin, end in itertools.pairwise(offsets)]
        case "mjpg":
            return jpegs_of((folder / name).read_bytes())
        case "npz" | "jpg":
            # Numbered without a gap, or this fails.
            count = len([path for path in (folder / name).iterdir() if path.suffix == f".{kind}"])
            files = [folder / name / f"{number:06d}.{kind}" for number in range(count)]
            return [path.read_bytes() for path in files]
        case _:
            raise ValueError(kind)


def plain_frames(folder: Path, name: str, entry: Mapping[str, Any]) -> np.ndarray:
    """All frames of a channel, `(n, *shape)`, without roverd.

    Args:
        folder: of the sensor.
        name: of the channel.
        entry: its description in `meta.json`.
    """
    kind, dtype, shape = entry["format"], np.dtype(entry["type"]), entry["shape"]
    if kind == "raw":
        return np.fromfile(folder / name, dtype).reshape(-1, *shape)
    if kind == "lzma":
        data = (folder / name).read_bytes()
        return np.frombuffer(lzma.decompress(data) if data else b"", dtype).reshape(-1, *shape)
    stored = stored_frames(folder, name, kind)
    if not stored:
        return np.empty((0, *shape), dtype)
    if kind in ("mjpg", "jpg"):
        return decoded(stored)
    if kind == "npz":
        return np.stack([np.load(io.BytesIO(data))["data"] for data in stored])
    filter = entry.get("args", {}).get("filter")
    return np.stack([decode_plainly(data, kind, dtype, shape, filter) for data in stored])


@dataclass
class Recorded:
    """What a sensor's folder holds: the truth that samples are compared with."""

    path: Path
    stamps: np.ndarray
    frames: dict[str, np.ndarray] = field(default_factory=dict)
    meta: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write_meta(self) -> None:
        (self.path / "meta.json").write_text(json.dumps(self.meta))

    def drop(self, *names: str) -> None:
        """Forget channels, and remove their files."""
        for name in names:
            del self.meta[name]
            (self.path / name).unlink()
        self.write_meta()


def record(
    path: Path,
    stamps: np.ndarray,
    channels: Mapping[str, tuple[str, Any]],
    files: Mapping[str, str] | None = None,
) -> Recorded:
    """Write a sensor.

    Args:
        path: its folder.
        stamps: its timestamps.
        channels: format and frames by name; frames of `mjpg` and `jpg` are JPEGs.
        files: text of other files, by name.
    """
    path.mkdir(parents=True)
    made = Recorded(path, stamps, meta={"ts": dict(TS_ENTRY)})
    stamps.astype("<f8").tofile(path / "ts")
    for name, (kind, frames) in channels.items():
        pixels = decoded(frames) if kind in ("mjpg", "jpg") else frames
        _write_channel(path / name, kind, frames, pixels)
        made.frames[name] = pixels
        made.meta[name] = {
            "format": kind,
            "type": pixels.dtype.str[1:],
            "shape": list(pixels.shape[1:]),
            "desc": f"{name} of a test",
        }
    made.write_meta()
    for name, text in (files or {}).items():
        (path / name).write_text(text)
    return made


def _write_channel(path: Path, kind: str, frames: Any, pixels: np.ndarray) -> None:
    match kind:
        case "raw":
            frames.tofile(path)
        case "lzma":
            path.write_bytes(lzma.compress(frames.tobytes()))
        case "lzmaf" | "pcof" | "zstdf":
            streams = [encode_plainly(np.asarray(frame), kind) for frame in frames]
            path.write_bytes(b"".join(streams))
            offsets = np.cumsum([0, *map(len, streams)])
            offsets.astype("<u8").tofile(f"{path}_i")
        case "mjpg":
            path.write_bytes(avi(frames, *pixels.shape[1:3]))
        case "npz":
            path.mkdir()
            for number, frame in enumerate(frames):
                np.savez(path / f"{number:06d}.npz", data=frame)
        case "jpg":
            path.mkdir()
            for number, jpeg in enumerate(frames):
                (path / f"{number:06d}.jpg").write_bytes(jpeg)
        case _:
            raise ValueError(kind)


def ticks(count: int, rate: float, offset: float = 0.0) -> np.ndarray:
    """Timestamps at a fixed rate, with a little jitter that keeps their order."""
    jitter = np.random.default_rng(count).uniform(0, 0.2 / rate, count)
    return START + offset + np.arange(count) / rate + jitter


RADAR_JSON = '{"range_resolution": 0.25, "doppler_resolution": 0.125, "bits": [1, 2]}'
HEIGHT, WIDTH = 24, 32


def record_radar(path: Path, count: int, seed: int = 0) -> Recorded:
    channels = {
        "iq": ("raw", numbered(count, (4, 2, 2, 8), "i2", seed)),
        "valid": ("raw", numbered(count, (), "u1", seed)),
    }
    return record(path, ticks(count, 20), channels, {"radar.json": RADAR_JSON})


def record_lidar(path: Path, count: int, seed: int = 0) -> Recorded:
    channels = {
        "rng": ("lzmaf", numbered(count, (8, 16), "u2", seed)),
        "rfl": ("lzmaf", numbered(count, (8, 16), "u1", seed)),
        "nir": ("lzmaf", numbered(count, (8, 16), "u2", seed + 1)),
    }
    return record(path, ticks(count, 10, 0.01), channels, {"lidar.json": "{}"})


def record_camera(path: Path, count: int, seed: int = 0, kind: str = "mjpg") -> Recorded:
    images = pictures(count, HEIGHT, WIDTH, seed)
    return record(path, ticks(count, 30, 0.02), {"video.avi": (kind, images)})


def record_imu(path: Path, count: int, seed: int = 0) -> Recorded:
    channels = {
        name: ("raw", numbered(count, (3,), "f4", seed + number))
        for number, name in enumerate(("acc", "rot", "avel"))
    }
    return record(path, ticks(count, 100), channels)


def record_trace(path: Path, seconds: float = 1.0, seed: int = 0) -> dict[str, Recorded]:
    """Write a trace with one sensor of each kind.

    Args:
        path: its folder.
        seconds: how long it is.
        seed: makes the content of one trace differ from that of others.

    Returns:
        What is in it, by sensor.
    """
    path.mkdir(parents=True)
    (path / "config.yaml").write_text("comment: made for a test\n")
    return {
        "radar": record_radar(path / "radar", int(20 * seconds), seed),
        "lidar": record_lidar(path / "lidar", int(10 * seconds), seed),
        "camera": record_camera(path / "camera", int(30 * seconds), seed),
        "imu": record_imu(path / "imu", int(100 * seconds), seed),
    }


def record_poses(trace: Path, count: int, reference: str = "radar") -> dict[str, np.ndarray]:
    """Write the poses of a trace, in double precision, and one array more than is read."""
    folder = trace / f"_{reference}"
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {"pos": (3,), "vel": (3,), "acc": (3,), "rot": (3, 3)}
    poses = {name: numbered(count, shape, "f8", 3) for name, shape in shapes.items()}
    poses["t"] = ticks(count, 20)
    np.savez(folder / "pose.npz", **poses, extra=np.arange(5))
    return poses


def nearest(stamps: Mapping[str, np.ndarray], reference: str, tolerance: float) -> dict[str, Any]:
    """Frame numbers that `generic.Nearest` stands for, by looking at every pair."""
    begin = max(times[0] for times in stamps.values())
    end = min(times[-1] for times in stamps.values())
    rows: list[dict[str, int]] = []
    for time in stamps[reference]:
        row = {name: int(np.argmin(np.abs(times - time))) for name, times in stamps.items()}
        near = all(abs(stamps[name][number] - time) < tolerance for name, number in row.items())
        if begin <= time <= end and near:
            rows.append(row)
    return {name: [row[name] for row in rows] for name in stamps}


def link(target: Path, name: Path) -> None:
    """Make a symbolic link that is relative, as they are in published recordings."""
    name.symlink_to(os.path.relpath(target, name.parent))
