"""A `DataLoader` that knows what was taken from it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch.utils.data

from roverd.torch.collation import collate
from roverd.torch.sampler import Sampler

__all__ = ["DataLoader"]


class DataLoader(torch.utils.data.DataLoader[Any]):
    """PyTorch's `DataLoader` with a `Sampler`, which can be saved at any batch.

    It counts the batches that the program takes: what workers have read ahead by then is read
    again after a resume, not lost. Whoever saves loaders that have `state_dict` and
    `load_state_dict` (Lightning does) saves this one.

    Args:
        dataset: what samples come from.
        sampler: which samples, in which order; with a `batch_size`.
        collate_fn: makes a batch of a list of samples.
        options: other arguments of PyTorch's: `num_workers`, `multiprocessing_context`, …

    Raises:
        ValueError: the sampler gives out single samples.
    """

    def __init__(
        self,
        dataset: Any,
        sampler: Sampler,
        *,
        collate_fn: Callable[[Sequence[Any]], Any] = collate,
        **options: Any,
    ) -> None:
        if sampler.batch_size is None:
            raise ValueError("expected a Sampler with a batch_size, this one has none")
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            dataset, batch_sampler=sampler, collate_fn=collate_fn, **options
        )
        self._order_of_batches = sampler
        self._taken = 0

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The batches of an epoch, or of what is left of it."""
        self._taken = 0
        for batch in super().__iter__():
            self._taken += 1
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; see `Sampler.set_epoch`."""
        self._order_of_batches.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where to go on: behind the batches that were taken; see `Sampler.state_dict`."""
        sampler = self._order_of_batches
        return sampler.state_dict(self._taken if sampler.iterating else 0)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state, with any number of ranks and workers."""
        self._order_of_batches.load_state_dict(state_dict)
