"""What is said of errors and warnings."""

import errno
import os
import sys
import warnings
from pathlib import Path

import pytest

from roverd.cli.commands import Command
from roverd.cli.main import run
from roverd.errors import MissingFileError, RoverdWarning
from support.command_line import expect_one_line_error, run_roverd
from support.traces import SHORT


def said(action, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is on stderr after a command that does this."""

    def command() -> int:
        """Do it."""
        return action() or 0

    monkeypatch.setattr(Command, "load", lambda self: command)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        run(["info"])
    return capsys.readouterr().err.splitlines()


def system_error(number: int, *names: object) -> OSError:
    return OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (system_error(errno.ENOENT, "noinc"), "noinc: no such file or directory"),
        (system_error(errno.ENOSPC, b"walk/ts"), "walk/ts: no space left on device"),
        (system_error(errno.EXDEV, "a", None, "b"), "a and b: invalid cross-device link"),
        (system_error(errno.ENOSPC), "no space left on device"),
        (MissingFileError("walk/ts: no such file"), "walk/ts: no such file"),
        (ValueError("two\n lines\x1b"), r"two lines\x1b"),
        (IndexError(), "IndexError"),
    ],
    ids=str,
)
def test_errors_are_a_line_with_the_name_first_and_no_number(error, line, monkeypatch, capsys):
    def fail() -> None:
        raise error

    assert said(fail, monkeypatch, capsys) == [f"roverd: error: {line}"]


def test_warnings_are_printed_in_order_before_the_error_and_once(monkeypatch, capsys):
    def fail() -> None:
        for text in ("one", "two", "one"):
            warnings.warn(text, RoverdWarning, stacklevel=1)
        raise ValueError("three")

    expected = ["roverd: warning: one", "roverd: warning: two", "roverd: error: three"]
    assert said(fail, monkeypatch, capsys) == expected


def test_a_warning_that_says_what_the_error_says_is_not_printed(monkeypatch, capsys):
    def fail() -> None:
        warnings.warn("unreadable channel: walk/iq: torn", RoverdWarning, stacklevel=1)
        warnings.warn("walk/ts: short", RoverdWarning, stacklevel=1)
        raise ValueError("walk/iq: torn")

    expected = ["roverd: warning: walk/ts: short", "roverd: error: walk/iq: torn"]
    assert said(fail, monkeypatch, capsys) == expected


def test_warnings_of_a_command_that_succeeds_are_printed(monkeypatch, capsys):
    def succeed() -> None:
        warnings.warn("walk/ts: short", RoverdWarning, stacklevel=1)

    assert said(succeed, monkeypatch, capsys) == ["roverd: warning: walk/ts: short"]


_WITH_SMALL_FILES = """
import resource
from roverd.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not limit the size of files")
@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["demo", "new", "--seconds", 1], True),
        (["extract", SHORT, "new", "--start", 0, "--length", 3], False),
        (["rosbag", SHORT, "--out", "new"], False),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_there_is_no_room_for_is_named(words: list[object], left: bool, tmp_path: Path):
    done = run_roverd(*words, cwd=tmp_path, program=_WITH_SMALL_FILES)
    expect_one_line_error(done, "roverd: error: new: file too large")
    assert (tmp_path / "new").exists() == left
