"""What the tests of recovery share: recordings made without roverd, and how they are judged."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from roverd import ops
from roverd.recovery import Rescue, SensorRepair, mend_sensor
from support.channels import Case
from support.traces import Recorded, numbered, pictures, plain_frames, record, stored_frames, ticks

KINDS = ("raw", "lzma", "lzmaf", "pcof", "zstdf", "mjpg", "npz", "jpg")
SHAPE, HEIGHT, WIDTH = (3, 5), 24, 32
RATE = 10.0
SIZE = 30  # bytes of a frame of `SHAPE`

Tree = dict[str, tuple[bytes, int]]


def make(path: Path, kinds: Iterable[str], count: int = 5, rate: float = RATE) -> Recorded:
    """Write the sensor `sensor` of a trace, with a channel of each format, called like it."""
    channels: dict[str, tuple[str, Any]] = {}
    for seed, kind in enumerate(kinds):
        images = kind in ("mjpg", "jpg")
        frames = (
            pictures(count, HEIGHT, WIDTH, seed)
            if images
            else numbered(count, SHAPE, "i2", seed + 1)
        )
        channels[kind] = (kind, frames)
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text("comment: made for a test\n")
    return record(path / "sensor", ticks(count, rate), channels)


def frame_bytes(made: Recorded, name: str) -> list[bytes]:
    """The bytes of each frame that its check sum is of."""
    kind = made.meta[name]["format"]
    if kind in ("raw", "lzma"):
        frames = made.stamps if name == "ts" else made.frames[name]
        return [frame.tobytes() for frame in frames]
    return stored_frames(made.path, name, kind)


def add_sums(made: Recorded, *names: str) -> None:
    """Write the check sums of channels; of all, if none is named."""
    for name in names or made.meta:
        sums = [xxhash.xxh3_64_intdigest(frame) for frame in frame_bytes(made, name)]
        np.array(sums, "<u8").tofile(made.path / f"{name}_x")
        made.meta[name]["checksum"] = "xxh3_64"
    made.write_meta()


def write_log(trace: Path, *events: str) -> None:
    """Write the log of a recorder."""
    (trace / "_recorder").mkdir(exist_ok=True)
    lines = [json.dumps({"event": event, "time": 1.0}) + "\n" for event in events]
    (trace / "_recorder" / "log.jsonl").write_text("".join(lines))


def case_of(made: Recorded, name: str) -> Case:
    entry = made.meta[name]
    kind = entry["format"]
    return Case(kind, kind, entry["type"], tuple(entry["shape"]), folder=kind in ("npz", "jpg"))


def tree(root: Path, scratch: bool = False) -> Tree:
    """All files below a folder, with their times; what was rescued only if asked for."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and (scratch or "_scratch" not in path.relative_to(root).parts)
    }


def contents(root: Path) -> dict[str, bytes]:
    return {name: data for name, (data, _) in tree(root).items()}


def mend(sensor: Path, **options: Any) -> tuple[SensorRepair, Path | None]:
    """Mend a sensor; what became of it, and where the rest is."""
    rescue = Rescue(sensor.parent)
    try:
        report = mend_sensor(sensor, rescue, **options)
    finally:
        rescue.close()
    return report, None if rescue.folder is None else Path(rescue.folder)


def expect_mended(made: Recorded, count: int, dropped: Iterable[str] = ()) -> None:
    """Assert that a sensor has exactly its first frames, by plain readers, and no errors."""
    folder = made.path
    meta = json.loads((folder / "meta.json").read_text())
    assert set(meta) == set(made.meta) - set(dropped)
    np.testing.assert_array_equal(np.fromfile(folder / "ts", "<f8"), made.stamps[:count])
    for name, entry in meta.items():
        if name != "ts":
            # Readers of images need one.
            found = plain_frames(folder, name, entry)
            np.testing.assert_array_equal(found, made.frames[name][:count], name)
        if "checksum" in entry:
            sums = np.fromfile(folder / f"{name}_x", "<u8").tolist()
            wanted = [xxhash.xxh3_64_intdigest(frame) for frame in frame_bytes_of(made, name)]
            assert sums == wanted[:count], name
    (trace,) = ops.validate(folder.parent, {}).traces
    assert not trace.errors


def frame_bytes_of(made: Recorded, name: str) -> list[bytes]:
    """As `frame_bytes`, of what is left in the files."""
    kind = made.meta[name]["format"]
    if kind in ("raw", "lzma"):
        return frame_bytes(made, name)
    return stored_frames(made.path, name, kind)


def expect_sound(sensor: Path) -> None:
    """Assert that mending changes nothing, not even a time."""
    before = tree(sensor.parent, scratch=True)
    report, folder = mend(sensor)
    assert (report.status, report.changed, folder) == (0, False, None)
    assert tree(sensor.parent, scratch=True) == before


def expect_all_kept(before: Mapping[str, bytes], trace: Path, rescued: Path | None) -> None:
    """Assert that what was there before is there again once what was rescued is put back."""
    now = contents(trace)
    if rescued is None:
        assert now == before
        return
    listed = json.loads((rescued / "repair.json").read_text())["kept"]
    copies = {str(path.relative_to(rescued)) for path in rescued.rglob("*") if path.is_file()}
    named: set[str] = set()
    for entry in listed:
        copy, file, offset = rescued / entry["copy"], entry["file"], entry["offset"]
        if copy.is_dir():
            parts = {str(p.relative_to(copy)): p for p in copy.rglob("*") if p.is_file()}
            now |= {f"{file}/{name}": part.read_bytes() for name, part in parts.items()}
            named |= {str(part.relative_to(rescued)) for part in parts.values()}
            continue
        data = copy.read_bytes()
        assert len(data) == entry["bytes"]
        named.add(entry["copy"])
        if offset is None:
            now[file] = data
        else:
            content = bytearray(now.get(file, b""))
            assert len(content) >= offset
            content[offset : offset + len(data)] = data
            now[file] = bytes(content)
    assert copies == named | {"repair.json"}
    assert set(before) <= set(now)
    for file, data in before.items():
        # What was rebuilt may be longer than what was there.
        assert now[file][: len(data)] == data, file


def copy_of(trace: Path, target: Path) -> Path:
    shutil.copytree(trace, target, symlinks=True)
    return target


def fill(path: Path, begin: int, size: int, byte: bytes = b"\0") -> None:
    """Write the same byte over part of a file, and behind its end."""
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(byte * size)


def sizes_to_try(path: Path) -> list[int]:
    """All sizes of a small file; of a larger one those around what the format cares about."""
    size = os.path.getsize(path)
    if size <= 700:
        return list(range(size))
    data = path.read_bytes()
    edges = {0, 1, size - 1}
    for mark in (b"00dc", b"LIST", b"RIFF", b"idx1", b"movi", b"\xfd7zXZ", b"YZ"):
        position = data.find(mark)
        while position >= 0:
            edges |= set(range(position - 2, position + 18))
            position = data.find(mark, position + 1)
    return sorted({edge for edge in edges | set(range(0, size, 211)) if 0 <= edge < size})
