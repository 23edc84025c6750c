"""Traces and datasets: sensors recorded together, read as synchronised samples."""

import bisect
import copy
import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Generic, Literal, Self, SupportsIndex, TypeVar, cast

import numpy as np
from abstract_dataloader import abstract, generic, spec
from numpy.typing import NDArray

from roverd import sensors as sensor_types
from roverd.channels.batch import Batch, as_numbers, by_plan, reads_by_plan
from roverd.channels.utils import Prefetch, batch_iterator
from roverd.errors import (
    ChannelNotFoundError,
    MissingFileError,
    OutOfRangeError,
)
from roverd.parallel import SIDE_BY_SIDE, map_all, run_ahead
from roverd.sensors import SENSOR_TYPES, AnySensor, SensorType
from roverd.sensors.meta import META
from roverd.sensors.windows import WindowedSensor
from roverd.storage import as_path, is_url, storage_for
from roverd.storage.options import remember
from roverd.storage.paths import basename, join
from roverd.storage.traces import find_traces
from roverd.sync import Alignment
from roverd.sync.sensors import FrameNumbers, Sync, synchronise

__all__ = ["Dataset", "Trace", "split"]

TSample = TypeVar("TSample")

Path = str | os.PathLike[str]
Sensors = Mapping[str, SensorType] | Literal["auto"] | None

_GROUPS = 2  # groups of samples that `Dataset.prefetch` reads at a time


