"""`roverd.ray.read`."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from roverd.ops.engines.ray_cluster import NOT_INSTALLED
from roverd.ray.planning import open_sources
from roverd.trace import Sensors, Sync

if TYPE_CHECKING:
    import ray.data

Path = str | os.PathLike[str]


def read(
    paths: Sequence[Path] | Path,
    sync: Sync = None,
    sensors: Sensors = None,
    columns: Sequence[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    include_virtual: bool = False,
    **options: Any,
) -> "ray.data.Dataset":
    """Read traces as a dataset of Ray: a row for each sample, read by the machines of a cluster.

    Each row is the sample that `roverd.Trace` reads, as flat columns:

    - `trace`, `path`: the trace's name, and its folder as an absolute path or a URL;
    - `sample`: the sample's number in its trace;
    - `sensor/field` for each array, number and text that a sensor's sample has, such as
      `lidar/rng`, `lidar/timestamps` (typed sensors) or `lidar/ts` (`DynamicSensor`). Arrays have
      no batch axis: `(t, *shape)`, with `t` frames in the window. Ray's batches have it in front,
      so that they are as roverd's samples are. A sensor whose sample is an array is a column of
      its name.

    All samples whose windows are whole are read, each once: those that a loop over a
    `roverd.Dataset` gives. Traces are sorted by path. Ray gives rows in no particular order, unless
    its `DataContext` asks for it (`execution_options.preserve_order`).

    Here, only metadata and timestamps are read; where what a sensor of one's own gives is not known
    in advance, a sample of it. Tasks read contiguous spans of samples, of about as many bytes each,
    a few samples at a time. All machines need roverd, and the files at the same paths, or URLs.

    Args:
        paths: traces, or folders with traces at any depth; paths or URLs.
        sync: how frames of the sensors make a sample; see `roverd.Trace`. `None`: sample `i` is
            frame `i` of each sensor.
        sensors: what to open each sensor as; see `roverd.Trace.from_config`.
        columns: which columns of sensors to have; all if `None`. What only others need is not read,
            but all `sensors` take part in the synchronisation. `trace`, `path` and `sample` are
            always there.
        storage_options: how the stores of URLs are reached; see `roverd.Trace.from_config`. They
            go to the tasks, by way of the cluster.
        include_virtual: whether all sensors include the virtual ones.
        options: given to `ray.data.read_datasource`: `override_num_blocks`, `concurrency`,
            `num_cpus`, `memory`. A task reads and decodes with as many threads as it has cores.

    Returns:
        The dataset. Ray starts a cluster on this machine if the program is connected to none.

    Raises:
        ImportError: Ray is not installed.
        MissingFileError: there is no trace.
        ChannelNotFoundError: no trace has one of `columns`.
        UnsupportedError: a column is of a type that Ray has not, such as complex numbers; or traces
            differ in their columns, or in a column's type of elements or number of axes.
    """
    try:
        data = import_module("ray.data")
    except ImportError as error:
        raise ImportError(NOT_INSTALLED) from error
    from roverd.ray.datasource import TraceDatasource

    sources = open_sources(paths, sync, sensors, columns, storage_options, include_virtual)
    return cast(Any, data).read_datasource(TraceDatasource(sources), **options)
