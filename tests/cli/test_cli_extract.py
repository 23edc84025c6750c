"""`roverd extract`, as a program of its own."""

import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.channels import wait_until
from support.command_line import (
    ENTRY_POINT,
    Finished,
    expect_one_line_error,
    run_measured,
    run_roverd,
)
from support.traces import SHORT, START, TS_ENTRY, record, record_trace

STAMPS = START + np.arange(10.0)
MOMENT = "2023-11-14T22:13:20"  # START


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    record(tmp_path / "source" / "s", STAMPS, {"n": ("raw", np.arange(10, dtype="<i4"))})
    (tmp_path / "source" / "config.yaml").write_text("")
    return tmp_path / "source"


def numbers(folder: Path) -> list[int]:
    return np.fromfile(folder / "s" / "n", "<i4").tolist()


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files included."""
    return sorted(os.listdir(folder))


def test_a_real_trace_is_cut_and_told_of(tmp_path: Path) -> None:
    done = run_roverd("extract", SHORT, tmp_path / "part", "--start", 0.5, "--end", -1)
    assert (done.status, done.err) == (0, "")
    times = {p.parent.name: np.fromfile(p.parent / "ts") for p in SHORT.glob("*/meta.json")}
    first = min(stamps[0] for stamps in times.values())
    begin, end = first + 0.5, max(stamps[-1] for stamps in times.values()) - 1
    for name, stamps in times.items():
        kept = stamps[(stamps >= begin) & (stamps < end)]
        np.testing.assert_array_equal(np.fromfile(tmp_path / "part" / name / "ts"), kept)
        (row,) = [line.split() for line in done.lines if line.startswith(name)]
        number = int(np.searchsorted(stamps, begin))
        assert row == [name, str(len(kept)), str(len(stamps)), str(number)]
    assert str(tmp_path / "part") in done.out
    assert f"{datetime.fromtimestamp(begin, UTC):%Y-%m-%d %H:%M:%S}" in done.out
    assert f"{end - begin:.3f} s" in done.out
    assert names(tmp_path) == ["part"]

    shown = run_roverd("info", tmp_path / "part", "--json")
    assert (shown.status, shown.err) == (0, "")
    counts = {sensor["name"]: sensor["n"] for sensor in json.loads(shown.out)["sensors"]}
    assert counts["imu"] == int(np.sum((times["imu"] >= begin) & (times["imu"] < end)))
    assert run_roverd("list", tmp_path).lines == ["part"]


def test_json_says_the_same_in_one_object(trace: Path, tmp_path: Path) -> None:
    done = run_roverd("extract", trace, tmp_path / "part", "--start", 2, "--length", 3, "--json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {
        "path": str(tmp_path / "part"),
        "start": START + 2,
        "length": 3.0,
        "sensors": [{"name": "s", "first": 2, "frames": 3, "of": 10}],
    }


@pytest.mark.parametrize(
    "flags, expected",
    [
        (["--end", "-4", "--length", "2"], [3, 4]),
        (["--start", f"{MOMENT[:-2]}22", "--end", f"{MOMENT[:-2]}25"], [2, 3, 4]),
        (["--start", f"{MOMENT[:-2]}22Z", "--length", "3"], [2, 3, 4]),
        (["--start", "2023-11-15T00:13:22+02:00", "--end", "-4"], [2, 3, 4]),
    ],
    ids=str,
)
def test_times_are_seconds_proportions_or_times_of_day(
    flags: list[str], expected: list[int], trace: Path, tmp_path: Path
) -> None:
    done = run_roverd("extract", trace, tmp_path / "part", *flags)
    assert (done.status, done.err) == (0, "")
    assert numbers(tmp_path / "part") == expected


@pytest.mark.parametrize(
    "flags, name",
    [
        (["--start", "5", "--end", "-6"], "source"),
        (["--start", "0", "--length", "1", "--channels", "s/rng"], "s/rng"),
    ],
    ids=str,
)
def test_what_cannot_be_is_an_error_in_one_line_that_leaves_nothing(
    flags: list[str], name: str, trace: Path, tmp_path: Path
) -> None:
    expect_one_line_error(run_roverd("extract", trace, tmp_path / "part", *flags), name)
    assert names(tmp_path) == ["source"]


def test_what_is_there_is_refused(trace: Path, tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    done = run_roverd("extract", trace, tmp_path / "part", "--start", 0, "--length", 1)
    expect_one_line_error(done, tmp_path / "part")
    assert names(tmp_path / "part") == []
    beneath = trace / "config.yaml" / "part"
    done = run_roverd("extract", trace, beneath, "--start", 0, "--length", 1)
    expect_one_line_error(done, trace / "config.yaml")
    assert names(tmp_path) == ["part", "source"]


def test_an_end_past_the_end_is_a_warning(trace: Path, tmp_path: Path) -> None:
    done = run_roverd("extract", trace, tmp_path / "part", "--start", 8, "--length", 5)
    assert done.status == 0
    (line,) = done.err.splitlines()
    assert "warning" in line and str(trace) in line
    assert numbers(tmp_path / "part") == [8, 9]


def test_a_damaged_channel_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    made = record_trace(tmp_path / "source", 0.5)["lidar"]
    whole = lzma.compress(made.frames["rng"].tobytes())
    (made.path / "rng").write_bytes(whole)
    (made.path / "rng_i").unlink()
    everything = ["--start", 0, "--end", 1, "--relative"]
    done = run_roverd("extract", tmp_path / "source", tmp_path / "part", *everything)
    assert (done.status, done.out) == (1, "")
    (line,) = [line for line in done.err.splitlines() if not line.startswith("roverd: warning")]
    assert str(made.path / "rng") in line and "lzma" in line
    assert names(tmp_path) == ["source"]
    selected = [*everything, "--channels", "rfl", "lidar/nir", "iq"]
    done = run_roverd("extract", tmp_path / "source", tmp_path / "part", *selected)
    assert done.status == 0
    assert names(tmp_path / "part") == ["config.yaml", "lidar", "radar"]
    sound = run_roverd("info", tmp_path / "part")
    assert (sound.status, sound.err) == (0, "")


def test_the_example_of_the_help_works(trace: Path, tmp_path: Path) -> None:
    done = run_roverd("extract", "--help")
    assert (done.status, done.err) == (0, "")
    found = re.search(r"Example:\s+`roverd\s+(extract[^`]*)`", done.out)
    assert found
    words = found[1].split()
    words[1:3] = [str(trace), str(tmp_path / "part")]
    assert run_roverd(*words).status == 0
    assert numbers(tmp_path / "part")


def test_paths_may_be_relative_and_end_with_a_slash(trace: Path, tmp_path: Path) -> None:
    flags = ["--start", 2, "--end", 4]
    done = run_roverd("extract", "source/", "a/part/", *flags, cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert numbers(tmp_path / "a" / "part") == [2, 3]
    assert names(tmp_path / "a") == ["part"]


# ── interrupted ──────────────────────────────────────────────────────────────────────────────────

FRAME = (64, 3, 4, 512)
FRAME_SIZE = 786432


def record_sparse(folder: Path, size: int, marked: list[int]) -> int:
    """A trace with a radar of nothing but zeros, and numbers at the beginning of some frames."""
    count = size // FRAME_SIZE
    entry: dict[str, Any] = {"format": "raw", "type": "i2", "shape": list(FRAME)}
    made = record(folder / "radar", START + np.arange(count) / 20, {})
    with open(made.path / "iq", "wb") as file:
        for number in marked:
            file.seek(number * FRAME_SIZE)
            file.write(np.int16(number).tobytes())
        file.truncate(count * FRAME_SIZE)
    made.meta = {"ts": TS_ENTRY, "iq": entry}
    made.write_meta()
    (folder / "config.yaml").write_text("")
    return count


def start_roverd(*arguments: object) -> "subprocess.Popen[str]":
    """Start `roverd`; in the background, or by `nohup`, the tests have it ignore some signals."""
    handle = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    if os.name != "nt":
        handle += "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    command = [sys.executable, "-c", handle + ENTRY_POINT, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


@pytest.mark.parametrize("name", ["trace/config.yaml/part", "p" * 250])
def test_errors_name_the_new_trace_and_not_where_it_is_made(
    name: str, trace: Path, tmp_path: Path
) -> None:
    trace.rename(tmp_path / "trace")
    part = tmp_path / name
    done = run_roverd("extract", tmp_path / "trace", part, "--start", 0, "--length", 5)
    expect_one_line_error(done, part)
    assert ".tmp" not in done.err
    assert names(tmp_path) == ["trace"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the size of files like this")
def test_a_full_disk_is_an_error_that_names_the_new_trace(trace: Path, tmp_path: Path) -> None:
    words = ["extract", trace, tmp_path / "part", "--start", 0, "--length", 5]
    limited = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (30, 30)); {ENTRY_POINT}"
    done = subprocess.run(
        [sys.executable, "-c", limited, *map(str, words)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    expect_one_line_error(Finished(done.returncode, done.stdout, done.stderr), tmp_path / "part")
    assert names(tmp_path) == ["source"]


EXTRACT = ["extract", "--start", 0, "--end", -1]


@pytest.mark.parametrize(
    "command, how",
    [
        (EXTRACT, signal.SIGINT),
        (EXTRACT, signal.SIGTERM),
        pytest.param(
            EXTRACT,
            getattr(signal, "SIGHUP", None),
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP"),
        ),
        (EXTRACT, signal.SIGKILL),
        (["blobify"], signal.SIGINT),
    ],
)
def test_what_is_interrupted_leaves_no_half_trace(
    command: list[Any], how: signal.Signals, tmp_path: Path
) -> None:
    record_sparse(tmp_path / "source", 4 << 30, [])
    name, *flags = command
    child = start_roverd(name, tmp_path / "source", tmp_path / "part", *flags)
    try:
        # In the middle of the channel: some of its frames are written.
        wait_until(lambda: bool(list(tmp_path.glob(".part*/radar/iq*"))), 30)
        assert child.poll() is None, child.communicate()
        child.send_signal(how)
        _, err = child.communicate(timeout=30)
    finally:
        child.kill()
        child.wait()
    assert not (tmp_path / "part").exists()
    if how == signal.SIGKILL:
        assert child.returncode == -how
        listed = run_roverd("list", tmp_path)
        assert (listed.status, listed.lines) == (0, ["source"])
        # What was left is in nobody's way.
        flags = ["--start", 0, "--length", 0.1]
        again = run_roverd("extract", tmp_path / "source", tmp_path / "part", *flags)
        assert again.status == 0
    else:
        assert child.returncode == 128 + how
        assert names(tmp_path) == ["source"]
        assert "Traceback" not in err
    for path in tmp_path.iterdir():
        shutil.rmtree(path)


# ── memory ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_a_large_channel_takes_little_memory(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 12e9:
        pytest.skip("less than 12 GB are free on the disk")
    marked = [0, 9, 10, 11, 3000, 6000, 6675]
    count = record_sparse(tmp_path / "source", 5_250_000_000, marked)
    assert count == 6675 and (tmp_path / "source" / "radar" / "iq").stat().st_size > 5e9
    marked = [number for number in marked if number < count]
    flags = ["--start", 0.5, "--end", 1e6]
    done, megabytes = run_measured("extract", tmp_path / "source", tmp_path / "part", *flags)
    assert done.err.startswith("roverd: warning")
    assert done.status == 0
    print(f"peak of {megabytes:.0f} MB")
    assert megabytes < 300
    copy = tmp_path / "part" / "radar" / "iq"
    assert copy.stat().st_size == (count - 10) * FRAME_SIZE
    frames = np.memmap(copy, "<i2", "r", shape=(count - 10, *FRAME))
    for number in marked:
        if number >= 10:
            assert frames[number - 10].ravel()[0] == number
    for number in (2, 777, 5000):
        assert not frames[number].any()
    shutil.rmtree(tmp_path)
