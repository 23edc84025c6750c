"""What comes along when `extract` cuts a trace, read with NumPy, Pillow and lzma."""

import json
import lzma
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd import Trace
from roverd.channels import VideoChannel
from roverd.errors import AlreadyExistsError, ChannelNotFoundError, RoverdWarning
from roverd.ops import blobify, extract, info
from support.channels import ffmpeg, images, shown_number, wait_until
from support.traces import (
    HEIGHT,
    SHORT,
    START,
    TS_ENTRY,
    WIDTH,
    decoded,
    link,
    numbered,
    pictures,
    plain_frames,
    record,
    record_camera,
    record_imu,
    record_poses,
    record_trace,
    stored_frames,
)

FORMATS = ("raw", "lzma", "lzmaf", "npz", "mjpg", "jpg")
STAMPS = START + np.arange(10.0)


def meta_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta.json").read_text())


def expect_cut(source: Path, part: Path, name: str, kept: slice) -> None:
    """Assert that a sensor has these frames of all its channels, and everything else as it was."""
    meta = meta_of(source / name)
    assert meta_of(part / name) == meta
    assert sorted(path.name for path in (part / name).iterdir()) == sorted(
        path.name for path in (source / name).iterdir()
    )
    for channel, entry in meta.items():
        whole = plain_frames(source / name, channel, entry)
        cut = plain_frames(part / name, channel, entry)
        np.testing.assert_array_equal(cut, whole[kept])
        if entry["format"] not in ("raw", "lzma"):
            stored = stored_frames(source / name, channel, entry["format"])
            assert stored_frames(part / name, channel, entry["format"]) == stored[kept]


