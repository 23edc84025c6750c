"""Engines: the same function over many items, in threads, in processes, and in a Ray cluster."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from roverd.errors import CorruptFileError, RoverdWarning
from roverd.ops.engines import Died, Engine, ProcessEngine, RayEngine, ThreadEngine
from support import ray_work

MAKERS: dict[str, Callable[[], Engine]] = {
    "threads": lambda: ThreadEngine(2),
    "processes": lambda: ProcessEngine(2),
    "ray": RayEngine,
}


# Starting other processes takes long; commands that work in them are tested by themselves.
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("processes", "ray")]


@pytest.fixture(params=["threads", *OTHERS], scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return MAKERS[request.param]()


@pytest.fixture(params=OTHERS, scope="module")
def other(request: pytest.FixtureRequest) -> Engine:
    """An engine that works in other processes."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return MAKERS[request.param]()


def tell_nobody(number: int, done: int, total: int) -> None:
    pass


def test_results_are_in_order_and_every_item_is_told_of(engine: Engine) -> None:
    told: dict[int, float] = {}

    def tell(number: int, done: int, total: int) -> None:
        told[number] = done / total

    assert engine.run(ray_work.square, list(range(9)), tell) == [n * n for n in range(9)]
    assert told == dict.fromkeys(range(9), 1.0)
    assert engine.run(ray_work.square, [], tell) == []


def test_what_the_function_raises_is_raised_as_it_is(engine: Engine) -> None:
    with pytest.raises(CorruptFileError, match=r"^three: no good$"):
        engine.run(ray_work.refuse_three, list(range(6)), tell_nobody)


def test_an_item_whose_process_died_is_tried_again(other: Engine, tmp_path: Path) -> None:
    function = partial(ray_work.die_first, tmp_path / "died")
    results = other.run(function, list(range(6)), tell_nobody)
    assert results == [n * n for n in range(6)]
    assert (tmp_path / "died").exists()


def test_an_item_that_kills_every_process_is_told_from_the_others(other: Engine) -> None:
    results = other.run(ray_work.die_always, list(range(5)), tell_nobody)
    assert results == [0, 1, 4, Died(), 16]


@pytest.mark.slow
def test_warnings_of_a_cluster_are_given_here(ray_cluster: str) -> None:
    with pytest.warns(RoverdWarning) as caught:
        RayEngine(ray_cluster).run(ray_work.warn_of, ["a", "b"], tell_nobody)
    assert sorted(str(one.message) for one in caught) == ["a: is odd", "b: is odd"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "address, error, names",
    [
        ("127.0.0.1:1", ConnectionError, ["127.0.0.1:1", "not reached"]),
        ("ray://127.0.0.1:1", ConnectionError, ["ray://127.0.0.1:1", "not reached"]),
        ("somewhere", ValueError, ["host:port", "'somewhere'"]),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(
    address: str, error: type[Exception], names: list[str]
) -> None:
    pytest.importorskip("ray", reason="not installed: ray (pip install 'roverd[dev]')")
    # In a process of its own: this one may be connected to a cluster.
    program = (
        "from roverd.ops.engines import RayEngine\n"
        "from support.ray_work import square\n"
        f"RayEngine({address!r}).run(square, [1], print)\n"
    )
    done = run_program(program)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(error.__name__)
    assert all(name in last for name in names)


@pytest.mark.parametrize(
    "call", ["RayEngine().run(print, [1], print)", "roverd.ray.read('somewhere')"]
)
def test_without_ray_the_error_says_what_to_install(call: str) -> None:
    program = (
        "import sys\nsys.modules['ray'] = None\nimport roverd.ray\n"
        f"from roverd.ops.engines import RayEngine\n{call}\n"
    )
    done = run_program(program)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: Ray is not installed; pip install 'roverd[ray]'"
    )


def run_program(program: str) -> "subprocess.CompletedProcess[str]":
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": ":".join(p for p in sys.path if p)}
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
