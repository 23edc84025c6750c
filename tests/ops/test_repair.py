"""`ops.repair`: traces as a whole."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from roverd import Recorder, Trace, ops
from roverd.errors import MissingFileError, RoverdWarning
from roverd.sensors import DynamicSensor
from support.command_line import run_roverd
from support.damage import cut, flip
from support.traces import SHORT, Recorded, link, plain_frames, record_trace

Snapshot = dict[str, tuple[str, int]]


def snapshot(root: Path) -> Snapshot:
    """Hash and time of all that is below a folder, folders and links included."""
    found: Snapshot = {}
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        data = (
            path.read_bytes()
            if path.is_file()
            else os.readlink(path).encode()
            if (path.is_symlink())
            else b""
        )
        found[str(path.relative_to(root))] = (hashlib.sha256(data).hexdigest(), stat.st_mtime_ns)
    return found


def expect_frames(trace: Path, recorded: dict[str, Recorded], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        made = recorded[name]
        stamps = np.fromfile(trace / name / "ts", "<f8")
        np.testing.assert_array_equal(stamps, made.stamps[:count])
        for channel, frames in made.frames.items():
            found = plain_frames(trace / name, channel, made.meta[channel])
            np.testing.assert_array_equal(found, frames[:count])


def damaged(path: Path, seed: int = 0) -> dict[str, Recorded]:
    """A trace of a recorder that was killed."""
    recorded = record_trace(path, 1.0, seed)
    cut(path / "radar" / "iq", 15 * 256 + 100)
    cut(path / "lidar" / "rng", -7)
    (path / "lidar" / "nir_i").unlink()
    cut(path / "camera" / "video.avi", -700)
    cut(path / "imu" / "rot", 90 * 12 + 5)
    return recorded


COUNTS = {"radar": 15, "lidar": 9, "camera": 29, "imu": 90}


def test_a_cut_off_trace_becomes_sound(tmp_path: Path):
    recorded = damaged(tmp_path / "t")
    before = snapshot(tmp_path)
    planned = ops.repair(tmp_path, dry_run=True)
    assert snapshot(tmp_path) == before
    report = ops.repair(tmp_path)
    assert (planned.traces[0].sensors, planned.status) == (report.traces[0].sensors, report.status)
    assert (planned.dry_run, report.dry_run, planned.traces[0].rescue) == (True, False, None)
    (trace,) = report.traces
    assert (report.status, trace.status, trace.changed) == (3, 3, True)
    assert {sensor.name: sensor.frames for sensor in trace.sensors} == COUNTS
    assert trace.rescue is not None
    assert (tmp_path / "t" / trace.rescue / "repair.json").is_file()
    expect_frames(tmp_path / "t", recorded, COUNTS)
    assert not ops.validate(tmp_path, {}, deep=True).traces[0].errors


def test_a_second_repair_changes_nothing(tmp_path: Path):
    damaged(tmp_path / "t")
    ops.repair(tmp_path)
    before = snapshot(tmp_path)
    for deep in (False, True):
        report = ops.repair(tmp_path, deep=deep)
        assert (report.status, report.traces[0].changed, report.traces[0].rescue) == (
            0,
            False,
            None,
        )
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("deep", [False, True])
def test_sound_traces_are_not_touched(tmp_path: Path, deep: bool):
    record_trace(tmp_path / "made", 1.0)
    shutil.copytree(SHORT, tmp_path / "real")
    before = snapshot(tmp_path)
    report = ops.repair(tmp_path, deep=deep)
    assert (report.status, [trace.changed for trace in report.traces]) == (0, [False, False])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("seed", range(6))
def test_real_recordings_cut_off_anywhere_become_sound(tmp_path: Path, seed: int):
    trace = tmp_path / "short"
    shutil.copytree(SHORT, trace)
    noise = np.random.default_rng(seed)
    for name in ("radar/iq", "lidar/rng", "lidar/nir", "camera/video.avi", "imu/acc", "radar/ts"):
        size = (trace / name).stat().st_size
        cut(trace / name, int(noise.integers(size // 2, size)))
    for name in ("lidar/rng_i", "lidar/rfl_i"):
        if noise.integers(2):
            (trace / name).unlink()
    report = ops.repair(trace)
    assert report.status == 3
    assert not ops.validate(trace, {}).traces[0].errors
    for sensor in report.traces[0].sensors:
        meta = json.loads((trace / sensor.name / "meta.json").read_text())
        for name, entry in meta.items():
            if entry["format"] == "mjpg":
                continue
            found = plain_frames(trace / sensor.name, name, entry)
            whole = plain_frames(SHORT / sensor.name, name, entry)
            np.testing.assert_array_equal(found, whole[: sensor.frames])
    assert ops.repair(trace).status == 0


@pytest.mark.skipif(shutil.which("xz") is None, reason="there is no xz here")
def test_the_command_xz_reads_what_was_repaired(tmp_path: Path):
    recorded = damaged(tmp_path / "t")
    ops.repair(tmp_path)
    for name in ("rng", "nir", "rfl"):
        with (tmp_path / "t" / "lidar" / name).open("rb") as file:
            done = subprocess.run(["xz", "-dc"], stdin=file, capture_output=True, check=True)
        assert done.stdout == recorded["lidar"].frames[name][:9].tobytes()


def test_a_trace_that_was_not_repaired_opens_and_reads(tmp_path: Path):
    recorded = damaged(tmp_path / "t")
    trace = Trace.from_config(tmp_path / "t")
    for name, count in COUNTS.items():
        with pytest.warns(RoverdWarning, match="differ in length"):
            assert len(trace.sensors[name]) == count
        for channel, frames in recorded[name].frames.items():
            found = trace[name][channel].read(0, count)
            np.testing.assert_array_equal(found, frames[:count])


@pytest.mark.parametrize("workers", [1, 4, None])
def test_traces_are_repaired_side_by_side(tmp_path: Path, workers: int | None):
    recorded = [damaged(tmp_path / f"{number}", number) for number in range(5)]
    told: list[tuple[int, int]] = []
    report = ops.repair(
        tmp_path, workers=workers, progress=lambda done, all: told.append((done, all))
    )
    assert [trace.path for trace in report.traces] == [str(tmp_path / f"{n}") for n in range(5)]
    assert told == [(number, 5) for number in range(1, 6)]
    for number in range(5):
        expect_frames(tmp_path / f"{number}", recorded[number], COUNTS)


def test_progress_in_depth_is_told_in_bytes(tmp_path: Path):
    record_trace(tmp_path / "t", 1.0)
    told: list[tuple[int, int]] = []
    ops.repair(tmp_path, deep=True, progress=lambda done, all: told.append((done, all)))
    assert told == sorted(told)
    assert 0 < told[-1][0] <= told[-1][1] < 1_000_000


def test_one_broken_sensor_does_not_keep_the_others(tmp_path: Path):
    recorded = damaged(tmp_path / "t")
    (tmp_path / "t" / "lidar" / "meta.json").write_text("{")
    (tmp_path / "t" / "imu" / "meta.json").unlink()
    report = ops.repair(tmp_path)
    (trace,) = report.traces
    assert (report.status, trace.status) == (1, 1)
    assert [str(tmp_path / "t" / name / "meta.json") for name in ("imu", "lidar")] == [
        problem.split(":")[0] for problem in trace.all_problems
    ]
    expect_frames(tmp_path / "t", recorded, {"radar": 15, "camera": 29})


def test_virtual_sensors_are_repaired_and_other_folders_left(tmp_path: Path):
    recorded = record_trace(tmp_path / "t", 1.0)
    shutil.copytree(tmp_path / "t" / "radar", tmp_path / "t" / "_radar")
    (tmp_path / "t" / "_scratch").mkdir()
    (tmp_path / "t" / "_scratch" / "work.tmp").write_text("")
    cut(tmp_path / "t" / "_radar" / "iq", -1)
    report = ops.repair(tmp_path)
    assert {sensor.name: sensor.frames for sensor in report.traces[0].sensors} == {
        "_radar": 19,
        "camera": 30,
        "imu": 100,
        "lidar": 10,
        "radar": 20,
    }
    expect_frames(tmp_path / "t", recorded, {"radar": 20})
    assert (tmp_path / "t" / "_scratch" / "work.tmp").exists()


@pytest.mark.parametrize("shorter", ["camera", "_camera"])
def test_channels_shared_by_links_end_the_same_in_all_sensors(tmp_path: Path, shorter: str):
    record_trace(tmp_path / "t", 1.0)
    camera, virtual = tmp_path / "t" / "camera", tmp_path / "t" / "_camera"
    shutil.copytree(camera, virtual)
    (camera / "video.avi").unlink()
    link(virtual / "video.avi", camera / "video.avi")
    cut(tmp_path / "t" / shorter / "ts", 20 * 8)
    report = ops.repair(tmp_path)
    assert report.status == 3
    assert (camera / "ts").stat().st_size == (virtual / "ts").stat().st_size == 20 * 8
    assert (camera / "video.avi").is_symlink()
    assert not ops.validate(tmp_path, {}).traces[0].errors
    before = snapshot(tmp_path)
    assert ops.repair(tmp_path).status == 0
    assert snapshot(tmp_path) == before


def test_what_was_left_behind_in_the_trace_is_moved_away(tmp_path: Path):
    record_trace(tmp_path / "t", 1.0)
    (tmp_path / "t" / ".config.yaml.01234567.tmp").write_text("comm")
    begun = tmp_path / "t" / "begun"
    begun.mkdir()
    (begun / "ts").write_bytes(b"")
    (begun / ".meta.json.01234567.tmp").write_text("{")
    (tmp_path / "t" / "notes").mkdir()
    (tmp_path / "t" / "notes" / "today.txt").write_text("rain")
    report = ops.repair(tmp_path)
    (trace,) = report.traces
    assert (report.status, trace.moved) == (0, [".config.yaml.01234567.tmp", "begun"])
    assert not begun.exists()
    assert trace.rescue is not None
    assert (tmp_path / "t" / trace.rescue / "begun" / "ts").is_file()
    assert (tmp_path / "t" / "notes" / "today.txt").is_file()
    assert ops.repair(tmp_path).traces[0].changed is False


def test_damage_in_the_middle_is_found_in_depth_and_left(tmp_path: Path):
    record_trace(tmp_path / "t", 20.0)
    flip(tmp_path / "t" / "lidar" / "rng", 3000)
    before = snapshot(tmp_path)
    assert ops.repair(tmp_path).status == 0
    report = ops.repair(tmp_path, deep=True)
    assert report.status == 1
    (problem,) = report.traces[0].all_problems
    assert problem.startswith(f"{tmp_path / 't' / 'lidar' / 'rng'}: ")
    assert "1 of 200 damaged" in problem
    assert snapshot(tmp_path) == before


def test_a_folder_that_holds_no_trace(tmp_path: Path):
    report = ops.repair(tmp_path)
    assert (report.status, report.traces) == (1, [])
    with pytest.raises(MissingFileError):
        ops.repair(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="workers"):
        ops.repair(tmp_path, workers=0)


def test_a_report_as_plain_data(tmp_path: Path):
    damaged(tmp_path / "t")
    report = ops.repair(tmp_path)
    found = json.loads(json.dumps(report.to_dict()))
    assert (found["status"], found["dry_run"], len(found["traces"])) == (3, False, 1)
    (radar,) = [s for s in found["traces"][0]["sensors"] if s["name"] == "radar"]
    assert (radar["status"], radar["frames"], radar["lost"]) == (3, 15, 10)
    assert radar["channels"][1] == {
        "name": "iq",
        "format": "raw",
        "size": 15 * 256 + 100,
        "frames": 15,
        "kept": 15,
        "lost": 0,
        "cut": 100,
        "rebuilt": [],
        "reason": "",
        "note": "",
        "problem": "",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path):
    damaged(tmp_path / "t")
    for path in [tmp_path / "t", *(tmp_path / "t").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(tmp_path)
    report = ops.repair(tmp_path)
    for path in [tmp_path / "t", *(tmp_path / "t").iterdir()]:
        path.chmod(0o755)
    assert report.status == 1
    assert len(report.traces[0].all_problems) == 4
    assert "Permission denied" in report.traces[0].all_problems[0]
    assert snapshot(tmp_path) == before


def test_a_disk_that_refuses_to_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from roverd.storage.local import LocalStorage

    def refuse(self: LocalStorage, path: str, durable: bool = False) -> None:
        raise OSError(30, "Read-only file system", path)

    damaged(tmp_path / "t")
    monkeypatch.setattr(LocalStorage, "make_folder", refuse)
    before = snapshot(tmp_path)
    report = ops.repair(tmp_path)
    assert report.status == 1
    assert [
        text.endswith("found: Read-only file system") for text in (report.traces[0].all_problems)
    ] == [True] * 4
    assert snapshot(tmp_path) == before


def test_a_trace_that_is_being_recorded_is_left_alone(tmp_path: Path):
    channel = {"x": {"format": "lzmaf", "type": "i2", "shape": [3]}}
    with Recorder(tmp_path / "t") as recorder:
        sensor = recorder.sensor("s", channel)
        sensor.write(1.7e9, x=np.arange(3, dtype="i2"))
        (here,) = ops.repair(tmp_path / "t").traces
        elsewhere = run_roverd("repair", tmp_path / "t")
        sensor.write(1.7e9 + 1, x=np.arange(3, 6, dtype="i2"))
    assert (here.status, here.changed) == (1, False)
    assert "is being recorded" in here.problems[0]
    assert elsewhere.status == 1
    assert f"{tmp_path / 't'}: is being recorded" in elsewhere.err
    assert ops.repair(tmp_path / "t").status == 0
    read = DynamicSensor(tmp_path / "t" / "s")["x"].read()
    np.testing.assert_array_equal(read, np.arange(6).reshape(2, 3))
