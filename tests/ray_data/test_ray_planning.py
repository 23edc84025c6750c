"""How samples are shared among tasks: each in one of them, in order, of about as many bytes."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from abstract_dataloader import generic
from hypothesis import given
from hypothesis import strategies as st

from roverd import Dataset, Trace
from roverd.ray.columns import stacked
from roverd.ray.planning import Source, open_sources, spans
from support.traces import record, record_trace, ticks


def source(number: int, samples: list[int], row_size: int) -> Source:
    """A trace of one sensor that is never read."""
    frames = {"sensor": np.arange(100)}
    trace = Trace({"sensor": None}, frames, f"trace {number}")  # pyright: ignore[reportArgumentType]
    return Source(f"/{number}", trace, np.array(samples, np.int64), None, {}, row_size)


SAMPLES = st.lists(st.integers(0, 99), min_size=1, max_size=40, unique=True).map(sorted)
SOURCES = st.lists(st.tuples(SAMPLES, st.integers(1, 1000)), max_size=6)


@given(SOURCES, st.integers(1, 50))
def test_every_sample_is_in_one_task(given: list[tuple[list[int], int]], count: int) -> None:
    sources = [source(number, *one) for number, one in enumerate(given)]
    tasks = spans(sources, count)
    found = [(piece.path, int(n)) for task in tasks for piece in task for n in piece.numbers]
    assert found == [(one.path, int(n)) for one in sources for n in one.numbers]
    assert len(tasks) <= count
    assert all(task for task in tasks)
    total = sum(len(samples) * size for samples, size in given)
    largest = max((size for _, size in given), default=0)
    for task in tasks:
        # The ends are rounded to samples.
        assert sum(piece.size for piece in task) <= total / count + 1 + 2 * largest


@given(SOURCES, st.integers(1, 50))
def test_a_task_carries_the_frame_numbers_of_its_samples_alone(
    given: list[tuple[list[int], int]], count: int
) -> None:
    sources = [source(number, *one) for number, one in enumerate(given)]
    for task in spans(sources, count):
        for piece in task:
            assert piece.trace.indices is not None
            frames = piece.trace.indices["sensor"]
            assert len(frames) == piece.numbers[-1] - piece.numbers[0] + 1
            assert frames[piece.numbers - piece.first].tolist() == piece.numbers.tolist()


def test_rows_read_without_a_cluster_are_those_of_a_dataset(tmp_path: Path) -> None:
    names = ["a", "b/c"]
    for number, name in enumerate(names):
        record_trace(tmp_path / name, 1.2, number)
    sync = generic.Nearest("lidar", tol=0.1)
    paths = [tmp_path / name for name in names]
    expected = [
        (str(path), number, sample)
        for path in paths
        for number, sample in enumerate(Trace.from_config(path, sync))
    ]
    (sources, whole) = (open_sources(tmp_path, sync, None, None, None, False), Dataset)
    assert len(expected) == len(whole.from_config(paths, sync)) > 10
    rows = [
        row
        for task in spans(sources, 5)
        for piece in task
        for group in piece.read(1)  # bytes: a sample at a time
        for row in group
    ]
    assert [(row["path"], row["sample"]) for row in rows] == [(p, n) for p, n, _ in expected]
    for row, (_, _, sample) in zip(rows, expected, strict=True):
        for sensor, channels in sample.items():
            for name, frames in channels.items():
                assert row[f"{sensor}/{name}"].tobytes() == frames.tobytes()


def test_a_task_needs_memory_for_few_samples_at_a_time(tmp_path: Path) -> None:
    frames = np.arange(400 << 13, dtype="<i4").reshape(400, 1 << 13)  # of 32 KiB each
    record(tmp_path / "trace" / "radar", ticks(400, 20), {"iq": ("raw", frames)})
    (tmp_path / "trace" / "config.yaml").write_text("{}")
    ((piece,),) = spans(open_sources(tmp_path, None, None, None, None, False), 1)
    assert 400 << 15 <= piece.size < 410 << 15
    tracemalloc.start()
    try:
        counts = [len(stacked(rows)["radar/iq"]) for rows in piece.read(1 << 20)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(counts) == 400
    assert max(counts) <= 32
    # Samples, and the same as columns; and the samples that are read before those are let go of.
    assert peak < 4 << 20


@pytest.mark.parametrize("columns", [["lidar/rng", "imu/acc"], ["radar/valid"]])
def test_only_what_columns_need_is_read(tmp_path: Path, columns: list[str]) -> None:
    record_trace(tmp_path / "trace", 1.0)
    sync = generic.Nearest("camera", tol=0.1)
    (opened,) = open_sources(tmp_path, sync, None, columns, None, False)
    whole = Trace.from_config(tmp_path / "trace", sync)
    assert len(opened.numbers) == len(whole)
    sensors = {column.split("/")[0] for column in columns}
    # Reading what is not asked for would fail.
    for path in (tmp_path / "trace").rglob("*"):
        name = f"{path.parent.name}/{path.name}"
        if (
            path.is_file()
            and path.parent.name in sensors | {"camera"}
            and (name.removesuffix("_i") not in columns and path.name not in ("ts", "meta.json"))
        ):
            path.write_bytes(b"")
    (task,) = spans([opened], 1)
    (rows,) = [rows for piece in task for rows in piece.read(1 << 20)]
    assert set(rows[0]) == {"trace", "path", "sample", *columns}
    assert len(rows) == len(whole)
