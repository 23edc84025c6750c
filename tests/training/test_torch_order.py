"""The order of `roverd.torch.Sampler`: shuffled, shared out over ranks, balanced, by blocks."""

import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from roverd.torch import Sampler
from roverd.torch.permutation import key_of, permute

LENGTHS = [100, 0, 37, 250, 1, 64]
TOTAL = sum(LENGTHS)
TRACES = np.repeat(np.arange(len(LENGTHS)), LENGTHS)  # of each sample
STARTS = np.cumsum(LENGTHS) - LENGTHS

KINDS: list[dict[str, Any]] = [
    {},
    {"shuffle": False},
    {"block": 8, "buffer": 4},
    {"balanced": True},
    {"balanced": True, "block": 16, "buffer": 3},
]

PLAIN = [55, 734, 298, 675, 733, 5]
BLOCKS = [329, 578, 572, 694, 908, 571]
BALANCED = [804, 699, 474, 24, 934, 955]


def epoch_of(sampler: Sampler, epoch: int) -> list[Any]:
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("kind", [{}, {"block": 8, "buffer": 4}, {"block": 1}, {"block": 1000}])
def test_each_epoch_has_every_sample_once_in_another_order(kind: dict[str, Any]) -> None:
    sampler = Sampler(LENGTHS, seed=5, **kind)
    epochs = [epoch_of(sampler, epoch) for epoch in (0, 1, 2)]
    others = list(Sampler(LENGTHS, seed=6, **kind))
    for numbers in [*epochs, others]:
        assert sorted(numbers) == list(range(TOTAL))
    for one, other in itertools.combinations([*epochs, others], 2):
        assert sum(a == b for a, b in zip(one, other, strict=True)) < TOTAL / 10
    again = Sampler(LENGTHS, seed=5, **kind)
    assert [epoch_of(again, epoch) for epoch in (2, 1)] == [epochs[2], epochs[1]]


def test_without_shuffling_samples_come_as_they_were_recorded() -> None:
    assert list(Sampler(LENGTHS, shuffle=False)) == list(range(TOTAL))


def test_orders_of_an_epoch_stay_what_they_are_in_every_version() -> None:
    # Or a training could not go on with a newer version.
    assert list(Sampler([1000], seed=0))[:6] == PLAIN
    sampler = Sampler([700, 300], seed=7, block=10, buffer=5)
    assert epoch_of(sampler, 3)[:6] == BLOCKS
    assert list(Sampler([900, 100], seed=2**64 - 1, balanced=True))[:6] == BALANCED


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_all_permutations_are_equally_likely(count: int) -> None:
    # So many that a network with 12 rounds instead of 16 fails; hence not one by one.
    seeds = np.repeat(np.arange(80_000), count)
    drawn = permute(np.tile(np.arange(count), 80_000), count, key_of(seeds, 7)).reshape(-1, count)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == math.factorial(count)
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("kind", [{}, {"block": 4, "buffer": 25}])
def test_positions_and_neighbours_are_uniform(kind: dict[str, Any]) -> None:
    sampler = Sampler([100], seed=2, **kind)
    drawn = np.array([epoch_of(sampler, epoch) for epoch in range(400)])
    for position in (0, 1, 50, 99):
        assert chisquare(np.bincount(drawn[:, position], minlength=100)).pvalue > 1e-3
    steps = np.bincount((np.diff(drawn, axis=1) % 100).reshape(-1), minlength=100)[1:]
    assert chisquare(steps).pvalue > 1e-3


