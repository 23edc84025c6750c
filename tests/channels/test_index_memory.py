"""What channels keep of their indexes is bounded, and can be forgotten at any time."""

import gc
from pathlib import Path
from unittest import mock

import pytest

from roverd.channels import indexes
from roverd.channels.indexes import IndexMemory
from support.channels import BY_NAME


class Owner:
    """Keeps something."""

    def __init__(self) -> None:
        self.kept: object = None

    def keep(self, memory: IndexMemory, size: int) -> None:
        self.kept = size
        memory.keep(self, size, Owner.forget)

    def forget(self) -> None:
        self.kept = None


def test_the_oldest_are_forgotten_when_all_together_keep_too_much() -> None:
    memory = IndexMemory(100)
    owners = [Owner() for _ in range(5)]
    for owner in owners:
        owner.keep(memory, 30)
    assert [owner.kept for owner in owners] == [None, None, 30, 30, 30]
    owners[2].keep(memory, 40)  # now the latest
    owners[0].keep(memory, 10)
    assert [owner.kept for owner in owners] == [10, None, 40, None, 30]


def test_the_latest_is_kept_however_large_it_is() -> None:
    memory = IndexMemory(100)
    small, large = Owner(), Owner()
    small.keep(memory, 30)
    large.keep(memory, 1000)
    assert (small.kept, large.kept) == (None, 1000)


def test_what_was_freed_does_not_count() -> None:
    memory = IndexMemory(100)
    first = Owner()
    first.keep(memory, 40)
    for _ in range(10):
        Owner().keep(memory, 50)
    gc.collect()
    last = Owner()
    last.keep(memory, 50)
    assert (first.kept, last.kept) == (40, 50)


def test_a_growing_index_counts_once() -> None:
    memory = IndexMemory(100)
    other, growing = Owner(), Owner()
    other.keep(memory, 20)
    for size in range(80):
        growing.keep(memory, size)
    assert (other.kept, growing.kept) == (20, 79)


@pytest.mark.parametrize("name", ["lzmaf", "mjpg"])
def test_channels_that_forget_all_the_time_read_the_same(name: str, tmp_path: Path) -> None:
    case = BY_NAME[name]
    made = [case.open(str(tmp_path / f"{number}")) for number in range(3)]
    for number, channel in enumerate(made):
        channel.write(case.upto(4, 10 * number))
    with mock.patch.object(indexes.INDEXES, "_limit", 0):
        for frame in (3, 0, 2):
            for number, channel in enumerate(made):
                case.check(channel[frame], case.frames(10 * number + frame))
        channel = made[0]
        channel.write(case.upto(1, 4), append=True)
        case.check(channel.read_many([4, 1]), case.frames(4, 1))
        assert [len(one) for one in made] == [5, 4, 4]
