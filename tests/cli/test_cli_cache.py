"""`roverd cache`, and the flags of commands that read."""

import json
import os
from pathlib import Path

import pytest

from roverd.storage.cache import BlockCache
from support.cached import BLOCK, Store, age, files, total
from support.command_line import expect_one_line_error, run_roverd
from support.traces import SHORT

READING = ["info", "validate", "extract", "checksum"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache with five blocks, and with what is not of it."""
    path = tmp_path / "kept"
    Store(5 * BLOCK).check(BlockCache(path, 10**6, BLOCK), 0, 5 * BLOCK)
    (path / "notes.txt").write_text("mine")
    (path / "tmp" / "1-0123456789abcdef").write_bytes(bytes(10))
    return path


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROVERD_CACHE", "ROVERD_CACHE_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_info_shows_how_much_is_in_the_cache(folder: Path):
    for path, seconds in zip(files(folder), (3e6, 2e6, 1e6, 0, 0), strict=True):
        os.utime(path, (1.7e9, 1.7e9))
        age(path, seconds)
    done = run_roverd("cache", "info", "--cache", folder)
    assert (done.status, done.err) == (0, "")
    assert done.lines == [
        f"cache  {folder}",
        "size   5.28 kB in 5 blocks, of 20.0 GB",
        "used   2023-10-11 04:53:20.000 UTC to 2023-11-14 22:13:20.000 UTC",
    ]


def test_json_holds_the_same(folder: Path):
    done = run_roverd("cache", "info", "--cache", folder, "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    times = [path.stat().st_mtime for path in files(folder)]
    assert found.pop("oldest") == pytest.approx(min(times))
    assert found.pop("newest") == pytest.approx(max(times))
    assert found == {"path": str(folder), "limit": 20 * 10**9, "size": total(folder), "blocks": 5}


def test_the_environment_names_the_folder_and_its_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ROVERD_CACHE", str(folder))
    monkeypatch.setenv("ROVERD_CACHE_SIZE", "3GB")
    done = run_roverd("cache", "info")
    assert (done.status, done.err) == (0, "")
    assert done.lines[:2] == [f"cache  {folder}", "size   5.28 kB in 5 blocks, of 3.00 GB"]


def test_clear_removes_the_blocks_and_nothing_else(folder: Path):
    done = run_roverd("cache", "clear", "--cache", folder)
    assert (done.status, done.err) == (0, "")
    assert done.out == f"{folder}: 5.28 kB in 5 blocks removed\n"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "CACHEDIR.TAG",
        "evicting",
        "notes.txt",
        "usage",
    ]
    again = run_roverd("cache", "info", "--cache", folder)
    assert again.lines == [f"cache  {folder}", "size   0 B in 0 blocks, of 20.0 GB"]
    store = Store(5 * BLOCK)
    store.check(BlockCache(folder, 10**6, BLOCK), 0, 5 * BLOCK)
    assert len(files(folder)) == 5


def test_a_folder_that_is_no_cache_is_left_alone_by_clear(tmp_path: Path):
    (tmp_path / "blocks" / "ab").mkdir(parents=True)
    (tmp_path / "blocks" / "ab" / "precious").write_text("mine")
    (tmp_path / "usage").write_text("")
    assert run_roverd("cache", "clear", "--cache", tmp_path).status == 0
    assert (tmp_path / "blocks" / "ab" / "precious").read_text() == "mine"


@pytest.mark.parametrize("action", ["info", "clear"])
def test_a_folder_that_is_not_there_is_an_error_in_one_line(tmp_path: Path, action: str):
    done = run_roverd("cache", action, "--cache", tmp_path / "nowhere")
    expect_one_line_error(done, tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["info", "clear"])
@pytest.mark.parametrize("said", ["", "off"])
def test_where_no_cache_is_named_the_error_says_how(
    action: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ROVERD_CACHE", said)
    expect_one_line_error(run_roverd("cache", action), "ROVERD_CACHE", "--cache")


@pytest.mark.parametrize("words", [[], ["empty"], ["info", "clear"]], ids=str)
def test_another_action_is_no_command(words: list[str]):
    assert run_roverd("cache", *words).status == 2


_SHOWN = """
import sys
from roverd.cli.main import run
status = run(sys.argv[1:])
from roverd.storage.cache import active_cache
cache = active_cache()
print([] if cache is None else [cache.path, cache.size])
sys.exit(status)
"""


def words_of(command: str, folder: Path) -> list[object]:
    return {
        "info": [SHORT],
        "validate": [SHORT],
        "extract": [SHORT, folder / "part", "--start", 0, "--length", 0.5],
        "checksum": [SHORT, folder / "sums.csv"],
    }[command]


@pytest.mark.parametrize(
    "command",
    [READING[0], *(pytest.param(name, marks=pytest.mark.slow) for name in READING[1:])],
)
def test_commands_that_read_use_the_cache_that_is_named(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def used(*flags: object) -> str:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        done = run_roverd(command, *words_of(command, folder), *flags, program=_SHOWN)
        assert done.status == 0, done.err
        return done.lines[-1]

    kept = str(tmp_path / "kept")
    assert used() == "[]"
    assert used("--cache", kept, "--cache-size", "3 GB") == str([kept, 3 * 10**9])
    monkeypatch.setenv("ROVERD_CACHE", kept)
    monkeypatch.setenv("ROVERD_CACHE_SIZE", "4GB")
    assert used() == str([kept, 4 * 10**9])
    assert used("--cache-size", "2GB") == str([kept, 2 * 10**9])
    assert used("--cache", tmp_path / "other") == str([str(tmp_path / "other"), 4 * 10**9])
    assert used("--cache", "off") == "[]"


def test_a_size_that_is_none_is_no_command():
    done = run_roverd("info", SHORT, "--cache-size", "much")
    assert (done.status, done.out) == (2, "")
    assert "--cache-size: expected a size such as 200GB, 1.5TiB" in done.err
