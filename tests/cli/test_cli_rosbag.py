"""`roverd rosbag`, whose bags are read with `rosbags` and `mcap`."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from support.channels import wait_until
from support.command_line import ENTRY_POINT, expect_one_line_error, run_roverd
from support.traces import SHORT, record_imu

MESSAGES = {"/imu": 398, "/points2": 3}


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A real recording."""
    return Path(shutil.copytree(SHORT, tmp_path / "walk"))


def messages(bag: Path) -> dict[str, int]:
    with AnyReader([bag]) as reader:
        return {topic: info.msgcount for topic, info in reader.topics.items()}


def size(bag: Path) -> int:
    files = [bag] if bag.is_file() else list(bag.iterdir())
    return sum(file.stat().st_size for file in files)


def test_a_bag_is_written_into_the_traces_scratch_folder(trace: Path):
    done = run_roverd("rosbag", trace)
    assert (done.status, done.err) == (0, "")
    bag = trace / "_scratch" / "lidar.bag"
    (line,) = done.lines
    stamps = [np.fromfile(SHORT / name / "ts", "<f8") for name in ("imu", "lidar")]
    seconds = np.ptp(np.concatenate(stamps))
    assert line == (
        f"{bag}: messages 398 on /imu, 3 on /points2; {seconds:.3f} s, {size(bag) / 1e6:.2f} MB"
    )
    assert messages(bag) == MESSAGES
    assert os.listdir(trace / "_scratch") == ["lidar.bag"]


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_ros2_bag_is_a_folder(trace: Path, storage: str):
    done = run_roverd("rosbag", trace, "--format", "ros2", "--storage", storage)
    assert (done.status, done.err) == (0, "")
    bag = trace / "_scratch" / "lidar_ros2"
    assert str(bag) in done.out and "398 on /imu, 3 on /points2" in done.out
    assert messages(bag) == MESSAGES
    if storage == "mcap":
        with (bag / "lidar_ros2.mcap").open("rb") as file:
            assert len(list(make_reader(file).iter_messages())) == 401
    else:
        assert (bag / "lidar_ros2.db3").read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.slow
def test_another_place_and_near_points_left_out(trace: Path):
    whole = run_roverd("rosbag", trace, "--out", trace.parent / "new" / "whole.bag")
    far = run_roverd("rosbag", trace, "--out", "far.bag", "--min-range", 20, cwd=trace.parent)
    assert (whole.status, far.status) == (0, 0)
    assert far.out.startswith("far.bag: messages 398 on /imu, 3 on /points2;")
    counts: list[int] = []
    for bag in (trace.parent / "new" / "whole.bag", trace.parent / "far.bag"):
        with AnyReader([bag]) as reader:
            clouds = [c for c in reader.connections if c.topic == "/points2"]
            widths = [reader.deserialize(data, c.msgtype) for c, _, data in reader.messages(clouds)]
        counts.append(sum(message.width for message in widths))
    assert 0 < counts[1] < counts[0]
    assert not (trace / "_scratch").exists()


@pytest.mark.slow
def test_a_bag_is_overwritten_only_where_asked_for(trace: Path):
    assert run_roverd("rosbag", trace).status == 0
    bag = trace / "_scratch" / "lidar.bag"
    before = bag.read_bytes()
    expect_one_line_error(run_roverd("rosbag", trace, "--min-range", 20), bag, "--overwrite")
    assert bag.read_bytes() == before
    assert run_roverd("rosbag", trace, "--min-range", 20, "--overwrite").status == 0
    assert len(bag.read_bytes()) < len(before)


def remove(trace: Path, *names: str) -> None:
    for name in names:
        path = trace / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    "missing, named",
    [
        ("imu", "no sensor 'imu'"),
        ("lidar/meta.json", "no sensor 'lidar'"),
        ("lidar/lidar.json", "lidar/lidar.json"),
        ("imu/rot", "imu/rot"),
    ],
)
def test_what_a_trace_lacks_is_named_in_one_line(trace: Path, missing: str, named: str):
    remove(trace, missing)
    expect_one_line_error(run_roverd("rosbag", trace), trace, named)
    assert not (trace / "_scratch").exists()


@pytest.mark.slow
def test_what_is_no_trace_is_an_error_in_one_line(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    expect_one_line_error(run_roverd("rosbag", tmp_path / "nowhere"), tmp_path / "nowhere")
    expect_one_line_error(run_roverd("rosbag", tmp_path / "empty"), tmp_path / "empty")


def test_a_damaged_frame_is_named_in_one_line_and_nothing_is_left(trace: Path):
    data = bytearray((trace / "lidar" / "rng").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (trace / "lidar" / "rng").write_bytes(data)
    expect_one_line_error(run_roverd("rosbag", trace), trace / "lidar" / "rng", "frame 1")
    assert not (trace / "_scratch").exists()


@pytest.mark.slow
def test_a_torn_lidar_gives_its_whole_frames_and_a_warning(trace: Path):
    data = (trace / "lidar" / "rng").read_bytes()
    (trace / "lidar" / "rng").write_bytes(data[:-1000])
    done = run_roverd("rosbag", trace)
    assert done.status == 0
    (line,) = done.err.splitlines()
    assert line.startswith("roverd: warning:") and "rng 2" in line
    assert messages(trace / "_scratch" / "lidar.bag") == {"/imu": 398, "/points2": 2}


@pytest.mark.parametrize("flags", [["--format", "ros3"], ["--storage", "mcap"]])
def test_flags_that_are_none_have_their_own_status(trace: Path, flags: list[str]):
    done = run_roverd("rosbag", trace, *flags)
    assert (done.status, done.out) == (2, "")
    assert not (trace / "_scratch").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_nothing_is_left(trace: Path, number: int, status: int):
    shutil.rmtree(trace / "imu")
    record_imu(trace / "imu", 50_000)  # more than is written before the signal comes
    command = [sys.executable, "-c", ENTRY_POINT, "rosbag", str(trace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        scratch = trace / "_scratch"
        wait_until(lambda: any(scratch.glob(".lidar.bag.*/lidar.bag")), seconds=30)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert running.returncode == status
    assert (out, err) == (b"", b"")
    assert not scratch.exists()


def test_help_shows_an_example_that_works(trace: Path):
    done = run_roverd("rosbag", "--help")
    assert (done.status, done.err) == (0, "")
    (example,) = [line for line in done.lines if line.startswith("Example: ")]
    words = example.removeprefix("Example: `roverd ").removesuffix("`.").split()
    words[words.index("/data/recordings/walk")] = str(trace)
    assert run_roverd(*words, cwd=trace.parent).status == 0
    assert messages(trace.parent / "walk.bag") == MESSAGES
