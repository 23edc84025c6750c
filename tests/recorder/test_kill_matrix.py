"""A recorder of all formats is killed at random moments: nothing that was safe is lost."""

import json
import os
import random
import shutil
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.command_line import run_roverd
from support.killed_recorder import FLUSH_INTERVAL, Order, Recorders, recorders
from support.rig import JUMP, RIG
from support.rig_checks import Safe, check_append, check_readable, check_repair, check_sound, digest

pytestmark = pytest.mark.skipif(
    not (hasattr(os, "fork") and hasattr(os, "mkfifo")), reason="needs fork and named pipes"
)

# Processes that record at a time: what is promised is promised to programs that get to run.
AT_ONCE = 3


@dataclass(frozen=True)
class Moment:
    """When a recorder is killed.

    Attributes:
        phase: `opening`, `recording` or `closing`.
        seconds: since it began, or since it began to close.
        length: of the whole recording, in seconds.
    """

    phase: str
    seconds: float
    length: float

    def __str__(self) -> str:
        return f"{self.phase} {self.seconds:.4f} s"


def moments(seed: int, *phases: str) -> list[Moment]:
    """A random moment in each of the phases."""
    drawn = random.Random(seed)
    made: list[Moment] = []
    for phase in phases:
        if phase == "opening":
            made.append(Moment(phase, drawn.uniform(0, 0.15), 5))
        elif phase == "recording":
            made.append(Moment(phase, drawn.uniform(0.1, 1.6), 5))
        else:
            made.append(Moment(phase, drawn.uniform(0, 0.06), drawn.uniform(0.1, 0.4)))
    return made


@pytest.fixture(scope="module")
def starter() -> Generator[Recorders]:
    with recorders() as made:
        yield made


def killed(
    starter: Recorders, folder: Path, how: str, chosen: list[Moment]
) -> list[tuple[str, Safe]]:
    """Record a trace for each of the moments, and kill the recorder then."""

    def kill(place: tuple[int, Moment]) -> tuple[str, Safe]:
        number, moment = place
        path = str(folder / str(number))
        order = Order(path, f"{path}.pipe", how, moment.length)
        told = starter.kill(order, moment.seconds, moment.phase == "closing")
        return path, Safe(told.safe(FLUSH_INTERVAL))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(kill, enumerate(chosen)))


def check(path: str, safe: Safe, how: str = "recorder") -> None:
    """A killed trace reads as it is, can be repaired, and can be continued, repaired or not."""
    check_readable(path, safe)
    if not os.path.exists(path):
        return
    if how == "recorder":
        check_begun_together(path)
    torn = f"{path}.torn"
    shutil.copytree(path, torn)
    check_repair(path, safe)
    if how == "recorder" or is_described(path):
        check_append(path, safe)
    if how == "recorder" or is_described(torn):
        check_append(torn, safe)


def check_begun_together(path: str) -> None:
    """No channel of a sensor has frames before all of its channels are there.

    That is how a `Recorder` begins; consumers begin one by one.
    """
    for name, sensor in RIG.items():
        stamps = f"{path}/{name}/ts"
        if os.path.exists(stamps) and os.path.getsize(stamps):
            with open(f"{path}/{name}/meta.json", encoding="utf-8") as file:
                described = json.load(file)
            assert described.keys() == {"ts", *sensor.channels}
            assert all(os.path.exists(f"{path}/{name}/{channel}") for channel in sensor.channels)


def is_described(path: str) -> bool:
    """Whether each sensor that is there has all its channels, as `Recorder` finds them.

    With `DynamicSensor.create` they are added one by one, and a `Recorder` adds none to those of a
    sensor that is there.
    """
    for name, sensor in RIG.items():
        meta = f"{path}/{name}/meta.json"
        if os.path.exists(meta):
            with open(meta, encoding="utf-8") as file:
                if json.load(file).keys() != {"ts", *sensor.channels}:
                    return False
    return os.path.exists(f"{path}/config.yaml")


def check_all(made: list[tuple[str, Safe]], chosen: list[Moment], how: str = "recorder") -> None:
    for (path, safe), moment in zip(made, chosen, strict=True):
        try:
            check(path, safe, how)
        except BaseException as error:
            error.add_note(f"killed: {moment}; {path}")
            raise


FEW = ("recording", "opening", "recording", "closing", "recording")
MANY = ("recording", "closing", "recording", "opening", "recording", "closing", "recording")


def test_a_killed_recorder_loses_nothing_that_was_safe(starter: Recorders, tmp_path: Path) -> None:
    chosen = moments(0, *FEW)
    check_all(killed(starter, tmp_path, "recorder", chosen), chosen)


def test_a_killed_consumer_loses_nothing_that_was_safe(starter: Recorders, tmp_path: Path) -> None:
    chosen = moments(0, "recording", "closing")
    check_all(killed(starter, tmp_path, "consume", chosen), chosen, "consume")


def test_roverd_repair_mends_what_a_killed_recorder_has_left(
    starter: Recorders, tmp_path: Path
) -> None:
    ((path, safe),) = killed(starter, tmp_path, "recorder", [Moment("recording", 0.9, 5)])
    done = run_roverd("repair", path)
    assert done.status in (0, 3), done.err
    before = digest(path)
    again = run_roverd("repair", path)
    assert again.status == 0, again.err
    assert digest(path) == before
    check_sound(path, check_readable(path, safe))


@pytest.mark.alone
@pytest.mark.parametrize("seed", range(1, 13))
def test_a_recorder_that_is_killed_anywhere_loses_nothing_that_was_safe(
    starter: Recorders, tmp_path: Path, seed: int
) -> None:
    chosen = moments(seed, *MANY)
    check_all(killed(starter, tmp_path, "recorder", chosen), chosen)


@pytest.mark.alone
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_consumer_that_is_killed_anywhere_loses_nothing_that_was_safe(
    starter: Recorders, tmp_path: Path, seed: int
) -> None:
    chosen = moments(seed, *MANY)
    check_all(killed(starter, tmp_path, "consume", chosen), chosen, "consume")


@pytest.mark.alone
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_continued_recording_that_is_killed_again_loses_nothing_that_was_safe(
    starter: Recorders, tmp_path: Path, seed: int
) -> None:
    first = moments(seed, "recording", "closing", "recording")
    second = moments(seed + 100, "recording", "opening", "closing")
    for (path, safe), moment in zip(
        killed(starter, tmp_path, "recorder", first), second, strict=True
    ):
        order = Order(path, f"{path}.pipe", "recorder", moment.length, first=JUMP, append=True)
        told = starter.kill(order, moment.seconds, moment.phase == "closing")
        check(path, Safe(safe.recorded, told.safe(FLUSH_INTERVAL)))
