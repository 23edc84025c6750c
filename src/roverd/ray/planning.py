"""Which samples there are, how large they are, and which task reads which of them."""

import copy
import itertools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int64

from roverd.channels.batch import Batch, reads_by_plan
from roverd.errors import ChannelNotFoundError, MissingFileError, RoverdWarning
from roverd.ops.traces import traces_below
from roverd.parallel import SIDE_BY_SIDE, map_all
from roverd.ray.columns import Rows, check_columns, check_same_columns, sensor_columns, size_of
from roverd.sensors import DynamicSensor
from roverd.storage import as_path, is_url
from roverd.storage.options import remember
from roverd.storage.traces import CONFIG
from roverd.trace import Sensors, Sync, Trace, part_of

_OVERHEAD = 64  # bytes of a row, beside what it holds


@dataclass(frozen=True)
class Source:
    """A trace that is read.

    Attributes:
        path: its folder, an absolute path or a URL.
        trace: with the sensors that columns come from.
        numbers: of the samples that are read, Int64[n], ascending.
        columns: of the sensors, that rows have; `None` for all.
        example: the columns of a sample; the content of arrays is arbitrary.
        row_size: about how many bytes a row has.
    """

    path: str
    trace: Trace[Any]
    numbers: Int64[np.ndarray, " n"]
    columns: frozenset[str] | None
    example: Mapping[str, Any]
    row_size: int


