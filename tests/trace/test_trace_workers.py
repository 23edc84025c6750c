"""Datasets in worker processes, and as pickles, after their parent has read from them."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from abstract_dataloader import generic

from roverd import Dataset, Trace, sensors, split
from support import pool_worker
from support.traces import HEIGHT, WIDTH, numbered, record, record_poses, record_trace

# Since Python 3.12, forking a process that has threads warns. That is what data loaders do where
# "fork" is asked for, and what is tested here: that it works all the same.
EXPECTED_WARNING = "ignore:This process (pid:DeprecationWarning"
LIMIT = 80  # seconds; the program ends itself before that, and shows where it hung


def record_mpeg4(path: Path, count: int) -> None:
    """A camera whose AVI holds another codec than JPEG, read through a decoder with a state."""
    images = numbered(count, (HEIGHT, WIDTH, 3), "u1")
    record(path, 1.7e9 + np.arange(count) / 10, {})
    with av.open(str(path / "mpeg4.avi"), "w") as file:
        stream = file.add_stream("mpeg4", 10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in images:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image // 4 * 4, "rgb24")))
        file.mux(stream.encode(None))
    meta = (path / "meta.json").read_text()
    entry = f'"mpeg4.avi": {{"format": "mjpg", "type": "u1", "shape": [{HEIGHT}, {WIDTH}, 3]}}'
    (path / "meta.json").write_text(f"{meta.rstrip()[:-1]}, {entry}}}")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("workers")
    for number in range(2):
        record_trace(root / f"t{number}", 1.0, seed=number)
        record_mpeg4(root / f"t{number}" / "other", 10)
    return [str(root / "t0"), str(root / "t1")]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_read_the_same_samples_after_their_parent_has_read(folders, method: str):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    command = [sys.executable, "-W", "error", "-W", EXPECTED_WARNING, pool_worker.__file__]
    process = subprocess.Popen(
        [*command, method, *folders],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"hung for {LIMIT} s\n{err}")
    assert (process.returncode, out, err) == (0, "the same samples\n", "")


def test_a_dataset_pickles_after_use_and_stays_small(folders):
    dataset = pool_worker.open_dataset(folders)
    fresh = len(pickle.dumps(dataset))
    expected = [pool_worker.digest(sample) for sample in dataset]
    trace = dataset.traces[0]
    for channel in trace["lidar"].channels.values():
        assert len(list(channel.stream_prefetch())) == 10
    used = pickle.dumps(dataset)
    # Timestamps are 8 bytes a frame; paths, classes and descriptions come on top.
    frames = sum(len(sensor) for trace in dataset.traces for sensor in trace.sensors.values())
    assert len(used) < 8 * frames + 16_000
    assert len(used) < fresh + 500
    again = pickle.loads(used)  # noqa: S301
    assert [pool_worker.digest(sample) for sample in again] == expected
    assert [trace.name for trace in again.traces] == ["t0", "t1"]


def test_a_pickle_does_not_grow_with_the_data(tmp_path: Path):
    sizes: list[int] = []
    for count in (10, 400):
        frames = numbered(count, (8, 16), "u2")
        stamps = np.arange(float(count))
        kinds = ("raw", "lzma", "lzmaf", "npz")
        record(tmp_path / f"s{count}", stamps, {kind: (kind, frames) for kind in kinds})
        sensor = sensors.DynamicSensor(tmp_path / f"s{count}")
        for channel in sensor.channels.values():
            assert len(channel.read()) == count
        sizes.append(len(pickle.dumps(list(sensor.channels.values()))))
    assert abs(sizes[1] - sizes[0]) < 100


def test_sensors_poses_traces_and_splits_pickle_after_use(folders, tmp_path: Path):
    poses = record_poses(tmp_path, 6)
    pose = sensors.Pose(tmp_path / "pose", past=1)
    lidar = sensors.OSLidarDepth(f"{folders[0]}/lidar", correction="auto", past=1)
    trace = Trace.from_config(folders[0], generic.Nearest("lidar"), "auto")
    things: list[tuple[Any, int]] = [
        (pose, 3),
        (lidar, 3),
        (trace, -1),
        (split(Dataset([trace]), 0.5, 1.0), 2),
    ]
    for thing, index in things:
        before = pool_worker.digest(thing[index])
        again = pickle.loads(pickle.dumps(thing))  # noqa: S301
        assert type(again) is type(thing)
        assert len(again) == len(thing)
        assert pool_worker.digest(again[index]) == before
    assert len(poses["t"]) == 6


def test_a_pickle_is_opened_where_it_is_read(folders, tmp_path: Path):
    # A recording that grew meanwhile has the new frames in its channels, and after a refresh.
    truth = record(tmp_path / "s", np.arange(3.0), {"x": ("raw", np.arange(3, dtype="i4"))})
    sensor = sensors.DynamicSensor(tmp_path / "s")
    assert len(sensor) == len(sensor["x"]) == 3
    again = pickle.loads(pickle.dumps(sensor))  # noqa: S301
    np.arange(5, dtype="i4").tofile(truth.path / "x")
    np.arange(5.0).tofile(truth.path / "ts")
    assert len(again["x"]) == 5
    assert len(again.refresh()) == 5
