"""What the tests of the recorder share: a sensor with every format, plain readers, the log."""

import itertools
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from PIL import Image

from roverd import Recorder
from roverd.recorder import RecordedSensor
from support.channels import CASES, Array, Case, ffmpeg
from support.plain import decode_plainly

CHANNELS = {
    case.name: {
        "format": case.format,
        "type": case.dtype.strip("<"),
        "shape": case.shape,
        "args": dict(case.args),
    }
    for case in CASES
}
START = 1_700_000_000.0
RATE = 20.0

RAW = {"value": {"format": "raw", "type": "i4", "shape": (3,)}}
"""The channels of a sensor that takes `number(i)`."""


def number(i: int) -> dict[str, Array]:
    return {"value": np.array([i, i + 1, i + 2], "i4")}


def numbers(sensor: Path) -> list[int]:
    """Which frames of `number` a sensor has, all of them checked, its timestamps too."""
    found = np.fromfile(sensor / "value", "<i4").reshape(-1, 3)
    stamps = np.fromfile(sensor / "ts", "<f8")
    assert np.array_equal(found, found[:, :1] + np.arange(3))
    np.testing.assert_array_equal(stamps, START + found[:, 0] / RATE)
    return found[:, 0].tolist()


def write_number(sensor: RecordedSensor, i: int) -> bool:
    return sensor.write(START + i / RATE, number(i))


def frame(i: int) -> dict[str, Array]:
    """A frame of every format that tells its number."""
    return {case.name: case.frames(i)[0] for case in CASES}


def write(sensor: RecordedSensor, numbers: Iterable[int]) -> None:
    for i in numbers:
        sensor.write(START + i / RATE, frame(i))


def add_all_formats(recorder: Recorder, name: str = "all") -> RecordedSensor:
    return recorder.sensor(name, CHANNELS, rate=RATE)


# ── readers that are not ours ────────────────────────────────────────────────────────────────────


def read_plainly(case: Case, path: Path) -> Array:
    """All frames of a channel."""
    dtype = np.dtype(case.dtype)
    match case.format:
        case "raw":
            return np.fromfile(path, dtype).reshape(-1, *case.shape)
        case "lzma":
            data = lzma.decompress(path.read_bytes()) if path.stat().st_size else b""
            return np.frombuffer(data, dtype).reshape(-1, *case.shape)
        case "lzmaf" | "pcof" | "zstdf":
            kind = case.args.get("filter")
            frames = [
                decode_plainly(one, case.format, dtype, case.shape, kind)
                for one in encoded_frames(case, path)
            ]
            return np.stack([np.empty(case.shape, dtype), *frames])[1:]
        case "npz":
            return np.stack([np.load(file)["data"] for file in sorted(path.glob("*.npz"))])
        case "jpg":
            return np.stack([np.asarray(Image.open(file)) for file in sorted(path.glob("*.jpg"))])
        case _:
            shape = "-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-"
            return np.frombuffer(ffmpeg("-i", str(path), *shape), "u1").reshape(-1, *case.shape)


def encoded_frames(case: Case, path: Path) -> list[bytes]:
    """The bytes whose check sums are kept for a channel."""
    if case.folder:
        return [file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()]
    data = path.read_bytes()
    if case.indexed:
        ends = np.fromfile(f"{path}_i", "<u8").tolist()
        assert ends[0] == 0
        assert ends[-1] == len(data)
        return [data[begin:end] for begin, end in itertools.pairwise(ends)]
    if case.format == "mjpg":
        # Of the file's own index: 16 bytes a frame, the JPEGs from `movi` on.
        index, movi = data.rindex(b"idx1"), data.index(b"movi")
        entries = np.frombuffer(data[index + 8 :], "<u4").reshape(-1, 4)[:, 2:].tolist()
        return [data[movi + at + 8 : movi + at + 8 + size] for at, size in entries]
    return [one.tobytes() for one in read_plainly(case, path)]


def check_all_formats(sensor: Path, count: int) -> None:
    """Fail unless the sensor has exactly the first frames, by plain readers, with check sums."""
    stamps = np.fromfile(sensor / "ts", "<f8")
    np.testing.assert_array_equal(stamps, START + np.arange(count) / RATE)
    for case in CASES:
        case.check(read_plainly(case, sensor / case.name), case.upto(count))
        sums = np.fromfile(sensor / f"{case.name}_x", "<u8").tolist()
        wanted = [xxhash.xxh3_64_intdigest(one) for one in encoded_frames(case, sensor / case.name)]
        assert sums == wanted, case.name
    wanted = [xxhash.xxh3_64_intdigest(stamp.tobytes()) for stamp in stamps]
    assert np.fromfile(sensor / "ts_x", "<u8").tolist() == wanted
    assert not [file for file in sensor.rglob("*") if file.suffix == ".tmp"]


def log_of(trace: Path, event: str | None = None) -> list[dict[str, Any]]:
    """What the log tells of an event; all of it if `None`."""
    lines = (trace / "_recorder" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["time"] for entry in entries] == sorted(entry["time"] for entry in entries)
    return [entry for entry in entries if event in (None, entry["event"])]


# ── programs ─────────────────────────────────────────────────────────────────────────────────────

PROGRAM = Path(__file__).with_name("recording_program.py")


def start(how: str, trace: Path, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """Start the program that records; it prints a line when it is where it is to be."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(PROGRAM), how, str(trace), *map(str, arguments)],
        **{**pipes, **options},
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def finish(process: "subprocess.Popen[str]", seconds: float = 60) -> tuple[str, str]:
    """Wait for a program; its output and errors."""
    try:
        return process.communicate(timeout=seconds)
    except BaseException:
        process.kill()
        process.communicate()
        raise
