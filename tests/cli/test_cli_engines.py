"""`--engine ray`: the same words, files and exit statuses as without it; many traces at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.channels import wait_until
from support.command_line import ENTRY_POINT, Finished, expect_one_line_error, run_roverd
from support.damage import flip
from support.ray_cluster import why_not_ray
from support.traces import plain_frames, record, record_trace, ticks

COMMANDS: dict[str, list[str]] = {
    "validate": ["{tree}", "--deep"],
    "checksum": ["{tree}", "{out}.csv"],
    "transcode": ["{tree}", "{out}", "--preset", "fast"],
    "blobify": ["{tree}", "{out}"],
    "extract": ["{tree}", "{out}", "--start", "0.2", "--length", "0.5"],
}
NAMES = ("a", "b/c", "b/d/e")
MANY = ("blobify", pytest.param("extract", marks=pytest.mark.slow))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three traces at different depths; no two of their frames are alike."""
    for number, name in enumerate(NAMES):
        record_trace(tmp_path / "tree" / name, 1.0, number)
    return tmp_path / "tree"


def run_command(name: str, tree: Path, out: str, *flags: object) -> Finished:
    """Run a command from the folder of `tree`, so that its paths are relative."""
    words = [word.format(tree=tree.name, out=out) for word in COMMANDS[name]]
    return run_roverd(name, *words, *flags, cwd=tree.parent, timeout=110)


