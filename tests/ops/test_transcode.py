"""`transcode`: the same frames in other formats, read with NumPy, lzma, zipfile and Pillow."""

import json
import lzma
import os
import pickle
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import xxhash

from roverd import Trace
from roverd.channels import CHANNEL_TYPES, LzmaFrameChannel, RawChannel
from roverd.errors import (
    AlreadyExistsError,
    ChannelNotFoundError,
    CorruptFileError,
    MetadataError,
    MissingFileError,
    UnsupportedError,
)
from roverd.ops import Format, Transcoded, transcode, transcode_trace
from roverd.ops.new_trace import new_folder
from roverd.recorder.claim import Claim
from support.traces import (
    HEIGHT,
    SHORT,
    START,
    WIDTH,
    avi,
    numbered,
    pictures,
    plain_frames,
    record,
    record_poses,
    record_trace,
    stored_frames,
)

STAMPS = START + np.arange(9.0)
LARGE = (4, 3, 4, 44)  # 4224 bytes of i2


def meta_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta.json").read_text())


def formats_of(before: Path, after: Path) -> dict[str, str]:
    """Assert that two traces have the same frames, bit for bit; give the formats of the second."""
    formats: dict[str, str] = {}
    names = sorted(path.parent.name for path in before.glob("*/meta.json"))
    assert names == sorted(path.parent.name for path in after.glob("*/meta.json"))
    for name in names:
        old, new = meta_of(before / name), meta_of(after / name)
        assert list(old) == list(new)
        for channel in old:
            wanted = plain_frames(before / name, channel, old[channel])
            found = plain_frames(after / name, channel, new[channel])
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            assert found.tobytes() == wanted.tobytes()
            formats[f"{name}/{channel}"] = new[channel]["format"]
    assert (after / "config.yaml").read_bytes() == (before / "config.yaml").read_bytes()
    assert not list(after.rglob(".*"))
    return formats


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace with channels of every format."""
    folder = tmp_path / "source"
    record_trace(folder, 0.5)
    odd = numbered(9, (7, 3), "f4")
    odd[2, 0], odd[5, 1, 1], odd[6, 1] = np.nan, -0.0, np.inf
    contents = {
        "raw": ("raw", odd),
        "lzma": ("lzma", numbered(9, LARGE, "i2")),
        "lzmaf": ("lzmaf", numbered(9, LARGE, "i2", 1)),
        "npz": ("npz", numbered(9, LARGE, "u2")),
        "jpg": ("jpg", pictures(9, HEIGHT, WIDTH)),
        "video.avi": ("mjpg", pictures(9, HEIGHT, WIDTH, 1)),
    }
    record(folder / "all", STAMPS, contents, {"calibration.json": "{}"})
    record(folder / "_camera", STAMPS, {"segment": ("lzmaf", numbered(9, (20, 20), "u1"))})
    record_poses(folder, 10)
    return folder


# ── formats ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "format",
    ["raw", "lzma", "lzmaf", "pcof", "zstdf,filter=planes", "npz", "npz,compress=true"],
)
def test_arrays_become_any_format_for_arrays(format: str, trace: Path, tmp_path: Path) -> None:
    patterns = {"all/*": format, "all/*.avi": "mjpg", "all/jpg": "jpg"}
    found = transcode(trace, tmp_path / "new", patterns)
    name = format.partition(",")[0]
    formats = formats_of(trace, tmp_path / "new")
    for channel in ("all/raw", "all/lzma", "all/lzmaf", "all/npz"):
        assert formats[channel] == name
    assert formats["lidar/rng"] == "lzmaf"
    assert {key: kind for key, kind in formats.items() if key.endswith("/ts")} == {
        f"{sensor}/ts": "raw" for sensor in ("all", "_camera", "camera", "imu", "lidar", "radar")
    }
    (made,) = found.traces
    assert (found.ok, found.single, made.state, made.problem) == (True, True, "made", None)
    for channel in made.channels:
        path = trace / channel.name
        assert channel.before == meta_of(path.parent)[path.name]["format"]
        assert channel.after.partition(",")[0] == formats[channel.name]
        for folder, size in ((trace, channel.size_before), (tmp_path / "new", channel.size_after)):
            path = folder / channel.name
            files = path.iterdir() if path.is_dir() else [path, Path(f"{path}_i")]
            assert size == sum(file.stat().st_size for file in files if file.exists())
    for file in ("_radar/pose.npz", "radar/radar.json", "all/calibration.json"):
        assert (tmp_path / "new" / file).read_bytes() == (trace / file).read_bytes()
    if name == "npz":
        kinds = {
            entry.compress_type
            for path in (tmp_path / "new" / "all" / "npz").iterdir()
            for entry in zipfile.ZipFile(path).infolist()
        }
        deflated = format != "npz"
        assert kinds == {zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED}


def test_jpegs_move_as_they_are(trace: Path, tmp_path: Path) -> None:
    transcode(trace, tmp_path / "new", {"all/video.avi": "jpg", "all/jpg": "mjpg"})
    formats = formats_of(trace, tmp_path / "new")
    assert (formats["all/video.avi"], formats["all/jpg"]) == ("jpg", "mjpg")
    for name, before, after in (("video.avi", "mjpg", "jpg"), ("jpg", "jpg", "mjpg")):
        wanted = stored_frames(trace / "all", name, before)
        assert stored_frames(tmp_path / "new" / "all", name, after) == wanted


def test_jpegs_become_the_arrays_that_they_decode_to(trace: Path, tmp_path: Path) -> None:
    transcode(trace, tmp_path / "new", {"*/video.avi": "npz", "all/jpg": "lzmaf"})
    formats = formats_of(trace, tmp_path / "new")
    assert [formats[f"all/{name}"] for name in ("video.avi", "jpg")] == ["npz", "lzmaf"]


@pytest.mark.parametrize("format", ["jpg", "mjpg"])
def test_what_would_lose_something_is_refused(format: str, tmp_path: Path) -> None:
    frames = numbered(9, (16, 16, 3), "u1")
    record(tmp_path / "source" / "s", STAMPS, {"x": ("npz", frames)})
    with pytest.raises(UnsupportedError, match=r"source/s/x: .*lose"):
        transcode(tmp_path / "source", tmp_path / "new", {"s/x": format})
    assert os.listdir(tmp_path) == ["source"]


def test_arguments_of_images_stay_and_the_rate_is_the_sensors(tmp_path: Path) -> None:
    contents = {
        "image": ("jpg", pictures(9, HEIGHT, WIDTH)),
        "video.avi": ("mjpg", pictures(9, HEIGHT, WIDTH, 1)),
    }
    made = record(tmp_path / "t" / "camera", START + np.arange(9) / 4, contents)
    made.meta["image"] |= {"args": {"length": 9, "workers": 2, "interp": "linear"}}
    made.meta["image"] |= {"unit": "none", "before_blobify": {"format": "mjpg", "fps": 9.0}}
    made.meta["video.avi"]["args"] = {"resolution": [16, 12]}
    made.write_meta()
    patterns = {"camera/image": "mjpg", "camera/video.avi": "npz"}
    transcode(tmp_path / "t", tmp_path / "new", patterns)
    (tmp_path / "t" / "config.yaml").write_text("{}\n")
    formats_of(tmp_path / "t", tmp_path / "new")
    meta = meta_of(tmp_path / "new" / "camera")
    assert meta["image"]["args"] == {"interp": "linear"}
    assert meta["image"]["unit"] == "none"
    assert "before_blobify" not in meta["image"]
    assert "args" not in meta["video.avi"]
    with av.open(str(tmp_path / "new" / "camera" / "image")) as container:
        assert container.streams.video[0].base_rate == 4


def test_dropped_frames_become_what_they_show(tmp_path: Path) -> None:
    one, two, three = pictures(3, HEIGHT, WIDTH)
    six = [one, two, three, one, two, three]
    record(tmp_path / "t" / "camera", STAMPS[:6], {"video.avi": ("mjpg", six)})
    data = avi([one, b"", two, two, b"", three], HEIGHT, WIDTH)
    (tmp_path / "t" / "camera" / "video.avi").write_bytes(data)
    transcode(tmp_path / "t", tmp_path / "new", {"camera/*": "jpg"})
    stored = stored_frames(tmp_path / "new" / "camera", "video.avi", "jpg")
    assert stored == [one, one, two, two, two, three]


def test_the_last_pattern_that_matches_counts(trace: Path, tmp_path: Path) -> None:
    patterns = {"lidar/*": "npz", "*/rng": "raw", "lidar/rfl": Format("lzma")}
    transcode(trace, tmp_path / "new", patterns)
    formats = formats_of(trace, tmp_path / "new")
    assert [formats[f"lidar/{name}"] for name in ("rng", "rfl", "nir")] == ["raw", "lzma", "npz"]


def test_a_preset_of_xz_makes_other_streams_of_the_same_frames(tmp_path: Path) -> None:
    frames = np.repeat(numbered(9, (40, 8), "u2"), 30, axis=1)
    record(tmp_path / "t" / "s", STAMPS, {"x": ("lzmaf", frames)})
    (tmp_path / "t" / "config.yaml").write_text("{}\n")
    transcode(tmp_path / "t", tmp_path / "new", {"s/x": "lzmaf,preset=9"})
    formats_of(tmp_path / "t", tmp_path / "new")
    stored = stored_frames(tmp_path / "new" / "s", "x", "lzmaf")
    assert stored == [lzma.compress(frame.tobytes(), preset=9) for frame in frames]
    assert stored != stored_frames(tmp_path / "t" / "s", "x", "lzmaf")


# ── presets ──────────────────────────────────────────────────────────────────────────────────────


def test_fast_changes_what_is_slow_to_read(trace: Path, tmp_path: Path) -> None:
    depth = {"depth": ("lzma", numbered(9, (16, 16), "f4"))}
    record(trace / "depth", STAMPS, depth)
    transcode(trace, tmp_path / "deflated", {"all/npz": "npz,compress=true"})
    patterns = {"lidar/nir": "lzmaf"}
    found = transcode(tmp_path / "deflated", tmp_path / "fast", patterns, "fast")
    changed = {
        "lidar/rng": "zstdf",
        "all/lzma": "zstdf",
        "all/lzmaf": "zstdf",
        "all/npz": "zstdf",
        "depth/depth": "pcof",
        "_camera/segment": "zstdf",
        "lidar/rfl": "raw",  # frames of 128 bytes
    }
    before = {channel.name: channel.before for channel in found.traces[0].channels}
    after = {channel.name: channel.after for channel in found.traces[0].channels}
    assert after == {**before, **changed}
    assert formats_of(trace, tmp_path / "fast") == after
    # This one has no check of its own.
    assert meta_of(tmp_path / "fast" / "depth")["depth"]["checksum"] == "xxh3_64"
    stored = stored_frames(tmp_path / "fast" / "depth", "depth", "pcof")
    sums = [xxhash.xxh3_64_intdigest(frame) for frame in stored]
    assert np.fromfile(tmp_path / "fast" / "depth" / "depth_x", "<u8").tolist() == sums
    transcode(tmp_path / "fast", tmp_path / "back", preset="compatible")
    formats = formats_of(trace, tmp_path / "back")
    assert [formats[name] for name in changed] == ["lzmaf"] * 6 + ["raw"]


def test_fast_leaves_stored_arrays_and_images_alone(trace: Path, tmp_path: Path) -> None:
    found = transcode(trace, tmp_path / "new", preset="fast", dry_run=True)
    same = {c.name for c in found.traces[0].channels if c.before == c.after}
    assert {"all/npz", "all/jpg", "all/video.avi", "all/raw", "radar/iq", "imu/acc"} <= same


@pytest.mark.parametrize("known", [True, False])
def test_small_takes_the_best_that_there_is(
    known: bool, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(trace / "depth", STAMPS, {"depth": ("raw", numbered(9, (16, 16), "f4"))})
    for name in () if known else ("pcof", "zstdf"):
        monkeypatch.delitem(CHANNEL_TYPES, name)
    transcode(trace, tmp_path / "new", preset="small")
    monkeypatch.undo()
    formats = formats_of(trace, tmp_path / "new")
    expected = {
        "radar/iq": "zstdf" if known else "lzmaf",
        "all/npz": "zstdf" if known else "lzmaf",
        "depth/depth": "pcof" if known else "lzmaf",
        "imu/acc": "lzma",  # tiny frames, together
        "all/jpg": "jpg",
    }
    assert {name: formats[name] for name in expected} == expected
    if not known:
        (stored, *_) = stored_frames(tmp_path / "new" / "radar", "iq", "lzmaf")
        frame = plain_frames(trace / "radar", "iq", meta_of(trace / "radar")["iq"])[0]
        assert stored == lzma.compress(frame.tobytes(), preset=9)


@pytest.mark.parametrize("preset", ["fast", "small", "compatible"])
def test_a_real_trace_reads_the_same(preset: Any, tmp_path: Path) -> None:
    assert transcode(SHORT, tmp_path / "new", preset=preset).ok
    formats = formats_of(SHORT, tmp_path / "new")
    specified = {"raw", "lzma", "lzmaf", "mjpg", "npz", "jpg"}
    assert (set(formats.values()) <= specified) == (preset == "compatible")
    old, new = (Trace.from_config(path) for path in (SHORT, tmp_path / "new"))
    for name, sensor in old.sensors.items():
        assert len(sensor) == len(new[name])
        for channel, frames in sensor[1].items():
            np.testing.assert_array_equal(new[name][1][channel], frames)


# ── what cannot be asked for ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"channels": {"*/*": "flac"}}, ValueError, "flac.*known ones are.*lzma, lzmaf"),
        ({"channels": {"*/*": "lzmaf,speed=3"}}, ValueError, "speed.*takes preset"),
        ({"channels": {"*/*": "lzmaf,9"}}, ValueError, "KEY=VALUE"),
        ({"channels": {"lidar/rng": "lzmaf,preset=99"}}, ValueError, "new/lidar/rng: preset"),
        ({"channels": {"lidar/rfl": "pcof"}}, MetadataError, "source/lidar/rfl: .*pcof.*u1"),
        ({"channels": {"lidar/rng": "zstdf,filter=x"}}, MetadataError, "source/lidar/rng: .*'x'"),
        ({"channels": {"lidar/rgn": "raw"}}, ChannelNotFoundError, "lidar/rgn.*lidar/rng"),
        ({"channels": {"lidar/ts": "lzma"}}, ChannelNotFoundError, "lidar/ts"),
        ({"preset": "tiny"}, ValueError, "tiny"),
        ({}, ValueError, "preset"),
        ({"preset": "fast", "workers": 0}, ValueError, "workers"),
    ],
)
def test_what_cannot_be_is_an_error_that_leaves_nothing(
    arguments: Any, error: type[Exception], message: str, trace: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message) as caught:
        transcode(trace, tmp_path / "new", **arguments)
    assert ".tmp" not in str(caught.value)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("inner", ["", "new", "lidar/new"])
def test_a_target_within_the_source_is_refused(inner: str, trace: Path) -> None:
    before = sorted(trace.rglob("*"))
    with pytest.raises(ValueError, match="lies in"):
        transcode(trace, trace / inner, preset="small")
    assert sorted(trace.rglob("*")) == before


def test_no_trace_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        with pytest.raises(MissingFileError, match=name):
            transcode(tmp_path / name, tmp_path / "new", preset="fast")
    assert os.listdir(tmp_path) == ["empty"]


def test_a_trace_that_is_being_recorded_is_refused(trace: Path, tmp_path: Path) -> None:
    (trace / "_recorder").mkdir()
    claim = Claim(str(trace))
    try:
        with pytest.raises(UnsupportedError, match="is being recorded"):
            transcode(trace, tmp_path / "new", preset="small")
    finally:
        claim.release()
    assert transcode(trace, tmp_path / "new", preset="small").ok


@pytest.mark.parametrize("text", ["raw", "lzmaf,preset=9", "npz,compress=true,workers=3"])
def test_formats_are_read_as_they_are_shown(text: str) -> None:
    assert str(Format.read(text)) == text


# ── verification ─────────────────────────────────────────────────────────────────────────────────


class Tampering:
    """A writer that is not true to what it gets."""

    def __init__(self, writer: Any, tamper: Callable[[int, np.ndarray], None]) -> None:
        self._writer = writer
        self._tamper = tamper
        self._next = 0

    def add(self, frames: np.ndarray) -> None:
        frames = frames.copy()
        for number, frame in enumerate(frames, self._next):
            self._tamper(number, frame)
        self._next += len(frames)
        self._writer.add(frames)

    def close(self) -> None:
        self._writer.close()


def tampered(base: type, tamper: Callable[[int, np.ndarray], None]) -> Any:
    class Channel(base):
        def _writer(self, append: bool, **options: Any) -> Any:
            return Tampering(super()._writer(append, **options), tamper)

    return Channel


def flip(number: int, frame: np.ndarray) -> None:
    if number == 7:
        frame.view(np.uint8)[-1, -1] ^= 1


def change_nan(number: int, frame: np.ndarray) -> None:
    if number == 2:
        frame.view("u4")[0, 0] ^= 1
        assert np.isnan(frame[0, 0])


def lose_sign(number: int, frame: np.ndarray) -> None:
    if number == 5:
        frame[1, 1] = abs(frame[1, 1])


@pytest.mark.parametrize("base", [RawChannel, LzmaFrameChannel])
@pytest.mark.parametrize("tamper, frame", [(flip, 7), (change_nan, 2), (lose_sign, 5)])
def test_a_frame_that_was_not_written_as_it_was_read_is_found(
    base: Any,
    tamper: Any,
    frame: int,
    trace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CHANNEL_TYPES, "own", tampered(base, tamper))
    with pytest.raises(CorruptFileError) as caught:
        transcode(trace, tmp_path / "new", {"all/raw": "own"})
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/new/all/raw: frame {frame}, ")
    assert f"{trace}/all/raw" in message
    assert os.listdir(tmp_path) == ["source"]


class Swapped(LzmaFrameChannel):
    """Encoded frames change places."""

    def _writer(self, append: bool, **options: Any) -> Any:
        writer = super()._writer(append, **options)
        add = writer.add_encoded

        def add_swapped(frames: Any) -> None:
            add([*frames[:3], frames[4], frames[3], *frames[5:]])

        writer.add_encoded = add_swapped
        return writer


class Shorter(LzmaFrameChannel):
    """The last frame is not written."""

    def _writer(self, append: bool, **options: Any) -> Any:
        writer = super()._writer(append, **options)
        add = writer.add_encoded

        def add_fewer(frames: Any) -> None:
            add(frames[:-1])

        writer.add_encoded = add_fewer
        return writer


@pytest.mark.parametrize("kind, frame", [(Swapped, 3), (Shorter, 8)])
def test_frames_that_moved_as_they_are_are_compared_too(
    kind: Any, frame: int, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHANNEL_TYPES, "own", kind)
    with pytest.raises(CorruptFileError, match=f"new/all/lzmaf: frame {frame}, .*source/all/lzmaf"):
        transcode(trace, tmp_path / "new", {"all/lzmaf": "own"})
    assert os.listdir(tmp_path) == ["source"]


def test_whole_files_that_were_copied_are_compared(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def miscopy(*arguments: Any) -> None:
        path = Path(arguments[3])
        path.write_bytes(Path(arguments[1]).read_bytes()[:-1] + b"X")

    monkeypatch.setattr("roverd.channels.copying.copy_file", miscopy)
    with pytest.raises(CorruptFileError, match=r"new/all/lzma: frame 0, .*source/all/lzma"):
        transcode(trace, tmp_path / "new", {"all/raw": "npz"})
    assert os.listdir(tmp_path) == ["source"]


# ── check sums ───────────────────────────────────────────────────────────────────────────────────


def record_with_sums(folder: Path, kind: str) -> np.ndarray:
    frames = numbered(9, (16, 16), "u2")
    made = record(folder / "s", STAMPS, {"x": (kind, frames)})
    parts = [frame.tobytes() for frame in frames]
    if kind == "lzmaf":
        parts = stored_frames(folder / "s", "x", "lzmaf")
    np.array([xxhash.xxh3_64_intdigest(part) for part in parts], "<u8").tofile(folder / "s" / "x_x")
    made.meta["x"]["checksum"] = "xxh3_64"
    made.write_meta()
    (folder / "config.yaml").write_text("{}\n")
    return frames


@pytest.mark.parametrize("before, after", [("raw", "lzmaf"), ("lzmaf", "npz"), ("lzmaf", "raw")])
def test_what_had_check_sums_has_some_again(before: str, after: str, tmp_path: Path) -> None:
    frames = record_with_sums(tmp_path / "t", before)
    transcode(tmp_path / "t", tmp_path / "new", {"s/x": after})
    formats_of(tmp_path / "t", tmp_path / "new")
    parts = [frame.tobytes() for frame in frames]
    if after != "raw":
        parts = stored_frames(tmp_path / "new" / "s", "x", after)
    sums = np.fromfile(tmp_path / "new" / "s" / "x_x", "<u8").tolist()
    assert sums == [xxhash.xxh3_64_intdigest(part) for part in parts]


@pytest.mark.parametrize("kind", ["raw", "lzmaf"])
def test_a_frame_that_is_not_what_was_recorded_is_an_error(kind: str, tmp_path: Path) -> None:
    frames = record_with_sums(tmp_path / "t", kind)
    # Sound as far as its format can tell.
    frames[4, 3, 3] ^= 1
    sums = (tmp_path / "t" / "s" / "x_x").read_bytes()
    shutil.rmtree(tmp_path / "t")
    made = record(tmp_path / "t" / "s", STAMPS, {"x": (kind, frames)})
    made.meta["x"]["checksum"] = "xxh3_64"
    made.write_meta()
    (tmp_path / "t" / "s" / "x_x").write_bytes(sums)
    with pytest.raises(CorruptFileError, match="t/s/x: frame 4 is not what was recorded"):
        transcode(tmp_path / "t", tmp_path / "new", {"s/x": "npz"})
    assert os.listdir(tmp_path) == ["t"]


# ── trees ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three traces at two depths."""
    for number, name in enumerate(("a", "day/b", "day/c")):
        record_trace(tmp_path / "tree" / name, 0.3, number)
    return tmp_path / "tree"