class Trace(abstract.Trace[TSample], Generic[TSample]):
    """Sensors that were recorded together, as a sequence of synchronised samples.

    A sample is a dictionary of each sensor's sample, by sensor name.

    Args:
        sensors: the sensors by name: roverd's, or any of `abstract_dataloader`'s kind.
        sync: how frames of the sensors make a sample: a synchronisation, what a
            `roverd.sync.Synchronization` has made of timestamps, or the frame numbers themselves.
            `None` for sample `i` being frame `i` of each; the trace is then as long as its shortest
            sensor.
        name: for people.

    Attributes:
        sensors: the sensors by name.
        indices: frame numbers of each sensor's part in each sample; `None` without `sync`. Where
            others are set, samples are made of these single frames.
        alignment: what a `roverd.sync.Synchronization` has made of the sensors, with its report;
            else `None`.
        name: for people.
    """

    def __init__(
        self, sensors: Mapping[str, AnySensor], sync: Sync = None, name: str = "trace"
    ) -> None:
        self.sensors = sensors
        self.name = name
        found = None if sync is None else synchronise(sensors, sync, name)
        if isinstance(found, Alignment):
            self.alignment = found
        else:
            self.indices = found

    @property
    def indices(self) -> FrameNumbers | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Frame numbers of each sensor's part in each sample; `None` without `sync`."""
        return self._indices

    @indices.setter
    def indices(self, indices: FrameNumbers | None) -> None:
        self._indices = indices
        self._alignment = None

    @property
    def alignment(self) -> Alignment | None:
        """What a `roverd.sync.Synchronization` has made of the sensors; else `None`."""
        return self._alignment

    @alignment.setter
    def alignment(self, alignment: Alignment | None) -> None:
        self._indices = None if alignment is None else alignment.indices
        self._alignment = alignment

    @staticmethod
    def find_sensors(path: Path, virtual: bool = False) -> list[str]:
        """Names of the sensors in a trace's folder.

        Args:
            path: the trace's folder.
            virtual: whether to name virtual sensors, too, whose names begin with `_`.

        Returns:
            The names, sorted. A folder is a sensor if it has a `meta.json`.
        """
        folder = as_path(path)
        storage = storage_for(folder)
        names = [name for name in storage.names(folder) if virtual or not name.startswith("_")]

        def is_sensor(name: str) -> bool:
            here = f"{folder}/{name}"
            # Listed, a remote folder tells the sizes of all that is in it.
            listed = not is_url(folder) or storage.folder_version(here) is not None
            return listed and storage.size(f"{here}/{META}") is not None

        found = map_all(is_sensor, names, _width(folder))
        return [name for name, sensor in zip(names, found, strict=True) if sensor]

    @classmethod
    def from_config(
        cls,
        path: Path,
        sync: Sync = generic.Empty(),  # noqa: B008 - has no state
        sensors: Sensors = None,
        include_virtual: bool = False,
        name: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Open a trace.

        Args:
            path: the trace's folder; a path, or a URL such as `s3://bucket/trace`.
            sync: how frames of the sensors make a sample; by default the trace has no samples, and
                is a collection of sensors.
            sensors: what to open each sensor as, by name: `None` for a `DynamicSensor`, `"auto"`
                for what the name says (a `DynamicSensor` where it says nothing), the name of a
                type, a constructor that takes the path, or a sensor. Without a mapping, all
                sensors in the folder are opened: as `DynamicSensor`s, or all by `"auto"`.
            include_virtual: whether all sensors include the virtual ones.
            name: for people; by default the folder's.
            storage_options: how the store of a URL is reached, as fsspec has it: credentials,
                endpoint, profile. They are used for all that is below the URL, in this process and
                where the trace is unpickled; without them, fsspec's own configuration is.

        Returns:
            The trace.

        Raises:
            MissingFileError: the trace, or a sensor that is named, is not there.
        """
        folder = as_path(path)
        _set_options(folder, storage_options)
        # What was there when another one was opened may be something else by now.
        storage_for(folder).forget(folder)
        if sensors is None or isinstance(sensors, str):
            if sensors not in (None, "auto"):
                raise ValueError(
                    f"{folder}: sensors must be a mapping, 'auto' or None, got {sensors!r:.80}"
                )
            names = cls.find_sensors(folder, include_virtual)
            if not names and storage_for(folder).folder_version(folder) is None:
                raise MissingFileError(f"{folder}: no such folder; expected a trace")
            sensors = dict.fromkeys(names, sensors)
        if not isinstance(sensors, Mapping):
            raise TypeError(f"{folder}: sensors must be a mapping from names, got {sensors!r:.80}")
        kinds = list(sensors.items())
        opened = dict(zip(sensors, _open_sensors(folder, kinds), strict=True))
        if name is None:
            name = basename(folder)
        return cls(opened, sync, name)

    @property
    def filesize(self) -> int:
        """Bytes on disk now, of all sensors that can tell."""
        return sum(getattr(sensor, "filesize", 0) for sensor in self.sensors.values())

    @property
    def datarate(self) -> float:
        """Bytes on disk per second of recording, of all sensors that can tell."""
        return sum(getattr(sensor, "datarate", 0.0) for sensor in self.sensors.values())

    def children(self) -> Iterable[Any]:
        """The sensors."""
        return self.sensors.values()

    def __len__(self) -> int:
        """Number of samples."""
        if self.indices is None:
            return min((len(sensor) for sensor in self.sensors.values()), default=0)
        return min((len(numbers) for numbers in self.indices.values()), default=0)

    @by_plan
    def __getitem__(self, index: Any) -> Any:
        """A sample by number, or a sensor by name.

        Args:
            index: number of the sample (negative: from the end), or a sensor's name.

        Returns:
            The sample, its sensors read side by side; or the sensor.

        Raises:
            OutOfRangeError: there is no such sample, or the window of a sensor leaves its
                recording.
            ChannelNotFoundError: there is no such sensor.
        """
        if isinstance(index, str):
            try:
                return self.sensors[index]
            except KeyError:
                raise ChannelNotFoundError(
                    f"trace {self.name!r}: no sensor {index!r}; there are {', '.join(self.sensors)}"
                ) from None
        batch = Batch()
        sample = self.plan(index, batch)
        batch.run()
        return sample

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[TSample]:
        """Samples by number, read together; PyTorch's `DataLoader` calls this.

        Args:
            indices: numbers of the samples, in any order.

        Returns:
            The samples, none of which shares memory with another one.
        """
        numbers = as_numbers(indices, f"trace {self.name!r}")
        if not reads_by_plan(self):
            return [self[number] for number in numbers]
        batch = Batch()
        samples = [self.plan(number, batch) for number in numbers]
        batch.run()
        return samples

    def plan(self, index: SupportsIndex, batch: Batch) -> TSample:
        """Plan to read a sample together with others.

        Args:
            index: number of the sample; negative: from the end.
            batch: what reads them.

        Returns:
            The sample, which has no content before `batch.run()`.

        Raises:
            OutOfRangeError: as `trace[index]` does.
        """
        number = _sample_number(index, len(self), f"trace {self.name!r}")
        sample: dict[str, Any] = {}
        alignment = self._alignment
        for name, sensor in self.sensors.items():
            if alignment is not None and name in alignment.parts:
                time = float(alignment.times[number])
                windowed = cast(WindowedSensor[Any, Any], sensor)
                sample[name] = alignment.parts[name].plan(windowed, number, time, batch)
                continue
            frame = number if self.indices is None else int(self.indices[name][number])
            if frame < 0:
                raise OutOfRangeError(
                    f"trace {self.name!r}: the synchronisation gave frame {frame} of {name!r}"
                )
            _plan_item(sensor, frame, batch, sample, name)
        return cast(TSample, sample)

    def __iter__(self) -> Iterator[TSample]:
        """All samples in order, without those at the ends whose windows are not whole."""
        for number in self.whole_samples().tolist():
            yield self[number]

    def whole_samples(self) -> NDArray[np.int64]:
        """Numbers of the samples whose windows are whole, which are those that iteration gives."""
        return np.flatnonzero(self._has_whole_windows())

    def _has_whole_windows(self) -> NDArray[np.bool_]:
        """For each sample, whether the windows of all sensors are whole."""
        whole = np.ones(len(self), np.bool_)
        for name, sensor in self.sensors.items():
            if isinstance(sensor, WindowedSensor):
                frames = np.arange(len(self)) if self.indices is None else self.indices[name]
                last = len(sensor) - 1 - sensor.future
                whole &= (frames >= sensor.past) & (frames <= last)
        return whole


class Dataset(abstract.Dataset[TSample], Generic[TSample]):
    """Traces one after the other, as one sequence of samples.

    Args:
        traces: the traces: roverd's, or any of `abstract_dataloader`'s kind.

    Attributes:
        traces: the traces.
    """

    def __init__(self, traces: Sequence[spec.Trace[TSample]]) -> None:
        self.traces = traces

    @staticmethod
    def find_traces(
        *paths: Path,
        follow_symlinks: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Find traces: folders that hold a `config.yaml`.

        Args:
            paths: where to look, at any depth. The folders of sensors are not looked into.
            follow_symlinks: whether to look into folders that are links. No folder is visited
                twice, so that loops end.
            storage_options: how the stores of URLs are reached; see `Trace.from_config`.

        Returns:
            Paths of the traces, sorted.

        Raises:
            MissingFileError: one of `paths` is not there.
        """
        folders = [as_path(path) for path in paths]
        for folder in folders:
            _set_options(folder, storage_options)
        return find_traces(folders, follow_symlinks)

    @classmethod
    def from_config(
        cls,
        paths: Sequence[Path] | Path,
        sync: Sync,
        sensors: Sensors = None,
        include_virtual: bool = False,
        workers: int = 0,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Open traces as a dataset.

        Args:
            paths: the traces' folders; paths or URLs.
            sync: how frames of the sensors make a sample; see `Trace.from_config`.
            sensors: what to open each sensor as; see `Trace.from_config`.
            include_virtual: whether all sensors include the virtual ones.
            workers: how many traces to open at a time; below 0 for all at once; 0 for one, or for
                16 where they are behind URLs. `sync` is called by as many threads.
            storage_options: how the stores of URLs are reached; see `Trace.from_config`.

        Returns:
            The dataset, its traces in the order of `paths`.
        """
        folders = [paths] if isinstance(paths, str | os.PathLike) else list(paths)

        def open_trace(path: Path) -> Trace[TSample]:
            return Trace[TSample].from_config(
                path, sync, sensors, include_virtual, storage_options=storage_options
            )

        if not workers and any(is_url(as_path(folder)) for folder in folders):
            workers = SIDE_BY_SIDE
        limit = len(folders) if workers < 0 else max(1, workers)
        return cls(map_all(open_trace, folders, limit))

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Int64[traces]: for each trace, the number of samples up to its end."""
        return np.cumsum([len(trace) for trace in self.traces], dtype=np.int64)

    @cached_property
    def _ends(self) -> list[int]:
        return self.indices.tolist()

    def __len__(self) -> int:
        """Number of samples."""
        return int(self.indices[-1]) if len(self.indices) else 0

    def __getitem__(self, index: Any) -> TSample:
        """A sample by number.

        Args:
            index: number of the sample; negative: from the end.

        Returns:
            The sample of the trace that it belongs to.

        Raises:
            OutOfRangeError: there is no such sample.
        """
        trace, number = self._place(index)
        return self.traces[trace][number]

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[TSample]:
        """Samples by number, read together; PyTorch's `DataLoader` calls this.

        All cores work on all frames of all samples, and one that is wanted several times is read
        once: faster than a loop over `dataset[i]`, with the same result.

        Args:
            indices: numbers of the samples, in any order.

        Returns:
            The samples, none of which shares memory with another one.
        """
        numbers = as_numbers(indices, "dataset")
        if cast(Any, type(self)).__getitem__ is not cast(Any, Dataset).__getitem__:
            return [self[number] for number in numbers]
        batch = Batch()
        samples: dict[int, TSample] = {}
        for slot, index in enumerate(numbers):
            trace, number = self._place(index)
            _plan_item(self.traces[trace], number, batch, samples, slot)
        batch.run()
        return list(samples.values())

    def _place(self, index: SupportsIndex) -> tuple[int, int]:
        """Number of the trace that a sample belongs to, and the sample's number there."""
        ends = self._ends
        number = _sample_number(index, ends[-1] if ends else 0, "dataset")
        trace = bisect.bisect_right(ends, number)
        return trace, number - (ends[trace - 1] if trace else 0)

    def prefetch(
        self, indices: Iterable[SupportsIndex], batch: int = 32, ahead: int = 2
    ) -> Iterator[TSample]:
        """Samples by number, read ahead of the consumer.

        Where files are far away, this keeps the link busy while samples are worked on: two groups
        are read at a time, so that the frames of one arrive while those of the other are decoded.

        Args:
            indices: numbers of the samples, in any order; more are taken as they are needed.
            batch: how many samples to read together.
            ahead: how many such groups may wait, beside those that are being read.

        Returns:
            The samples, in the order of `indices`. An exception is raised in the consumer; leaving
            the loop early ends the threads.

        Raises:
            ValueError: `batch` or `ahead` is less than 1.
        """
        groups = run_ahead(self.__getitems__, batch_iterator(iter(indices), batch), _GROUPS)
        if batch < 1:
            raise ValueError(f"batch must be at least 1 sample, got {batch}")
        return chain.from_iterable(Prefetch(groups, ahead))

    def __iter__(self) -> Iterator[TSample]:
        """All samples in order, trace by trace."""
        for trace in self.traces:
            if isinstance(trace, Trace | Dataset):
                yield from cast(Iterable[TSample], trace)
            else:
                yield from (trace[number] for number in range(len(trace)))

    def children(self) -> Iterable[Any]:
        """The traces."""
        return self.traces


def split(
    dataset: abstract.Dataset[TSample], start: float = 0.0, end: float = 1.0
) -> Dataset[TSample]:
    """The same part of every trace of a dataset.

    Splits that adjoin share no sample and lose none.

    Args:
        dataset: a dataset of traces.
        start: where the part begins, as a proportion of each trace.
        end: where it ends.

    Returns:
        Samples `floor(n * start)` to `floor(n * end)` (exclusive) of each trace of `n` samples.

    Raises:
        ValueError: not `0 <= start < end <= 1`.
    """
    if not 0.0 <= start < end <= 1.0:
        raise ValueError(f"expected 0 <= start < end <= 1, got start={start} and end={end}")
    return Dataset([_part(trace, start, end) for trace in dataset.traces])


def _part(trace: spec.Trace[TSample], start: float, end: float) -> spec.Trace[TSample]:
    if not isinstance(trace, abstract.Trace):
        raise TypeError(
            f"expected traces with sensors and indices, as roverd.Trace or "
            f"abstract_dataloader.abstract.Trace has them, got {type(trace).__name__}"
        )
    count = len(trace)
    wanted = slice(_floor(count, start), _floor(count, end))
    return part_of(trace, wanted)


_AnyTrace = TypeVar("_AnyTrace", bound=abstract.Trace[Any])


def part_of(trace: _AnyTrace, wanted: slice) -> _AnyTrace:
    """Some of the samples of a trace, as a trace of the same sensors."""
    indices = trace.indices
    if indices is None:
        names = cast(Mapping[str, AnySensor], trace.sensors)  # pyright: ignore[reportUnknownMemberType]
        indices = {name: np.arange(len(trace)) for name in names}
    part = copy.copy(trace)
    if isinstance(part, Trace) and part.alignment is not None:
        part.alignment = part.alignment[wanted]
    else:
        part.indices = {name: numbers[wanted] for name, numbers in indices.items()}
    return part


def _floor(count: int, proportion: float) -> int:
    """`floor(count * proportion)` of the number that was meant.

    0.29 is a little less than 29 %, and 100 times that a little less than 29: products within the
    rounding of their factors of a whole number are that number.
    """
    product = count * proportion
    nearest = round(product)
    return nearest if abs(product - nearest) <= 4 * math.ulp(product) else math.floor(product)


def _plan_item(source: Any, index: int, batch: Batch, into: dict[Any, Any], key: Any) -> None:
    """Plan to put `source[index]` into a dictionary."""
    if reads_by_plan(source):
        into[key] = source.plan(index, batch)
        return
    into[key] = None  # keeps its place

    def read() -> None:
        into[key] = source[index]

    batch.call(source, read)


def _sample_number(index: Any, count: int, where: str) -> int:
    number = operator.index(index)
    if not -count <= number < count:
        there = f"there are {count}: 0 to {count - 1}" if count else "there are none"
        raise OutOfRangeError(f"{where}: sample {number} was asked for, but {there}")
    return number % count


def _set_options(folder: str, options: Mapping[str, Any] | None) -> None:
    if options is not None and is_url(folder):
        remember(folder, options)


def _width(folder: str) -> int:
    """How many sensors are looked at at a time: those that wait need not wait for each other."""
    return SIDE_BY_SIDE if is_url(folder) else 1


def _open_sensors(folder: str, kinds: Sequence[tuple[str, SensorType]]) -> list[AnySensor]:
    if not is_url(folder):
        return [_open_sensor(folder, *item) for item in kinds]

    def look_or_open(item: tuple[str, SensorType] | str) -> AnySensor | None:
        if not isinstance(item, str):
            return _open_sensor(folder, *item)
        storage_for(folder).look_around(join(folder, item))
        return None

    # Side by side with what describes the sensors come the sizes of their files.
    work = [*(name for name, _ in kinds), *kinds]
    return cast(list[AnySensor], map_all(look_or_open, work, _width(folder))[len(kinds) :])


def _open_sensor(folder: str, name: str, kind: SensorType) -> AnySensor:
    if kind == "auto":
        kind = name if name in SENSOR_TYPES else None
    return sensor_types.from_config(join(folder, name), kind)