@dataclass(frozen=True)
class Piece:
    """Samples of one trace.

    Attributes:
        path: the trace's folder.
        trace: the part of the trace that has them.
        first: number that the part's first sample has in the whole trace.
        numbers: of the samples in the whole trace, Int64[n], ascending.
        columns: as `Source` has them.
        row_size: as `Source` has it.
    """

    path: str
    trace: Trace[Any]
    first: int
    numbers: Int64[np.ndarray, " n"]
    columns: frozenset[str] | None
    row_size: int

    @property
    def size(self) -> int:
        """About how many bytes its rows have."""
        return len(self.numbers) * self.row_size

    def read(self, block_size: int) -> Iterator[Rows]:
        """Read the samples, so many at a time as have about `block_size` bytes."""
        step = max(1, block_size // self.row_size)
        for begin in range(0, len(self.numbers), step):
            numbers = self.numbers[begin : begin + step]
            # Without a column of a sensor, there is nothing to read.
            samples: list[Any] = (
                self.trace.__getitems__((numbers - self.first).tolist())
                if self.trace.sensors
                else [{}] * len(numbers)
            )
            yield [
                {
                    "trace": self.trace.name,
                    "path": self.path,
                    "sample": number,
                    **sensor_columns(sample, self.columns),
                }
                for number, sample in zip(numbers.tolist(), samples, strict=True)
            ]


def open_sources(
    paths: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    sync: Sync,
    sensors: Sensors,
    columns: Sequence[str] | None,
    storage_options: Mapping[str, Any] | None,
    include_virtual: bool,
) -> list[Source]:
    """Open traces; see `roverd.ray.read`.

    Returns:
        Those that have samples, sorted by path.
    """
    single = isinstance(paths, str | os.PathLike)
    folders = [_absolute(as_path(path)) for path in ([paths] if single else paths)]
    for folder in folders:
        if storage_options is not None and is_url(folder):
            remember(folder, storage_options)
    found, not_searched = traces_below(folders)
    for problem in not_searched:
        warnings.warn(problem, RoverdWarning, stacklevel=3)
    if not found:
        raise MissingFileError(f"{', '.join(folders)}: no trace found; one has a {CONFIG}")
    wanted = None if columns is None else frozenset(columns)
    width = SIDE_BY_SIDE if any(map(is_url, found)) else 1
    known: set[str] = set()
    sources = map_all(partial(_open, sync, sensors, include_virtual, wanted, known), found, width)
    sources = [source for source in sources if source is not None]
    if wanted is not None and sources and (missing := sorted(wanted - known)):
        raise ChannelNotFoundError(
            f"{', '.join(folders)}: no column {', '.join(missing)}; there are "
            f"{', '.join(sorted(known))}"
        )
    for source in sources[1:]:
        check_same_columns(sources[0].example, sources[0].path, source.example, source.path)
    return sources


def _absolute(path: str) -> str:
    return path if is_url(path) else os.path.abspath(path)


def _open(
    sync: Sync,
    sensors: Sensors,
    include_virtual: bool,
    wanted: frozenset[str] | None,
    known: set[str],
    path: str,
) -> Source | None:
    trace = Trace[Any].from_config(path, sync, sensors, include_virtual)
    numbers = trace.whole_samples()
    if not len(numbers):
        return None
    example = sensor_columns(_example(trace, int(numbers[0])))
    known.update(example)
    if wanted is not None:
        example = {name: value for name, value in example.items() if name in wanted}
        trace = _with_columns(trace, wanted)
    check_columns(example, path)
    return Source(path, trace, numbers, wanted, example, _OVERHEAD + size_of(example.values()))


def _example(trace: Trace[Any], number: int) -> Mapping[str, Any]:
    """A sample with arrays of the right shapes, whose content is read only where it has to be."""
    if not all(map(reads_by_plan, trace.sensors.values())):
        return trace[number]
    return trace.plan(number, Batch())


def _with_columns(trace: Trace[Any], wanted: frozenset[str]) -> Trace[Any]:
    """The same trace with the sensors that these columns come from, and no more channels."""
    chosen: dict[str, Any] = {}
    # How several frames make a value may be said channel by channel.
    whole = () if trace.alignment is None else trace.alignment.parts
    for name, sensor in trace.sensors.items():
        names = {column for column in wanted if column == name or column.startswith(f"{name}/")}
        if not names:
            continue
        if type(sensor) is DynamicSensor and name not in whole:
            there = list(sensor.channels) if sensor.subset is None else sensor.subset
            sensor = copy.copy(sensor)
            sensor.subset = [channel for channel in there if f"{name}/{channel}" in names]
        chosen[name] = sensor
    part = copy.copy(trace)
    part.sensors = chosen
    return part


def spans(sources: Sequence[Source], count: int) -> list[list[Piece]]:
    """Share samples among tasks.

    Args:
        sources: the traces.
        count: how many tasks there are to be.

    Returns:
        For each task contiguous samples, of about as many bytes; as many tasks as were asked for,
        or fewer where there are fewer samples. All samples are in one of them, in order.
    """
    sizes = [len(source.numbers) * source.row_size for source in sources]
    starts = np.cumsum([0, *sizes])
    rows = np.cumsum([0, *(len(source.numbers) for source in sources)])
    total, samples = int(starts[-1]), int(rows[-1])
    if not samples:
        return []
    # Where each task ends, as a number of rows.
    ends: list[int] = []
    for task in range(1, count):
        position = total * task // count
        number = int(np.searchsorted(starts, position, side="right")) - 1
        within = (position - int(starts[number])) / sources[number].row_size
        ends.append(int(rows[number]) + round(within))
    bounds = np.unique([0, *ends, samples]).tolist()
    return [
        list(_pieces(sources, rows.tolist(), begin, end))
        for begin, end in itertools.pairwise(bounds)
    ]


def _pieces(
    sources: Sequence[Source], rows: Sequence[int], begin: int, end: int
) -> Iterator[Piece]:
    """Rows `begin` to `end` (exclusive) of all sources, trace by trace."""
    for number, source in enumerate(sources):
        first, stop = max(begin, rows[number]), min(end, rows[number + 1])
        if first >= stop:
            continue
        numbers = source.numbers[first - rows[number] : stop - rows[number]]
        start, last = int(numbers[0]), int(numbers[-1])
        # Only the frame numbers of these samples go to the task.
        part = part_of(source.trace, slice(start, last + 1))
        yield Piece(source.path, part, start, numbers, source.columns, source.row_size)