def states(found: Transcoded) -> dict[str, str]:
    return {os.path.relpath(trace.path, found.path): trace.state for trace in found.traces}


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_a_tree_becomes_the_same_tree(workers: int | None, tree: Path, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    found = transcode(
        tree,
        tmp_path / "new",
        {"lidar/*": "npz"},
        workers=workers,
        progress=lambda *at: done.append(at),
    )
    assert states(found) == {"a": "made", "day/b": "made", "day/c": "made"}
    assert not found.single
    for name in states(found):
        assert formats_of(tree / name, tmp_path / "new" / name)["lidar/rng"] == "npz"
    totals = {total for _, total in done}
    assert len(totals) == 1
    assert done[-1][0] == done[-1][1] > 0
    assert [at for at, _ in done] == sorted(at for at, _ in done)


@pytest.mark.parametrize("format", ["mjpg,quality=30", "jpg,quality=30"])
def test_a_quality_is_refused_since_jpegs_stay_as_they_are(
    format: str, tree: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match="quality"):
        transcode(tree / "a", tmp_path / "new", {"camera/*": format})
    assert not (tmp_path / "new").exists()


def test_traces_within_traces_come_along(tree: Path, tmp_path: Path) -> None:
    record_trace(tree / "a" / "inner", 0.2, 7)
    found = transcode(tree / "a", tmp_path / "new", {"lidar/*": "raw"})
    assert states(found) == {".": "made", "inner": "made"}
    formats_of(tree / "a", tmp_path / "new")
    formats_of(tree / "a" / "inner", tmp_path / "new" / "inner")


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_a_damaged_trace_does_not_keep_others_from_being_made(tree: Path, tmp_path: Path) -> None:
    damage(tree / "day" / "b" / "lidar" / "rng")
    (tree / "a" / "imu" / "meta.json").write_text("{")
    found = transcode(tree, tmp_path / "new", {"lidar/*": "npz"})
    assert states(found) == {"a": "failed", "day/b": "failed", "day/c": "made"}
    assert not found.ok
    a, b, _ = found.traces
    assert a.problem is not None and "a/imu/meta.json" in a.problem
    assert b.problem is not None and "day/b/lidar/rng" in b.problem
    formats_of(tree / "day" / "c", tmp_path / "new" / "day" / "c")
    assert sorted(os.listdir(tmp_path / "new" / "day")) == ["c"]


def test_a_trace_within_one_that_failed_waits_for_it(tree: Path, tmp_path: Path) -> None:
    record_trace(tree / "a" / "inner", 0.2, 7)
    rng = tree / "a" / "lidar" / "rng"
    sound = rng.read_bytes()
    damage(rng)
    done: list[tuple[int, int]] = []
    found = transcode(
        tree, tmp_path / "new", {"lidar/*": "npz"}, progress=lambda *at: done.append(at)
    )
    assert states(found) == {
        "a": "failed",
        "a/inner": "failed",
        "day/b": "made",
        "day/c": "made",
    }
    assert done[-1][0] == done[-1][1]
    rng.write_bytes(sound)
    found = transcode(tree, tmp_path / "new", {"lidar/*": "npz"})
    assert found.ok
    assert set(states(found).values()) == {"made", "there"}
    formats_of(tree / "a", tmp_path / "new" / "a")
    formats_of(tree / "a" / "inner", tmp_path / "new" / "a" / "inner")


def test_a_dry_run_makes_nothing(tree: Path, tmp_path: Path) -> None:
    found = transcode(tree, tmp_path / "new", {"lidar/rng": "raw"}, dry_run=True)
    assert set(states(found).values()) == {"planned"}
    for trace in found.traces:
        (rng,) = [channel for channel in trace.channels if channel.name == "lidar/rng"]
        assert (rng.before, rng.after, rng.frames, rng.size_after) == ("lzmaf", "raw", 3, None)
    assert os.listdir(tmp_path) == ["tree"]
    assert json.loads(json.dumps(found.to_dict()))["traces"][0]["state"] == "planned"


def test_one_trace_is_work_that_another_machine_can_do(tree: Path, tmp_path: Path) -> None:
    work = partial(
        transcode_trace, str(tree / "a"), str(tmp_path / "new"), {"lidar/*": Format("npz")}
    )
    (tmp_path / "work").write_bytes(pickle.dumps(work))
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))().state)"
    command = [sys.executable, "-c", program, str(tmp_path / "work")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "made\n"
    formats_of(tree / "a", tmp_path / "new")


# ── going on ─────────────────────────────────────────────────────────────────────────────────────


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file, and what changes when it is written again."""
    stats = {path: path.stat() for path in folder.rglob("*")}
    return {str(path): (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def test_what_is_there_already_is_left_alone(tree: Path, tmp_path: Path) -> None:
    patterns = {"lidar/*": "npz"}
    transcode(tree / "day", tmp_path / "new" / "day", patterns)
    before = contents(tmp_path / "new" / "day")
    found = transcode(tree, tmp_path / "new", patterns)
    assert found.ok
    assert states(found) == {"a": "made", "day/b": "there", "day/c": "there"}
    assert contents(tmp_path / "new" / "day") == before
    again = transcode(tree, tmp_path / "new", patterns)
    assert set(states(again).values()) == {"there"}
    sizes = [(trace.size_before, trace.size_after) for trace in found.traces]
    assert [(trace.size_before, trace.size_after) for trace in again.traces] == sizes


def lose_a_frame(new: Path) -> None:
    (new / "lidar" / "rng" / "000002.npz").unlink()


def lose_the_config(new: Path) -> None:
    (new / "config.yaml").unlink()


def lose_a_sensor(new: Path) -> None:
    shutil.rmtree(new / "imu")


def lose_a_channel(new: Path) -> None:
    meta = meta_of(new / "imu")
    del meta["acc"]
    (new / "imu" / "meta.json").write_text(json.dumps(meta))


def have_another_description(new: Path) -> None:
    meta = meta_of(new / "radar")
    meta["iq"]["desc"] = "something else"
    (new / "radar" / "meta.json").write_text(json.dumps(meta))


def be_of_another_time(new: Path) -> None:
    (np.fromfile(new / "camera" / "ts", "<f8") + 1).tofile(new / "camera" / "ts")


def be_something_else(new: Path) -> None:
    shutil.rmtree(new)
    new.write_text("mine")


@pytest.mark.parametrize(
    "change, message",
    [
        (lose_a_frame, "lidar/rng: expected 3 frames, found 2"),
        (lose_the_config, "config.yaml"),
        (lose_a_sensor, "sensors.*imu"),
        (lose_a_channel, "imu/meta.json.*acc"),
        (have_another_description, "radar/meta.json.*desc"),
        (be_of_another_time, "camera/ts.*timestamps"),
        (be_something_else, "config.yaml"),
    ],
)
def test_what_is_there_and_is_something_else_is_an_error(
    change: Callable[[Path], None], message: str, tree: Path, tmp_path: Path
) -> None:
    patterns = {"lidar/*": "npz"}
    transcode(tree, tmp_path / "new", patterns)
    shutil.rmtree(tmp_path / "new" / "a")
    change(tmp_path / "new" / "day" / "b")
    before = contents(tmp_path / "new" / "day")
    found = transcode(tree, tmp_path / "new", patterns)
    assert states(found) == {"a": "made", "day/b": "failed", "day/c": "there"}
    problem = found.traces[1].problem or ""
    assert "day/b: exists already" in problem and "Move it away" in problem
    with pytest.raises(AlreadyExistsError, match=message):
        transcode(tree / "day" / "b", tmp_path / "new" / "day" / "b", patterns)
    assert contents(tmp_path / "new" / "day") == before


def test_other_formats_than_asked_for_are_an_error(trace: Path, tmp_path: Path) -> None:
    transcode(trace, tmp_path / "new", {"lidar/*": "npz"})
    with pytest.raises(AlreadyExistsError, match="'rng': expected format 'raw', found 'npz'"):
        transcode(trace, tmp_path / "new", {"lidar/*": "raw"})


KILLED = """
import os, signal, sys
from roverd.ops import transcode

killed = []

def progress(done, total):
    if done > total * float(sys.argv[3]) and not killed:
        killed.append(done)
        os.kill(os.getpid(), getattr(signal, sys.argv[4]))

transcode(sys.argv[1], sys.argv[2], {"lidar/*": "npz", "radar/iq": "lzmaf"}, progress=progress)
"""


def run_killed(source: Path, target: Path, when: float, how: str) -> int:
    command = [sys.executable, "-c", KILLED, str(source), str(target), str(when), how]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize("when", [0.1, 0.5, 0.9])
def test_a_run_that_was_killed_is_gone_on_with(when: float, tree: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert run_killed(tree, new, when, "SIGKILL") == -signal.SIGKILL
    left = [path for path in new.rglob(".*.tmp") if (path / ".lock").exists()]
    assert left
    for name in ("a", "day/b", "day/c"):
        if (new / name).exists():
            formats_of(tree / name, new / name)
    patterns = {"lidar/*": "npz", "radar/iq": "lzmaf"}
    found = transcode(tree, new, patterns)
    assert found.ok
    for name in ("a", "day/b", "day/c"):
        formats_of(tree / name, new / name)
    assert not list(new.rglob(".*"))


def test_a_run_that_was_interrupted_leaves_only_what_is_complete(
    tree: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    assert run_killed(tree, new, 0.4, "SIGINT") != 0
    for path in new.rglob("*"):
        assert not path.name.endswith(".tmp")
    for path in new.rglob("config.yaml"):
        formats_of(tree / path.parent.relative_to(new), path.parent)
    assert transcode(tree, new, {"lidar/*": "npz", "radar/iq": "lzmaf"}).ok


def test_what_others_work_on_stays(trace: Path, tmp_path: Path) -> None:
    unknown = tmp_path / ".new.0123abcd.tmp"
    unknown.mkdir()
    with new_folder(str(tmp_path / "new")) as living:
        (Path(living) / "mine").write_text("mine")
        with new_folder(str(tmp_path / "newer")) as other:
            assert transcode(trace, tmp_path / "new", {"lidar/*": "raw"}).ok
            assert (Path(living) / "mine").exists()
            assert Path(other).exists()
        shutil.rmtree(tmp_path / "new")
    assert unknown.exists()
    assert os.listdir(tmp_path / "new") == ["mine"]


def test_what_is_half_made_in_the_source_is_no_trace(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "a", tree / "day" / ".c.0123abcd.tmp")
    found = transcode(tree, tmp_path / "new", {"lidar/*": "raw"})
    assert list(states(found)) == ["a", "day/b", "day/c"]
