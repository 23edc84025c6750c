"""`--help` at any width, and what is said of words that are no command."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from roverd.cli.commands import COMMANDS
from roverd.cli.main import run
from roverd.cli.usage import UsageError, parse, reason
from support.command_line import ENTRY_POINT, run_roverd

Said = Callable[..., tuple[int, str, str]]
BOX = "╭╮╰╯│─"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What a command says, run in this process."""

    def run_here(*words: str) -> tuple[int, str, str]:
        status = run(words)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run_here


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("columns", [None, 40, 80, 120, 250])
def test_no_line_of_help_is_longer_than_the_terminal_is_wide(
    name: str, columns: int | None, said: Said, monkeypatch: pytest.MonkeyPatch
):
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
    status, out, err = said(name, "--help")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= (columns or 80)


def shown_text(page: str) -> str:
    return " ".join(page.translate(dict.fromkeys(map(ord, BOX), " ")).split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_breaks_no_line_before_it_is_full(
    name: str, said: Said, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    page = said(name, "--help")[1].splitlines()
    for line, following in itertools.pairwise(page):
        if line[:1] in BOX or following[:1] in BOX or not (line and following):
            continue
        if not following.startswith(" "):
            assert len(line) + 1 + len(following.split()[0]) > 80, line
    monkeypatch.setenv("COLUMNS", "1000")
    wide = said(name, "--help")[1]
    assert shown_text(wide) == shown_text("\n".join(page)) or "[OPTIONS]" in wide
    for line in wide.splitlines():
        if line.startswith("│ ") and line[2] != " ":
            assert line.count("│") == 2  # each parameter is described on a single line


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_names_no_default_that_is_none(name: str, said: Said):
    page = said(name, "--help")[1]
    assert "None" not in page
    assert "(default: )" not in page
    assert "False" not in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["info"], "PATH is missing"),
        (["extract", "a"], "DST is missing"),
        (["extract"], "SRC and DST are missing"),
        (["validate"], "PATH is missing"),
        (["validate", "--deep"], "PATH is missing"),
        (["repair"], "PATH is missing"),
        (["upload"], "SOURCE is missing"),
        (["upload", "a"], "TARGET is missing"),
        (["upload", "a", "b"], "TARGET: expected a URL, such as s3://bucket/traces, got 'b'"),
        (["info", "a", "b"], "unexpected 'b'"),
        (["info", "a", "two words"], "unexpected 'two words'"),
        (["info", "a", "x" * 200], f"unexpected '{'x' * 200}'"),
        (["info", "a", "--frobnicate"], "unknown option --frobnicate"),
        (["extract", "a", "b", "--from", "1"], "unknown option --from"),
        (["extract", "a", "b", "--from", "1", "--to", "2"], "unknown options --from and --to"),
        (["extract", "a", "b", "--strat", "1"], "unknown option --strat, perhaps --start"),
        (["extract", "a", "b", "--length", "long"], "--length: expected a number, got 'long'"),
        (["extract", "a", "b", "--length", "nan"], "--length: expected a number, got 'nan'"),
        (["extract", "a", "b", "--length", "0"], "--length: expected a number above 0, got '0'"),
        (["extract", "a", "b", "--length"], "--length: expected a value"),
        (
            ["extract", "a", "b", "--start", "noon", "--end", "2"],
            "--start: expected seconds or a time such as 2024-10-02T20:30, got 'noon'",
        ),
        (["extract", "a", "b"], "expected two of --start, --end and --length, got none"),
        (
            ["extract", "a", "b", "--end", "1"],
            "expected two of --start, --end and --length, got --end",
        ),
        (
            ["extract", "a", "b", "--start", "0", "--end", "1", "--length", "1"],
            "expected two of --start, --end and --length, got all three",
        ),
        (
            ["extract", "a", "b", "--start", "0", "--end", "2", "--relative"],
            "--end: expected a proportion from 0 to 1, got 2.0",
        ),
        (
            ["extract", "a", "b", "--start", "0", "--end", "1", "--sensors"],
            "--sensors NAME is missing",
        ),
        (
            ["blobify", "a", "b", "--workers", "1.5"],
            "--workers: expected a whole number from 1 on, got '1.5'",
        ),
        *(
            ([*command, "--workers", "0"], "--workers: expected a whole number from 1 on, got '0'")
            for command in (
                ["blobify", "a", "b"],
                ["validate", "a"],
                ["repair", "a"],
                ["checksum", "a", "b"],
            )
        ),
        (
            ["unblobify", "a", "b", "--format", "zip"],
            "--format: expected lzma, lzmaf, pcof, raw or zstdf, got 'zip'",
        ),
        (
            ["unblobify", "a", "b", "--format", "None"],
            "--format: expected lzma, lzmaf, pcof, raw or zstdf, got 'None'",
        ),
        (
            ["checksum", "a", "b", "--algorithm", "None"],
            "--algorithm: expected md5, sha256 or xxh3_128, got 'None'",
        ),
        (
            ["validate", "a", "--workers", "None"],
            "--workers: expected a whole number from 1 on, got 'None'",
        ),
        (["unblobify", "a", "b", "--fps", "0"], "--fps: expected a number above 0, got '0'"),
        (
            ["rosbag", "a", "--min-range", "-1"],
            "--min-range: expected a number from 0 on, got '-1'",
        ),
        (["rosbag", "a", "--storage", "mcap"], "--storage mcap is for bags of --format ros2"),
        (["demo", "--seconds", "0"], "--seconds: expected 1 to 600, got 0"),
        (["demo", "--seed", "-1"], "--seed: expected a whole number from 0 on, got '-1'"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_is_wrong_with_words_is_said_in_a_short_line(
    words: list[str], message: str, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "50")
    program = f"roverd {words[0]}"
    assert said(*words) == (2, "", f"roverd: error: {program}: {message}; see {program} --help\n")
    assert os.environ["COLUMNS"] == "50"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["frobnicate", "--frobnicate"])
def test_an_unknown_command_is_answered_with_the_known_ones(word: str, said: Said):
    status, out, err = said(word)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"roverd: error: no command {word!r}; there are ")
    assert all(name in err for name in COMMANDS)


def test_a_program_gets_words_that_are_none_as_status_2_on_one_line():
    done = run_roverd("extract", "a", "--frobnicate")
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(r"roverd: error: roverd extract: .*\n", done.err)


def test_files_may_be_called_none(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    (tmp_path / "None").write_text("nothing like this\n")
    status, _, err = said("checksum", "folder", "new.csv", "--include", "None")
    assert (status, "None" in err) == (1, True)


def test_what_the_parser_says_in_other_words_is_passed_on(monkeypatch: pytest.MonkeyPatch):
    assert reason("╭─ New ────╮\n│ Quite so │\n╰──────────╯\n") is None
    monkeypatch.setattr("roverd.cli.usage.reason", lambda said: None)
    with pytest.raises(UsageError, match="Missing from roverd info"):
        parse(COMMANDS["info"].load(), "roverd info", [])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_errors_on_a_terminal_are_plain_text():
    main, terminal = os.openpty()
    command = [sys.executable, "-c", ENTRY_POINT, "extract", "a"]
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(command, stdout=terminal, stderr=terminal, env=environment, check=False)
    os.close(terminal)
    shown = os.read(main, 10_000).decode()
    os.close(main)
    assert done.returncode == 2
    assert shown == ("roverd: error: roverd extract: DST is missing; see roverd extract --help\r\n")
