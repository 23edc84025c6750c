"""Which samples a process trains on, in which order, and where it goes on after a stop."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import torch.distributed
import torch.utils.data
from numpy.typing import NDArray

from roverd.torch.dataset import Dataset
from roverd.torch.order import Order

__all__ = ["Sampler"]

_AT_ONCE = 1 << 14  # samples whose numbers are computed at a time


@dataclass
class _Iteration:
    """One pass over an epoch, or over what was left of it.

    Attributes:
        begin: position in the epoch at which it began.
        end: position at which it ends: the epoch's length, or less if the rest is dropped.
        step: positions that all ranks together take while one takes an item.
        given: items that it has given out.
    """

    begin: int
    end: int
    step: int
    given: int = 0

    def position(self, items: int) -> int:
        """Position behind a number of items."""
        return min(self.begin + items * self.step, self.end)


class Sampler(torch.utils.data.Sampler[Any]):
    """Numbers of samples for a `DataLoader`: shuffled, shared out over ranks, and resumable.

    The order of an epoch is a pure function of the data set's traces, `seed` and `epoch`. Ranks
    share it out: with W ranks, rank r takes positions r, r + W, r + 2 W, …, so that the ranks'
    batches of one step are, together, the same samples for any number of ranks with the same
    batch size in all. Workers of a `DataLoader` make no difference.

    With `batch_size` it goes where a `DataLoader` takes a `batch_sampler`, without it where it
    takes a `sampler`.

    Args:
        dataset: a `Dataset` or `Trace`, of `roverd` or `roverd.torch`; a list or array with the
            number of samples of each trace; or anything else that has a length, as one trace.
        batch_size: samples of a rank's batch; `None` for single samples.
        shuffle: whether samples are shuffled; otherwise they come trace by trace.
        block: for slow storage: how many neighbouring samples of a trace stay near each other.
            `None` shuffles all samples.
        buffer: how many blocks are mixed: `buffer` blocks that are drawn at random are shuffled
            sample by sample, then come the next ones. About one in `buffer` of the samples that
            follow each other are of the same block.
        balanced: whether each trace gives as many samples to an epoch, together about as many as
            there are: of a long trace another part in each epoch, of a short one all of them,
            again and again.
        drop_last: ranks always get equally many batches of equal sizes. If samples are left over,
            they are dropped in this epoch (`True`), or they are shared out, the last batch being
            smaller, and the ranks that lack a sample get one from the beginning of the epoch's
            order (`False`): fewer than the number of ranks.
        seed: of the order, from 0 to 2**64 - 1.
        rank: number of this process; by default what `torch.distributed` says, or 0 where that
            has not been initialised.
        world_size: number of processes; by default likewise, or 1.

    Attributes:
        batch_size: samples of a rank's batch; `None` for single samples.
        drop_last: whether samples that are left over are dropped.
        seed: of the order.
        epoch: which one the next iteration belongs to, from 0.

    Raises:
        ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = None,
        *,
        shuffle: bool = True,
        block: int | None = None,
        buffer: int = 64,
        balanced: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if (rank is None) != (world_size is None):
            raise ValueError(
                f"expected rank and world_size, or neither, got rank={rank} and "
                f"world_size={world_size}"
            )
        if rank is not None and world_size is not None and not 0 <= rank < world_size:
            raise ValueError(f"expected 0 <= rank < world_size, got {rank} and {world_size}")
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.epoch = 0
        self._rank = rank
        self._world_size = world_size
        self._lengths = _lengths_of(dataset)
        self._settings: dict[str, Any] = {
            "shuffle": shuffle,
            "block": block,
            "buffer": buffer,
            "balanced": balanced,
        }
        self._order = Order(self._lengths, seed=seed, **self._settings)
        self.seed = seed
        self._resume = 0
        self._iteration: _Iteration | None = None

    @property
    def rank(self) -> int:
        """Number of this process."""
        if self._rank is not None:
            return self._rank
        return torch.distributed.get_rank() if _is_distributed() else 0

    @property
    def world_size(self) -> int:
        """Number of processes."""
        if self._world_size is not None:
            return self._world_size
        return torch.distributed.get_world_size() if _is_distributed() else 1

    @property
    def sampler(self) -> Self:
        """Itself: Lightning calls `set_epoch` of what a batch sampler has by this name."""
        return self

    @property
    def iterating(self) -> bool:
        """Whether an iteration has begun since the last `set_epoch` or `load_state_dict`."""
        return self._iteration is not None

    def __len__(self) -> int:
        """Items (batches, or samples) of a rank in a whole epoch, wherever this one began."""
        return self._items(len(self._order))

    def _items(self, samples: int) -> int:
        """Items of a rank, if there are so many samples for all."""
        batch = self.batch_size or 1
        if self.drop_last:
            return samples // (batch * self.world_size)
        return -(-samples // (batch * self.world_size))

    def __iter__(self) -> Iterator[Any]:
        """Numbers of samples, or lists of them, from where `load_state_dict` said, or all."""
        rank, world, batch = self.rank, self.world_size, self.batch_size or 1
        begin, self._resume = self._resume, 0
        order, epoch, total = self._order, self.epoch, len(self._order)
        items = self._items(total - begin)
        step = batch * world
        end = begin + items * step if self.drop_last else total
        iteration = self._iteration = _Iteration(begin, end, step)
        # Of this rank: whole ones, and with `drop_last=False` as many as the others.
        count = items * batch if self.drop_last else -(-(total - begin) // world)
        at_once = -(-_AT_ONCE // batch) * batch
        for start in range(0, count, at_once):
            stop = min(start + at_once, count)
            positions = begin + rank + world * np.arange(start, stop, dtype=np.int64)
            numbers = cast(list[int], order.at(epoch, positions % total).tolist())
            for first in range(0, len(numbers), batch):
                iteration.given += 1
                if self.batch_size is None:
                    yield numbers[first]
                else:
                    yield numbers[first : first + batch]

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration belongs to.

        Args:
            epoch: from 0. If it is the one already, nothing changes, and an epoch that
                `load_state_dict` resumes is gone on with.

        Raises:
            ValueError: it is negative.
        """
        if epoch < 0:
            raise ValueError(f"epoch must not be negative, got {epoch}")
        if epoch != self.epoch:
            self.epoch = epoch
            self._resume = 0
            self._iteration = None

    def state_dict(self, consumed: int | None = None) -> dict[str, Any]:
        """Where to go on: the same on all ranks, and good for any number of ranks.

        Args:
            consumed: how many items (batches, or samples where there is no `batch_size`) of the
                present iteration the program has taken from the `DataLoader`. The workers of a
                plain `DataLoader` are ahead of that. `None`: all that were given out; right where
                nothing reads ahead, and for `StatefulDataLoader`, which asks at the right moment.

        Returns:
            Numbers and texts only.

        Raises:
            ValueError: `consumed` is more than were given out.
        """
        iteration = self._iteration
        given = 0 if iteration is None else iteration.given
        items = given if consumed is None else consumed
        if not 0 <= items <= given:
            raise ValueError(
                f"consumed={consumed}: since the last set_epoch or load_state_dict, {given} "
                f"{'samples' if self.batch_size is None else 'batches'} were given out"
            )
        position = self._resume if iteration is None else iteration.position(items)
        return {
            "epoch": self.epoch,
            "position": position,
            "seed": self.seed,
            "order": self._order.text,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state: the next iteration has what was left of that epoch.

        Rank, number of ranks, `batch_size` and `drop_last` may be others than when it was saved;
        epoch and seed are taken from it.

        Args:
            state_dict: from `state_dict` of any rank.

        Raises:
            ValueError: it is no such state, or one of another data set or of other settings.
        """
        missing = {"epoch", "position", "seed", "order"} - state_dict.keys()
        if missing:
            raise ValueError(f"state of a sampler: {', '.join(sorted(missing))} is missing")
        if state_dict["order"] != self._order.text:
            raise ValueError(
                f"the state is of a sampler with another order: saved with "
                f"{state_dict['order']!r:.200}, but here are {self._order.text!r}; go on with the "
                f"same traces and settings, or begin an epoch with set_epoch"
            )
        position = int(state_dict["position"])
        if not 0 <= position <= len(self._order):
            raise ValueError(
                f"state of a sampler: position {position} is not from 0 to {len(self._order)}"
            )
        seed = int(state_dict["seed"])
        self._order = Order(self._lengths, seed=seed, **self._settings)
        self.seed = seed
        self.epoch = int(state_dict["epoch"])
        self._resume = position
        self._iteration = None


def _lengths_of(dataset: Any) -> NDArray[np.int64]:
    if isinstance(dataset, list | tuple | np.ndarray):
        lengths: NDArray[Any] = np.asarray(cast(Any, dataset))
        if lengths.size and lengths.dtype.kind not in "iu":
            raise ValueError(
                f"expected the number of samples of each trace, or a data set, got {lengths!r:.80}"
            )
        return lengths.astype(np.int64)
    source = dataset.source if isinstance(dataset, Dataset) else dataset
    traces = getattr(source, "traces", None)
    return np.array([len(source)] if traces is None else [len(trace) for trace in traces], np.int64)


def _is_distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
