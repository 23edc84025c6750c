"""The power fails at any moment of a recording: nothing that was safe is lost.

What a recorder did to its files is logged once; what a disk may hold after the power failed is
made up from that, as `support.power_cut` says.
"""

import os
import random
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from support.killed_recorder import Listener, Order, Told, record
from support.power_cut import FATES, ORDERS, Cut, Log, Tree, left, put, tree
from support.rig import JUMP
from support.rig_checks import Safe, check_append, check_repair, check_survives
from support.watched_storage import logged

FLUSH_INTERVAL, SYNC_INTERVAL = 0.2, 0.8
SECONDS = 1.9  # of recording


def _anywhere(seed: int) -> int:
    return random.Random(seed).randint(0, 1_000_000)


cuts = st.builds(
    Cut,
    # Hypothesis likes small numbers best, and at the very beginning not much can go wrong.
    moment=st.integers(0, 2**32 - 1).map(_anywhere),
    order=st.sampled_from(ORDERS),
    fate=st.sampled_from(["", *FATES]),
    block=st.sampled_from([512, 4096]),
    seed=st.integers(0, 2**32 - 1),
)


class Recording:
    """A recording whose steps were logged.

    Args:
        log: what was done to files.
        told: what the recorder took.
        safe: what was safe when it began.
    """

    def __init__(self, log: Log, told: Told, safe: Safe) -> None:
        self.log = log
        self._told = told
        self._safe = safe

    def safe_at(self, cut: Cut) -> Safe:
        """What must survive if the power fails then."""
        steps = cut.steps(self.log)
        if steps == len(self.log.steps):
            return self._with(self._told.safe(0))
        return self._with(self._told.taken_before(self.log.time(steps) - SYNC_INTERVAL))

    def _with(self, taken: dict[str, int]) -> Safe:
        if self._safe.is_empty:
            return Safe(taken)
        return Safe(self._safe.recorded, taken)


def recorded(disk: str, safe: Safe) -> Recording:
    """Record a trace, or continue it if something is safe of it already."""
    listener = Listener()
    order = Order(
        f"{disk}/trace",
        "",
        seconds=SECONDS,
        first=0 if safe.is_empty else JUMP,
        append=not safe.is_empty,
    )
    with logged(disk) as log:
        record(order, listener, flush_interval=FLUSH_INTERVAL, sync_interval=SYNC_INTERVAL)
    assert listener.told.closed and not listener.told.failed
    return Recording(log, listener.told, safe)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(str(tmp_path_factory.mktemp("disk")), Safe({}))


@pytest.fixture(scope="module")
def continued(fresh: Recording, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The power has failed before, and the recording went on without a repair."""
    disk = f"{tmp_path_factory.mktemp('continued')}/disk"
    cut = Cut(700_000, "journal", "", 512, 3)
    put(left(fresh.log, cut), disk)
    return recorded(disk, fresh.safe_at(cut))


@pytest.fixture
def restore(tmp_path: Path) -> Generator[Callable[[Tree], str]]:
    """Puts a tree on a disk; gives the path of the trace. There is one disk at a time."""
    disk = f"{tmp_path}/disk"

    def put_there(content: Tree) -> str:
        shutil.rmtree(disk, ignore_errors=True)
        put(content, disk)
        return f"{disk}/trace"

    yield put_there
    # Kept as it is after a failure.


def check(recording: Recording, cut: Cut, restore: Callable[[Tree], str], tools: bool) -> None:
    safe = recording.safe_at(cut)
    note(f"{cut.steps(recording.log)} of {len(recording.log.steps)} steps; safe: {safe}")
    path = restore(left(recording.log, cut))
    check_survives(path, safe)
    check_repair(path, safe, tools)


def test_the_log_holds_all_that_was_done(fresh: Recording) -> None:
    # With all of it on the disk, that is what is in the folder.
    steps = len(fresh.log.steps)
    for seed in range(3):
        certain = left(fresh.log.all_synced(), Cut(1_000_000, seed=seed))
        assert certain == tree(fresh.log.root), steps


@settings(max_examples=20)
@given(cut=cuts)
def test_no_power_cut_takes_what_was_safe(
    fresh: Recording, restore: Callable[[Tree], str], cut: Cut
) -> None:
    check(fresh, cut, restore, tools=False)


@settings(max_examples=10)
@given(cut=cuts)
def test_no_power_cut_takes_what_was_safe_of_a_continued_recording(
    continued: Recording, restore: Callable[[Tree], str], cut: Cut
) -> None:
    check(continued, cut, restore, tools=False)


@settings(max_examples=10)
@given(cut=cuts, again=cuts)
def test_no_power_cut_during_a_repair_takes_what_was_safe(
    fresh: Recording, restore: Callable[[Tree], str], cut: Cut, again: Cut
) -> None:
    check_interrupted_repair(fresh, cut, again, restore)


def check_interrupted_repair(
    recording: Recording, cut: Cut, again: Cut, restore: Callable[[Tree], str]
) -> None:
    from roverd import ops

    safe = recording.safe_at(cut)
    path = restore(left(recording.log, cut))
    if not os.path.exists(f"{path}/config.yaml"):
        return
    with logged(os.path.dirname(path)) as log:
        assert ops.repair(path).status in (0, 3)
    path = restore(left(log, again))
    check_survives(path, safe)
    check_repair(path, safe, tools=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=200)
@given(cut=cuts)
def test_none_of_many_power_cuts_takes_what_was_safe(
    fresh: Recording, restore: Callable[[Tree], str], cut: Cut
) -> None:
    check(fresh, cut, restore, tools=cut.seed % 8 == 0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=60)
@given(cut=cuts)
def test_none_of_many_power_cuts_takes_what_was_safe_of_a_continued_recording(
    continued: Recording, restore: Callable[[Tree], str], cut: Cut
) -> None:
    check(continued, cut, restore, tools=cut.seed % 8 == 0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=60)
@given(cut=cuts, again=cuts)
def test_none_of_many_power_cuts_during_a_repair_takes_what_was_safe(
    fresh: Recording, restore: Callable[[Tree], str], cut: Cut, again: Cut
) -> None:
    check_interrupted_repair(fresh, cut, again, restore)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=30)
@given(cut=cuts)
def test_a_recording_goes_on_after_a_power_cut(
    fresh: Recording, restore: Callable[[Tree], str], cut: Cut
) -> None:
    path = restore(left(fresh.log, cut))
    check_append(path, fresh.safe_at(cut))
