"""`roverd info`, against numbers computed from the files."""

import json
import lzma
import math
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.command_line import expect_one_line_error, run_roverd
from support.traces import SHORT, numbered, record, record_imu, record_trace

BLOBS = ("npz", "jpg")


def disk_size(folder: Path, name: str, kind: str) -> int:
    """Bytes of all files of a channel."""
    if kind in BLOBS:
        return sum(file.stat().st_size for file in (folder / name).iterdir())
    files = [folder / name, *([folder / f"{name}_i"] if kind == "lzmaf" else [])]
    return sum(file.stat().st_size for file in files)


def expect_channel(found: dict[str, Any], folder: Path, entry: dict[str, Any], n: int, span: float):
    kind, shape = entry["format"], entry["shape"]
    size = disk_size(folder, found["name"], kind)
    uncompressed = n * math.prod(shape) * int(entry["type"][1:])
    assert (found["format"], found["type"], found["shape"]) == (kind, entry["type"], shape)
    assert (found["size"], found["n"]) == (size, n)
    assert found["ratio"] == pytest.approx(uncompressed / size, rel=1e-12)
    assert found["datarate"] == pytest.approx(size / span, rel=1e-12)
    assert not found["problem"]


def expect_trace(found: dict[str, Any], folder: Path) -> None:
    """Assert that what `info --json` printed of a sound trace is what its files say."""
    spans: list[tuple[float, float]] = []
    names = sorted(path.parent.name for path in folder.glob("*/meta.json"))
    assert [sensor["name"] for sensor in found["sensors"]] == names
    for sensor in found["sensors"]:
        path = folder / sensor["name"]
        meta = json.loads((path / "meta.json").read_text())
        stamps = np.fromfile(path / "ts", "<f8")
        duration = float(stamps[-1] - stamps[0])
        spans.append((stamps[0], stamps[-1]))
        assert [channel["name"] for channel in sensor["channels"]] == list(meta)
        for channel in sensor["channels"]:
            expect_channel(channel, path, meta[channel["name"]], len(stamps), duration)
        assert sensor["n"] == len(stamps)
        assert sensor["size"] == sum(channel["size"] for channel in sensor["channels"])
        assert sensor["datarate"] == pytest.approx(sensor["size"] / duration, rel=1e-12)
        assert sensor["start"] == stamps[0]
        assert sensor["duration"] == pytest.approx(duration, rel=1e-12)
        assert sensor["rate"] == pytest.approx((len(stamps) - 1) / duration, rel=1e-12)
        assert not sensor["problem"]
    start, end = max(begin for begin, _ in spans), min(end for _, end in spans)
    assert found["start"] == start
    assert found["length"] == pytest.approx(end - start, rel=1e-9)
    assert found["size"] == sum(sensor["size"] for sensor in found["sensors"])


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace with every format in it, virtual sensors too."""
    record_trace(tmp_path / "walk", 1.5)
    frames = numbered(8, (4, 6), "u2")
    kinds = {kind: (kind, frames) for kind in ("raw", "lzma", "lzmaf", "npz")}
    stamps = 1_700_000_000.25 + np.arange(8) / 7
    record(tmp_path / "walk" / "_derived", stamps, kinds)
    return tmp_path / "walk"


def test_json_has_the_numbers_of_the_files(trace: Path):
    done = run_roverd("info", trace, "--json")
    assert (done.status, done.err) == (0, "")
    expect_trace(json.loads(done.out), trace)
    # The virtual sensor is the last to begin and the first to end.
    assert json.loads(done.out)["length"] == pytest.approx(1.0, abs=1e-6)


def test_json_has_the_numbers_of_a_real_recording():
    done = run_roverd("info", "--json", SHORT)
    assert (done.status, done.err) == (0, "")
    expect_trace(json.loads(done.out), SHORT)


def row(lines: list[str], name: str) -> list[str]:
    """The words of the one line of a table that begins with a name."""
    (found,) = [line.split() for line in lines if line.split()[:1] == [name]]
    return found


@pytest.mark.parametrize(
    "stamps",
    [
        [math.nan] * 3,
        [-1.7e308, 0, 1.7e308],
        pytest.param([math.inf, 1, 2], marks=pytest.mark.slow),
        pytest.param([5e-324, 1e-323], marks=pytest.mark.slow),
    ],
    ids=["nan", "huge", "inf", "tiny"],
)
@pytest.mark.parametrize("command", [["info"], ["validate", "--workers", 1]], ids=["info", "val"])
def test_json_is_json_whatever_the_timestamps_are(
    command: list[Any], stamps: list[float], tmp_path: Path
):
    record(tmp_path / "t" / "imu", np.array(stamps), {})
    (tmp_path / "t" / "config.yaml").write_text("")
    name, *flags = command
    done = run_roverd(name, tmp_path / "t", *flags, "--json")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    (sensor,) = (
        json.loads(done.out, parse_constant=refuse)["sensors"]
        if name == "info"
        else json.loads(done.out, parse_constant=refuse)["traces"][0]["sensors"]
    )
    assert sensor["n"] == len(stamps)
    assert done.err == ""
    shown = run_roverd(name, tmp_path / "t", *flags)
    assert (shown.status, shown.err) == (done.status, "")


def test_names_that_would_move_the_cursor_are_shown_harmlessly_in_tables(tmp_path: Path):
    record_imu(tmp_path / "a\x1b[2J" / "b\x1b[2J", 3)
    done = run_roverd("info", tmp_path / "a\x1b[2J")
    assert (done.status, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert done.lines[0] == f"trace   {tmp_path}/a\\x1b[2J"
    assert any(line.startswith("b\\x1b[2J") for line in done.lines)
    expect_one_line_error(run_roverd("info", tmp_path / "\x1b[2J"), "\\x1b[2J")


def test_the_table_has_every_sensor_and_channel_with_its_numbers():
    done = run_roverd("info", SHORT)
    assert (done.status, done.err) == (0, "")
    begin = datetime.fromtimestamp(float(np.fromfile(SHORT / "lidar" / "ts", "<f8")[0]), UTC)
    assert f"{begin:%Y-%m-%d %H:%M:%S}" in done.out
    for name, n, seconds in (
        ("camera", "60", "2.360"),
        ("imu", "398", "3.989"),
        ("lidar", "3", "0.200"),
        ("radar", "80", "3.950"),
    ):
        assert {n, seconds} <= set(row(done.lines, name))
    size = sum((SHORT / "lidar" / name).stat().st_size for name in ("rng", "rng_i"))
    ratio = 3 * 128 * 1024 * 2 / size
    assert {"lzmaf", "u2", "128×1024", "3", f"{ratio:.2f}"} <= set(row(done.lines, "rng"))
    assert {"mjpg", "u1", "272×640×3", "60"} <= set(row(done.lines, "video.avi"))
    assert {"raw", "i2", "16×1×1×40", "80", "1.00"} <= set(row(done.lines, "iq"))
    (length,) = [line for line in done.lines if line.startswith("length")]
    assert "0.200" in length


def test_an_empty_sensor_has_no_part_in_the_span_and_is_no_error(trace: Path):
    record_imu(trace / "spare", 0)
    done = run_roverd("info", trace, "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    (spare,) = [sensor for sensor in found["sensors"] if sensor["name"] == "spare"]
    assert (spare["n"], spare["size"], spare["duration"], spare["rate"]) == (0, 0, 0, 0)
    shutil.rmtree(trace / "spare")
    expect_trace({**found, "sensors": [s for s in found["sensors"] if s is not spare]}, trace)


def test_sensors_that_share_no_time_have_a_length_of_zero(tmp_path: Path):
    for name, begin in (("one", 0.0), ("two", 100.0)):
        record(tmp_path / "t" / name, begin + np.arange(3.0), {"x": ("raw", np.arange(3.0))})
    done = run_roverd("info", tmp_path / "t", "--json")
    assert done.status == 0
    assert json.loads(done.out)["length"] == 0


def test_a_trace_without_sensors_is_shown(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("")
    done = run_roverd("info", tmp_path, "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["sensors"], found["size"], found["length"]) == ([], 0, 0)


def test_a_channel_whose_file_is_missing_is_no_error_since_recordings_ship_without(trace: Path):
    (trace / "camera" / "video.avi").unlink()
    done = run_roverd("info", trace)
    assert (done.status, done.err) == (0, "")
    assert "video.avi" in done.out
    assert "45" in row(done.lines, "camera")


def test_channels_of_different_lengths_are_a_warning_on_stderr(trace: Path):
    stamps = np.fromfile(trace / "imu" / "acc", "<f4")
    stamps[:90].tofile(trace / "imu" / "acc")
    done = run_roverd("info", trace, "--json")
    assert done.status == 0
    (line,) = done.err.splitlines()
    assert "imu" in line
    assert "acc 30" in line
    (imu,) = [sensor for sensor in json.loads(done.out)["sensors"] if sensor["name"] == "imu"]
    assert imu["n"] == 30
    assert {channel["name"]: channel["n"] for channel in imu["channels"]} == {
        "ts": 150,
        "acc": 30,
        "rot": 150,
        "avel": 150,
    }


def break_lzmaf(trace: Path) -> str:
    """One xz stream of all frames under the name of a format that has one for each."""
    frames = np.zeros((15, 8, 16), "u2").tobytes()
    (trace / "lidar" / "nir").write_bytes(lzma.compress(frames))
    (trace / "lidar" / "nir_i").unlink()
    return "lidar/nir"


def break_avi(trace: Path) -> str:
    (trace / "camera" / "video.avi").write_bytes(b"no video at all, but some text" * 10)
    return "camera/video.avi"


def break_blobs(trace: Path) -> str:
    (trace / "_derived" / "npz" / "000003.npz").unlink()
    return "_derived/npz"


def break_meta(trace: Path) -> str:
    (trace / "imu" / "meta.json").write_text("{")
    return "imu/meta.json"


def break_timestamps(trace: Path) -> str:
    (trace / "radar" / "ts").unlink()
    return "radar/ts"


DAMAGE = [break_lzmaf, break_avi, break_blobs, break_meta, break_timestamps]


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_what_cannot_be_read_is_named_on_stderr_and_the_rest_is_shown(trace: Path, flags):
    record_imu(trace / "sound", 6)
    broken = [damage(trace) for damage in DAMAGE]
    done = run_roverd("info", trace, *flags)
    assert done.status == 1
    lines = [line for line in done.err.splitlines() if not line.startswith("roverd: warning")]
    assert len(lines) == len(broken)
    assert all(sum(name in line for line in lines) == 1 for name in broken)
    if flags:
        found = {sensor["name"]: sensor for sensor in json.loads(done.out)["sensors"]}
        assert (found["sound"]["n"], found["sound"]["problem"]) == (6, "")
        for name in broken:
            sensor = found[name.split("/")[0]]
            parts = [sensor, *sensor["channels"]]
            assert any(name in part["problem"] for part in parts)
        rng = next(c for c in found["lidar"]["channels"] if c["name"] == "rng")
        assert (rng["n"], rng["problem"]) == (15, "")
    else:
        assert "6" in row(done.lines, "sound")
        assert "15" in row(done.lines, "rng")
        assert all(row(done.lines, name.split("/")[0]) for name in broken)


@pytest.mark.parametrize("damage", [break_lzmaf, break_blobs])
def test_one_broken_part_is_enough_to_fail(trace: Path, damage: Any):
    name = damage(trace)
    done = run_roverd("info", trace)
    assert done.status == 1
    (line,) = [line for line in done.err.splitlines() if not line.startswith("roverd: warning")]
    assert name in line


@pytest.mark.parametrize("what, flags", [("nowhere", []), ("empty", ["--json"]), ("file", [])])
def test_what_is_no_trace_is_an_error_in_one_line(tmp_path: Path, what: str, flags: list[str]):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    expect_one_line_error(run_roverd("info", tmp_path / what, *flags), tmp_path / what)
