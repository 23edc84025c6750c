"""Frames of many channels, planned one after the other and read together.

All cores work on all frames of a batch, whichever channels and samples they belong to. A frame
that is wanted several times is read and decoded once.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from roverd.channels.fetching import LONG, Fetch, Work, run_fetching
from roverd.channels.layouts import ContradictionError, Layout, Read, Run
from roverd.parallel import for_each
from roverd.storage import is_fetching
from roverd.storage.ranges import spans

if TYPE_CHECKING:
    from roverd.channels.abstract.channel import Channel

_Function = TypeVar("_Function", bound=Callable[..., Any])

# A class that overrides one of these reads items in a way of its own.
_by_plan: set[Any] = set()


def by_plan(function: _Function) -> _Function:
    """Mark a `__getitem__` that reads what its object's `plan` plans, and nothing else."""
    _by_plan.add(function)
    return function


def reads_by_plan(source: object) -> bool:
    """Whether items may be planned; otherwise they have to be asked for, as `source[index]`."""
    return getattr(type(source), "__getitem__", None) in _by_plan


def as_numbers(indices: Iterable[SupportsIndex] | NDArray[Any], where: str) -> list[int]:
    """Indices as integers.

    Args:
        indices: a sequence or an array of integers.
        where: what messages name.

    Raises:
        TypeError: they are something else; a mask, for example.
    """
    array = isinstance(indices, np.ndarray)
    items = cast(list[Any], indices.tolist()) if array else list(indices)
    if (array and indices.ndim != 1) or any(isinstance(item, bool | np.bool_) for item in items):
        raise TypeError(f"{where}: expected a sequence of integers, got {indices!r:.80}")
    return [operator.index(item) for item in items]


class Batch:
    """Reads that are planned now, and done together by `run`.

    The arrays that it hands out have no content before. It sees each channel as it was when the
    first of its frames was planned, and is used once, by one thread.
    """

    def __init__(self) -> None:
        self._plans: dict[int, _Plan] = {}
        self._calls: dict[int, _Calls] = {}
        self._last: list[Work] = []

    def read(self, channel: "Channel", start: int, count: int) -> NDArray[Any]:
        """Plan to read consecutive frames.

        Args:
            channel: what they are frames of.
            start: the first of them, not negative.
            count: how many.

        Returns:
            Array `(count, *shape)`, filled by `run`.

        Raises:
            OutOfRangeError: not all of them are there.
            MissingFileError: there is no data.
        """
        plan = self._plan(channel)
        if count:
            channel.frame_number(plan.layout, max(0, start + count - 1))
        out = channel.room_for(count)
        plan.runs.append((start, out))
        return out

    def read_each(self, channel: "Channel", frames: Sequence[int]) -> NDArray[Any]:
        """Plan to read any frames.

        Args:
            channel: what they are frames of.
            frames: their numbers, in any order, each as often as it is wanted; negative: from the
                end.

        Returns:
            Array `(len(frames), *shape)`, filled by `run`.

        Raises:
            OutOfRangeError: not all of them are there.
            MissingFileError: there is no data.
        """
        plan = self._plan(channel)
        numbers = [channel.frame_number(plan.layout, frame) for frame in frames]
        out = channel.room_for(len(numbers))
        plan.runs.extend((number, out[slot : slot + 1]) for slot, number in enumerate(numbers))
        return out

    def call(self, source: object, work: Work) -> None:
        """Plan something else, to be done beside the reads.

        Args:
            source: what it asks. That need not be made for several threads, so all that is asked
                of the same one is done in order.
            work: what to do.
        """
        self._calls.setdefault(id(source), _Calls(source)).append(work)

    def then(self, work: Work) -> None:
        """Plan what needs frames of this batch: it is done when all of them are there."""
        self._last.append(work)

    def _plan(self, channel: "Channel") -> "_Plan":
        plan = self._plans.get(id(channel))
        if plan is None:
            plan = self._plans[id(channel)] = _Plan(channel)
        return plan

    def run(self) -> None:
        """Do all that was planned.

        Raises:
            CorruptFileError: the bytes of a frame are not what they should be.
            MissingFileError: a frame has gone meanwhile.
            BaseException: what the work given to `call` raised.
        """
        run_plans(list(self._plans.values()), list(self._calls.values()))
        for work in self._last:
            work()