@pytest.mark.parametrize("world", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_share_out_the_same_order(world: int, kind: dict[str, Any]) -> None:
    whole = epoch_of(Sampler(LENGTHS, seed=3, **kind), 4)
    ranks = [
        epoch_of(Sampler(LENGTHS, seed=3, rank=rank, world_size=world, **kind), 4)
        for rank in range(world)
    ]
    # Whoever lacks a sample at the end gets one from the beginning.
    missing = -len(whole) % world
    together = [number for numbers in zip(*ranks, strict=True) for number in numbers]
    assert together == whole + whole[:missing]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("world", range(1, 9))
def test_a_step_of_all_ranks_is_the_same_for_any_number_of_ranks(
    world: int, drop_last: bool
) -> None:
    together = 840  # in a step; each number of ranks divides it
    lengths = [3000, 1, 399]
    whole = list(Sampler(lengths, seed=9))
    samplers = [
        Sampler(
            lengths, together // world, seed=9, rank=rank, world_size=world, drop_last=drop_last
        )
        for rank in range(world)
    ]
    batches = [list(sampler) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(found) for found in batches]
    assert {len(found) for found in batches} == {4 if drop_last else 5}
    for step, parts in enumerate(zip(*batches, strict=True)):
        assert len({len(part) for part in parts}) == 1
        wanted = whole[step * together : (step + 1) * together]
        wanted += whole[: -len(wanted) % world]
        assert sorted(itertools.chain(*parts)) == sorted(wanted)


@given(
    lengths=st.lists(st.integers(0, 40), max_size=5),
    world=st.integers(1, 8),
    batch=st.one_of(st.none(), st.integers(1, 9)),
    drop_last=st.booleans(),
    kind=st.sampled_from(KINDS),
)
def test_ranks_get_equally_many_batches_of_equal_sizes(
    lengths: list[int], world: int, batch: int | None, drop_last: bool, kind: dict[str, Any]
) -> None:
    samplers = [
        Sampler(lengths, batch, rank=rank, world_size=world, drop_last=drop_last, **kind)
        for rank in range(world)
    ]
    found = [list(sampler) for sampler in samplers]
    size = batch or 1
    total = len(list(Sampler(lengths, **kind)))
    expected = total // (size * world) if drop_last else math.ceil(total / (size * world))
    assert {len(items) for items in found} == {len(samplers[0])} == {expected}
    if batch is not None:
        sizes = {tuple(len(items) for items in rank) for rank in found}
        assert len(sizes) == 1
        assert not drop_last or set(sizes.pop()) <= {batch}
    flat = list(itertools.chain(*found))
    seen = flat if batch is None else list(itertools.chain(*flat))
    if not drop_last:
        assert set(seen) == set(Sampler(lengths, **kind))
        assert total <= len(seen) < total + world


@pytest.mark.parametrize(("block", "buffer"), [(8, 4), (10, 7), (64, 2), (1, 5)])
def test_blocks_are_neighbours_of_one_trace_and_few_are_mixed(block: int, buffer: int) -> None:
    sampler = Sampler(LENGTHS, seed=1, block=block, buffer=buffer)
    numbers = np.array(epoch_of(sampler, 1))
    blocks = list(zip(TRACES[numbers], (numbers - STARTS[TRACES[numbers]]) // block, strict=True))
    sizes = {name: blocks.count(name) for name in blocks}
    at = windows = 0
    while at < TOTAL:
        # So many blocks, whole, before any other one is begun.
        opened = list(dict.fromkeys(blocks[at:]))
        size, names = 0, set()
        for name in blocks[at:]:
            names.add(name)
            size += 1
            if len(names) == min(buffer, len(opened)) and size == sum(sizes[n] for n in names):
                break
        assert names == set(opened[: len(names)])
        at, windows = at + size, windows + 1
    assert windows == math.ceil(len(sizes) / buffer)


def test_samples_that_follow_each_other_are_rarely_of_the_same_block() -> None:
    block, buffer = 32, 16
    numbers = np.array(list(Sampler([20_000, 12_000], seed=1, block=block, buffer=buffer)))
    same = (np.diff(numbers // block) == 0).mean()
    # As often as in a shuffle of so many blocks: drawn without replacement.
    expected = (block - 1) / (block * buffer - 1)
    assert same == pytest.approx(expected, rel=0.15)
    assert (np.diff(numbers) == 1).mean() < 0.01


@pytest.mark.parametrize("kind", [{}, {"block": 16, "buffer": 3}, {"shuffle": False}])
def test_balanced_traces_give_equally_many_samples(kind: dict[str, Any]) -> None:
    sampler = Sampler(LENGTHS, seed=8, balanced=True, **kind)
    full = [trace for trace, length in enumerate(LENGTHS) if length]
    share = round(TOTAL / len(full))
    seen = np.zeros(TOTAL, int)
    epochs = 11
    for epoch in range(epochs):
        numbers = np.array(epoch_of(sampler, epoch))
        assert np.bincount(TRACES[numbers], minlength=len(LENGTHS))[full].tolist() == [share] * len(
            full
        )
        counts = np.bincount(numbers, minlength=TOTAL)
        for trace in full:
            # As evenly as can be: of a long trace, none twice.
            inside = counts[trace == TRACES]
            assert set(inside.tolist()) <= {share // len(inside), -(-share // len(inside))}
        seen += counts
    for trace in full:
        inside = seen[trace == TRACES]
        times = epochs * share / len(inside)
        assert set(inside.tolist()) <= {math.floor(times), math.ceil(times)}


@pytest.mark.parametrize("kind", [{}, {"block": 64, "balanced": True}])
def test_a_hundred_million_samples_take_little_memory(kind: dict[str, Any]) -> None:
    sampler = Sampler([10**5] * 1000, 32, rank=5, world_size=8, **kind)
    tracemalloc.start()
    batches = list(itertools.islice(sampler, 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len({number for batch in batches for number in batch}) == 32_000
    assert peak < 10 << 20
    assert len(sampler) == 390_625


@pytest.mark.parametrize("lengths", [[2.7, 3.0], np.array([True, False]), ["a"]])
def test_what_is_no_number_of_samples_is_refused(lengths: Any) -> None:
    with pytest.raises(ValueError, match="expected the number of samples of each trace"):
        Sampler(lengths)
    assert list(Sampler([])) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"block": 0}, "block"),
        ({"buffer": 0}, "buffer"),
        ({"seed": -1}, "seed"),
        ({"rank": 1}, "world_size"),
        ({"rank": 2, "world_size": 2}, "0 <= rank < world_size"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampler([10], **arguments)
    with pytest.raises(ValueError, match="epoch"):
        Sampler([10]).set_epoch(-1)
