"""`roverd validate`: its report, exit statuses and options."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.channels import wait_until
from support.command_line import ENTRY_POINT, Finished, expect_one_line_error, run_roverd
from support.damage import cut, flip
from support.traces import SHORT, record_imu, record_trace

# Starting other processes takes long, and most tests are not about them.
ALONE = ("--workers", 1)
SUMMARY = "Validate: {} traces with {} containing errors."


def expect(done: Finished, traces: int, broken: int) -> list[str]:
    """Assert the last line and the status; gives the lines before."""
    assert done.err == ""
    assert done.status == (1 if broken else 0)
    assert done.lines[-1] == SUMMARY.format(traces, broken)
    return done.lines[:-1]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three sound traces at different depths."""
    for number, name in enumerate(("a", "b/c", "b/d/e")):
        record_trace(tmp_path / name, 1.0, number)
    return tmp_path


@pytest.mark.slow
def test_sound_traces_are_only_counted(dataset: Path):
    assert expect(run_roverd("validate", dataset), 3, 0) == []
    assert (
        expect(run_roverd("validate", dataset / "a", dataset / "b", "--deep", *ALONE), 3, 0) == []
    )


@pytest.mark.slow
def test_warnings_are_shown_and_are_no_errors():
    lines = expect(run_roverd("validate", SHORT), 1, 0)
    assert lines[0] == str(SHORT)
    (line,) = lines[1:]
    assert line.startswith("  warning  imu/ts: expected a frame every 0.0100794 s, found ")
    assert line.endswith(" [timestamps-gap]")


@pytest.mark.parametrize("workers", [ALONE, ("--workers", 2)])
def test_each_problem_is_a_line_below_its_trace(dataset: Path, workers: list[Any]):
    cut(dataset / "a" / "radar" / "iq", -7)
    (dataset / "b" / "d" / "e" / "imu" / "meta.json").write_text("{")
    (dataset / "b" / "d" / "e" / "camera" / "video.avi").unlink()
    lines = expect(run_roverd("validate", dataset, *workers), 3, 2)
    size = 4 * 2 * 2 * 8 * 2
    assert lines[:3] == [
        str(dataset / "a"),
        f"  error  radar/iq: expected whole frames of {size} bytes, found 19 and {size - 7} bytes "
        "more [torn-tail]",
        "  error  radar/iq: expected 20 frames, as ts has, found 19 [length-mismatch]",
    ]
    assert lines[3] == str(dataset / "b" / "d" / "e")
    assert [line.split(":")[0] for line in lines[4:]] == [
        "  error  camera/video.avi",
        "  error  imu/meta.json",
    ]


@pytest.mark.slow
def test_deep_finds_what_structure_does_not_show(dataset: Path):
    flip(dataset / "a" / "lidar" / "rng", 1000)
    expect(run_roverd("validate", dataset, *ALONE), 3, 0)
    lines = expect(run_roverd("validate", dataset, "--deep", *ALONE), 3, 1)
    assert "lidar/rng" in lines[1] and lines[1].endswith("[bad-frames]")


