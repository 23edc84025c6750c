"""`roverd blobify` and `roverd unblobify`, as programs of their own."""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.command_line import expect_one_line_error, run_roverd
from support.traces import (
    SHORT,
    START,
    numbered,
    plain_frames,
    record,
    record_trace,
    stored_frames,
)


def meta_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta.json").read_text())


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files included."""
    return sorted(os.listdir(folder))


def expect_rows(lines: list[str], before: Path, after: Path) -> None:
    """Assert that a table says what became of every channel."""
    for path in sorted(before.glob("*/meta.json")):
        sensor = path.parent.name
        now = meta_of(after / sensor)
        count = os.path.getsize(path.parent / "ts") // 8
        for channel, entry in meta_of(path.parent).items():
            (row,) = [line.split() for line in lines if line.startswith(f"{sensor}/{channel} ")]
            assert row[1:] == [entry["format"], now[channel]["format"], str(count)]


def test_a_real_trace_goes_there_and_back(tmp_path: Path) -> None:
    done = run_roverd("blobify", SHORT, tmp_path / "blobs", "--workers", 2)
    assert (done.status, done.err) == (0, "")
    expect_rows(done.lines, SHORT, tmp_path / "blobs")
    assert meta_of(tmp_path / "blobs" / "camera")["video.avi"]["format"] == "jpg"
    back = run_roverd("unblobify", tmp_path / "blobs", tmp_path / "back")
    assert (back.status, back.err) == (0, "")
    expect_rows(back.lines, tmp_path / "blobs", tmp_path / "back")
    jpegs = stored_frames(SHORT / "camera", "video.avi", "mjpg")
    assert len(jpegs) == 60
    assert stored_frames(tmp_path / "blobs" / "camera", "video.avi", "jpg") == jpegs
    assert stored_frames(tmp_path / "back" / "camera", "video.avi", "mjpg") == jpegs
    for folder in ("blobs", "back"):
        for path in SHORT.glob("*/meta.json"):
            sensor = path.parent.name
            for channel, entry in meta_of(path.parent).items():
                now = meta_of(tmp_path / folder / sensor)[channel]
                np.testing.assert_array_equal(
                    plain_frames(tmp_path / folder / sensor, channel, now),
                    plain_frames(SHORT / sensor, channel, entry),
                )
    shown = run_roverd("info", tmp_path / "back")
    assert (shown.status, shown.err) == (0, "")
    assert names(tmp_path) == ["back", "blobs"]


def test_large_radar_frames_become_stored_arrays(tmp_path: Path) -> None:
    frames = numbered(6, (8, 3, 4, 64), "i2")
    record(tmp_path / "t" / "radar", START + np.arange(6.0), {"iq": ("raw", frames)})
    done = run_roverd("blobify", tmp_path / "t", tmp_path / "blobs", "--json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {
        "path": str(tmp_path / "blobs"),
        "channels": [
            {"name": "radar/ts", "before": "raw", "after": "raw", "frames": 6},
            {"name": "radar/iq", "before": "raw", "after": "npz", "frames": 6},
        ],
    }
    for number, frame in enumerate(frames):
        path = tmp_path / "blobs" / "radar" / "iq" / f"{number:06d}.npz"
        with zipfile.ZipFile(path) as archive:
            assert archive.getinfo("data.npy").compress_type == zipfile.ZIP_STORED
        np.testing.assert_array_equal(np.load(path)["data"], frame)
    flags = ["--format", "lzmaf", "--json"]
    done = run_roverd("unblobify", tmp_path / "blobs", tmp_path / "back", *flags)
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["channels"][1]["after"] == "lzmaf"
    entry = meta_of(tmp_path / "back" / "radar")["iq"]
    np.testing.assert_array_equal(plain_frames(tmp_path / "back" / "radar", "iq", entry), frames)


def test_the_rate_of_avis_can_be_asked_for(tmp_path: Path) -> None:
    record_trace(tmp_path / "t", 0.5)
    assert run_roverd("blobify", tmp_path / "t", tmp_path / "blobs").status == 0
    done = run_roverd("unblobify", tmp_path / "blobs", tmp_path / "back", "--fps", 12.5)
    assert (done.status, done.err) == (0, "")
    header = (tmp_path / "back" / "camera" / "video.avi").read_bytes()
    scale, rate = np.frombuffer(header, "<u4", 2, header.index(b"strh") + 8 + 20).tolist()
    assert rate / scale == 12.5


@pytest.mark.parametrize(
    "command, flags, name",
    [
        ("blobify", ["to-there"], "there"),
        ("unblobify", ["from-nowhere"], "nowhere"),
    ],
    ids=str,
)
def test_what_cannot_be_is_an_error_in_one_line_that_leaves_nothing(
    command: str, flags: list[str], name: str, tmp_path: Path
) -> None:
    record_trace(tmp_path / "source", 0.2)
    (tmp_path / "there").mkdir()
    source = tmp_path / ("nowhere" if "from-nowhere" in flags else "source")
    target = tmp_path / ("there" if "to-there" in flags else "new")
    flags = [flag for flag in flags if not flag.startswith(("to-", "from-"))]
    expect_one_line_error(run_roverd(command, source, target, *flags), tmp_path / name)
    assert names(tmp_path) == ["source", "there"]
    assert names(tmp_path / "there") == []


def test_a_format_that_is_none_is_an_error(tmp_path: Path) -> None:
    record_trace(tmp_path / "source", 0.2)
    done = run_roverd("unblobify", tmp_path / "source", tmp_path / "new", "--format", "mjpg")
    assert done.status == 2
    assert "Traceback" not in done.err
    assert names(tmp_path) == ["source"]


def test_a_damaged_channel_is_named(tmp_path: Path) -> None:
    made = record_trace(tmp_path / "source", 0.5)["lidar"]
    data = bytearray((made.path / "rng").read_bytes())
    data[len(data) // 2] ^= 1
    (made.path / "rng").write_bytes(data)
    done = run_roverd("blobify", tmp_path / "source", tmp_path / "new")
    expect_one_line_error(done, made.path / "rng")
    assert names(tmp_path) == ["source"]


@pytest.mark.parametrize("command", ["blobify", "unblobify"])
def test_the_example_of_the_help_works(command: str, tmp_path: Path) -> None:
    record_trace(tmp_path / "source", 0.2)
    done = run_roverd(command, "--help")
    assert (done.status, done.err) == (0, "")
    found = re.search(rf"Example:\s+`roverd\s+({command}[^`]*)`", done.out)
    assert found
    words = found[1].split()
    words[1:3] = [str(tmp_path / "source"), str(tmp_path / "new")]
    done = run_roverd(*words)
    assert (done.status, done.err) == (0, "")
    assert (tmp_path / "new" / "config.yaml").exists()
