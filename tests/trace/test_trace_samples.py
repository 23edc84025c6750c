"""Samples of traces: which frames, by which synchronisation, and read how."""

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import abstract, generic, spec

from roverd import Dataset, Trace, sensors
from support.traces import Recorded, nearest, record_trace

ARRAYS = {"radar": ("iq", "iq"), "lidar": ("rng", "rng"), "imu": ("acc", "acc")}
ARRAYS["camera"] = ("image", "video.avi")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples") / "trace"


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, Recorded]:
    return record_trace(folder, 1.0)


@pytest.fixture
def stamps(truth: dict[str, Recorded]) -> dict[str, np.ndarray]:
    return {name: recorded.stamps for name, recorded in sorted(truth.items())}


def expect(sample: Any, truth: dict[str, Recorded], numbers: dict[str, int]) -> None:
    """Assert that a sample is made of these frames."""
    assert set(sample) == set(numbers)
    for name, number in numbers.items():
        field, channel = ARRAYS[name]
        frames = truth[name].frames[channel][number : number + 1]
        np.testing.assert_array_equal(getattr(sample[name], field)[0], frames)
        assert sample[name].timestamps.item() == truth[name].stamps[number]


def expect_trace(trace: Trace, truth: dict[str, Recorded], indices: dict[str, Any]) -> None:
    """Assert that a trace has these frames, by number, from the end, and in order."""
    count = len(next(iter(indices.values())))
    assert len(trace) == count > 1
    rows = [{name: int(indices[name][row]) for name in indices} for row in range(count)]
    for row in (0, count // 2, count - 1):
        expect(trace[row], truth, rows[row])
        expect(trace[row - count], truth, rows[row])
    samples = list(trace)
    assert len(samples) == count
    for row, sample in enumerate(samples):
        expect(sample, truth, rows[row])


@pytest.mark.parametrize("reference", ["lidar", "camera"])
@pytest.mark.parametrize("tolerance", [0.1, 0.02])
def test_nearest_takes_the_nearest_frame_of_each_sensor(
    folder, truth, stamps, reference: str, tolerance: float
):
    sync = generic.Nearest(reference, tol=tolerance)
    trace = Trace.from_config(folder, sync, "auto")
    assert isinstance(trace, spec.Trace)
    assert isinstance(trace, abstract.Trace)
    expect_trace(trace, truth, nearest(stamps, reference, tolerance))


def test_next_takes_the_first_frame_that_is_not_earlier(folder, truth, stamps):
    trace = Trace.from_config(folder, generic.Next("lidar"), "auto")
    begin = max(times[0] for times in stamps.values())
    end = min(times[-1] for times in stamps.values())
    moments = [time for time in stamps["lidar"] if begin <= time <= end]
    expected = {
        name: [next(i for i, other in enumerate(times) if other >= time) for time in moments]
        for name, times in stamps.items()
    }
    expect_trace(trace, truth, expected)


def test_decimate_takes_every_other_sample(folder, truth, stamps):
    sync = generic.Decimate(generic.Nearest("lidar"), 2)
    trace = Trace.from_config(folder, sync, "auto")
    every = nearest(stamps, "lidar", 0.1)
    expect_trace(trace, truth, {name: numbers[::2] for name, numbers in every.items()})


def test_empty_makes_a_trace_a_collection_of_sensors(folder, truth):
    for trace in (Trace.from_config(folder), Trace.from_config(folder, generic.Empty())):
        assert len(trace) == 0
        assert list(trace) == []
        for index in (0, -1):
            with pytest.raises(IndexError):
                trace[index]
        assert len(trace["imu"]) == 100


def test_empty_needs_no_timestamps(tmp_path: Path):
    record_trace(tmp_path / "t", 0.5)
    for name in ("imu", "radar"):
        (tmp_path / "t" / name / "ts").unlink()
    trace = Trace.from_config(tmp_path / "t")
    assert len(trace) == 0
    assert len(trace["lidar"]) == 5


def test_without_synchronisation_a_trace_is_as_long_as_its_shortest_sensor(folder, truth):
    trace = Trace.from_config(folder, None, "auto")
    expect_trace(trace, truth, {name: np.arange(10) for name in truth})
    opened = {name: sensors.from_config(truth[name].path, name) for name in ("imu", "radar")}
    expect_trace(Trace(opened), truth, {name: np.arange(20) for name in opened})
    expect_trace(Trace(dict(reversed(opened.items()))), truth, dict.fromkeys(opened, range(20)))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i8", "u8", "u4"])
def test_indices_may_be_given(folder, truth, dtype: str):
    indices = {
        "radar": np.array([3, 1, 1, 19], dtype),
        "lidar": np.array([9, 0, 4, 2], dtype),
        "camera": np.array([29, 28, 0, 0], dtype),
        "imu": np.array([99, 0, 50, 7], dtype),
    }
    expect_trace(Trace.from_config(folder, indices, "auto"), truth, indices)


@pytest.mark.parametrize("missing", ["one sensor", "one index"])
def test_indices_that_do_not_fit_the_sensors_are_an_error(folder, missing: str):
    indices = {name: np.arange(4) for name in ("radar", "lidar", "camera", "imu")}
    if missing == "one sensor":
        del indices["imu"]
    else:
        indices["imu"] = np.arange(3)
    with pytest.raises(ValueError, match="imu"):
        Trace.from_config(folder, indices, "auto")


def test_a_user_may_write_a_synchronisation(folder, truth):
    def same_frame(timestamps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: np.arange(len(times))[-5:] for name, times in timestamps.items()}

    counts = {"radar": 20, "lidar": 10, "camera": 30, "imu": 100}
    expected = {name: np.arange(count - 5, count) for name, count in counts.items()}
    expect_trace(Trace.from_config(folder, same_frame, "auto"), truth, expected)


def test_synchronisation_is_by_corrected_timestamps(folder, truth, stamps):
    def late(path: str) -> sensors.IMU:
        return sensors.IMU(path, correction=lambda times: times + 0.25)

    kinds = {"lidar": "lidar", "imu": late}
    trace = Trace.from_config(folder, generic.Nearest("lidar"), kinds)
    moved = {"lidar": stamps["lidar"], "imu": stamps["imu"] + 0.25}
    expected = nearest(moved, "lidar", 0.1)
    assert len(trace) == len(expected["imu"])
    for row, sample in enumerate(trace):
        number = expected["imu"][row]
        np.testing.assert_array_equal(sample["imu"].acc[0, 0], truth["imu"].frames["acc"][number])


def test_a_margin_keeps_windows_within_the_recording(folder, truth, stamps):
    kinds: dict[str, Any] = {
        "lidar": lambda path: sensors.OSLidarDepth(path, past=3, future=2),
        "imu": lambda path: sensors.IMU(path, past=20),
    }
    bare = Trace.from_config(folder, generic.Nearest("lidar"), kinds)
    with pytest.raises(IndexError, match="lidar|imu"):  # noqa: RUF043
        bare[0]
    margin = {"lidar": (3, 2), "imu": (20, 0)}
    trace = Trace.from_config(folder, generic.Nearest("lidar", margin=margin), kinds)
    assert len(trace) == 5
    for row, sample in enumerate(trace):
        first = row
        np.testing.assert_array_equal(
            sample["lidar"].rng[0], truth["lidar"].frames["rng"][first : first + 6]
        )
        number = int(np.argmin(np.abs(stamps["imu"] - stamps["lidar"][row + 3])))
        np.testing.assert_array_equal(
            sample["imu"].acc[0], truth["imu"].frames["acc"][number - 20 : number + 1]
        )


def test_generic_windows_may_stand_for_sensors(folder, truth):
    make = generic.Window.from_partial_sensor(sensors.XWRRadar, past=2, future=1)
    kinds = {"radar": make, "lidar": "lidar"}
    trace = Trace.from_config(folder, generic.Nearest("lidar"), kinds)
    assert len(trace) > 5
    for sample in trace:
        time = sample["lidar"].timestamps.item()
        times = [one.timestamps.item() for one in sample["radar"]]
        assert len(times) == 4
        assert times[2] == truth["radar"].stamps[np.argmin(np.abs(truth["radar"].stamps - time))]


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_numpy_integers_of_any_width_are_indices(folder, truth, stamps, kind: str):
    trace = Trace.from_config(folder, generic.Nearest("lidar"), "auto")
    dataset = Dataset([trace] * 40)
    expected = nearest(stamps, "lidar", 0.1)
    scalar = np.dtype(kind).type
    count = len(trace)
    expect(trace[scalar(3)], truth, {name: expected[name][3] for name in expected})
    number = 120
    row = number % count
    expect(dataset[scalar(number)], truth, {name: expected[name][row] for name in expected})
    if kind.startswith("i"):
        expect(trace[scalar(-1)], truth, {name: expected[name][-1] for name in expected})
        expect(dataset[scalar(-100)], truth, {n: expected[n][-100 % count] for n in expected})


@pytest.mark.parametrize("index", [10, 11, -11, 2**40, -(2**70), np.uint64(2**64 - 1)])
def test_an_index_out_of_range_is_an_index_error(folder, truth, index):
    trace = Trace.from_config(folder, None, "auto")
    assert len(trace) == 10
    for indexed in (trace, Dataset([trace])):
        with pytest.raises(IndexError):
            indexed[index]


@pytest.mark.parametrize("index", [1.0, None, slice(0, 2), np.float64(1)])
def test_what_is_no_index_is_a_type_error(folder, truth, index: object):
    trace = Trace.from_config(folder, None, "auto")
    with pytest.raises(TypeError):
        trace[index]


def test_a_sensor_without_frames_is_named_when_it_keeps_a_trace_from_being_synchronised(
    tmp_path: Path,
):
    record_trace(tmp_path / "t", 0.5)
    for name in ("acc", "rot", "avel", "ts"):
        (tmp_path / "t" / "imu" / name).write_bytes(b"")
    with pytest.raises(IndexError, match="imu"):
        Trace.from_config(tmp_path / "t", generic.Nearest("lidar"))


class Waiting:
    """A sensor whose sample is there only once every other sensor is being read, too."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.metadata: Any = generic.Metadata(np.arange(3.0))
        self.barrier = barrier

    def stream(self) -> Any:
        return iter(range(3))

    def __getitem__(self, index: int | np.integer) -> int:
        self.barrier.wait(timeout=20)
        return int(index)

    def __len__(self) -> int:
        return 3


def test_sensors_of_a_trace_are_read_side_by_side():
    barrier = threading.Barrier(2)
    trace = Trace({"one": Waiting(barrier), "other": Waiting(barrier)}, None)
    assert list(trace) == [{"one": i, "other": i} for i in range(3)]


def test_an_error_of_one_sensor_is_the_error_of_the_sample(folder, truth):
    class Broken(sensors.IMU):
        def __getitem__(self, index: Any) -> Any:
            raise OSError("unplugged")

    kinds = {"imu": Broken, "radar": "radar", "lidar": "lidar"}
    trace = Trace.from_config(folder, None, kinds)
    with pytest.raises(OSError, match="unplugged"):
        trace[0]


def test_samples_may_be_read_by_many_threads_at_once(folder, truth, stamps):
    trace = Trace.from_config(folder, generic.Nearest("camera"), "auto")
    expected = nearest(stamps, "camera", 0.1)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for row in np.random.default_rng(seed).permutation(len(trace))[:15]:
                expect(trace[row], truth, {name: expected[name][row] for name in expected})
        except BaseException as error:  # noqa: BLE001 - asserted below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_opening_and_reading_a_sound_trace_warns_of_nothing(folder, truth):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = Trace.from_config(folder, generic.Nearest("lidar"), "auto")
        assert [sorted(sample) for sample in trace]
