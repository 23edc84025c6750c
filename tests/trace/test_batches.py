"""`__getitems__`: the samples of a loop, read together."""

import dataclasses
import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from abstract_dataloader import generic, spec
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd import Dataset, Trace, sensors, set_threads
from roverd.errors import CorruptFileError, OutOfRangeError
from roverd.storage import local
from support.traces import Recorded
from support.traces import record_trace as record_one

SECONDS = [0.5, 0.9, 0.3]
SAMPLES = sum(int(10 * seconds) for seconds in SECONDS)


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Recorded]]:
    root = tmp_path_factory.mktemp("batches")
    return [
        record_one(root / f"trace{number}", seconds, seed=number)
        for number, seconds in enumerate(SECONDS)
    ]


@pytest.fixture(scope="module")
def dataset(truths: list[dict[str, Recorded]]) -> Dataset[Any]:
    paths = [str(truth["imu"].path.parent) for truth in truths]
    return Dataset.from_config(paths, None, "auto")


def same(one: Any, other: Any) -> None:
    """Fail unless two samples are equal and of the same types throughout."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            same(one[name], other[name])
    elif dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            same(getattr(one, field.name), getattr(other, field.name))
    else:
        np.testing.assert_array_equal(one, other)


def arrays(sample: Any) -> list[np.ndarray]:
    """All arrays of a sample."""
    if isinstance(sample, dict):
        return [array for value in sample.values() for array in arrays(value)]
    if dataclasses.is_dataclass(sample):
        values = [getattr(sample, field.name) for field in dataclasses.fields(sample)]
        return [array for value in values for array in arrays(value)]
    return [sample] if isinstance(sample, np.ndarray) else []


@given(indices=st.lists(st.integers(-SAMPLES, SAMPLES - 1), max_size=12))
@settings(max_examples=20)
def test_a_batch_of_a_dataset_is_what_a_loop_gives(dataset, indices: list[int]) -> None:
    assert len(dataset) == SAMPLES
    batch = dataset.__getitems__(indices)
    assert len(batch) == len(indices)
    for sample, index in zip(batch, indices, strict=True):
        same(sample, dataset[index])


def test_a_batch_has_the_frames_that_were_recorded(dataset, truths) -> None:
    batch = dataset.__getitems__([7, 2, 2])
    for sample, (trace, frame) in zip(batch, [(1, 2), (0, 2), (0, 2)], strict=True):
        for name, field, channel in (
            ("imu", "acc", "acc"),
            ("lidar", "rng", "rng"),
            ("camera", "image", "video.avi"),
            ("radar", "iq", "iq"),
        ):
            truth = truths[trace][name]
            got = np.asarray(getattr(sample[name], field)).reshape(truth.frames[channel][0].shape)
            np.testing.assert_array_equal(got, truth.frames[channel][frame])
            assert sample[name].timestamps.ravel() == truth.stamps[frame]


def test_samples_of_a_batch_share_no_memory(dataset) -> None:
    first, second = dataset.__getitems__([4, 4])
    for one, other in zip(arrays(first), arrays(second), strict=True):
        assert one.flags.writeable
        assert not np.shares_memory(one, other)
    for array in arrays(first):
        array[...] = 0
    same(second, dataset[4])


@pytest.mark.parametrize(("past", "future"), [(0, 0), (2, 1)])
@pytest.mark.parametrize(
    "make",
    [sensors.XWRRadar, sensors.OSLidar, sensors.Camera, sensors.IMU, sensors.DynamicSensor],
)
def test_a_batch_of_a_sensor_is_what_a_loop_gives(truths, make: Any, past: int, future: int):
    name = {"XWRRadar": "radar", "OSLidar": "lidar", "Camera": "camera"}.get(make.__name__, "imu")
    sensor = make(str(truths[1][name].path), past=past, future=future)
    indices = [5, past, 4, 5, -1 - future]
    for sample, index in zip(sensor.__getitems__(indices), indices, strict=True):
        same(sample, sensor[index])


def test_a_batch_of_a_trace_is_what_a_loop_gives(truths) -> None:
    trace = Trace.from_config(
        str(truths[1]["imu"].path.parent), generic.Nearest("lidar", tol=0.1), "auto"
    )
    indices = [3, 0, -1, 3]
    for sample, index in zip(trace.__getitems__(indices), indices, strict=True):
        same(sample, trace[index])


def test_no_indices_are_no_samples(dataset) -> None:
    assert dataset.__getitems__([]) == []
    assert dataset.traces[0].__getitems__([]) == []


@pytest.mark.parametrize("beyond", [SAMPLES, -SAMPLES - 1])
def test_one_sample_that_is_not_there_is_an_error(dataset, beyond: int) -> None:
    with pytest.raises(OutOfRangeError, match=f"dataset: sample {beyond} was asked for"):
        dataset.__getitems__([0, beyond])


def test_a_window_that_is_not_whole_is_an_error(truths) -> None:
    sensor = sensors.IMU(str(truths[0]["imu"].path), past=3)
    with pytest.raises(OutOfRangeError, match="imu: the window of sample 2"):
        sensor.__getitems__([5, 2])


# ── other people's sensors and traces ────────────────────────────────────────────────────────────


class Squares(spec.Sensor[Any, Any]):
    """A sensor that is not roverd's."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return np.array(index) ** 2

    def stream(self, batch: Any = None) -> Any:
        raise NotImplementedError


class Doubled(sensors.IMU):
    """A type of sensor that a user derived."""

    def __getitem__(self, index: Any) -> Any:
        sample = super().__getitem__(index)
        return sample if isinstance(index, str) else dataclasses.replace(sample, acc=2 * sample.acc)


