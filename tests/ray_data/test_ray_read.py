"""`roverd.ray.read`: rows of a dataset of Ray, compared with what plain roverd reads."""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import generic

import roverd.ray
from roverd import Dataset, Trace, sensors
from roverd.errors import ChannelNotFoundError, MissingFileError, RoverdWarning, UnsupportedError
from roverd.sync import Interpolate, Nearest, Synchronization, Window
from support.permissions import without_privileges
from support.ray_work import DyingSensor
from support.traces import record, record_trace, ticks

SYNC = generic.Nearest("lidar", tol=0.1)
WINDOWS = Synchronization(  # as many frames of the IMU as there happen to be
    "lidar", {"imu": Window(seconds=0.08), "radar": Window(frames=3)}, Nearest(tolerance=0.1)
)
BETWEEN = Synchronization(
    "lidar", {"imu": Interpolate(channels={"rot": "euler"})}, Nearest(tolerance=0.1)
)
TYPED: dict[str, Any] = {
    "lidar": sensors.OSLidar,
    "camera": "camera",
    "radar": "radar",
    "imu": lambda path: sensors.IMU(path, past=2, future=1),
}
Kinds = Mapping[str, Any] | None


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three traces of different lengths and depths; every frame differs from all others."""
    folder = tmp_path_factory.mktemp("tree")
    for number, (name, seconds) in enumerate((("a", 1.5), ("b/c", 0.9), ("d", 2.0))):
        record_trace(folder / name, seconds, number)
    return folder


def flat(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample as columns, written out."""
    columns: dict[str, Any] = {}
    for sensor, part in sample.items():
        if isinstance(part, Mapping):
            columns |= {f"{sensor}/{name}": value for name, value in part.items()}
            continue
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            columns[f"{sensor}/{field.name}"] = value if isinstance(value, str) else value[0]
    return columns


