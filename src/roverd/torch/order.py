"""In which order an epoch's samples come: a pure function, computed where it is needed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from roverd.torch.permutation import key_of, permute

__all__ = ["Order"]

Numbers = NDArray[np.int64]

# What a permutation is for; part of its key.
_SAMPLES, _BLOCKS, _WINDOWS, _TRACES = range(4)

_AT_ONCE = 1 << 14  # blocks, or positions, that are worked on at a time


@dataclass(frozen=True)
class _Windows:
    """How an epoch's shuffled blocks are grouped.

    Attributes:
        epoch: of which.
        ends: Int64[windows]: for each group, the number of samples up to its end.
    """

    epoch: int
    ends: Numbers


class Order:
    """The order of a data set's samples in each epoch.

    Nothing of the length of the data set is stored: 8 bytes a trace and 8 bytes a window.

    Args:
        lengths: number of samples of each trace.
        seed: of everything random, from 0 to 2**64 - 1.
        shuffle: whether samples are shuffled at all.
        block: `None` to shuffle all samples; otherwise how many neighbouring samples of a trace
            stay near each other.
        buffer: how many blocks are mixed.
        balanced: whether each trace gives as many samples.

    Raises:
        ValueError: one of the arguments makes no sense.
    """

    def __init__(
        self,
        lengths: Sequence[int] | Numbers,
        *,
        seed: int = 0,
        shuffle: bool = True,
        block: int | None = None,
        buffer: int = 64,
        balanced: bool = False,
    ) -> None:
        for name, value in (("block", block), ("buffer", buffer)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed must be from 0 to 2**64 - 1, got {seed}")
        self._lengths = np.asarray(lengths, np.int64).reshape(-1)
        if (self._lengths < 0).any():
            raise ValueError("lengths of traces must not be negative")
        self._seed = seed
        self._shuffle = shuffle
        self._block = block if shuffle else None
        self._buffer = buffer
        self._balanced = balanced
        self._starts = np.cumsum(self._lengths) - self._lengths
        if balanced:
            full = np.flatnonzero(self._lengths)
            self._lengths, self._starts = self._lengths[full], self._starts[full]
            traces = max(1, len(full))
            share = (int(self._lengths.sum()) + traces // 2) // traces
            self._parts = np.full(len(full), share, np.int64)
        else:
            self._parts = self._lengths
        self._windows: _Windows | None = None

    def __len__(self) -> int:
        """Number of positions in an epoch."""
        return int(self._parts.sum())

    @cached_property
    def text(self) -> str:
        """What tells this order from that of another data set, or of other settings but `seed`."""
        digest = hashlib.sha256(self._starts.tobytes() + self._lengths.tobytes()).hexdigest()
        kind = "in order" if not self._shuffle else "all samples shuffled"
        if self._block is not None:
            kind = f"blocks of {self._block} shuffled, {self._buffer} mixed"
        balance = ", balanced" if self._balanced else ""
        return (
            f"{len(self)} samples of {len(self._lengths)} traces ({digest[:12]}), {kind}{balance}"
        )

    def at(self, epoch: int, positions: Numbers) -> Numbers:
        """The samples at some positions of an epoch.

        Args:
            epoch: which, from 0.
            positions: Int64[n]: from 0 to below the length, in any order.

        Returns:
            Int64[n]: numbers of samples in the data set.
        """
        out = np.empty(len(positions), np.int64)
        for start in range(0, len(positions), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            out[part] = self._samples(epoch, self._places(epoch, positions[part]))
        return out

    def _places(self, epoch: int, positions: Numbers) -> Numbers:
        """What positions are of the epoch's samples, trace by trace."""
        if not self._shuffle:
            return positions
        if self._block is None:
            return permute(positions, len(self), key_of(_SAMPLES, self._seed, epoch))
        ends = self._ends_of_windows(epoch)
        windows = np.searchsorted(ends, positions, "right")
        begins = np.where(windows > 0, ends[windows - 1], 0)
        keys = key_of(_WINDOWS, self._seed, epoch, windows)
        inside = permute(positions - begins, ends[windows] - begins, keys)
        # The blocks of the windows that occur, one window after the other.
        used, which = np.unique(windows, return_inverse=True)
        count = int(self._ends_of_blocks[-1])
        ranks = (used[:, None] * self._buffer + np.arange(self._buffer)).reshape(-1)
        ranks = ranks[ranks < count]
        blocks = permute(ranks, count, key_of(_BLOCKS, self._seed, epoch))
        first, size = self._blocks(blocks)
        stops = np.cumsum(size)
        before = stops[:: self._buffer] - size[:: self._buffer]
        wanted = before[which] + inside
        at = np.searchsorted(stops, wanted, "right")
        return first[at] + wanted - (stops[at] - size[at])

    @cached_property
    def _ends_of_blocks(self) -> Numbers:
        """Int64[traces]: for each trace, the number of blocks up to its end."""
        return np.cumsum(-(-self._parts // (self._block or 1)))

    def _blocks(self, blocks: Numbers) -> tuple[Numbers, Numbers]:
        """Where blocks begin in the epoch's samples, trace by trace; and how many each has."""
        block = self._block or 1
        trace = np.searchsorted(self._ends_of_blocks, blocks, "right")
        begins = np.cumsum(self._parts) - self._parts
        counts = -(-self._parts // block)
        inside = (blocks - (self._ends_of_blocks - counts)[trace]) * block
        return begins[trace] + inside, np.minimum(block, self._parts[trace] - inside)

    def _ends_of_windows(self, epoch: int) -> Numbers:
        if self._windows is None or self._windows.epoch != epoch:
            count = int(self._ends_of_blocks[-1])
            step = -(-_AT_ONCE // self._buffer) * self._buffer
            sizes = [
                self._sizes_of_windows(epoch, start, min(start + step, count))
                for start in range(0, count, step)
            ]
            self._windows = _Windows(epoch, np.cumsum(np.concatenate(sizes)))
        return self._windows.ends

    def _sizes_of_windows(self, epoch: int, start: int, stop: int) -> Numbers:
        key = key_of(_BLOCKS, self._seed, epoch)
        _, size = self._blocks(permute(np.arange(start, stop), int(self._ends_of_blocks[-1]), key))
        return np.add.reduceat(size, np.arange(0, stop - start, self._buffer))

    def _samples(self, epoch: int, places: Numbers) -> Numbers:
        """Numbers in the data set of the epoch's samples."""
        if not self._balanced:
            return places
        share = int(self._parts[0])
        trace, number = np.divmod(places, share)
        lengths = self._lengths[trace]
        # Epoch after epoch goes on in a trace where the last one stopped, around and around.
        turns = epoch % self._lengths * (share % self._lengths) % self._lengths
        number = (number + turns[trace]) % lengths
        if self._shuffle and self._block is None:
            number = permute(number, lengths, key_of(_TRACES, self._seed, trace))
        elif self._shuffle:
            offsets = key_of(_TRACES, self._seed, np.arange(len(self._lengths)))
            offsets = (offsets % self._lengths.astype(np.uint64)).astype(np.int64)
            number = (number + offsets[trace]) % lengths
        return self._starts[trace] + number
