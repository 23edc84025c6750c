"""`blobify` and `unblobify`: the same frames in other files, read with NumPy, Pillow, zipfile."""

import json
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from roverd import Trace
from roverd.errors import RoverdWarning
from roverd.ops import blobify, info, unblobify
from support.channels import ffmpeg, images, shown_number
from support.traces import (
    HEIGHT,
    SHORT,
    START,
    WIDTH,
    avi,
    link,
    numbered,
    pictures,
    plain_frames,
    record,
    record_camera,
    record_poses,
    record_trace,
    stored_frames,
)

STAMPS = START + np.arange(6.0)
LARGE = (4, 3, 4, 44)  # 4224 bytes of i2


def meta_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta.json").read_text())


def expect_same_frames(before: Path, after: Path) -> dict[str, str]:
    """Assert that two traces have the same frames; give the formats of the second one."""
    formats: dict[str, str] = {}
    names = sorted(path.parent.name for path in before.glob("*/meta.json"))
    assert names == sorted(path.parent.name for path in after.glob("*/meta.json"))
    for name in names:
        old, new = meta_of(before / name), meta_of(after / name)
        assert list(old) == list(new)
        for channel in old:
            wanted = plain_frames(before / name, channel, old[channel])
            found = plain_frames(after / name, channel, new[channel])
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype
            formats[f"{name}/{channel}"] = new[channel]["format"]
        others = {path.name for path in (before / name).glob("*.json")}
        for file in others - {"meta.json"}:
            assert (after / name / file).read_bytes() == (before / name / file).read_bytes()
    sample_by_sample(before, after)
    return formats


def sample_by_sample(before: Path, after: Path) -> None:
    """Assert that roverd, too, reads the same of two traces."""
    options: Any = {"sensors": None, "include_virtual": True}
    old, new = Trace.from_config(before, **options), Trace.from_config(after, **options)
    for name in old.sensors:
        assert len(old[name]) == len(new[name])
        for number in range(0, len(old[name]), 7):
            one, other = old[name][number], new[name][number]
            for channel in one:
                np.testing.assert_array_equal(one[channel], other[channel])