def expect_sound(part: Path) -> None:
    """Assert that a trace opens as what its names say, and that nothing about it is odd."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = Trace.from_config(part, sensors="auto", include_virtual=True)
        for sensor in trace.sensors.values():
            if len(sensor):
                sensor[len(sensor) - 1]
        found = info(part)
    assert all(not channel.problem for s in found.sensors for channel in s.channels)


@pytest.fixture
def every_format(tmp_path: Path) -> Path:
    """A trace with a sensor that has a channel of every format."""
    folder = tmp_path / "source"
    contents: dict[str, tuple[str, Any]] = {
        kind: (kind, pictures(10, HEIGHT, WIDTH) if kind in ("mjpg", "jpg") else None)
        for kind in FORMATS
    }
    for kind in ("raw", "lzma", "lzmaf", "npz"):
        contents[kind] = (kind, numbered(10, (3, 5), "i2"))
    record(folder / "s", STAMPS, contents, {"s.json": '{"a": 1}'})
    (folder / "config.yaml").write_text("comment: made for a test\n")
    return folder


# ── channels ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "arguments, kept",
    [
        ({"start": 0, "end": 1, "relative": True}, slice(0, 10)),
        ({"start": 0, "end": 1}, slice(0, 1)),
        ({"start": 3, "end": 7}, slice(3, 7)),
        ({"start": 3, "end": 9}, slice(3, 10)),
        ({"end": 9, "length": 0.5}, slice(9, 10)),
    ],
    ids=str,
)
def test_every_format_is_cut(
    every_format: Path, arguments: dict[str, Any], kept: slice, tmp_path: Path
) -> None:
    extract(every_format, tmp_path / "part", **arguments)
    expect_cut(every_format, tmp_path / "part", "s", kept)
    expect_sound(tmp_path / "part")


def test_the_real_trace_is_cut(tmp_path: Path) -> None:
    extract(SHORT, tmp_path / "part", 0.5, -1.0)
    times = {p.parent.name: np.fromfile(p.parent / "ts") for p in SHORT.glob("*/meta.json")}
    begin = min(t[0] for t in times.values()) + 0.5
    end = max(t[-1] for t in times.values()) - 1.0
    for name, stamps in times.items():
        kept = slice(*np.searchsorted(stamps, [begin, end]).tolist())
        expect_cut(SHORT, tmp_path / "part", name, kept)
    expect_sound(tmp_path / "part")


def test_a_cut_of_a_cut_is_a_cut(tmp_path: Path) -> None:
    record_trace(tmp_path / "walk", 1.0)
    extract(tmp_path / "walk", tmp_path / "one", 0.1, 0.8)
    extract(tmp_path / "one", tmp_path / "two", 0.25, 0.75, relative=True)
    whole = np.fromfile(tmp_path / "walk" / "imu" / "ts")
    part = np.fromfile(tmp_path / "two" / "imu" / "ts")
    first = int(np.searchsorted(whole, part[0]))
    expect_cut(tmp_path / "walk", tmp_path / "two", "imu", slice(first, first + len(part)))


def test_the_frame_rate_of_the_video_stays(tmp_path: Path) -> None:
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "30000/1001"]
    pixels = numbered(10, (HEIGHT, WIDTH, 3), "u1").tobytes()
    made = record_camera(tmp_path / "t" / "camera", 10)
    video = str(made.path / "video.avi")
    ffmpeg(*size, "-i", "-", "-c:v", "mjpeg", video, data=pixels)
    extract(tmp_path / "t", tmp_path / "part", 0.25, 0.75, relative=True)
    header = (tmp_path / "part" / "camera" / "video.avi").read_bytes()
    place = header.index(b"strh") + 8 + 20
    assert np.frombuffer(header, "<u4", 2, place).tolist() == [1001, 30000]


def test_another_codec_is_copied_whole_or_becomes_jpegs(tmp_path: Path) -> None:
    numbers, shape = [40000, 3, 65535, *range(1000, 1007)], (64, 96, 3)
    made = record(tmp_path / "t" / "camera", STAMPS, {})
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", "25", "-i", "-"]
    video = made.path / "video.avi"
    ffmpeg(*size, "-c:v", "mpeg4", "-q:v", "2", str(video), data=images(numbers, shape).tobytes())
    made.meta["video.avi"] = {"format": "mjpg", "type": "u1", "shape": list(shape)}
    made.write_meta()
    extract(tmp_path / "t", tmp_path / "all", 0, 1, relative=True)
    assert (tmp_path / "all" / "camera" / "video.avi").read_bytes() == video.read_bytes()
    extract(tmp_path / "t", tmp_path / "part", 2, 6)
    stored = stored_frames(tmp_path / "part" / "camera", "video.avi", "mjpg")
    assert [shown_number(frame) for frame in decoded(stored)] == numbers[2:6]
    expect_sound(tmp_path / "part")


@pytest.mark.parametrize("longer", ["ts", "raw", "npz", "mjpg"])
def test_of_channels_of_unequal_length_the_common_frames_are_taken(
    longer: str, tmp_path: Path
) -> None:
    more = tmp_path / "more" / "s"
    contents: dict[str, tuple[str, Any]] = {
        "raw": ("raw", numbered(10, (3,), "i2")),
        "npz": ("npz", numbered(10, (3,), "i2", 1)),
        "mjpg": ("mjpg", pictures(10, HEIGHT, WIDTH)),
    }
    cut = {
        name: (kind, frames[: 10 if name == longer else 8])
        for name, (kind, frames) in contents.items()
    }
    record(more, STAMPS[: 10 if longer == "ts" else 8], cut)
    with pytest.warns(RoverdWarning, match="differ in length"):
        extract(tmp_path / "more", tmp_path / "part", 0, 1, relative=True)
    for name, (kind, frames) in contents.items():
        found = plain_frames(tmp_path / "part" / "s", name, meta_of(more)[name])
        expected = decoded(frames[:8]) if kind == "mjpg" else frames[:8]
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "part" / "s" / "ts"), STAMPS[:8])
    expect_sound(tmp_path / "part")


def test_channels_without_data_are_left_out(tmp_path: Path) -> None:
    record_trace(tmp_path / "t", 1.0)
    (tmp_path / "t" / "camera" / "video.avi").unlink()
    (tmp_path / "t" / "lidar" / "nir").unlink()
    (tmp_path / "t" / "lidar" / "rfl").unlink()
    link(tmp_path / "nowhere", tmp_path / "t" / "lidar" / "rfl")
    with pytest.warns(RoverdWarning) as caught:
        extract(tmp_path / "t", tmp_path / "part", 0.2, 0.6)
    words = " ".join(str(warning.message) for warning in caught)
    assert all(name in words for name in ("camera/video.avi", "lidar/nir", "lidar/rfl"))
    assert list(meta_of(tmp_path / "part" / "camera")) == ["ts"]
    assert list(meta_of(tmp_path / "part" / "lidar")) == ["ts", "rng"]
    assert not (tmp_path / "part" / "lidar" / "rfl").is_symlink()
    assert info(tmp_path / "part").sensors


def test_sensors_without_frames_come_along_empty(every_format: Path, tmp_path: Path) -> None:
    record_imu(every_format / "imu", 0)
    record(every_format / "new", np.empty(0), {}).drop("ts")
    (every_format / "new" / "meta.json").write_text(json.dumps({"ts": TS_ENTRY}))
    with pytest.warns(RoverdWarning, match="new/ts: left out"):
        extract(every_format, tmp_path / "part", 1, 5)
    expect_cut(every_format, tmp_path / "part", "imu", slice(0, 0))
    assert meta_of(tmp_path / "part" / "new") == {}
    assert {s.name: s.n for s in info(tmp_path / "part").sensors} == {"imu": 0, "new": 0, "s": 4}


def test_a_sensor_that_was_not_recording_then_has_no_frames(
    every_format: Path, tmp_path: Path
) -> None:
    record_imu(every_format / "imu", 50)  # of half a second
    with pytest.warns(UserWarning, match="imu: has no frame in it"):
        extract(every_format, tmp_path / "part", 4, 6)
    expect_cut(every_format, tmp_path / "part", "imu", slice(50, 50))
    expect_cut(every_format, tmp_path / "part", "s", slice(4, 6))
    expect_sound(tmp_path / "part")


# ── meta.json ────────────────────────────────────────────────────────────────────────────────────


def test_descriptions_unknown_keys_and_arguments_stay(tmp_path: Path) -> None:
    frames = numbered(10, (3,), "i2")
    made = record(
        tmp_path / "t" / "s",
        STAMPS,
        {
            "raw": ("raw", frames),
            "npz": ("npz", frames),
            "jpg": ("jpg", pictures(10, HEIGHT, WIDTH)),
        },
    )
    made.meta["raw"]["description"] = made.meta["raw"].pop("desc")
    made.meta["raw"]["unit"] = {"of": ["m"]}
    made.meta["npz"]["args"] = {"length": 10, "workers": 3}
    made.meta["jpg"]["args"] = {"resolution": [16, 12]}
    made.write_meta()
    extract(tmp_path / "t", tmp_path / "part", 2, 6)
    expected = json.loads(json.dumps(made.meta))
    expected["npz"]["args"]["length"] = 4
    assert meta_of(tmp_path / "part" / "s") == expected
    assert list(meta_of(tmp_path / "part" / "s")) == list(made.meta)
    assert len(stored_frames(tmp_path / "part" / "s", "npz", "npz")) == 4
    stored = stored_frames(tmp_path / "t" / "s", "jpg", "jpg")
    assert stored_frames(tmp_path / "part" / "s", "jpg", "jpg") == stored[2:6]
    sample: Any = Trace.from_config(tmp_path / "part")["s"][3]
    np.testing.assert_array_equal(sample["npz"][0], frames[5])


# ── other files ──────────────────────────────────────────────────────────────────────────────────


def test_other_files_come_along_and_scratch_does_not(every_format: Path, tmp_path: Path) -> None:
    (every_format / "s" / "calibration.bin").write_bytes(bytes(range(256)))
    (every_format / "s" / ".x.tmp").write_text("left by a recorder that died")
    (every_format / "notes.txt").write_text("rain")
    (every_format / "_scratch").mkdir()
    (every_format / "_scratch" / "lidar.bag").write_text("large")
    (tmp_path / "shared.json").write_text("{}")
    link(tmp_path / "shared.json", every_format / "s" / "shared.json")
    extract(every_format, tmp_path / "part", 2, 6)
    names = {str(path.relative_to(tmp_path / "part")) for path in (tmp_path / "part").glob("*")}
    assert names == {"config.yaml", "notes.txt", "s"}
    for name in ("notes.txt", "config.yaml", "s/calibration.bin", "s/s.json", "s/shared.json"):
        copy = tmp_path / "part" / name
        assert copy.read_bytes() == (every_format / name).read_bytes()
        assert not copy.is_symlink()
    assert not (tmp_path / "part" / "s" / ".x.tmp").exists()


def test_a_trace_without_config_gets_one(every_format: Path, tmp_path: Path) -> None:
    (every_format / "config.yaml").unlink()
    extract(every_format, tmp_path / "part", 2, 6)
    assert (tmp_path / "part" / "config.yaml").is_file()
    assert not (every_format / "config.yaml").exists()
    expect_sound(tmp_path / "part")


def test_links_to_channels_sensors_and_traces_are_followed(tmp_path: Path) -> None:
    record_camera(tmp_path / "real" / "_camera", 30)
    camera = record_camera(tmp_path / "real" / "camera", 30)
    (camera.path / "video.avi").unlink()
    link(tmp_path / "real" / "_camera" / "video.avi", camera.path / "video.avi")
    record(
        tmp_path / "else",
        STAMPS[:1] + np.arange(10) / 10,
        {"x": ("lzmaf", numbered(10, (2,), "u2"))},
    )
    link(tmp_path / "else", tmp_path / "real" / "lidar")
    blobs = record(
        tmp_path / "blobs",
        STAMPS[:1] + np.arange(10) / 10,
        {"n": ("npz", numbered(10, (2,), "u2"))},
    )
    shutil.copytree(blobs.path, tmp_path / "real" / "radar", symlinks=True)
    shutil.rmtree(tmp_path / "real" / "radar" / "n")
    link(blobs.path / "n", tmp_path / "real" / "radar" / "n")
    link(tmp_path / "real", tmp_path / "linked")
    before = {path: os.lstat(path).st_mtime_ns for path in (tmp_path / "real").rglob("*")}
    extract(tmp_path / "linked", tmp_path / "part", 0.2, 0.6)
    for name in ("_camera", "camera", "lidar", "radar"):
        stamps = np.fromfile(tmp_path / "real" / name / "ts")
        kept = slice(*np.searchsorted(stamps, [START + 0.2, START + 0.6]).tolist())
        expect_cut(tmp_path / "real", tmp_path / "part", name, kept)
    assert not [path for path in (tmp_path / "part").rglob("*") if path.is_symlink()]
    assert {path: os.lstat(path).st_mtime_ns for path in (tmp_path / "real").rglob("*")} == before


# ── sensors and channels by name ─────────────────────────────────────────────────────────────────


@pytest.fixture
def virtual(tmp_path: Path) -> Path:
    """A trace with a virtual sensor and poses."""
    record_trace(tmp_path / "walk", 1.0)
    labels = numbered(30, (6, 8), "u1")
    stamps = np.fromfile(tmp_path / "walk" / "camera" / "ts")
    record(tmp_path / "walk" / "_camera", stamps, {"segment": ("lzmaf", labels)})
    record_poses(tmp_path / "walk", 20)
    return tmp_path / "walk"


def folders(part: Path) -> dict[str, list[str]]:
    return {
        path.name: list(meta_of(path)) if (path / "meta.json").exists() else []
        for path in sorted(part.iterdir())
        if path.is_dir()
    }


LIDAR = ["ts", "rng", "rfl", "nir"]


@pytest.mark.parametrize(
    "selection, expected",
    [
        ({"sensors": ["lidar"]}, {"lidar": LIDAR}),
        (
            {"sensors": ["_camera", "_radar"]},
            {"_camera": ["ts", "segment"], "_radar": []},
        ),
        ({"channels": ["rng"]}, {"lidar": ["ts", "rng"]}),
        ({"channels": ["lidar/*"]}, {"lidar": LIDAR}),
        (
            {"channels": ["lidar/r*", "acc"]},
            {"imu": ["ts", "acc"], "lidar": ["ts", "rng", "rfl"]},
        ),
        (
            {"sensors": ["lidar", "imu"], "channels": ["imu/*"]},
            {"imu": ["ts", "acc", "rot", "avel"]},
        ),
        (
            {"sensors": ["_radar", "radar"], "channels": ["valid"]},
            {"_radar": [], "radar": ["ts", "valid"]},
        ),
    ],
    ids=str,
)
def test_only_what_is_named_is_taken(
    selection: dict[str, Any], expected: dict[str, list[str]], virtual: Path, tmp_path: Path
) -> None:
    extract(virtual, tmp_path / "part", 0.2, 0.6, **selection)
    assert folders(tmp_path / "part") == expected
    for name, channels in expected.items():
        files = {path.name for path in (tmp_path / "part" / name).iterdir()}
        others = {"lidar": {"lidar.json"}, "radar": {"radar.json"}, "_radar": {"pose.npz"}}
        kept = {"meta.json", *channels} if channels else set[str]()
        kept |= {f"{c}_i" for c in channels if c in ("rng", "rfl", "nir", "segment")}
        assert files == kept | others.get(name, set())
        for channel in channels:
            entry = meta_of(virtual / name)[channel]
            stamps = np.fromfile(virtual / name / "ts")
            first = min(np.fromfile(p.parent / "ts")[0] for p in virtual.glob("*/meta.json"))
            within = (stamps >= first + 0.2) & (stamps < first + 0.6)
            found = plain_frames(tmp_path / "part" / name, channel, entry)
            np.testing.assert_array_equal(
                found, plain_frames(virtual / name, channel, entry)[within]
            )


@pytest.mark.parametrize(
    "selection, name",
    [
        ({"sensors": ["lidr"]}, "lidr"),
        ({"sensors": []}, "lidar"),
        ({"channels": ["rgn"]}, "rgn"),
        ({"channels": ["rng", "lidar/rgn"]}, "lidar/rgn"),
        ({"channels": []}, "lidar/rng"),
        ({"sensors": ["imu"], "channels": ["rng"]}, "rng"),
    ],
    ids=str,
)
def test_names_of_nothing_are_an_error(
    selection: dict[str, Any], name: str, virtual: Path, tmp_path: Path
) -> None:
    with pytest.raises(ChannelNotFoundError, match=name):
        extract(virtual, tmp_path / "part", 0.2, 0.6, **selection)
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_everything_virtual_comes_along_by_default(virtual: Path, tmp_path: Path) -> None:
    extract(virtual, tmp_path / "part", 0.2, 0.6)
    assert set(folders(tmp_path / "part")) == {
        "_camera",
        "_radar",
        "camera",
        "imu",
        "lidar",
        "radar",
    }
    expect_sound(tmp_path / "part")


# ── the new trace ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["trace", "empty folder", "file", "link to nowhere", "itself"])
def test_what_is_there_is_refused_and_stays(kind: str, every_format: Path, tmp_path: Path) -> None:
    target = every_format if kind == "itself" else tmp_path / "there"
    if kind == "trace":
        record_trace(target, 0.2)
    elif kind == "empty folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("mine")
    elif kind == "link to nowhere":
        target.symlink_to("nowhere")
    before = {path: os.lstat(path).st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(FileExistsError, match=str(target)):
        extract(every_format, target, 2, 6)
    assert {path: os.lstat(path).st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_folders_above_are_made(every_format: Path, tmp_path: Path) -> None:
    extract(every_format, tmp_path / "a" / "b" / "part", 2, 6)
    expect_cut(every_format, tmp_path / "a" / "b" / "part", "s", slice(2, 6))
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["part"]


def test_a_part_may_lie_in_its_trace(every_format: Path, tmp_path: Path) -> None:
    extract(every_format, every_format / "_parts" / "one", 2, 6)
    expect_cut(every_format, every_format / "_parts" / "one", "s", slice(2, 6))
    extract(every_format, tmp_path / "part", 2, 6)
    assert not (tmp_path / "part" / "_parts").exists()


@pytest.mark.parametrize("source", ["nowhere", "empty", "file"])
def test_what_is_no_trace_is_an_error(source: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match=source):
        extract(tmp_path / source, tmp_path / "part", 0, 1)
    assert not (tmp_path / "part").exists()


def test_a_channel_that_cannot_be_read_leaves_nothing_behind(
    every_format: Path, tmp_path: Path
) -> None:
    # Half an `lzma` file has to be decoded; one bit of it is wrong. The check is at its end.
    path = every_format / "s" / "lzma"
    data = bytearray(lzma.compress(numbered(10, (3, 5), "i2").tobytes(), check=lzma.CHECK_CRC32))
    data[60] ^= 4
    path.write_bytes(data)
    with warnings.catch_warnings(), pytest.raises((ValueError, OSError), match="lzma"):
        warnings.simplefilter("ignore", RoverdWarning)
        extract(every_format, tmp_path / "part", 5, 9)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_progress_goes_from_nothing_to_all(every_format: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    extract(every_format, tmp_path / "part", 2, 6, progress=lambda *now: told.append(now))
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert len(set(totals)) == 1
    assert done[-1] == pytest.approx(totals[0], rel=0.05)


def test_config_is_written_last_and_the_trace_appears_at_once(
    every_format: Path, tmp_path: Path
) -> None:
    seen: list[tuple[bool, bool]] = []

    def look(done: int, total: int) -> None:
        configs = list(tmp_path.glob(".part*/config.yaml"))
        seen.append(((tmp_path / "part").exists(), bool(configs)))

    extract(every_format, tmp_path / "part", 2, 6, progress=look)
    assert seen and set(seen) == {(False, False)}
    assert (tmp_path / "part" / "config.yaml").exists()


def test_the_source_is_still_readable_afterwards(every_format: Path, tmp_path: Path) -> None:
    video = VideoChannel(every_format / "s" / "mjpg", "u1", (HEIGHT, WIDTH, 3))
    before = video.read()
    extract(every_format, tmp_path / "part", 2, 6)
    np.testing.assert_array_equal(video.read(), before)
    wait_until(lambda: len(video) == 10)


def take_all(source: Path, part: Path) -> None:
    extract(source, part, 0, 1, relative=True)


@pytest.mark.parametrize("make", [take_all, blobify])
def test_poses_in_the_folder_of_a_sensor_that_was_recorded_come_along(
    make: Callable[[Path, Path], object], tmp_path: Path
) -> None:
    record_trace(tmp_path / "source", 0.5)
    (tmp_path / "source" / "radar" / "pose.npz").write_bytes(b"somebody's")
    make(tmp_path / "source", tmp_path / "part")
    assert (tmp_path / "part" / "radar" / "pose.npz").read_bytes() == b"somebody's"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("make", [take_all, blobify])
def test_pipes_are_not_waited_for(make: Callable[[Path, Path], object], tmp_path: Path) -> None:
    record_trace(tmp_path / "source", 0.5)
    for folder in (tmp_path / "source", tmp_path / "source" / "radar"):
        os.mkfifo(folder / "control")
        (folder / "notes").write_text("kept")
    make(tmp_path / "source", tmp_path / "part")
    for folder in (tmp_path / "part", tmp_path / "part" / "radar"):
        assert (folder / "notes").read_text() == "kept"
        assert not (folder / "control").exists()


@pytest.mark.parametrize("content", [[], ["file"]], ids=["empty", "full"])
def test_a_folder_that_somebody_else_makes_meanwhile_stays(
    content: list[str], tmp_path: Path
) -> None:
    record_trace(tmp_path / "source", 0.5)
    part = tmp_path / "part"

    def make_it(done: int, total: int) -> None:
        part.mkdir(exist_ok=True)
        for name in content:
            (part / name).touch()

    with pytest.raises(AlreadyExistsError, match=f"{part}: exists already"):
        extract(tmp_path / "source", part, 0, 1, relative=True, progress=make_it)
    assert sorted(os.listdir(part)) == content
    assert sorted(os.listdir(tmp_path)) == ["part", "source"]


def test_where_a_channel_that_is_a_link_leads_is_not_copied_whole(
    every_format: Path, tmp_path: Path
) -> None:
    source = every_format / "s" / "mjpg"
    virtual = every_format / "_s"
    record(virtual, np.fromfile(every_format / "s" / "ts", "<f8"), {})
    source.rename(virtual / "mjpg")
    link(virtual / "mjpg", source)
    (virtual / "notes.txt").write_text("anonymised")
    extract(every_format, tmp_path / "part", 0, 0.5, relative=True)
    assert sorted(path.name for path in (tmp_path / "part" / "_s").iterdir()) == [
        "meta.json",
        "notes.txt",
        "ts",
    ]
    assert not (tmp_path / "part" / "s" / "mjpg").is_symlink()