def read_planned(layout: Layout, channel: "Channel", runs: Sequence[Run]) -> None:
    """Read frames of one channel as a batch does.

    Args:
        layout: the channel's frames.
        channel: what they are frames of.
        runs: which, and where they go.
    """
    plan = _Plan(channel, layout)
    plan.runs.extend(runs)
    run_plans([plan])


def run_plans(plans: "Sequence[_Plan]", calls: Sequence[Work] = ()) -> None:
    """Do all that was planned; see `Batch.run`."""
    work: list[tuple[float, Work]] = [(LONG, call) for call in calls]
    fetches: list[Fetch] = []
    for plan in plans:
        plan.prepare(work, fetches)
    # The longest first: the cores then come to an end at about the same time.
    work.sort(key=lambda piece: -piece[0])
    if fetches:
        run_fetching(fetches, work)
    else:
        for_each(lambda piece: piece[1](), work)
    for plan in plans:
        plan.mend()


class _Calls:
    """What is asked of one source, one after the other."""

    def __init__(self, source: object) -> None:
        self._source = source  # else another one may get its `id`
        self._works: list[Work] = []

    def append(self, work: Work) -> None:
        self._works.append(work)

    def __call__(self) -> None:
        for work in self._works:
            work()


class _Plan:
    """What a batch reads of one channel.

    Attributes:
        layout: the channel's frames.
        runs: those that are wanted.
    """

    def __init__(self, channel: "Channel", layout: Layout | None = None) -> None:
        self._channel = channel  # else another one may get its `id`
        self.layout: Layout = channel.existing_layout() if layout is None else layout
        self.runs: list[Run] = []
        self._contradicted = False

    def prepare(self, work: list[tuple[float, Work]], fetches: list[Fetch]) -> None:
        """Add what is to be done.

        Args:
            work: gets what can be done at once, and about how long each takes.
            fetches: get what has to be waited for.
        """
        reads: list[Read] = []
        for task in self.layout.plan(self.runs):
            if isinstance(task, Read):
                reads.append(task)
            elif isinstance(task, Fetch):
                fetches.append(task)
            else:
                work.append((LONG, self._guarded(task)))
        if not reads:
            return
        # All of a channel's ranges are in one file.
        file = reads[0].file
        for span in spans([(read.offset, read.size) for read in reads], file.merging):
            members = [reads[number] for number in span.ranges]
            merged = _Merged(span.offset, span.size, members)
            if is_fetching(file):
                begin = partial(file.begin, span.offset, span.size)
                fetches.append(Fetch(begin, self._guarded_take(merged), span.size))
                continue
            cost = sum(read.cost for read in members)
            work.append((cost, self._guarded(members[0].read if len(members) == 1 else merged)))

    def _guarded_take(self, merged: "_Merged") -> Callable[[bytes], object]:
        return lambda data: self._guarded(partial(merged.take, data))()

    def _guarded(self, work: Work) -> Work:
        def guarded() -> None:
            try:
                work()
            except ContradictionError:
                self._contradicted = True

        return guarded

    def mend(self) -> None:
        """Read everything again, if the file turned out not to be what its index says."""
        if self._contradicted:
            for first, out in self.runs:
                self.layout.read(range(first, first + len(out)), out)


class _Merged:
    """Neighbours that are read in one go.

    Args:
        offset: where the first begins.
        size: how many bytes they are, with what lies between them.
        members: the reads, all of one file.
    """

    def __init__(self, offset: int, size: int, members: Sequence[Read]) -> None:
        self._offset = offset
        self._size = size
        self._members = members

    def __call__(self) -> None:
        self.take(self._members[0].file.read(self._offset, self._size))

    def take(self, data: bytes) -> None:
        """The same with the bytes, which somebody else has read."""
        for member in self._members:
            begin = member.offset - self._offset
            member.take(data[begin : begin + member.size])