def compressions(folder: Path) -> set[int]:
    """How the arrays in the files of a folder are compressed, as zipfile tells."""
    kinds: set[int] = set()
    for path in folder.glob("*.npz"):
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["data.npy"]
            kinds |= {entry.compress_type for entry in archive.infolist()}
    return kinds


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace with large and small channels of every format, of odd names."""
    folder = tmp_path / "source"
    record_trace(folder, 0.5)
    record(
        folder / "my-sensor",
        STAMPS,
        {
            "large": ("raw", numbered(6, LARGE, "i2")),
            "exactly": ("raw", numbered(6, (2048,), "i2")),
            "above": ("raw", numbered(6, (4097,), "u1")),
            "solid": ("lzma", numbered(6, (3,), "f4")),
            "solid large": ("lzma", numbered(6, LARGE, "i2")),
            "frames": ("lzmaf", numbered(6, (3,), "c8")),
            "npz": ("npz", numbered(6, LARGE, "u2")),
            "jpg": ("jpg", pictures(6, HEIGHT, WIDTH)),
            "images.avi": ("mjpg", pictures(6, HEIGHT, WIDTH, 1)),
        },
        {"calibration.json": '{"a": [1, 2]}'},
    )
    record(folder / "_camera", STAMPS, {"segment": ("lzmaf", numbered(6, (4, 4), "u1"))})
    record_poses(folder, 10)
    return folder


def test_large_channels_become_blobs_and_small_ones_stay(trace: Path, tmp_path: Path) -> None:
    found = blobify(trace, tmp_path / "blobs")
    formats = expect_same_frames(trace, tmp_path / "blobs")
    changed = {
        "camera/video.avi": "jpg",
        "lidar/rng": "npz",
        "lidar/rfl": "npz",
        "lidar/nir": "npz",
        "my-sensor/large": "npz",
        "my-sensor/above": "npz",
        "my-sensor/solid": "npz",
        "my-sensor/solid large": "npz",
        "my-sensor/frames": "npz",
        "my-sensor/npz": "npz",
        "my-sensor/jpg": "jpg",
        "my-sensor/images.avi": "jpg",
        "_camera/segment": "npz",
    }
    assert formats == {name: changed.get(name, "raw") for name in formats}
    sensor = tmp_path / "blobs" / "my-sensor"
    for name in ("large", "above"):
        assert compressions(sensor / name) == {zipfile.ZIP_STORED}
    for name in ("solid", "solid large", "frames", "../lidar/rng", "../_camera/segment"):
        assert compressions(sensor / name) == {zipfile.ZIP_DEFLATED}
    assert {(c.name, c.after) for c in found.channels} == set(formats.items())
    assert (tmp_path / "blobs" / "config.yaml").read_bytes() == (trace / "config.yaml").read_bytes()
    for name in ("_radar/pose.npz", "radar/radar.json"):
        assert (tmp_path / "blobs" / name).read_bytes() == (trace / name).read_bytes()
    leftovers = [path.name for path in (tmp_path / "blobs").rglob("*_i")]
    assert not leftovers
    assert not list((tmp_path / "blobs").rglob(".*"))


def test_jpegs_are_the_same_bytes_both_ways(trace: Path, tmp_path: Path) -> None:
    blobify(trace, tmp_path / "blobs")
    unblobify(tmp_path / "blobs", tmp_path / "back")
    for sensor, name in (("camera", "video.avi"), ("my-sensor", "images.avi")):
        jpegs = stored_frames(trace / sensor, name, "mjpg")
        assert stored_frames(tmp_path / "blobs" / sensor, name, "jpg") == jpegs
        assert stored_frames(tmp_path / "back" / sensor, name, "mjpg") == jpegs
    jpegs = stored_frames(trace / "my-sensor", "jpg", "jpg")
    assert stored_frames(tmp_path / "back" / "my-sensor", "jpg", "mjpg") == jpegs


def test_formats_come_back(trace: Path, tmp_path: Path) -> None:
    blobify(trace, tmp_path / "blobs")
    unblobify(tmp_path / "blobs", tmp_path / "back")
    formats = expect_same_frames(trace, tmp_path / "back")
    for path in trace.glob("*/meta.json"):
        old, new = json.loads(path.read_text()), meta_of(tmp_path / "back" / path.parent.name)
        # What were blobs before becomes one file all the same.
        old = {
            name: {
                **entry,
                "format": {"jpg": "mjpg", "npz": "raw"}.get(entry["format"], entry["format"]),
            }
            for name, entry in old.items()
        }
        assert new == old
    assert "before_blobify" not in json.dumps(meta_of(tmp_path / "back" / "lidar"))
    assert formats["lidar/rng"] == "lzmaf"


@pytest.mark.parametrize("format", ["raw", "lzma", "lzmaf"])
def test_npz_becomes_what_is_asked_for(format: Any, trace: Path, tmp_path: Path) -> None:
    blobify(trace, tmp_path / "blobs")
    unblobify(tmp_path / "blobs", tmp_path / "back", format=format)
    formats = expect_same_frames(trace, tmp_path / "back")
    blobs = {
        f"{path.parent.name}/{name}"
        for path in (tmp_path / "blobs").glob("*/meta.json")
        for name, entry in json.loads(path.read_text()).items()
        if entry["format"] == "npz"
    }
    assert len(blobs) > 5
    assert {formats[name] for name in blobs} == {format}
    assert formats["camera/video.avi"] == "mjpg"
    assert formats["radar/valid"] == "raw"


def test_the_real_trace_goes_there_and_back(tmp_path: Path) -> None:
    blobify(SHORT, tmp_path / "blobs")
    formats = expect_same_frames(SHORT, tmp_path / "blobs")
    assert formats["lidar/rng"] == "npz"
    assert formats["camera/video.avi"] == "jpg"
    # 16 × 40 values of two bytes are not worth a file.
    assert formats["radar/iq"] == "raw"
    unblobify(tmp_path / "blobs", tmp_path / "back")
    expect_same_frames(SHORT, tmp_path / "back")
    for name in ("radar/iq", "imu/acc", "lidar/lidar.json"):
        assert (tmp_path / "back" / name).read_bytes() == (SHORT / name).read_bytes()
    jpegs = stored_frames(SHORT / "camera", "video.avi", "mjpg")
    assert stored_frames(tmp_path / "back" / "camera", "video.avi", "mjpg") == jpegs
    assert all(not c.problem for s in info(tmp_path / "back").sensors for c in s.channels)


def test_what_was_before_is_noted(trace: Path, tmp_path: Path) -> None:
    (trace / "camera" / "video.avi").write_bytes(
        avi(pictures(15, HEIGHT, WIDTH), HEIGHT, WIDTH, 25)
    )
    blobify(trace, tmp_path / "blobs")
    assert meta_of(tmp_path / "blobs" / "camera")["video.avi"]["before_blobify"] == {
        "format": "mjpg",
        "fps": 25.0,
    }
    lidar = meta_of(tmp_path / "blobs" / "lidar")
    assert lidar["rng"]["before_blobify"] == {"format": "lzmaf"}
    assert lidar["rng"]["desc"] == meta_of(trace / "lidar")["rng"]["desc"]
    assert "before_blobify" not in lidar["ts"]
    assert "before_blobify" not in meta_of(tmp_path / "blobs" / "my-sensor")["npz"]


# ── frame rates ──────────────────────────────────────────────────────────────────────────────────


def rate_of(path: Path) -> Any:
    with av.open(str(path)) as container:
        return container.streams.video[0].base_rate


@pytest.mark.parametrize("rate", ["30000/1001", "12.5", "30"])
def test_the_frame_rate_comes_back_exactly(rate: str, tmp_path: Path) -> None:
    made = record_camera(tmp_path / "t" / "camera", 6)
    video = made.path / "video.avi"
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", rate, "-i", "-"]
    pixels = numbered(6, (HEIGHT, WIDTH, 3), "u1").tobytes()
    ffmpeg(*size, "-c:v", "mjpeg", str(video), data=pixels)
    blobify(tmp_path / "t", tmp_path / "blobs")
    unblobify(tmp_path / "blobs", tmp_path / "back")
    assert rate_of(tmp_path / "back" / "camera" / "video.avi") == rate_of(video)


@pytest.mark.parametrize(
    "stamps, fps, expected",
    [
        (START + np.arange(6) / 4, None, 4),
        (START + np.arange(6) / 4, 12.5, 12.5),
        (np.full(6, START), None, 10),
        (np.array([START, *[np.nan] * 5]), None, 10),
        (START + np.arange(6) * 1e9, None, 10),
    ],
)
@pytest.mark.parametrize("noted", [None, {}, 7, {"fps": "5"}, {"fps": -5}, {"fps": 1e300}])
def test_the_rate_of_an_avi_is_asked_for_or_the_sensors_mean(
    stamps: np.ndarray, fps: float | None, expected: float, noted: Any, tmp_path: Path
) -> None:
    made = record(tmp_path / "t" / "camera", stamps, {"image": ("jpg", pictures(6, HEIGHT, WIDTH))})
    if noted is not None:
        made.meta["image"]["before_blobify"] = noted
        made.write_meta()
    unblobify(tmp_path / "t", tmp_path / "back", fps=fps)
    assert rate_of(tmp_path / "back" / "camera" / "image") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e300])
def test_a_rate_that_is_none_is_an_error(fps: float, trace: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fps") as caught:
        unblobify(trace, tmp_path / "back", fps=fps)
    assert ".tmp" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


# ── workers, other codecs, odd traces ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [1, 3, 64])
def test_any_number_of_workers_makes_the_same(workers: int, trace: Path, tmp_path: Path) -> None:
    blobify(trace, tmp_path / "blobs", workers=workers)
    expect_same_frames(trace, tmp_path / "blobs")
    assert "workers" not in (tmp_path / "blobs" / "camera" / "meta.json").read_text()


@pytest.mark.parametrize("workers", [0, -2])
def test_no_workers_are_an_error(workers: int, trace: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="worker") as caught:
        blobify(trace, tmp_path / "blobs", workers=workers)
    assert ".tmp" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("args", [{}, {"resolution": [24, 16]}], ids=["", "resized"])
def test_another_codec_becomes_deflated_arrays(args: dict[str, Any], tmp_path: Path) -> None:
    numbers, shape = [40000, 3, 65535, 1, 2, 77], (64, 96, 3)
    made = record(tmp_path / "t" / "camera", STAMPS, {})
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", "25", "-i", "-"]
    pixels = images(numbers, shape)
    ffmpeg(
        *size,
        "-c:v",
        "huffyuv",
        "-pix_fmt",
        "rgb24",
        str(made.path / "video.avi"),
        data=pixels.tobytes(),
    )
    made.meta["video.avi"] = {"format": "mjpg", "type": "u1", "shape": list(shape), "args": args}
    made.write_meta()
    blobify(tmp_path / "t", tmp_path / "blobs")
    entry = meta_of(tmp_path / "blobs" / "camera")["video.avi"]
    assert entry["format"] == "npz"
    found = plain_frames(tmp_path / "blobs" / "camera", "video.avi", entry)
    np.testing.assert_array_equal(found, pixels)
    assert compressions(tmp_path / "blobs" / "camera" / "video.avi") == {zipfile.ZIP_DEFLATED}
    unblobify(tmp_path / "blobs", tmp_path / "back")
    entry = meta_of(tmp_path / "back" / "camera")["video.avi"]
    found = plain_frames(tmp_path / "back" / "camera", "video.avi", entry)
    assert [shown_number(frame) for frame in found] == numbers


def test_dropped_frames_become_files_of_what_they_show(tmp_path: Path) -> None:
    one, two = pictures(2, HEIGHT, WIDTH)
    record(
        tmp_path / "t" / "camera", STAMPS, {"video.avi": ("mjpg", [one, two, one, two, one, two])}
    )
    data = avi([one, b"", b"", two, b"", one], HEIGHT, WIDTH)
    (tmp_path / "t" / "camera" / "video.avi").write_bytes(data)
    blobify(tmp_path / "t", tmp_path / "blobs")
    stored = stored_frames(tmp_path / "blobs" / "camera", "video.avi", "jpg")
    assert stored == [one, one, one, two, two, one]
    unblobify(tmp_path / "blobs", tmp_path / "back")
    assert stored_frames(tmp_path / "back" / "camera", "video.avi", "mjpg") == stored


def test_arguments_of_images_stay_and_those_of_blobs_go(tmp_path: Path) -> None:
    made = record(
        tmp_path / "t" / "camera",
        STAMPS,
        {
            "image": ("jpg", pictures(6, HEIGHT, WIDTH)),
            "depth": ("npz", numbered(6, (3,), "u2")),
            "video.avi": ("mjpg", pictures(6, HEIGHT, WIDTH, 1)),
        },
    )
    made.meta["image"]["args"] = {"length": 6, "workers": 2, "interp": "linear"}
    made.meta["depth"]["args"] = {"length": 6}
    made.meta["video.avi"]["args"] = {"quality": 80}
    made.meta["depth"]["unit"] = "m"
    made.write_meta()
    unblobify(tmp_path / "t", tmp_path / "back")
    meta = meta_of(tmp_path / "back" / "camera")
    assert meta["image"]["args"] == {"interp": "linear"}
    assert "args" not in meta["depth"]
    assert meta["depth"]["unit"] == "m"
    assert meta["video.avi"]["args"] == {"quality": 80}
    expect_same_frames(tmp_path / "t", tmp_path / "back")
    blobify(tmp_path / "back", tmp_path / "again")
    assert meta_of(tmp_path / "again" / "camera")["video.avi"]["args"] == {"quality": 80}


def test_channels_of_unequal_length_keep_all_their_frames(tmp_path: Path) -> None:
    contents = {
        "large": ("raw", numbered(5, LARGE, "i2")),
        "frames": ("lzmaf", numbered(7, (3,), "u2")),
        "video.avi": ("mjpg", pictures(4, HEIGHT, WIDTH)),
    }
    made = record(tmp_path / "t" / "s", STAMPS, contents)
    with pytest.warns(UserWarning, match="differ in length"):
        blobify(tmp_path / "t", tmp_path / "blobs")
    for name, (kind, frames) in contents.items():
        entry = meta_of(tmp_path / "blobs" / "s")[name]
        assert len(plain_frames(tmp_path / "blobs" / "s", name, entry)) == len(frames), kind
    assert made.stamps.tobytes() == (tmp_path / "blobs" / "s" / "ts").read_bytes()


def test_empty_channels_and_missing_ones(tmp_path: Path) -> None:
    frames = numbered(6, (3,), "u2")
    made = record(tmp_path / "t" / "s", STAMPS, {"x": ("lzmaf", frames), "y": ("raw", frames)})
    (made.path / "y").unlink()
    empty = record(
        tmp_path / "t" / "none", STAMPS[:0], {"x": ("npz", frames[:0]), "z": ("raw", frames[:0])}
    )
    with pytest.warns(RoverdWarning, match="s/y: left out"):
        blobify(tmp_path / "t", tmp_path / "blobs")
    assert list(meta_of(tmp_path / "blobs" / "s")) == ["ts", "x"]
    assert list(meta_of(tmp_path / "blobs" / "none")) == list(empty.meta)
    unblobify(tmp_path / "blobs", tmp_path / "back")
    assert {s.name: s.n for s in info(tmp_path / "back").sensors} == {"none": 0, "s": 6}


def test_links_are_followed(tmp_path: Path) -> None:
    record_camera(tmp_path / "t" / "_camera", 6)
    camera = record_camera(tmp_path / "t" / "camera", 6)
    (camera.path / "video.avi").unlink()
    link(tmp_path / "t" / "_camera" / "video.avi", camera.path / "video.avi")
    blobify(tmp_path / "t", tmp_path / "blobs")
    expect_same_frames(tmp_path / "t", tmp_path / "blobs")
    assert (tmp_path / "t" / "camera" / "video.avi").is_symlink()


@pytest.mark.parametrize("other", ["channel", "file"])
def test_an_index_takes_no_name_that_is_in_use(other: str, tmp_path: Path) -> None:
    frames = numbered(6, (3,), "u2")
    contents: dict[str, Any] = {"x": ("npz", frames)}
    if other == "channel":
        contents["x_i"] = ("npz", frames)
    record(tmp_path / "t" / "s", STAMPS, contents, {} if other == "channel" else {"x_i": "mine"})
    with pytest.raises(ValueError, match="x_i"):
        unblobify(tmp_path / "t", tmp_path / "back", format="lzmaf")
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    unblobify(tmp_path / "t", tmp_path / "back", format="lzma")
    expect_same_frames(tmp_path / "t", tmp_path / "back")


@pytest.mark.parametrize("operation", [blobify, unblobify])
def test_what_is_there_is_refused(operation: Any, trace: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="there"):
        operation(trace, tmp_path / "there")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine"]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        operation(tmp_path / "nowhere", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_damaged_frame_is_an_error_that_leaves_nothing_behind(
    trace: Path, tmp_path: Path
) -> None:
    path = trace / "lidar" / "rng"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(ValueError, match="rng"):
        blobify(trace, tmp_path / "blobs")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
