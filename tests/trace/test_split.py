"""Splits: exact proportions of every trace."""

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import abstract, generic
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd import Dataset, Trace, split
from support.traces import record_trace


class Counter:
    """A sensor whose sample `i` is `i`."""

    def __init__(self, count: int) -> None:
        self.metadata: Any = generic.Metadata(np.arange(float(count)))

    def stream(self) -> Any:
        return iter(range(len(self)))

    def __getitem__(self, index: Any) -> int:
        return int(index)

    def __len__(self) -> int:
        return len(self.metadata.timestamps)


def trace_of(count: int, sync: Any = None, name: str = "t") -> Trace[Any]:
    return Trace({"n": Counter(count)}, sync, name)


def numbers(dataset: Dataset[Any]) -> list[int]:
    return [sample["n"] for sample in dataset]


def samples(count: int, start: float, end: float) -> range:
    """The frames that a split of one trace of `count` has."""
    part = split(Dataset([trace_of(count)]), start, end)
    found = numbers(part)
    assert len(part) == len(found)
    first = found[0] if found else 0
    assert found == list(range(first, first + len(found)))
    return range(first, first + len(found))


def exact(count: int, start: Fraction, end: Fraction) -> range:
    return range(math.floor(count * start), math.floor(count * end))


PARTS = sorted(
    {Fraction(k, d) for d in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 100) for k in range(d + 1)}
)


def test_every_percentage_and_simple_fraction_is_exact_for_all_lengths_to_200():
    # One trace of each length, so that one split tries them all.
    counts = range(201)
    dataset = Dataset([trace_of(count) for count in counts])
    for begin, end in [(a, b) for a in PARTS[::25] for b in PARTS if a < b]:
        lengths = [len(trace) for trace in split(dataset, float(begin), float(end)).traces]
        assert lengths == [len(exact(count, begin, end)) for count in counts]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 99, 100, 101, 200])
def test_the_samples_are_the_right_ones(count: int):
    for begin, end in pairwise(PARTS):
        expected = exact(count, begin, end)
        found = samples(count, float(begin), float(end))
        assert list(found) == list(expected)


def test_29_percent_of_100_is_29():
    assert len(samples(100, 0.0, 0.29)) == 29
    assert len(samples(100, 0.29, 0.57)) == 28
    assert samples(100, 0.57, 0.58) == range(57, 58)
    assert len(split(Dataset([trace_of(1_000_000)]), 0, 0.29)) == 290_000


@pytest.mark.parametrize("count", [10, 97, 100, 333, 1000])
def test_sums_and_differences_of_proportions_are_meant_as_they_were_written(count: int):
    assert len(samples(count, 0.0, 0.1 + 0.2)) == count * 3 // 10
    assert len(samples(count, 0.0, 1 - 0.9)) == count // 10
    assert len(samples(count, 0.0, 1 - 1 / 3)) == count * 2 // 3
    assert len(samples(count, 0.0, 3 * 0.1)) == count * 3 // 10


@given(
    count=st.integers(0, 300),
    cuts=st.lists(st.floats(0.001, 0.999), max_size=5, unique=True).map(sorted),
)
@settings(max_examples=100)
def test_splits_that_adjoin_share_nothing_and_lose_nothing(count: int, cuts: list[float]):
    dataset = Dataset([trace_of(count), trace_of(count // 2)])
    parts = [split(dataset, begin, end) for begin, end in pairwise([0.0, *cuts, 1.0])]
    for trace, length in ((0, count), (1, count // 2)):
        together = [n for part in parts for n in numbers(Dataset([part.traces[trace]]))]
        assert together == list(range(length))


def test_a_split_of_everything_is_everything():
    dataset = Dataset([trace_of(7), trace_of(0), trace_of(5)])
    assert numbers(split(dataset)) == numbers(dataset) == [*range(7), *range(5)]
    assert isinstance(split(dataset), Dataset)


def test_a_split_of_a_split_is_a_part_of_that_part():
    part = split(split(Dataset([trace_of(100)]), 0.2, 0.7), 0.5, 1.0)
    assert numbers(part) == list(range(45, 70))


def test_names_and_order_are_kept_and_the_whole_is_left_as_it_was():
    dataset = Dataset([trace_of(10, name="first"), trace_of(20, name="second")])
    before = numbers(dataset)
    part = split(dataset, 0.5, 1.0)
    assert [trace.name for trace in part.traces] == ["first", "second"]
    assert [trace.name for trace in dataset.traces] == ["first", "second"]
    assert numbers(dataset) == before
    assert len(dataset) == 30
    assert part.traces[0]["n"] is dataset.traces[0]["n"]
    assert numbers(part)[-1] == 19
    assert part[-1] == {"n": 19}


@pytest.mark.parametrize(
    "start, end",
    [
        (0.5, 0.5),
        (0.6, 0.5),
        (-0.1, 0.5),
        (0.5, 1.1),
        (1.0, 1.0),
        (0, 0),
        (math.nan, 1.0),
        (0.0, math.nan),
        (-1, 2),
    ],
)
def test_other_proportions_are_an_error(start: float, end: float):
    with pytest.raises(ValueError, match="start"):
        split(Dataset([trace_of(10)]), start, end)


def test_given_indices_are_split_as_they_are():
    order = np.array([5, 3, 9, 0, 1, 7])
    dataset = Dataset([trace_of(10, {"n": order})])
    assert numbers(split(dataset, 0.5, 1.0)) == [0, 1, 7]


@pytest.mark.parametrize("sync", [None, {"n": np.arange(10)}], ids=["none", "indices"])
def test_traces_of_others_are_split_too(sync: Any):
    theirs = abstract.Trace({"n": Counter(10)}, sync, "theirs")
    for dataset in (Dataset([theirs]), abstract.Dataset([theirs])):
        part = split(dataset, 0.3, 0.6)
        assert numbers(part) == [3, 4, 5]
        assert [trace.name for trace in part.traces] == ["theirs"]


def test_splits_of_recordings_hold_the_same_samples(tmp_path: Path):
    record_trace(tmp_path / "t", 1.0)
    dataset = Dataset.from_config([tmp_path / "t"], generic.Nearest("lidar"), "auto")
    stamps = [sample["lidar"].timestamps.item() for sample in dataset]
    train, test = split(dataset, 0.0, 0.7), split(dataset, 0.7, 1.0)
    assert [s["lidar"].timestamps.item() for part in (train, test) for s in part] == stamps
    assert (len(train), len(test)) == (len(stamps) * 7 // 10, len(stamps) - len(stamps) * 7 // 10)