def contents(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert not [name for name in found if "/." in f"/{name}"]
    return found


# Many traces, on this machine


@pytest.mark.parametrize("command", MANY)
def test_each_trace_of_a_folder_is_as_it_is_by_itself(command: str, tree: Path) -> None:
    done = run_command(command, tree, "out")
    assert (done.status, done.err) == (0, "")
    assert done.lines[-1] == f"{command.capitalize()}: 3 made."
    words = COMMANDS[command][2:]
    for name in NAMES[:2]:
        single = tree.parent / "single" / name
        single.parent.mkdir(parents=True)
        assert run_roverd(command, tree / name, single, *words).status == 0
        assert contents(tree.parent / "out" / name) == contents(single)


@pytest.mark.parametrize("command", MANY)
def test_started_again_the_command_goes_on_with_what_is_missing(command: str, tree: Path) -> None:
    flip(tree / "b" / "c" / "lidar" / "meta.json", 0)
    done = run_command(command, tree, "out")
    assert done.status == 1
    (line,) = done.err.splitlines()
    assert "tree/b/c/lidar/meta.json" in line
    assert done.lines[-1] == f"{command.capitalize()}: 2 made, 1 failed."
    flip(tree / "b" / "c" / "lidar" / "meta.json", 0)
    before = contents(tree.parent / "out" / "a")
    (tree.parent / "out" / "b" / "d" / "e" / "imu" / "ts").write_bytes(bytes(8))
    done = run_command(command, tree, "out", "--json")
    report = json.loads(done.out)
    assert [trace["state"] for trace in report["traces"]] == ["there", "made", "failed"]
    assert (done.status, report["ok"]) == (1, False)
    (line,) = done.err.splitlines()
    assert "b/d/e: exists already, and is not what would be made of tree/b/d/e" in line
    assert contents(tree.parent / "out" / "a") == before


# Words


@pytest.mark.parametrize(
    "flags, text",
    [
        (["--address", "here:1"], "--address: is of a Ray cluster; add --engine ray"),
        (["--engine", "spark"], "--engine"),
    ],
)
def test_flags_that_cannot_be_are_words_that_are_no_command(flags: list[str], text: str) -> None:
    done = run_roverd("validate", "anything", *flags)
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert text in line


def test_a_cluster_that_is_not_there_is_a_line(tree: Path) -> None:
    if reason := why_not_ray():
        pytest.skip(reason)
    done = run_roverd("validate", tree, "--engine", "ray", "--address", "127.0.0.1:1")
    expect_one_line_error(done, "127.0.0.1:1", "not reached")


# On a cluster


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_cluster_makes_and_says_the_same(command: str, tree: Path, ray_cluster: str) -> None:
    flags = ["--engine", "ray", "--address", ray_cluster]
    flip(tree / "b" / "c" / "lidar" / "rng", 90)  # found by whoever decodes it
    (tree / "a" / "imu" / "acc").unlink()
    local, remote = (
        run_command(command, tree, "out"),
        run_command(command, tree, "remote", *flags),
    )
    again = run_command(command, tree, "remote", *flags)

    def renamed(text: str) -> str:
        return text.replace("remote", "out").replace("traces  out   ", "traces  out")

    assert (remote.status, renamed(remote.out)) == (local.status, local.out)
    assert sorted(renamed(remote.err).splitlines()) == sorted(local.err.splitlines())
    assert local.status == (1 if command in ("validate", "transcode", "blobify") else 0)
    assert again.status == local.status
    if command == "checksum":
        files = [tree.parent / f"{name}.csv" for name in ("out", "remote")]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert "0 mismatched, 0 missing, 0 extra" in again.out
    elif command != "validate":
        assert contents(tree.parent / "out") == contents(tree.parent / "remote")
        assert "there already" in again.lines[-1] and " made" not in again.lines[-1]


def lock_holders(folder: Path) -> set[int]:
    """The processes that have a file below a folder open."""
    found: set[int] = set()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            try:
                links = [os.readlink(link) for link in (process / "fd").iterdir()]
            except OSError:
                continue
            if any(link.startswith(f"{folder}/") for link in links):
                found.add(int(process.name))
    return found


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Two traces that take a while."""
    rng = np.random.default_rng(7)
    for name in ("a", "b"):
        frames = rng.integers(0, 1000, (12, 1 << 18)).astype("<u4")
        frames[:, 0] = np.arange(12)
        record(tmp_path / "large" / name / "lidar", ticks(12, 10), {"rng": ("raw", frames)})
        (tmp_path / "large" / name / "config.yaml").write_text("{}")
    return tmp_path / "large"


def start_transcoding(large: Path, address: str) -> "subprocess.Popen[str]":
    words: list[Any] = ["transcode", large, large.parent / "out", "--channel", "lidar/rng=lzmaf"]
    words[-1] += ",preset=6"
    flags = ["--engine", "ray", "--address", address]
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY_POINT, *map(str, words), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)},
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_worker_that_is_killed_is_made_up_for(large: Path, ray_cluster: str) -> None:
    with start_transcoding(large, ray_cluster) as running:
        out = large.parent / "out"
        wait_until(lambda: bool(lock_holders(out)), 60)
        victim = min(lock_holders(out))
        os.kill(victim, signal.SIGKILL)
        text, errors = running.communicate(timeout=110)
    assert (running.returncode, errors) == (0, "")
    assert text.splitlines()[0] == f"traces  {out}"
    assert text.splitlines()[-1] == "Transcode: 2 made."
    assert "raylet" not in text
    assert sorted(os.listdir(out)) == ["a", "b"]  # and nothing half made
    for name in ("a", "b"):
        metas = [json.loads((p / name / "lidar/meta.json").read_text()) for p in (large, out)]
        before, after = (
            plain_frames(p / name / "lidar", "rng", meta["rng"])
            for p, meta in zip((large, out), metas, strict=True)
        )
        assert metas[1]["rng"]["format"] == "lzmaf"
        assert before.tobytes() == after.tobytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_nothing_half_made_is_left(
    large: Path, ray_cluster: str, number: int, status: int
) -> None:
    with start_transcoding(large, ray_cluster) as running:
        out = large.parent / "out"
        wait_until(lambda: bool(lock_holders(out)), 60)
        running.send_signal(number)
        _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (status, "")
    wait_until(lambda: not lock_holders(out), 10)
    assert not [name for name in os.listdir(out) if name.startswith(".")]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_an_address_a_cluster_is_started_and_ended(tree: Path) -> None:
    if reason := why_not_ray():
        pytest.skip(reason)
    shutil.rmtree(tree / "b")
    done = run_roverd("validate", tree, "--engine", "ray", timeout=280)
    assert (done.status, done.err) == (0, "")
    assert done.lines[-1] == "Validate: 1 traces with 0 containing errors."
