"""Datasets: traces one after the other, ours and those of others."""

from typing import Any

import numpy as np
import pytest
from abstract_dataloader import abstract, generic, spec
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd import Dataset, Trace, sensors
from support.traces import Recorded, record_trace

SECONDS = [0.5, 0.9, 0.3]


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Recorded]]:
    root = tmp_path_factory.mktemp("dataset")
    return [
        record_trace(root / f"trace{number}", seconds, seed=number)
        for number, seconds in enumerate(SECONDS)
    ]


@pytest.fixture(scope="module")
def paths(truths: list[dict[str, Recorded]]) -> list[str]:
    return [str(truth["imu"].path.parent) for truth in truths]


def expected_rows(truths: list[dict[str, Recorded]]) -> list[tuple[int, int]]:
    """Trace and frame of each sample, without synchronisation."""
    counts = [min(len(one.stamps) for one in truth.values()) for truth in truths]
    return [(trace, frame) for trace, count in enumerate(counts) for frame in range(count)]


def expect(sample: Any, truth: dict[str, Recorded], frame: int) -> None:
    for name, field, channel in (
        ("imu", "acc", "acc"),
        ("lidar", "rng", "rng"),
        ("camera", "image", "video.avi"),
    ):
        np.testing.assert_array_equal(
            getattr(sample[name], field)[0, 0], truth[name].frames[channel][frame]
        )


@pytest.mark.parametrize("workers", [0, 1, 2, 8, -1])
def test_samples_are_those_of_the_traces_in_the_order_of_the_paths(truths, paths, workers: int):
    order = [2, 0, 1]
    chosen = [paths[number] for number in order]
    dataset = Dataset.from_config(chosen, None, "auto", workers=workers)
    rows = expected_rows([truths[number] for number in order])
    assert [trace.name for trace in dataset.traces] == ["trace2", "trace0", "trace1"]
    assert len(dataset) == len(rows)
    for index, sample in enumerate(dataset):
        trace, frame = rows[index]
        expect(sample, truths[order[trace]], frame)
    for index in (-1, -len(rows), len(rows) // 2):
        trace, frame = rows[index]
        expect(dataset[index], truths[order[trace]], frame)


def test_what_traces_are_opened_with_is_passed_on(truths, paths):
    sync = generic.Nearest("lidar")
    kinds = {"lidar": "lidar", "imu": sensors.IMU}
    dataset = Dataset.from_config(paths, sync, kinds)
    alone = [Trace.from_config(path, sync, kinds) for path in paths]
    assert [len(trace) for trace in dataset.traces] == [len(trace) for trace in alone]
    assert len(dataset) == sum(map(len, alone)) > 5
    assert {type(trace["imu"]) for trace in dataset.traces} == {sensors.IMU}
    untyped = Dataset.from_config(paths, sync, include_virtual=True)
    assert {type(trace["imu"]) for trace in untyped.traces} == {sensors.DynamicSensor}


@pytest.mark.parametrize("workers", [0, 2, -1])
def test_a_trace_that_cannot_be_opened_is_an_error_that_names_it(paths, workers: int):
    with pytest.raises(FileNotFoundError, match="missing"):
        Dataset.from_config([*paths, f"{paths[0]}_missing"], None, "auto", workers=workers)


def test_indices_are_the_ends_of_the_traces(truths, paths):
    dataset = Dataset.from_config(paths, None, "auto")
    lengths = [len(trace) for trace in dataset.traces]
    assert dataset.indices.dtype == np.int64
    assert dataset.indices.tolist() == np.cumsum(lengths).tolist()
    assert list(dataset.children()) == list(dataset.traces)


def test_a_dataset_of_nothing_is_empty():
    for dataset in (Dataset([]), Dataset([Trace({}, None)]), Dataset.from_config([], None)):
        assert len(dataset) == 0
        assert list(dataset) == []
        with pytest.raises(IndexError):
            dataset[0]
        with pytest.raises(IndexError):
            dataset[-1]


class Numbers:
    """A trace by the protocol alone: sample `i` is `(name, i)`."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count

    def __getitem__(self, index: Any) -> Any:
        assert 0 <= index < self.count
        return self.name, int(index)

    def __len__(self) -> int:
        return self.count


@given(counts=st.lists(st.integers(0, 6), max_size=8))
@settings(max_examples=60)
def test_any_number_of_traces_of_any_length_is_one_sequence(counts: list[int]):
    dataset = Dataset([Numbers(str(n), count) for n, count in enumerate(counts)])
    expected = [(str(n), i) for n, count in enumerate(counts) for i in range(count)]
    assert len(dataset) == len(expected)
    assert [dataset[i] for i in range(len(expected))] == expected
    assert [dataset[i - len(expected)] for i in range(len(expected))] == expected
    assert list(dataset) == expected
    for outside in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            dataset[outside]


def test_our_dataset_takes_traces_of_others_and_theirs_takes_ours(truths, paths):
    opened = [
        {name: sensors.from_config(truth[name].path, name) for name in truth} for truth in truths
    ]
    ours = [Trace(group, None) for group in opened]
    count = min(len(trace) for trace in ours)
    indices = {name: np.arange(count) for name in opened[0]}
    theirs = [abstract.Trace(group, indices) for group in opened]
    rows = [(trace, frame) for trace in range(len(ours)) for frame in range(count)]
    for dataset in (Dataset(theirs), abstract.Dataset(theirs)):
        assert isinstance(dataset, spec.Dataset)
        for index, (trace, frame) in enumerate(rows):
            expect(dataset[index], truths[trace], frame)
    rows = expected_rows(truths)
    for dataset in (Dataset(ours), abstract.Dataset(ours)):
        assert len(dataset) == len(rows)
        for index, (trace, frame) in enumerate(rows):
            expect(dataset[index], truths[trace], frame)


def test_our_dataset_conforms_and_takes_datasets_for_traces(truths, paths):
    dataset = Dataset.from_config(paths, None, "auto")
    assert isinstance(dataset, spec.Dataset)
    assert isinstance(dataset, abstract.Dataset)
    twice = Dataset([dataset, dataset])
    assert len(twice) == 2 * len(dataset)
    expect(twice[len(dataset)], truths[0], 0)


def test_metadata_can_be_added_to_samples(truths, paths):
    dataset = generic.DatasetMeta(Dataset.from_config(paths, None, "auto"), {"site": 3})
    sample = dataset[len(dataset) - 1]
    assert sample["meta"] == {"site": 3}
    trace, frame = expected_rows(truths)[-1]
    expect(sample, truths[trace], frame)
