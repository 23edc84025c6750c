"""Saving and resuming a `roverd.torch.Sampler`, with other numbers of ranks and workers."""

import io
import itertools
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchdata.stateful_dataloader import StatefulDataLoader

from roverd.torch import DataLoader, Dataset, Sampler

LENGTHS = [40, 0, 33, 70]
TOTAL = sum(LENGTHS)


class Numbers:
    """Traces whose samples are their numbers."""

    traces = tuple([None] * length for length in LENGTHS)

    def __len__(self) -> int:
        return TOTAL

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array(index)


def read_ahead(items: Iterator[Any], count: int) -> Iterator[Any]:
    """What the workers of a `DataLoader` do: so many items are asked for before they are taken."""
    waiting = deque(itertools.islice(items, count))
    while waiting:
        yield waiting.popleft()
        waiting.extend(itertools.islice(items, 1))


def ranks_of(world: int, batch: int | None, **options: Any) -> list[Sampler]:
    return [
        Sampler(Numbers(), batch, rank=rank, world_size=world, **options) for rank in range(world)
    ]


def flat(items: Any) -> list[int]:
    """All numbers in tensors and iterables, at any depth."""
    if isinstance(items, torch.Tensor):
        return items.reshape(-1).tolist()
    return [items] if isinstance(items, int) else list(itertools.chain(*map(flat, items)))


@pytest.mark.parametrize("workers", range(5))
@pytest.mark.parametrize("world", range(1, 9))
@pytest.mark.parametrize("batch", [3, None])
def test_what_was_read_ahead_is_not_lost(world: int, workers: int, batch: int | None) -> None:
    whole = list(Sampler(Numbers(), seed=1))
    samplers = ranks_of(world, batch, seed=1)
    steps = 2 if batch else 5
    ahead = 2 * workers + 1
    seen = [list(itertools.islice(read_ahead(iter(each), ahead), steps)) for each in samplers]
    states = [sampler.state_dict(consumed=steps) for sampler in samplers]
    assert all(state == states[0] for state in states)
    assert json.loads(json.dumps(states[0])) == states[0]

    other = 9 - world
    rest: list[list[Any]] = []
    for sampler in ranks_of(other, batch, seed=99):  # the seed comes with the state
        sampler.load_state_dict(states[0])
        rest.append(list(read_ahead(iter(sampler), ahead)))
    assert len({len(items) for items in rest}) == 1
    taken = flat(seen)
    assert sorted(taken) == sorted(whole[: len(taken)])
    left = flat(rest)
    padding = -(TOTAL - len(taken)) % other
    assert sorted(left) == sorted(whole[len(taken) :] + whole[:padding])


@given(
    worlds=st.lists(st.integers(1, 8), min_size=2, max_size=4),
    batches=st.lists(st.integers(1, 7), min_size=4, max_size=4),
    steps=st.lists(st.integers(0, 12), min_size=4, max_size=4),
    ahead=st.integers(0, 8),
    kind=st.sampled_from([{}, {"block": 5, "buffer": 3}, {"shuffle": False}]),
    epoch=st.integers(0, 3),
)
@settings(max_examples=60)
def test_an_epoch_is_seen_once_whatever_the_ranks_after_each_stop(
    worlds: list[int],
    batches: list[int],
    steps: list[int],
    ahead: int,
    kind: dict[str, Any],
    epoch: int,
) -> None:
    """Stops at any step, as often as one likes; the last run goes to the end."""
    state: dict[str, Any] | None = None
    seen: list[int] = []
    padding = 0
    for run, world in enumerate(worlds):
        last = run == len(worlds) - 1
        states: list[dict[str, Any]] = []
        got: list[int] = []
        for sampler in ranks_of(world, batches[run], seed=4, **kind):
            if state is None:
                sampler.set_epoch(epoch)
            else:
                sampler.load_state_dict(state)
                assert sampler.epoch == epoch
            items = read_ahead(iter(sampler), ahead + 1)
            taken = list(items if last else itertools.islice(items, steps[run]))
            got += flat(taken)
            states.append(sampler.state_dict(consumed=len(taken)))
        assert all(found == states[0] for found in states)
        # Only the last step of an epoch is filled up.
        padding += max(0, len(seen) - padding + len(got) - TOTAL)
        seen += got
        state = states[0]
    assert state is not None
    assert state["position"] == TOTAL
    assert set(seen) == set(range(TOTAL))
    assert len(seen) - TOTAL == padding < max(worlds)


def test_dropped_samples_are_only_those_of_the_last_step() -> None:
    samplers = ranks_of(8, 2, drop_last=True)
    seen = flat(itertools.islice(iter(sampler), 3) for sampler in samplers)
    state = samplers[0].state_dict()
    for sampler in ranks_of(3, 4, drop_last=True):
        sampler.load_state_dict(state)
        seen += flat(sampler)
    assert len(set(seen)) == len(seen) == 48 + (TOTAL - 48) // 12 * 12


