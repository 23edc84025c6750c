"""Where bags appear and when, and what is refused."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from roverd.errors import AlreadyExistsError, CorruptFileError, MissingFileError, RoverdWarning
from roverd.ops import rosbag
from roverd.sensors import IMU, OSLidarDepth
from roverd.transforms.ros import BagReport, rover_to_rosbag
from support.traces import SHORT, link

KINDS: dict[str, dict[str, Any]] = {
    "ros1": {},
    "sqlite3": {"format": "ros2"},
    "mcap": {"format": "ros2", "storage": "mcap"},
}


def convert(trace: Path, out: Path, kind: str = "ros1", **options: Any) -> BagReport:
    imu, lidar = IMU(trace / "imu"), OSLidarDepth(trace / "lidar")
    return rover_to_rosbag(out, imu, lidar, **KINDS[kind], **options)


def entries(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder, at any depth."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def message_count(bag: Path) -> int:
    with AnyReader([bag]) as reader:
        return reader.message_count


def no_thread_is_left() -> bool:
    return not any(thread.name == "roverd-prefetch" for thread in threading.enumerate())


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lidar and the first 40 samples of the IMU of a real recording, to be damaged."""
    trace = tmp_path_factory.mktemp("recording") / "trace"
    for name in ("imu", "lidar"):
        (trace / name).mkdir(parents=True)
        for file in (SHORT / name).iterdir():
            data = file.read_bytes()
            raw = name == "imu" and file.suffix != ".json"
            (trace / name / file.name).write_bytes(data[: len(data) * 40 // 398] if raw else data)
    return trace


# ── places ───────────────────────────────────────────────────────────────────────────────────────


def test_a_bag_appears_when_it_is_complete(trace: Path, tmp_path: Path, kind: str):
    out = tmp_path / "walk.bag"
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        assert not out.exists()
        seen.append((done, total))

    report = convert(trace, out, kind, progress=progress)
    assert seen == [(number, 43) for number in range(1, 44)]
    assert report.path == str(out)
    assert os.listdir(tmp_path) == ["walk.bag"]
    assert no_thread_is_left()


def test_missing_folders_are_made(trace: Path, tmp_path: Path, kind: str):
    convert(trace, tmp_path / "a" / "b" / "walk.bag", kind)
    assert os.listdir(tmp_path / "a" / "b") == ["walk.bag"]


def test_what_a_link_points_to_is_written(trace: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    link(tmp_path / "elsewhere" / "walk.bag", tmp_path / "walk.bag")
    convert(trace, tmp_path / "walk.bag")
    assert (tmp_path / "walk.bag").is_symlink()
    assert message_count(tmp_path / "elsewhere" / "walk.bag") == 43


def occupy(trace: Path, place: Path, what: str) -> None:
    match what:
        case "text":
            place.write_text("some notes")
        case "empty file":
            place.touch()
        case "folder":
            place.mkdir()
            (place / "data").write_text("recordings of years")
        case "empty folder":
            place.mkdir()
        case "more than a bag":
            convert(trace, place, "mcap")
            (place / "notes.txt").write_text("some notes")
        case _:
            convert(trace, place, what, min_range=30.0)


NO_BAGS = ["text", "empty file", "folder", "empty folder", "more than a bag"]


@pytest.mark.parametrize("what", [*NO_BAGS, *KINDS])
def test_what_is_there_is_not_overwritten(trace: Path, tmp_path: Path, what: str):
    occupy(trace, tmp_path / "walk.bag", what)
    before = entries(tmp_path)
    with pytest.raises(AlreadyExistsError, match=r"walk\.bag: is there already; .*--overwrite"):
        convert(trace, tmp_path / "walk.bag")
    assert entries(tmp_path) == before


@pytest.mark.parametrize(
    "kind, what",
    [
        ("ros1", "ros1"),
        ("ros1", "mcap"),
        ("sqlite3", "ros1"),
        ("mcap", "sqlite3"),
        ("mcap", "mcap"),
    ],
)
def test_a_bag_is_overwritten_where_asked_for(trace: Path, tmp_path: Path, kind: str, what: str):
    (tmp_path / "new").mkdir()
    occupy(trace, tmp_path / "new" / "walk", what)
    convert(trace, tmp_path / "new" / "walk", kind, overwrite=True)
    convert(trace, tmp_path / "wanted" / "walk", kind)
    assert entries(tmp_path / "new") == entries(tmp_path / "wanted")


@pytest.mark.parametrize("what", NO_BAGS)
def test_what_is_no_bag_is_never_overwritten(trace: Path, tmp_path: Path, what: str):
    occupy(trace, tmp_path / "walk.bag", what)
    before = entries(tmp_path)
    with pytest.raises(AlreadyExistsError, match=r"walk\.bag: .* no ROS bag"):
        convert(trace, tmp_path / "walk.bag", overwrite=True)
    assert entries(tmp_path) == before


# ── failures leave nothing ───────────────────────────────────────────────────────────────────────


def stop_at(message: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == message:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("message, there", [(20, False), (43, True)], ids=["new", "overwriting"])
def test_an_interrupt_leaves_what_there_was(
    trace: Path, tmp_path: Path, kind: str, message: int, there: bool
):
    out = tmp_path / "made" / "for" / "walk"
    if there:
        convert(trace, out, kind, min_range=30.0)
    before = entries(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        convert(trace, out, kind, overwrite=there, progress=stop_at(message))
    assert entries(tmp_path) == before
    assert no_thread_is_left()


def test_a_damaged_frame_is_named_and_leaves_nothing(trace: Path, tmp_path: Path, kind: str):
    begin = int(np.fromfile(trace / "lidar" / "rng_i", "<u8")[1])
    damaged = bytearray((trace / "lidar" / "rng").read_bytes())
    damaged[begin + 5000] ^= 0xFF
    (trace / "lidar" / "rng").write_bytes(damaged)
    with pytest.raises(CorruptFileError, match=r"lidar/rng: frame 1\b"):
        convert(trace, tmp_path / "new" / "walk", kind)
    assert not os.listdir(tmp_path)


LIMITED = """
import resource, sys
from roverd.ops import rosbag
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    rosbag(sys.argv[1], sys.argv[2], format=sys.argv[3], storage=sys.argv[4])
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.mark.parametrize("kind", ["ros1", "sqlite3"])
def test_a_full_disk_is_an_error_that_names_the_bag(trace: Path, tmp_path: Path, kind: str):
    pytest.importorskip("resource", reason="limits of file sizes are Unix's")
    how = {"format": "ros1", "storage": "sqlite3", **KINDS[kind]}
    out = tmp_path / "walk"
    command = [sys.executable, "-W", "error", "-c", LIMITED, str(trace), str(out)]
    done = subprocess.run(
        [*command, how["format"], how["storage"]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert str(out) in line and ".tmp" not in line
    assert not entries(tmp_path)


# ── recordings that will not do ──────────────────────────────────────────────────────────────────


def test_a_torn_lidar_gives_its_whole_frames(trace: Path, tmp_path: Path):
    data = (trace / "lidar" / "rng").read_bytes()
    (trace / "lidar" / "rng").write_bytes(data[:-1000])
    with pytest.warns(RoverdWarning, match="rng 2"):
        report = convert(trace, tmp_path / "walk.bag")
    assert report.messages == {"/imu": 40, "/points2": 2}
    assert message_count(tmp_path / "walk.bag") == 42


@pytest.mark.parametrize("sensor", ["imu", "lidar"])
def test_a_sensor_without_frames_is_an_error(trace: Path, tmp_path: Path, sensor: str):
    for file in (trace / sensor).iterdir():
        if file.suffix != ".json":
            file.write_bytes(b"")
    with pytest.raises(MissingFileError, match=f"{sensor}: no frames"):
        convert(trace, tmp_path / "walk.bag")
    assert not (tmp_path / "walk.bag").exists()


def test_a_lidar_without_intrinsics_is_an_error(trace: Path, tmp_path: Path):
    (trace / "lidar" / "lidar.json").unlink()
    with pytest.raises(MissingFileError, match=r"lidar/lidar\.json: no such file"):
        convert(trace, tmp_path / "walk.bag")


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_damaged_intrinsics_are_an_error(trace: Path, tmp_path: Path, text: str):
    (trace / "lidar" / "lidar.json").write_text(text)
    with pytest.raises(ValueError, match=r"lidar\.json"):
        convert(trace, tmp_path / "walk.bag")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("sensor", ["imu", "lidar"])
@pytest.mark.parametrize("channel", ["meta.json", "first"])
def test_missing_files_are_errors_that_name_them(
    trace: Path, tmp_path: Path, sensor: str, channel: str
):
    name = {"imu": "avel", "lidar": "rng"}[sensor] if channel == "first" else channel
    (trace / sensor / name).unlink()
    if (trace / sensor / f"{name}_i").exists():
        (trace / sensor / f"{name}_i").unlink()
    with pytest.raises(MissingFileError, match=f"{sensor}/{name}"):
        convert(trace, tmp_path / "walk.bag")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("sensor", ["imu", "lidar"])
@pytest.mark.parametrize(
    "kind, stamp",
    [
        ("ros1", np.nan),
        ("ros1", -1e-9),
        ("ros1", np.inf),
        ("ros1", 2.0**31),
        ("mcap", 2.0**31),
        ("sqlite3", np.nan),
    ],
)
def test_times_that_ros_cannot_hold_are_errors(
    trace: Path, tmp_path: Path, sensor: str, kind: str, stamp: float
):
    stamps = np.fromfile(trace / sensor / "ts", "<f8")
    stamps[2] = stamp
    stamps.tofile(trace / sensor / "ts")
    with pytest.raises(CorruptFileError, match=f"{sensor}/ts: frame 2 is at"):
        convert(trace, tmp_path / "walk.bag", kind)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("windows", [{"past": 1}, {"future": 2}])
def test_windows_of_frames_are_refused(tmp_path: Path, windows: dict[str, int]):
    imu, lidar = SHORT / "imu", SHORT / "lidar"
    with pytest.raises(ValueError, match="imu: samples are windows"):
        rover_to_rosbag(tmp_path / "walk.bag", IMU(imu, **windows), OSLidarDepth(lidar))
    with pytest.raises(ValueError, match="lidar: samples are windows"):
        rover_to_rosbag(tmp_path / "walk.bag", IMU(imu), OSLidarDepth(lidar, **windows))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"format": "ros3"}, "ros1 or ros2, got 'ros3'"),
        ({"format": "ros2", "storage": "zip"}, "sqlite3 or mcap, got 'zip'"),
        ({"storage": "mcap"}, "mcap is for bags of format ros2"),
        ({"min_range": -0.5}, "min_range"),
        ({"min_range": float("nan")}, "min_range"),
    ],
)
def test_options_that_make_no_sense_are_errors(
    tmp_path: Path, options: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message):
        rosbag(SHORT, tmp_path / "walk.bag", **options)
    assert not os.listdir(tmp_path)


def test_the_operation_opens_the_sensors_of_a_trace(trace: Path):
    report = rosbag(trace, min_range=1.0)
    assert report.path == str(trace / "_scratch" / "lidar.bag")
    assert report.size == (trace / "_scratch" / "lidar.bag").stat().st_size
    convert(trace, trace / "wanted.bag", min_range=1.0)
    assert (trace / "_scratch" / "lidar.bag").read_bytes() == (trace / "wanted.bag").read_bytes()
    rosbag(str(trace), overwrite=True)
    assert os.listdir(trace / "_scratch") == ["lidar.bag"]
