"""`roverd transcode`, as a program of its own."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.command_line import expect_one_line_error, run_roverd
from support.traces import SHORT, plain_frames, record_trace, stored_frames


def meta_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta.json").read_text())


def size_of(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path, Path(f"{path}_i")]
    return sum(file.stat().st_size for file in files if file.exists())


def rows_of(lines: list[str]) -> dict[str, list[str]]:
    """Cells of the rows of a table, by the first one."""
    return {cells[0]: cells[1:] for cells in (re.split(r"  +", line) for line in lines) if cells}


def test_a_real_trace_is_brought_to_other_formats(tmp_path: Path) -> None:
    new = tmp_path / "new"
    flags = ["--channel", "lidar/*=npz,compress=true", "--channel", "lidar/rng=lzma"]
    done = run_roverd("transcode", SHORT, new, *flags, "--channel", "camera/video.avi=jpg")
    assert (done.status, done.err) == (0, "")
    assert stored_frames(new / "camera", "video.avi", "jpg") == stored_frames(
        SHORT / "camera", "video.avi", "mjpg"
    )
    wanted = {"lidar/rng": "lzma", "lidar/nir": "npz", "lidar/rfl": "npz"}
    wanted["camera/video.avi"] = "jpg"
    rows = rows_of(done.lines)
    total = 0
    for path in sorted(SHORT.glob("*/meta.json")):
        sensor = path.parent.name
        for channel, entry in meta_of(path.parent).items():
            name = f"{sensor}/{channel}"
            now = meta_of(new / sensor)[channel]
            assert now["format"] == wanted.get(name, entry["format"])
            if channel != "video.avi":
                np.testing.assert_array_equal(
                    plain_frames(new / sensor, channel, now),
                    plain_frames(SHORT / sensor, channel, entry),
                )
            was, is_now, frames, *sizes, ratio = rows[name]
            assert (was, is_now.partition(",")[0]) == (entry["format"], now["format"])
            assert int(frames) == os.path.getsize(path.parent / "ts") // 8
            before, after = size_of(SHORT / sensor / channel), size_of(new / sensor / channel)
            assert len(sizes) == 2
            assert float(ratio) == pytest.approx(before / after, abs=0.006)
            total += after
    assert "npz,compress=true" in done.out
    before = sum(
        size_of(p.parent / c) for p in SHORT.glob("*/meta.json") for c in meta_of(p.parent)
    )
    assert float(rows["total"][-1]) == pytest.approx(before / total, abs=0.006)
    assert done.lines[-1] == "Transcode: 1 made."
    again = run_roverd("transcode", SHORT, new, *flags, "--channel", "camera/video.avi=jpg")
    assert (again.status, again.err) == (0, "")
    assert again.lines[-1] == "Transcode: 1 there already."
    assert rows_of(again.lines)["total"] == rows["total"]


def test_a_tree_goes_on_when_a_trace_is_damaged(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "day/c")):
        record_trace(tmp_path / "tree" / name, 0.3, number)
    damaged = tmp_path / "tree" / "b" / "lidar" / "rng"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-40] + bytes([sound[-40] ^ 1]) + sound[-39:])
    new = tmp_path / "new"
    words = ["transcode", tmp_path / "tree", new, "--channel", "lidar/*=raw", "--workers", 2]
    done = run_roverd(*words)
    assert done.status == 1
    (line,) = [line for line in done.err.splitlines() if "error" in line]
    assert str(damaged) in line
    assert "Traceback" not in done.err
    assert done.lines[-1] == "Transcode: 2 made, 1 failed."
    assert rows_of(done.lines)["b"][-1] == "failed"
    assert sorted(os.listdir(new)) == ["a", "day"]
    damaged.write_bytes(sound)
    done = run_roverd(*words, "--json")
    assert (done.status, done.err) == (0, "")
    report = json.loads(done.out)
    assert report["ok"] is True
    assert [trace["state"] for trace in report["traces"]] == ["there", "made", "there"]
    assert [trace["path"] for trace in report["traces"]] == [
        str(new / name) for name in ("a", "b", "day/c")
    ]
    sizes = [
        {c["name"]: (c["size_before"], c["size_after"]) for c in trace["channels"]}["lidar/rng"]
        for trace in report["traces"]
    ]
    paths = [Path(trace["path"]) / "lidar" / "rng" for trace in report["traces"]]
    assert [after for _, after in sizes] == [path.stat().st_size for path in paths]


def test_a_dry_run_makes_nothing(tmp_path: Path) -> None:
    record_trace(tmp_path / "source", 0.2)
    flags = ["--preset", "small", "--dry-run"]
    done = run_roverd("transcode", tmp_path / "source", tmp_path / "new", *flags)
    assert (done.status, done.err) == (0, "")
    assert rows_of(done.lines)["imu/acc"][:3] == ["raw", "lzma", "20"]
    assert done.lines[-1] == "Transcode: 1 to be made. Nothing was made (dry run)."
    assert os.listdir(tmp_path) == ["source"]


def test_of_a_pattern_given_twice_the_last_one_counts(tmp_path: Path) -> None:
    record_trace(tmp_path / "source", 0.2)
    words = ["lidar/rng=npz", "lidar/*=lzma", "lidar/rng=raw"]
    flags = [word for pair in zip(["--channel"] * 3, words, strict=True) for word in pair]
    assert run_roverd("transcode", tmp_path / "source", tmp_path / "new", *flags).status == 0
    meta = meta_of(tmp_path / "new" / "lidar")
    assert [meta[name]["format"] for name in ("ts", "rng", "nir")] == ["raw", "raw", "lzma"]


@pytest.mark.parametrize(
    "flags, said",
    [
        ([], "expected --channel or --preset"),
        (["--channel"], "--channel: expected a value"),
        (["--channel", "lidar/*"], "PATTERN=FORMAT"),
        (["--channel", "lidar/*=flac"], "unknown format 'flac'; the known ones are"),
        (["--channel", "lidar/*=lzmaf,speed=1"], "does not take speed; it takes preset"),
        (["--preset", "tiny"], "--preset: expected compatible, fast or small"),
        (["--preset", "fast", "--workers", "0"], "--workers"),
    ],
)
def test_words_that_are_no_command_are_status_2(
    flags: list[str], said: str, tmp_path: Path
) -> None:
    record_trace(tmp_path / "source", 0.2)
    done = run_roverd("transcode", tmp_path / "source", tmp_path / "new", *flags)
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert said in line
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize(
    "words, named",
    [
        (["source", "new", "--channel", "lidar/rgn=raw"], "'lidar/rgn'"),
        (["source", "new", "--channel", "lidar/rng=jpg"], "source/lidar/rng"),
        (["source", "there", "--preset", "small"], "there: exists already"),
        (["source", "source/new", "--preset", "small"], "source/new: lies in"),
        (["nowhere", "new", "--preset", "small"], "nowhere"),
    ],
)
def test_what_cannot_be_is_an_error_in_one_line(
    words: list[str], named: str, tmp_path: Path
) -> None:
    record_trace(tmp_path / "source", 0.2)
    (tmp_path / "there").mkdir()
    expect_one_line_error(run_roverd("transcode", *words, cwd=tmp_path), named)
    assert sorted(os.listdir(tmp_path)) == ["source", "there"]
    assert not (tmp_path / "source" / "new").exists()
    assert os.listdir(tmp_path / "there") == []


def test_the_example_of_the_help_works(tmp_path: Path) -> None:
    record_trace(tmp_path / "source" / "walk", 0.2)
    done = run_roverd("transcode", "--help")
    assert (done.status, done.err) == (0, "")
    found = re.search(r"Example:\s+`roverd\s+(transcode[^`]*)`", done.out)
    assert found
    words = found[1].replace("'", "").split()
    words[1:3] = [str(tmp_path / "source"), str(tmp_path / "new")]
    done = run_roverd(*words)
    assert (done.status, done.err) == (0, "")
    assert (tmp_path / "new" / "walk" / "config.yaml").exists()
    shutil.rmtree(tmp_path / "new")