class Named(Trace[Any]):
    """A type of trace that a user derived."""

    def __getitem__(self, index: Any) -> Any:
        return (self.name, super().__getitem__(index))


def test_sensors_that_read_in_a_way_of_their_own_are_asked(truths) -> None:
    path = str(truths[0]["imu"].path)
    parts = {"squares": Squares(5), "imu": Doubled(path), "plain": sensors.IMU(path)}
    for made in (Trace(parts), Dataset([Trace(parts)])):
        three, one = made.__getitems__([3, 1])
        assert list(three) == list(parts)
        assert (three["squares"], one["squares"]) == (9, 1)
        np.testing.assert_array_equal(three["imu"].acc, 2 * three["plain"].acc)
        same(three, made[3])


def test_traces_that_read_in_a_way_of_their_own_are_asked(truths) -> None:
    path = str(truths[0]["imu"].path)
    named = Named({"imu": sensors.IMU(path)}, name="mine")
    dataset = Dataset([named, Trace({"imu": sensors.IMU(path)})])
    (name, sample), other = dataset.__getitems__([1, len(named) + 1])
    assert name == "mine"
    same(sample, other)


class Mine(Dataset[Any]):
    """A type of dataset that a user derived."""

    def __getitem__(self, index: Any) -> Any:
        return ("mine", super().__getitem__(index))


def test_what_reads_in_a_way_of_its_own_does_so_in_batches_too(truths) -> None:
    path = str(truths[0]["imu"].path)
    imu = Doubled(path)
    trace = Named({"imu": imu}, name="mine")
    for source in (imu, trace, Mine([trace])):
        batch = source.__getitems__([3, 0, 3])
        for sample, index in zip(batch, [3, 0, 3], strict=True):
            assert type(sample) is type(source[index])
            for one, other in zip(arrays_within(sample), arrays_within(source[index]), strict=True):
                np.testing.assert_array_equal(one, other)
    same(next(iter(imu)), imu[0])


def arrays_within(sample: Any) -> list[np.ndarray]:
    """All arrays of a sample that may be in tuples."""
    while isinstance(sample, tuple):
        sample = sample[1]
    return arrays(sample)


class OneAtATime(Squares):
    """A sensor that reads with a cursor, as files of other libraries have."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._busy = threading.Lock()
        self.read: list[int] = []

    def __getitem__(self, index: Any) -> Any:
        assert self._busy.acquire(blocking=False), "two threads at once"
        try:
            self._waited.wait(0.01)
            self.read.append(index)
            return super().__getitem__(index)
        finally:
            self._busy.release()

    _waited = threading.Event()


def test_sensors_of_others_are_asked_for_one_sample_at_a_time() -> None:
    set_threads(4)
    try:
        cursor = OneAtATime(9)
        dataset = Dataset([Trace({"cursor": cursor, "squares": Squares(9)})])
        batch = dataset.__getitems__([8, 0, 5, 3])
    finally:
        set_threads(None)
    assert [sample["cursor"] for sample in batch] == [64, 0, 25, 9]
    assert cursor.read == [8, 0, 5, 3]


# ── what is read ─────────────────────────────────────────────────────────────────────────────────


class Reads:
    """Notes what is read of files."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self.sizes.append(size)
        return os.pread(descriptor, size, offset)

    def pread_into(self, descriptor: int, buffer: memoryview, offset: int) -> int:
        self.sizes.append(buffer.nbytes)
        return os.preadv(descriptor, [buffer], offset)


@pytest.fixture
def reads() -> Generator[Callable[[], Reads]]:
    with mock.patch.multiple(local, _pread=mock.DEFAULT, _pread_into=mock.DEFAULT) as patched:

        def begin() -> Reads:
            made = Reads()
            patched["_pread"].side_effect = made.pread
            patched["_pread_into"].side_effect = made.pread_into
            return made

        begin()
        yield begin


def test_a_frame_that_is_wanted_several_times_is_read_once(truths, reads) -> None:
    lidar = sensors.OSLidarDepth(str(truths[1]["lidar"].path), past=2)
    lidar[4]
    noted = reads()
    lidar.__getitems__([2, 3, 4, 4, 3])  # frames 0 to 4
    stored = np.diff(np.fromfile(f"{lidar.path}/rng_i", "<u8"))[:5]
    # As neighbours, they are read in one go.
    assert noted.sizes == [stored.sum()]


def test_large_frames_are_read_one_by_one_and_once(tmp_path: Path, reads) -> None:
    frames = np.arange(5 * 40_000, dtype="<i2").reshape(5, -1)
    frames.tofile(tmp_path / "iq")
    channel = sensors.DynamicSensor(str(tmp_path), create=True).create(
        "other", {"format": "raw", "type": "i2", "shape": [40_000]}
    )
    channel.write(frames)
    noted = reads()
    np.testing.assert_array_equal(channel.read_many([4, 3, 4, 0]), frames[[4, 3, 4, 0]])
    assert noted.sizes == [80_000] * 3


def test_damage_in_one_sample_is_an_error_that_names_the_frame(tmp_path: Path) -> None:
    truth = record_one(tmp_path / "trace", 0.6)
    dataset = Dataset.from_config(str(tmp_path / "trace"), None, {"lidar": "lidar"})
    offsets = np.fromfile(truth["lidar"].path / "rng_i", "<u8")
    with open(truth["lidar"].path / "rng", "r+b") as file:
        file.seek(int(offsets[3]) + 30)
        file.write(bytes(8))
    with pytest.raises(CorruptFileError, match="rng: frame 3 "):
        dataset.__getitems__([1, 3, 5])
    same(dataset.__getitems__([5])[0], dataset[5])
