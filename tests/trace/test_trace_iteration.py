"""Iterating over traces and datasets of windows, and what a pickled pose sensor carries."""

import os
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import generic

from roverd import Dataset, Trace, sensors, split
from support.traces import nearest, record_imu, record_poses, record_radar

RADARS, IMUS = 20, 100
Numbers = dict[str, list[int]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("iteration")
    for number in range(2):
        record_radar(root / f"t{number}" / "radar", RADARS, number)
        record_imu(root / f"t{number}" / "imu", IMUS, number)
    return [root / "t0", root / "t1"]


def kinds(radar: tuple[int, int], imu: tuple[int, int]) -> dict[str, Any]:
    return {
        "radar": partial(sensors.XWRRadar, past=radar[0], future=radar[1]),
        "imu": partial(sensors.IMU, past=imu[0], future=imu[1]),
    }


WINDOWS = [
    ((0, 0), (0, 0)),
    ((2, 0), (0, 0)),
    ((0, 3), (1, 1)),
    ((1, 1), (5, 25)),
    ((0, 0), (0, 9)),
]
SYNCS = ["none", "nearest", "numbers"]


def frame_numbers(how: str, folder: Path) -> tuple[Any, Numbers]:
    """A synchronisation, and the frame numbers that it stands for."""
    stamps = {name: np.fromfile(folder / name / "ts", "<f8") for name in ("radar", "imu")}
    if how == "none":
        return None, {name: list(range(RADARS)) for name in stamps}
    if how == "nearest":
        return generic.Nearest("radar"), nearest(stamps, "radar", 0.1)
    # Not in order: windows that are not whole lie in between.
    numbers = {"radar": [5, 0, 19, 7, 7, 3], "imu": [50, 40, 40, 99, 0, 60]}
    return {name: np.array(row) for name, row in numbers.items()}, numbers


def whole_rows(numbers: Numbers, radar: tuple[int, int], imu: tuple[int, int]) -> list[int]:
    def whole(number: int, window: tuple[int, int], count: int) -> bool:
        return window[0] <= number < count - window[1]

    rows = zip(numbers["radar"], numbers["imu"], strict=True)
    return [
        row
        for row, (first, second) in enumerate(rows)
        if whole(first, radar, RADARS) and whole(second, imu, IMUS)
    ]


def stamps_of(sample: Any) -> dict[str, list[float]]:
    return {name: part.timestamps[0].tolist() for name, part in sample.items()}


def expected_stamps(
    folder: Path, numbers: Numbers, rows: list[int], windows: dict[str, tuple[int, int]]
) -> list[dict[str, list[float]]]:
    stamps = {name: np.fromfile(folder / name / "ts", "<f8") for name in ("radar", "imu")}
    return [
        {
            name: stamps[name][numbers[name][row] - past : numbers[name][row] + future + 1].tolist()
            for name, (past, future) in windows.items()
        }
        for row in rows
    ]


@pytest.mark.parametrize("how", SYNCS)
@pytest.mark.parametrize(("radar", "imu"), WINDOWS, ids=str)
def test_a_trace_yields_exactly_the_samples_whose_windows_are_whole(
    folders, how: str, radar: tuple[int, int], imu: tuple[int, int]
):
    sync, numbers = frame_numbers(how, folders[0])
    trace = Trace.from_config(folders[0], sync, kinds(radar, imu))
    rows = whole_rows(numbers, radar, imu)
    expected = expected_stamps(folders[0], numbers, rows, {"radar": radar, "imu": imu})
    assert rows
    for _ in range(2):
        assert [stamps_of(sample) for sample in trace] == expected
    for row in range(len(trace)):  # exactly those that can be asked for by number
        if row in rows:
            assert stamps_of(trace[row]) == expected[rows.index(row)]
        else:
            with pytest.raises(IndexError):
                trace[row]


@pytest.mark.parametrize("how", SYNCS[:2])
@pytest.mark.parametrize(("radar", "imu"), WINDOWS, ids=str)
def test_a_dataset_yields_those_of_its_traces_one_after_the_other(
    folders, how: str, radar: tuple[int, int], imu: tuple[int, int]
):
    sync, _ = frame_numbers(how, folders[0])
    dataset = Dataset.from_config(folders, sync, kinds(radar, imu))
    expected: list[dict[str, list[float]]] = []
    for folder in folders:
        numbers = frame_numbers(how, folder)[1]
        rows = whole_rows(numbers, radar, imu)
        expected += expected_stamps(folder, numbers, rows, {"radar": radar, "imu": imu})
    assert [stamps_of(sample) for sample in dataset] == expected
    assert [stamps_of(sample) for sample in list(Dataset([dataset]))] == expected
    parts = [split(dataset, 0.0, 0.4), split(dataset, 0.4, 1.0)]
    of_parts = [stamps_of(sample) for part in parts for sample in part]
    assert len(of_parts) == len(expected)
    assert all(stamps in expected for stamps in of_parts)


@pytest.mark.parametrize("how", SYNCS)
def test_windows_longer_than_the_recording_yield_nothing(folders, how: str):
    sync, _ = frame_numbers(how, folders[0])
    trace = Trace.from_config(folders[0], sync, kinds((RADARS, 0), (0, 0)))
    assert list(trace) == []
    assert list(Dataset([trace, trace])) == []


def test_a_trace_of_nothing_yields_nothing(folders):
    assert list(Trace.from_config(folders[0])) == []
    assert list(Trace({}, None)) == []
    assert list(Dataset([])) == []


@pytest.mark.parametrize("used", ["opened", "asked for times", "read"])
def test_a_pickled_pose_carries_timestamps_only_and_works(tmp_path: Path, used: str):
    count = 5000
    truth = record_poses(tmp_path, count)
    pose = sensors.Pose(tmp_path / "pose", past=1, future=2)
    if used != "opened":
        assert len(pose) == count
    if used == "read":
        assert pose[7].pos.shape == (1, 4, 3)
    data = pickle.dumps(pose)
    assert len(data) < 8 * count + 2000
    again = pickle.loads(data)  # noqa: S301 - our own
    assert (again.past, again.future, len(again)) == (1, 2, count)
    np.testing.assert_array_equal(again.metadata.timestamps, truth["t"])
    for index in (1, 7, count - 3):
        np.testing.assert_array_equal(
            again[index].pos[0], truth["pos"][index - 1 : index + 3].astype(np.float32)
        )
        np.testing.assert_array_equal(again[index].timestamps[0], truth["t"][index - 1 : index + 3])
    np.testing.assert_array_equal(pose[7].rot, again[7].rot)
    assert len(pickle.dumps(again)) < 8 * count + 2000


def test_a_pickled_pose_knows_its_timestamps_where_the_file_is_gone(tmp_path: Path):
    truth = record_poses(tmp_path, 10)
    pose = sensors.Pose(tmp_path / "pose")
    assert len(pose) == 10
    again = pickle.loads(pickle.dumps(pose))  # noqa: S301 - our own
    os.unlink(pose.filename)
    np.testing.assert_array_equal(again.timestamps, truth["t"])
    with pytest.raises(FileNotFoundError, match=r"pose\.npz"):
        again[0]
