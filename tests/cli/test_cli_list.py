"""`roverd list`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import ENTRY_POINT, expect_one_line_error, run_roverd
from support.traces import record_imu


def make_traces(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "config.yaml").write_text("")


def test_traces_are_listed_one_a_line_relative_and_sorted(tmp_path: Path):
    names = ["b/two", "a/one", "a/one/nested", "z", "a b/ü", "Z", "a.b"]
    make_traces(tmp_path, *names)
    done = run_roverd("list", tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.lines == sorted(names)
    assert done.out == "".join(f"{name}\n" for name in sorted(names))


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text here")
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_names_that_are_no_text_keep_their_bytes(locale: str, tmp_path: Path):
    make_traces(tmp_path, os.fsdecode(b"caf\xe9"))
    done = subprocess.run(
        [sys.executable, "-c", ENTRY_POINT, "list", tmp_path],
        capture_output=True,
        env={**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"caf\xe9\n", b"")


@pytest.mark.parametrize("written", ["data", "./data/", "data/../data/."])
def test_paths_are_relative_however_the_folder_is_written(tmp_path: Path, written: str):
    make_traces(tmp_path, "data/one", "data/in/two")
    assert run_roverd("list", written, cwd=tmp_path).lines == ["in/two", "one"]


def test_nothing_at_all_is_printed_where_there_are_no_traces(tmp_path: Path):
    record_imu(tmp_path / "imu", 3)
    done = run_roverd("list", tmp_path)
    assert (done.status, done.out, done.err) == (0, "", "")


def test_links_are_followed_only_when_asked_and_loops_end(tmp_path: Path):
    make_traces(tmp_path, "far/one", "here/two")
    (tmp_path / "here" / "link").symlink_to("../far")
    (tmp_path / "here" / "loop").symlink_to(".")
    here = tmp_path / "here"
    assert run_roverd("list", here).lines == ["two"]
    done = run_roverd("list", here, "--follow-symlinks")
    assert (done.status, done.lines, done.err) == (0, ["link/one", "two"], "")


def test_a_folder_that_is_not_there_is_an_error_in_one_line(tmp_path: Path):
    expect_one_line_error(run_roverd("list", tmp_path / "nowhere"), "nowhere")


def test_a_file_in_place_of_a_folder_is_an_error_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    expect_one_line_error(run_roverd("list", tmp_path / "file"), "file")


@pytest.mark.parametrize("arguments", [["list"], ["list", ".", "--colour"], ["lost"], []])
def test_words_that_are_no_command_fail_with_help_on_stderr(arguments: list[str]):
    done = run_roverd(*arguments)
    assert done.status not in (0, None)
    assert done.out == ""
    assert "Traceback" not in done.err
    assert "help" in done.err


@pytest.mark.parametrize("command", ["list", "info", None])
def test_help_is_printed_to_stdout(command: str | None):
    done = run_roverd(*([command] if command else []), "--help")
    assert (done.status, done.err) == (0, "")
    for word in {"list": ["PATH", "--follow-symlinks"], "info": ["PATH", "--json"]}.get(
        command or "", ["list", "info"]
    ):
        assert word in done.out
