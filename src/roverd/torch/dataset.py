"""Recordings as a data set of PyTorch's."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch.utils.data

from roverd.torch.tensors import to_tensors

__all__ = ["Dataset"]


class Dataset(torch.utils.data.Dataset[Any]):
    """A data set of PyTorch's kind (map-style) around recordings: samples hold tensors.

    A `DataLoader` reads whole batches from it at once (`__getitems__`). It pickles, and works in
    worker processes under fork, forkserver and spawn.

    Args:
        source: a `roverd.Dataset` or `Trace`, or whatever has `len` and gives samples by number.
        transform: applied to each sample, of NumPy's arrays, before it gets tensors.

    Attributes:
        source: where samples come from.
        transform: what is applied to them.
    """

    def __init__(self, source: Any, transform: Callable[[Any], Any] | None = None) -> None:
        self.source = source
        self.transform = transform

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.source)

    def __getitem__(self, index: int) -> Any:
        """A sample by number, with tensors that share the memory of its arrays.

        Args:
            index: number of the sample; negative: from the end.

        Returns:
            The sample; see `to_tensors`.

        Raises:
            OutOfRangeError: there is no such sample.
        """
        return self._finished(self.source[index])

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Samples by number, read together; PyTorch's `DataLoader` calls this.

        Args:
            indices: numbers of the samples, in any order.

        Returns:
            The samples; see `to_tensors`.
        """
        together = cast(
            Callable[[Sequence[int]], Sequence[Any]] | None,
            getattr(self.source, "__getitems__", None),
        )
        if together is None:
            return [self[index] for index in indices]
        return [self._finished(sample) for sample in together(indices)]

    def _finished(self, sample: Any) -> Any:
        return to_tensors(sample if self.transform is None else self.transform(sample))