def test_a_resumed_epoch_is_gone_on_with_once() -> None:
    sampler = Sampler(Numbers(), 10, seed=2)
    whole = list(sampler)
    assert list(sampler) == whole
    half = iter(sampler)
    assert [next(half), next(half)] == whole[:2]
    state = sampler.state_dict()
    other = Sampler(Numbers(), 10)
    other.load_state_dict(state)
    assert other.state_dict() == state
    other.set_epoch(0)  # as it is: changes nothing
    assert list(other) == whole[2:]
    assert list(other) == whole
    other.load_state_dict(state)
    other.set_epoch(1)
    assert sorted(flat(other)) == list(range(TOTAL))
    other.load_state_dict(sampler.state_dict(consumed=0))
    assert list(other) == whole
    list(sampler)
    other.load_state_dict(sampler.state_dict())
    assert list(other) == []


def test_states_that_do_not_fit_are_refused() -> None:
    sampler = Sampler(Numbers(), 4)
    next(iter(sampler))
    state = sampler.state_dict()
    for other in (
        Sampler([*LENGTHS[:-1], LENGTHS[-1] + 1], 4),
        Sampler(LENGTHS[::-1], 4),
        Sampler(Numbers(), 4, block=2),
        Sampler(Numbers(), 4, balanced=True),
        Sampler(Numbers(), 4, shuffle=False),
    ):
        with pytest.raises(ValueError, match="another order"):
            other.load_state_dict(state)
        assert len(list(other)) == len(other)
    with pytest.raises(ValueError, match="position is missing"):
        sampler.load_state_dict({name: state[name] for name in state if name != "position"})
    with pytest.raises(ValueError, match="position 1000"):
        sampler.load_state_dict(state | {"position": 1000})
    with pytest.raises(ValueError, match="1 batches were given out"):
        sampler.state_dict(consumed=2)
    with pytest.raises(ValueError, match="consumed"):
        sampler.state_dict(consumed=-1)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_our_loader_counts_what_was_taken(workers: int) -> None:
    def loader(rank: int, world: int, count: int) -> DataLoader:
        sampler = Sampler(Numbers(), 4, seed=3, rank=rank, world_size=world)
        return DataLoader(Dataset(Numbers()), sampler, num_workers=count)

    seen: list[int] = []
    states: list[dict[str, Any]] = []
    for rank in range(3):
        first = loader(rank, 3, workers)
        first.set_epoch(5)
        before = first.state_dict()
        assert (before["epoch"], before["position"]) == (5, 0)
        seen += flat(itertools.islice(first, 4))
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        states.append(torch.load(file, weights_only=True))
    assert states[0] == states[1] == states[2]
    for rank in range(2):
        second = loader(rank, 2, 2 - workers)
        second.load_state_dict(states[rank])
        second.set_epoch(5)
        assert second.state_dict() == states[rank]
        seen += flat(second)
        assert second.state_dict()["position"] == TOTAL
    padding = (TOTAL - 48) % 2
    assert len(seen) == TOTAL + padding
    assert set(seen) == set(range(TOTAL))


def test_our_loader_needs_batches() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        DataLoader(Dataset(Numbers()), Sampler(Numbers()))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
# Of torchdata's own doing, with this version of PyTorch:
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("as_batches", [False, True])
def test_torchdata_saves_and_resumes_it(workers: int, as_batches: bool) -> None:
    def loader(rank: int, world: int) -> StatefulDataLoader:
        size = 4 if as_batches else None
        sampler = Sampler(Numbers(), size, seed=6, rank=rank, world_size=world)
        where = {"batch_sampler": sampler} if as_batches else {"sampler": sampler, "batch_size": 4}
        return StatefulDataLoader(Dataset(Numbers()), num_workers=workers, **where)

    seen: list[int] = []
    state: Any = None
    for rank in range(3):
        first = iter(whole := loader(rank, 3))
        seen += flat(itertools.islice(first, 5))
        state = whole.state_dict()
    for rank in range(2):
        second = loader(rank, 2)
        second.load_state_dict(state)
        seen += flat(second)
    padding = (TOTAL - 60) % 2
    assert len(seen) == TOTAL + padding
    assert set(seen) == set(range(TOTAL))
    # And goes on with the next epoch.
    assert len(flat(second)) == -(-TOTAL // 2)


def set_epoch_as_lightning_does(loader: Any, epoch: int) -> None:
    """`lightning.fabric.utilities.data._set_sampler_epoch`, retold."""
    batches = getattr(loader, "batch_sampler", None)
    samplers = [getattr(loader, "sampler", None), getattr(batches, "sampler", None)]
    for sampler in {id(sampler): sampler for sampler in samplers}.values():
        set_epoch = getattr(sampler, "set_epoch", None)
        if callable(set_epoch):
            set_epoch(epoch)


@pytest.mark.parametrize("kind", [DataLoader, torch.utils.data.DataLoader])
def test_lightning_finds_its_hooks(kind: Any) -> None:
    sampler = Sampler(Numbers(), 4)
    loader: Any
    if kind is DataLoader:
        loader = DataLoader(Dataset(Numbers()), sampler)
        assert callable(loader.state_dict)
        assert callable(loader.load_state_dict)
    else:
        loader = kind(Dataset(Numbers()), batch_sampler=sampler)
    first = flat(loader)
    set_epoch_as_lightning_does(loader, 3)
    assert sampler.epoch == 3
    assert flat(loader) != first
    sampler.set_epoch(0)
    assert flat(loader) == first
    assert len(loader) == len(list(loader)) == -(-TOTAL // 4)
