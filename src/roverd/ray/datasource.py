"""Traces as a source of Ray Data."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import ray
from ray.data import DataContext, Datasource, ReadTask
from ray.data.block import BlockAccessor, BlockMetadata

from roverd.parallel import set_threads
from roverd.ray.columns import Rows, stacked
from roverd.ray.planning import Piece, Source, spans

_BLOCK = 16 << 20  # bytes that a task reads at a time


class TraceDatasource(Datasource):
    """Samples of traces, read by tasks of about as many bytes each.

    Args:
        sources: the traces.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__()
        self._sources = sources

    def get_name(self) -> str:
        """What Ray calls the tasks."""
        return "Traces"

    def estimate_inmemory_data_size(self) -> int:
        """Bytes of all rows, decoded."""
        return sum(len(source.numbers) * source.row_size for source in self._sources)

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """The tasks.

        Args:
            parallelism: how many there are to be. Ray chooses it so that a task has no more than
                the bytes of a block.
            per_task_row_limit: rows that a task needs to give.
            data_context: Ray's settings.
        """
        context = data_context or DataContext.get_current()
        largest = context.target_max_block_size or _BLOCK
        schema = _schema(self._sources[0]) if self._sources else None
        return [
            ReadTask(
                partial(_read, pieces, min(_BLOCK, largest)),
                BlockMetadata(
                    num_rows=sum(len(piece.numbers) for piece in pieces),
                    size_bytes=sum(piece.size for piece in pieces),
                    input_files=tuple(piece.path for piece in pieces),
                    exec_stats=None,
                ),
                schema=schema,
                per_task_row_limit=per_task_row_limit,
            )
            for pieces in spans(self._sources, parallelism)
        ]


def _read(pieces: Sequence[Piece], block_size: int) -> Iterator[Any]:
    """Read samples in a process of the cluster, few at a time."""
    cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    set_threads(max(1, int(cores)))
    for piece in pieces:
        for rows in piece.read(block_size):
            yield _block(rows)


def _block(rows: Rows) -> Any:
    return _accessor().batch_to_block(stacked(rows))


def _schema(source: Source) -> Any:
    row = {"trace": source.trace.name, "path": source.path, "sample": 0, **source.example}
    return _accessor().for_block(_block([row])).schema()


def _accessor() -> Any:
    """Ray's access to blocks, whose types are those of libraries that need not be installed."""
    return BlockAccessor
