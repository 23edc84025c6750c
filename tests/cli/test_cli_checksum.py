"""`roverd checksum`, as a program of its own."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import xxhash

from roverd import ops
from support.command_line import expect_one_line_error, run_measured, run_roverd
from support.traces import SHORT


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    shutil.copytree(SHORT, tmp_path / "walk")
    return tmp_path / "walk"


def spoil(folder: Path) -> list[str]:
    """Do one of each to a copy of a trace; returns what is to be printed of it."""
    swapped = [folder / "imu" / name for name in ("acc", "rot")]
    contents = [path.read_bytes() for path in swapped]
    for path, content in zip(swapped, reversed(contents), strict=True):
        path.write_bytes(content)
    flipped = bytearray((folder / "lidar" / "rng").read_bytes())
    flipped[-1] ^= 1
    (folder / "lidar" / "rng").write_bytes(flipped)
    os.truncate(folder / "radar" / "iq", 102_399)
    (folder / "camera" / "ts").unlink()
    (folder / "radar" / "new").write_bytes(b"")
    return [
        "mismatched: imu/acc",
        "mismatched: imu/rot",
        "mismatched: lidar/rng",
        "mismatched: radar/iq",
        "missing: camera/ts",
        "extra: radar/new",
    ]


def test_a_csv_is_written_and_a_sound_copy_passes(walk: Path):
    done = run_roverd("checksum", "walk", "walk.csv", cwd=walk.parent)
    assert (done.status, done.err) == (0, "")
    (line,) = done.lines
    assert line == "Checksum (md5): 23 files, 1.45 MB, written to walk.csv."
    sums = (walk.parent / "walk.csv").read_text().splitlines()
    assert sums[0] == "file,md5"
    digest = hashlib.md5((SHORT / "lidar" / "rng").read_bytes()).hexdigest()
    assert f"lidar/rng,{digest}" in sums
    shutil.copytree(walk, walk.parent / "copy")
    done = run_roverd("checksum", "walk.csv", "copy", cwd=walk.parent)
    assert (done.status, done.err) == (0, "")
    (line,) = done.lines
    assert "23 files" in line
    assert "0 mismatched, 0 missing, 0 extra, 0 unreadable" in line


@pytest.mark.parametrize("src, dst", [("walk", "copy.csv"), ("walk.csv", "copy")])
def test_each_difference_is_a_line_and_the_last_line_sums_up(walk: Path, src: str, dst: str):
    copy = walk.parent / "copy"
    shutil.copytree(walk, copy)
    expected = spoil(copy)
    for folder in (walk, copy):
        ops.checksum(folder, f"{folder}.csv")
    done = run_roverd("checksum", src, dst, cwd=walk.parent)
    assert (done.status, done.err) == (1, "")
    assert done.lines[:-1] == expected
    assert "24 files" in done.lines[-1]
    assert "4 mismatched, 1 missing, 1 extra, 0 unreadable" in done.lines[-1]


def test_json_has_the_same(walk: Path):
    copy = walk.parent / "copy"
    shutil.copytree(walk, copy)
    expected = spoil(copy)
    done = run_roverd("checksum", walk, copy, "--json", "--algorithm", "sha256", "--workers", 2)
    assert (done.status, done.err) == (1, "")
    found = json.loads(done.out)
    lines = [f"{what}: {n}" for what in ("mismatched", "missing", "extra") for n in found[what]]
    assert lines == expected
    assert (found["algorithm"], found["count"], found["written"]) == ("sha256", 24, None)


def test_include_restricts_both_sides(walk: Path):
    copy = walk.parent / "copy"
    shutil.copytree(walk, copy)
    spoil(copy)
    include = walk.parent / "include.txt"
    include.write_text("# no channels\n*.json\nlidar/*_i\nlidra/*\n")
    done = run_roverd("checksum", walk, copy, "--include", include)
    assert done.status == 0
    assert "9 files" in done.out
    (line,) = done.err.splitlines()
    assert str(include) in line
    assert "lidra/*" in line
    include.write_text("lidra/*\n")
    expect_one_line_error(run_roverd("checksum", walk, copy, "--include", include), include, walk)


def test_what_cannot_be_read_is_a_line_on_stderr_and_the_rest_is_compared(walk: Path):
    copy = walk.parent / "copy"
    shutil.copytree(walk, copy)
    for name in ("camera/video.avi", "imu/acc"):
        (copy / name).unlink()
        (copy / name).symlink_to("/nowhere/at/all")
    (copy / "imu" / "rot").write_bytes(b"")
    done = run_roverd("checksum", walk, copy)
    assert done.status == 1
    assert len(done.err.splitlines()) == 2
    for name, line in zip(("camera/video.avi", "imu/acc"), done.err.splitlines(), strict=True):
        assert str(copy / name) in line
        assert "/nowhere/at/all" in line
    assert done.lines[:-1] == ["mismatched: imu/rot"]
    assert "1 mismatched, 0 missing, 0 extra, 2 unreadable" in done.lines[-1]


def test_a_csv_that_would_not_be_complete_is_not_written(walk: Path):
    (walk / "broken").symlink_to("nowhere")
    done = run_roverd("checksum", walk, walk.parent / "new.csv")
    assert done.status == 1
    (line,) = done.err.splitlines()
    assert str(walk / "broken") in line
    assert "not written" in done.out
    assert not (walk.parent / "new.csv").exists()


def test_names_of_any_kind_take_one_line_each(walk: Path):
    names = {"new\nline": r"new\nline", "\x1b[31mred": r"\x1b[31mred", "ü ,": "ü ,"}
    names[os.fsdecode(b"no utf-8 \xff")] = "no utf-8 \\udcff"
    (walk.parent / "other").mkdir()
    for name in names:
        (walk.parent / "other" / name).write_text("")
    done = run_roverd("checksum", walk, walk.parent / "other")
    extra = [line for line in done.lines if line.startswith("extra: ")]
    assert sorted(extra) == sorted(f"extra: {shown}" for shown in names.values())
    assert len(done.lines) == 23 + len(names) + 1
    found = json.loads(run_roverd("checksum", walk, walk.parent / "other", "--json").out)
    assert set(found["extra"]) == set(names)


@pytest.mark.parametrize(
    "words, named",
    [
        (["nowhere", "walk"], "nowhere"),
        (["walk", "wlak"], "wlak"),
        (["walk.csv", "walk", "--algorithm", "sha256"], "walk.csv"),
        (["walk/lidar/rng", "walk"], "walk/lidar/rng: line 1"),
        (["walk", "bad.csv"], "bad.csv: line 2"),
        (["empty", "new.csv"], "empty"),
        (["walk", "new.csv", "--include", "noinc"], "noinc: no such file or directory"),
    ],
)
def test_errors_are_one_line_that_names_the_file(walk: Path, words: list[str], named: str):
    ops.checksum(walk, walk.parent / "walk.csv")
    (walk.parent / "bad.csv").write_text("file,md5\n../x,0\n")
    (walk.parent / "empty").mkdir()
    expect_one_line_error(run_roverd("checksum", *words, cwd=walk.parent), named)
    assert not (walk.parent / "new.csv").exists()


def sparse_trace(folder: Path, size: int) -> Path:
    """A trace with a channel that is large, but takes no disk."""
    path = folder / "radar" / "iq"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(size)
    return folder


@pytest.mark.slow
def test_memory_does_not_grow_with_a_file(tmp_path: Path):
    size = 500_000_007
    sparse_trace(tmp_path / "walk", size)
    command = ["checksum", tmp_path / "walk", tmp_path / "new.csv", "--algorithm", "xxh3_128"]
    done, megabytes = run_measured(*command)
    assert done.status == 0
    digest = xxhash.xxh3_128_hexdigest(bytes(size))
    assert (tmp_path / "new.csv").read_text() == f"file,xxh3_128\nradar/iq,{digest}\n"
    assert megabytes < 200


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_five_gigabytes_take_less_than_300_mb_of_memory(tmp_path: Path):
    size = 5_000_000_000
    digest = "3c8e6c83fd0feff1bb7a9e92686a6f24"  # head -c 5000000000 /dev/zero | md5sum
    sparse_trace(tmp_path / "walk", size)
    sparse_trace(tmp_path / "copy", size)
    done, megabytes = run_measured("checksum", tmp_path / "walk", tmp_path / "new.csv")
    assert (done.status, megabytes < 300) == (0, True)
    assert (tmp_path / "new.csv").read_text() == f"file,md5\nradar/iq,{digest}\n"
    with (tmp_path / "copy" / "radar" / "iq").open("r+b") as file:
        file.seek(size - 1)
        file.write(b"\1")
    sides = (tmp_path / "walk", tmp_path / "copy")
    done, megabytes = run_measured("checksum", *sides, "--algorithm", "xxh3_128")
    assert (done.status, megabytes < 300) == (1, True)
    assert done.out.startswith("mismatched: radar/iq\n")