def test_json_is_one_object_and_nothing_else(dataset: Path):
    cut(dataset / "a" / "radar" / "iq", -7)
    done = run_roverd("validate", "--json", dataset, *ALONE)
    assert (done.status, done.err) == (1, "")
    found = json.loads(done.out)
    assert (found["ok"], found["broken"], found["deep"]) == (False, 1, False)
    assert [trace["path"] for trace in found["traces"]] == [
        str(dataset / name) for name in ("a", "b/c", "b/d/e")
    ]
    first, second, third = found["traces"]
    assert second["problems"] == third["problems"] == []
    assert [(p["severity"], p["kind"], p["file"]) for p in first["problems"]] == [
        ("error", "torn-tail", "radar/iq"),
        ("error", "length-mismatch", "radar/iq"),
    ]
    assert all(p["message"].startswith("expected ") for p in first["problems"])
    radar = next(sensor for sensor in first["sensors"] if sensor["name"] == "radar")
    assert (radar["n"], radar["frames"]) == (19, {"ts": 20, "iq": 19, "valid": 20})
    assert radar["rate"] == pytest.approx(20, rel=0.02)
    assert radar["period"] == pytest.approx(0.05, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_folder_without_traces_is_an_error(tmp_path: Path, flags: list[str]):
    done = run_roverd("validate", tmp_path, *flags)
    assert done.status == 1
    (line,) = done.err.splitlines()
    assert str(tmp_path) in line
    if flags:
        assert json.loads(done.out)["traces"] == []
    else:
        assert done.out == SUMMARY.format(0, 0) + "\n"


def test_a_path_that_is_not_there_is_an_error(dataset: Path):
    expect_one_line_error(run_roverd("validate", dataset, dataset / "x"), dataset / "x")


def test_no_path_at_all_is_no_command():
    done = run_roverd("validate")
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert "roverd validate" in line and "PATH" in line


@pytest.mark.slow
def test_schema_is_what_traces_must_hold(dataset: Path):
    schema = dataset / "schema.yaml"
    schema.write_text("radar: [ts, iq]\n_: [config.yaml]\n")
    shutil.rmtree(dataset / "a" / "lidar")
    expect(run_roverd("validate", dataset, *ALONE), 3, 1)
    expect(run_roverd("validate", dataset, "--schema", schema, *ALONE), 3, 0)
    schema.write_text("radar: [ts, iq, more]\n_: [calibration.json]\n")
    lines = expect(run_roverd("validate", dataset / "a", "--schema", schema), 1, 1)
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  error  radar/meta.json",
        "  error  calibration.json",
    ]


@pytest.mark.parametrize("text", ["[", "radar: iq", None])
def test_a_broken_schema_is_an_error_in_one_line(tmp_path: Path, text: str | None):
    schema = tmp_path / "schema.yaml"
    if text is not None:
        schema.write_text(text)
    expect_one_line_error(run_roverd("validate", SHORT, "--schema", schema), schema)


@pytest.mark.slow
def test_fix_errors_says_what_it_dropped_and_leaves_no_error(tmp_path: Path):
    schema = tmp_path / "schema.yaml"
    schema.write_text("imu: [ts, acc]\n")
    record_imu(tmp_path / "t" / "imu", 50)
    (tmp_path / "t" / "config.yaml").write_text("")
    (tmp_path / "t" / "imu" / "rot").unlink()
    command = ["validate", tmp_path, "--schema", schema]
    expect(run_roverd(*command), 1, 1)
    lines = expect(run_roverd(*command, "--fix-errors"), 1, 0)
    assert lines[1:] == [
        "  fixed  imu/meta.json: dropped channel 'rot', which had no data [dropped-entry]"
    ]
    assert list(json.loads((tmp_path / "t" / "imu" / "meta.json").read_text())) == [
        *("ts", "acc", "avel")
    ]
    assert expect(run_roverd(*command), 1, 0) == []


def test_names_that_would_move_the_cursor_are_shown_harmlessly(tmp_path: Path):
    path = tmp_path / "bad\x1b[2J\nname"
    record_trace(path, 1.0)
    (path / "radar" / "iq").unlink()
    lines = expect(run_roverd("validate", path), 1, 1)
    assert lines[0] == f"{tmp_path}/bad\\x1b[2J\\nname"
    assert len(lines) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc to look into here")
def test_processes_end_when_the_one_that_began_them_is_killed(dataset: Path):
    def works(command: Path) -> bool:
        try:
            return b"spawn_main" in command.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False

    # Two traces that take long, though they take no disk.
    for name in ("a", "b/c"):
        os.truncate(dataset / name / "radar" / "iq", 256 << 30)
    command = [sys.executable, "-c", ENTRY_POINT, "validate", str(dataset), "--deep"]
    child = subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.DEVNULL)
    try:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")

        def workers() -> list[Path]:
            found = [Path(f"/proc/{number}/cmdline") for number in children.read_text().split()]
            return list(filter(works, found))

        wait_until(lambda: len(workers()) == 2, 30)
        began = workers()
    finally:
        child.kill()
        child.wait()
    wait_until(lambda: not any(map(works, began)), 30)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_may_not_be_looked_into_is_an_error(dataset: Path):
    (dataset / "b" / "d").chmod(0)
    done = run_roverd("validate", dataset)
    (dataset / "b" / "d").chmod(0o700)
    assert (done.status, done.lines[-1]) == (1, SUMMARY.format(2, 0))
    (line,) = done.err.splitlines()
    assert str(dataset / "b" / "d") in line
