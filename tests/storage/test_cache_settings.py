"""`roverd.cache`, and the environment variables by which it goes along to other processes."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import roverd
from roverd.storage.cache import active_cache
from support.cache_worker import cache_of_this_process, read_in_this_process
from support.cached import Store, files


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set, so that whatever a test sets is undone.
    for name in ("ROVERD_CACHE", "ROVERD_CACHE_SIZE"):
        monkeypatch.setenv(name, "")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (200, 200),
        ("200", 200),
        ("200B", 200),
        ("200GB", 200 * 10**9),
        ("200 gb", 200 * 10**9),
        ("1.5TiB", 3 * 2**39),
        (" .5 KiB ", 512),
        ("2.kB", 2000),
        ("3MiB", 3 << 20),
        ("0.3kB", 300),
        ("1PB", 10**15),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_sizes_are_what_people_write(tmp_path: Path, text: str | int, count: int):
    roverd.cache(tmp_path, text)
    cache = active_cache()
    assert cache is not None
    assert (cache.path, cache.size) == (str(tmp_path), count)


NO_SIZES = ["", "GB", "-1GB", "0", "0.1B", "1 parsec", "200G", "1e9", "nan", "1,5TB", "9" * 5000]


@pytest.mark.parametrize("text", [*NO_SIZES, 0, -1, True, 1.5, b"1GB"], ids=lambda x: repr(x)[:9])
def test_what_is_no_size_is_refused_and_nothing_changes(tmp_path: Path, text: object):
    with pytest.raises(ValueError, match=r"expected a size such as 200GB, 1\.5TiB"):
        roverd.cache(tmp_path, text)  # type: ignore[arg-type]
    assert active_cache() is None


def test_there_is_no_cache_unless_asked_for():
    assert active_cache() is None


@pytest.mark.parametrize("nothing", [None, "off", ""])
def test_a_cache_is_switched_off(tmp_path: Path, nothing: str | None):
    roverd.cache(tmp_path)
    assert active_cache() is not None
    roverd.cache(nothing)
    assert active_cache() is None


def test_the_same_cache_is_given_until_another_is_asked_for(tmp_path: Path):
    roverd.cache(tmp_path / "a", "1GB")
    first = active_cache()
    assert active_cache() is first
    roverd.cache(tmp_path / "b", "1GB")
    second = active_cache()
    assert second is not None and second.path == str(tmp_path / "b")
    roverd.cache(tmp_path / "b", "2GB")
    assert active_cache() is not second


def test_the_environment_says_where_and_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ROVERD_CACHE", "~/kept")
    cache = active_cache()
    assert cache is not None
    assert (cache.path, cache.size) == (str(tmp_path / "kept"), 20 * 10**9)
    monkeypatch.setenv("ROVERD_CACHE_SIZE", "3GB")
    cache = active_cache()
    assert cache is not None and cache.size == 3 * 10**9
    roverd.cache("~/other")  # the size that the environment says stays
    cache = active_cache()
    assert cache is not None
    assert (cache.path, cache.size) == (str(tmp_path / "other"), 3 * 10**9)
    monkeypatch.setenv("ROVERD_CACHE_SIZE", "much")
    with pytest.raises(ValueError, match=r"ROVERD_CACHE_SIZE: expected a size.*'much'"):
        active_cache()


def test_a_relative_folder_stays_the_same_one_in_another_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    roverd.cache("kept")
    monkeypatch.chdir("/")
    cache = active_cache()
    assert cache is not None and cache.path == str(tmp_path / "kept")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_cache_goes_along_to_workers(tmp_path: Path, method: str):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no start method {method} here")
    # In a program of its own: a fork server has the environment that there was when it started.
    program = (
        "import sys, roverd\n"
        "from support.cache_worker import cache_of_workers\n"
        "if __name__ == '__main__':\n"
        "    roverd.cache(sys.argv[1], '5MB')\n"
        "    print(cache_of_workers(sys.argv[2]))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "kept"), method],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str((str(tmp_path / "kept"), 5_000_000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
def test_a_cache_goes_along_to_forked_processes_while_threads_are_fetching(tmp_path: Path):
    roverd.cache(tmp_path / "kept", "5MB")
    done = subprocess.run(
        [sys.executable, "-m", "support.cache_worker"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
            ),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(files(tmp_path / "kept")) == 1


def test_what_was_kept_is_found_by_this_process(tmp_path: Path):
    roverd.cache(tmp_path / "kept", "5MB")
    assert cache_of_this_process() == (str(tmp_path / "kept"), 5_000_000)
    store = Store(5000)
    read_in_this_process(store)
    read_in_this_process(store)
    assert store.fetches == [(0, 5000)]
