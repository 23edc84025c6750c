"""`roverd repair`: its report, exit statuses and options."""

import json
import re
import shutil
from pathlib import Path

import pytest

from support.command_line import run_roverd
from support.damage import cut
from support.traces import SHORT, record_trace

SUMMARY = "Repair: {} traces, {} repaired, {} not repairable, {} whole frames cut off."


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """A trace of which the ends of two channels are torn, and an index is missing."""
    trace = tmp_path / "walk"
    record_trace(trace, 1.0)
    cut(trace / "radar" / "iq", -7)
    cut(trace / "camera" / "video.avi", -100)
    (trace / "lidar" / "rng_i").unlink()
    return trace


def test_a_sound_trace_is_only_counted(tmp_path: Path):
    shutil.copytree(SHORT, tmp_path / "t")
    done = run_roverd("repair", tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.lines == [SUMMARY.format(1, 0, 0, 0)]
    assert not (tmp_path / "t" / "_scratch").exists()


def test_each_channel_that_was_changed_is_a_line(torn: Path):
    planned = run_roverd("repair", torn, "--dry-run")
    assert not (torn / "_scratch").exists()
    done = run_roverd("repair", torn)
    assert (planned.status, done.status, planned.err, done.err) == (3, 3, "", "")
    assert done.lines[:-2] == planned.lines[:-1]
    assert done.lines[:-2] == [
        str(torn),
        "  camera/video.avi: 30 frames kept, 388 B cut off, header and index rebuilt",
        "  lidar/rng: 10 frames kept, index rebuilt",
        "  radar/ts: 19 frames kept, 1 cut off",
        "  radar/iq: 19 frames kept, 249 B cut off",
        "  radar/valid: 19 frames kept, 1 cut off",
    ]
    assert re.fullmatch(
        r"  what was cut off is in _scratch/repair-\d{8}T\d{6}Z-[0-9a-f]{6}", done.lines[-2]
    )
    assert done.lines[-1] == SUMMARY.format(1, 1, 0, 2)
    assert planned.lines[-1] == (
        "Repair: 1 traces, 1 to be repaired, 0 not repairable, 2 whole frames to be cut off. "
        "Nothing was changed (dry run)."
    )
    again = run_roverd("repair", torn)
    assert (again.status, again.lines) == (0, [SUMMARY.format(1, 0, 0, 0)])
    assert run_roverd("validate", torn, "--workers", 1).status == 0


def test_what_costs_no_frame_is_no_loss(tmp_path: Path):
    record_trace(tmp_path / "t", 1.0)
    (tmp_path / "t" / "lidar" / "rng_i").unlink()
    cut(tmp_path / "t" / "camera" / "video.avi", -100)
    done = run_roverd("repair", tmp_path)
    assert (done.status, done.lines[-1]) == (0, SUMMARY.format(1, 1, 0, 0))


def test_what_cannot_be_repaired_is_a_line_on_stderr(torn: Path):
    (torn / "imu" / "meta.json").write_text("{")
    done = run_roverd("repair", torn)
    assert (done.status, done.lines[-1]) == (1, SUMMARY.format(1, 0, 1, 2))
    (line,) = done.err.splitlines()
    assert line.startswith(f"roverd: error: {torn / 'imu' / 'meta.json'}: not valid JSON")
    # The others were repaired.
    assert run_roverd("info", torn / ".", "--json").status == 1
    assert (torn / "radar" / "ts").stat().st_size == 19 * 8


def test_json_is_one_object(torn: Path):
    planned = run_roverd("repair", torn, "--json", "--dry-run")
    done = run_roverd("repair", torn, "--json", "--deep", "--workers", 1)
    assert (planned.status, done.status, done.err) == (3, 3, "")
    found = json.loads(done.out)
    assert found["status"] == 3
    (trace,) = found["traces"]
    assert (trace["path"], trace["lost"]) == (str(torn), 2)
    assert trace["rescue"].startswith("_scratch/repair-")
    assert json.loads(planned.out)["traces"][0]["sensors"] == trace["sensors"]


def test_a_folder_without_traces_is_an_error(tmp_path: Path):
    done = run_roverd("repair", tmp_path)
    assert (done.status, done.out) == (1, SUMMARY.format(0, 0, 0, 0) + "\n")
    (line,) = done.err.splitlines()
    assert str(tmp_path) in line
    done = run_roverd("repair", tmp_path / "nowhere")
    assert (done.status, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert str(tmp_path / "nowhere") in line


def test_no_path_at_all_is_no_command():
    done = run_roverd("repair")
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert "roverd repair" in line and "PATH" in line


def test_names_that_would_move_the_cursor_are_shown_harmlessly(tmp_path: Path):
    path = tmp_path / "bad\x1b[2J\nname"
    record_trace(path, 1.0)
    cut(path / "radar" / "iq", -7)
    done = run_roverd("repair", path)
    assert done.lines[0] == f"{tmp_path}/bad\\x1b[2J\\nname"
    assert len(done.lines) == 6