def plain_rows(tree: Path, sync: Any, kinds: Kinds) -> dict[tuple[str, int], dict[str, Any]]:
    """What roverd reads, by path and number of the sample."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for path in Dataset.find_traces(tree):
        trace = Trace.from_config(path, sync, kinds)
        for number in range(len(trace)):
            try:
                sample = trace[number]
            except IndexError:  # a window leaves the recording
                continue
            rows[path, number] = {"trace": trace.name, **flat(sample)}
    return rows


def expect_rows(dataset: Any, expected: dict[tuple[str, int], dict[str, Any]]) -> None:
    """Assert that a dataset has these rows, each once, in any order."""
    found = dataset.take_all()
    keys = [(row.pop("path"), row.pop("sample")) for row in found]
    assert sorted(keys) == sorted(expected)
    for key, row in zip(keys, found, strict=True):
        wanted = expected[key]
        assert sorted(row) == sorted(wanted)
        for name, value in wanted.items():
            value, got = np.asarray(value), np.asarray(row[name])
            assert got.shape == value.shape, name
            if value.dtype.kind != "U":
                assert got.dtype == value.dtype, name
            assert got.tolist() == value.tolist(), name


@pytest.mark.parametrize(
    "sync, kinds, blocks",
    [
        (SYNC, TYPED, 5),
        pytest.param(SYNC, None, 1, marks=pytest.mark.slow),
        pytest.param(SYNC, TYPED, 1000, marks=pytest.mark.slow),
        pytest.param(None, None, None, marks=pytest.mark.slow),
        pytest.param(WINDOWS, {**TYPED, "imu": "imu"}, 4, marks=pytest.mark.slow),
        pytest.param(BETWEEN, None, 4, marks=pytest.mark.slow),
    ],
)
def test_rows_are_what_roverd_reads_each_once(
    ray_cluster: str, tree: Path, sync: Any, kinds: Kinds, blocks: int | None
) -> None:
    dataset = roverd.ray.read(tree, sync, kinds, override_num_blocks=blocks)
    expected = plain_rows(tree, sync, kinds)
    assert len(expected) > 30
    assert dataset.count() == len(expected)  # known without reading
    expect_rows(dataset, expected)


@pytest.mark.slow
def test_tasks_tell_ray_what_they_read(ray_cluster: str, tree: Path) -> None:
    from roverd.ray.datasource import TraceDatasource
    from roverd.ray.planning import open_sources

    source = TraceDatasource(open_sources(tree, SYNC, TYPED, None, None, False))
    tasks = source.get_read_tasks(4)
    expected = plain_rows(tree, SYNC, TYPED)
    (size,) = {
        sum(np.asarray(value).nbytes for value in row.values() if not isinstance(value, str))
        for row in expected.values()
    }
    assert len(tasks) == 4
    assert sum(task.metadata.num_rows or 0 for task in tasks) == len(expected)
    sizes = [task.metadata.size_bytes or 0 for task in tasks]
    assert sum(sizes) == source.estimate_inmemory_data_size()
    # Beside the arrays, rows have names and paths.
    assert 1.0 < sum(sizes) / (size * len(expected)) < 1.2
    assert max(sizes) - min(sizes) <= 2 * sum(sizes) / len(expected)
    files = [path for task in tasks for path in task.metadata.input_files or ()]
    assert list(dict.fromkeys(files)) == Dataset.find_traces(tree)


@pytest.mark.slow
def test_columns_are_those_asked_for(ray_cluster: str, tree: Path) -> None:
    names = ["lidar/rng", "lidar/timestamps", "imu/acc"]
    dataset = roverd.ray.read(tree, SYNC, TYPED, columns=names)
    assert sorted(dataset.columns()) == sorted(["trace", "path", "sample", *names])
    keep = {"trace", *names}
    expected = {
        key: {name: value for name, value in row.items() if name in keep}
        for key, row in plain_rows(tree, SYNC, TYPED).items()
    }
    expect_rows(dataset, expected)
    batch = next(iter(dataset.iter_batches(batch_size=8)))
    assert batch["lidar/rng"].shape == (8, 1, 8, 16)
    assert batch["imu/acc"].shape == (8, 4, 3)


@pytest.mark.slow
def test_a_column_of_interpolated_values_is_as_with_all_others(
    ray_cluster: str, tree: Path
) -> None:
    expected = {
        key: {"trace": row["trace"], "imu/acc": row["imu/acc"]}
        for key, row in plain_rows(tree, BETWEEN, None).items()
    }
    expect_rows(roverd.ray.read(tree, BETWEEN, columns=["imu/acc"]), expected)


@pytest.mark.slow
def test_rows_come_in_order_where_that_is_asked_for(ray_cluster: str, tree: Path) -> None:
    import ray

    dataset = roverd.ray.read(tree, SYNC, columns=["imu/acc"], override_num_blocks=6)
    dataset.context.execution_options.preserve_order = True
    keys = [(row["path"], row["sample"]) for row in dataset.iter_rows()]
    assert keys == sorted(keys)
    assert len(keys) == len(plain_rows(tree, SYNC, None))
    assert ray.is_initialized()


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_loses_and_repeats_nothing(
    ray_cluster: str, tmp_path: Path
) -> None:
    import ray.data

    for number, name in enumerate(("a", "b")):
        record_trace(tmp_path / name, 3.0, number)
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size
    context.target_max_block_size = 4096  # so that a task has given rows when it dies
    try:
        dataset = roverd.ray.read(
            tmp_path, SYNC, {"lidar": DyingSensor, "imu": "imu"}, override_num_blocks=2
        )
        expected = plain_rows(tmp_path, SYNC, {"lidar": None, "imu": "imu"})
        expect_rows(dataset, expected)
    finally:
        context.target_max_block_size = before
    assert (tmp_path / "a" / "died").exists() and (tmp_path / "b" / "died").exists()


@pytest.mark.slow
def test_arrays_of_different_shapes_are_rows_all_the_same(ray_cluster: str, tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        stamps = ticks(6, 10)
        frames = np.arange(6 * (number + 2), dtype="<f4").reshape(6, number + 2) + 100 * number
        record(tmp_path / name / "vector", stamps, {"value": ("raw", frames)})
        (tmp_path / name / "config.yaml").write_text("{}")
    expect_rows(roverd.ray.read(tmp_path, override_num_blocks=1), plain_rows(tmp_path, None, None))


@pytest.mark.slow
def test_without_columns_of_sensors_rows_say_which_samples_there_are(
    ray_cluster: str, tree: Path
) -> None:
    expected = {
        key: {"trace": row["trace"]} for key, row in plain_rows(tree, WINDOWS, None).items()
    }
    expect_rows(roverd.ray.read(tree, WINDOWS, columns=[]), expected)


@pytest.mark.parametrize(
    "other, columns, text",
    [
        (("w", np.zeros((6, 2), "<f4")), None, "v/ts: expected float64 of 1 axes, .*no such"),
        (("w", np.zeros((6, 2), "<f4")), ["w/value"], "w/value: expected no such column"),
        (("v", np.zeros((6, 2), "<i4")), None, "v/value: expected float32 .* found int32"),
        (("v", np.zeros((6, 2, 3), "<f4")), None, "v/value: .* 2 axes, .* found .* 3 axes"),
    ],
    ids=["sensors", "columns", "types", "axes"],
)
def test_traces_of_different_columns_are_an_error_that_names_them(
    tmp_path: Path, other: tuple[str, np.ndarray], columns: list[str] | None, text: str
) -> None:
    pytest.importorskip("ray", reason="not installed: ray (pip install 'roverd[dev]')")
    for name, (sensor, frames) in {"a": ("v", np.zeros((6, 2), "<f4")), "b": other}.items():
        record(tmp_path / name / sensor, ticks(6, 10), {"value": ("raw", frames)})
        (tmp_path / name / "config.yaml").write_text("{}")
    with pytest.raises(UnsupportedError, match=f"{tmp_path}/b: column {text}"):
        roverd.ray.read(tmp_path, columns=columns)


def test_a_folder_that_nobody_may_look_into_is_a_warning() -> None:
    pytest.importorskip("ray", reason="not installed: ray (pip install 'roverd[dev]')")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        record_trace(folder / "a", 0.3)
        (folder / "closed").mkdir(mode=0)
        folder.chmod(0o755)
        with (
            without_privileges(),
            pytest.warns(RoverdWarning, match="closed"),
            pytest.raises(ChannelNotFoundError, match="no column nothing"),  # before Ray begins
        ):
            roverd.ray.read(folder, columns=["nothing"])


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    frames = np.arange(6, dtype="<c8").reshape(6, 1)
    record(tmp_path / "trace" / "vector", ticks(6, 10), {"value": ("raw", frames)})
    (tmp_path / "trace" / "config.yaml").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        ({}, UnsupportedError, "column vector/value: Ray has no arrays of complex64"),
        (
            {"columns": ["vector/speed", "vector/ts"]},
            ChannelNotFoundError,
            "no column vector/speed; there are vector/ts, vector/value",
        ),
    ],
)
def test_columns_that_cannot_be_are_errors_at_once(
    vectors: Path, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    pytest.importorskip("ray", reason="not installed: ray (pip install 'roverd[dev]')")
    with pytest.raises(error, match=text):
        roverd.ray.read(vectors, **arguments)


@pytest.mark.parametrize("make", [lambda path: path / "nothing", lambda path: path])
def test_a_folder_without_traces_is_an_error(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    pytest.importorskip("ray", reason="not installed: ray (pip install 'roverd[dev]')")
    with pytest.raises(MissingFileError, match=r"no such folder|no trace found"):
        roverd.ray.read(make(tmp_path))
