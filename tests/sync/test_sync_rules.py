"""Every rule gives the frames that looking at every frame gives, and drops for the same reasons."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import generic, spec
from hypothesis import example, given
from hypothesis import strategies as st

from roverd.sync import (
    FramePairs,
    FrameWindows,
    Interpolate,
    Nearest,
    Next,
    Previous,
    Rule,
    Synchronization,
    Window,
)

START = 1_700_000_000.0  # eighths of a second after this are exact
NONE = "none"


@dataclass
class Found:
    """What looking at every frame gives: frame numbers in order of time, or why there is none."""

    frames: list[int]
    one: int = -1
    weight: float | None = None
    reason: str = NONE


# Each of these is given frames as (time, number), in order of time, and is not empty.
Frames = Sequence[tuple[float, int]]


def by_time(frames: Frames, time: float) -> Found:
    if time < frames[0][0]:
        return Found([], reason="before")
    return Found([], reason="after" if time > frames[-1][0] else "gap")


def nearest(rule: Nearest, frames: Frames, time: float) -> Found:
    distance, _, number = min((abs(stamp - time), stamp, number) for stamp, number in frames)
    return Found([number], number) if distance <= rule.tolerance else by_time(frames, time)


def previous(rule: Previous, frames: Frames, time: float) -> Found:
    there = [frame for frame in frames if frame[0] <= time]
    if there and time - there[-1][0] <= rule.staleness:
        return Found([there[-1][1]], there[-1][1])
    return by_time(frames, time)


def following(rule: Next, frames: Frames, time: float) -> Found:
    there = [frame for frame in frames if frame[0] >= time]
    if there and there[0][0] - time <= rule.tolerance:
        return Found([there[0][1]], there[0][1])
    return by_time(frames, time)


def window(rule: Window, frames: Frames, time: float) -> Found:
    end = time + rule.offset
    there = [frame for frame in frames if frame[0] <= end]
    if rule.frames is not None:
        if len(there) < rule.frames:
            return Found([], reason="before")
        chosen = there[-rule.frames :]
        enough = rule.seconds is None or chosen[0][0] > end - rule.seconds
    else:
        assert rule.seconds is not None
        if end - rule.seconds < frames[0][0]:
            return Found([], reason="before")
        chosen = [frame for frame in there if frame[0] > end - rule.seconds]
        enough = len(chosen) >= rule.minimum
    if not enough or end - there[-1][0] > rule.staleness:
        return by_time(frames, end)
    numbers = [number for _, number in chosen]
    return Found(numbers, numbers[-1])


def between(rule: Interpolate, frames: Frames, time: float) -> Found:
    before = [frame for frame in frames if frame[0] <= time]
    after = [frame for frame in frames if frame[0] > time]
    if before and before[-1][0] == time:
        return Found([before[-1][1]] * 2, before[-1][1], 0.0)
    if before and after and after[0][0] - before[-1][0] <= rule.gap:
        weight = (time - before[-1][0]) / (after[0][0] - before[-1][0])
        ends = [before[-1][1], after[0][1]]
        return Found(ends, ends[weight > 0.5], weight)
    return by_time(frames, time)


BRUTE: Mapping[type[Rule], Callable[[Any, Frames, float], Found]] = {
    Nearest: nearest,
    Previous: previous,
    Next: following,
    Window: window,
    Interpolate: between,
}


def in_order(stamps: Sequence[float], unordered: str) -> list[tuple[float, int]]:
    """The frames that are used, in order of time."""
    frames = [(stamp, number) for number, stamp in enumerate(stamps) if math.isfinite(stamp)]
    if unordered == "skip":
        return [
            (stamp, number)
            for stamp, number in frames
            if all(other <= stamp for other, earlier in frames if earlier < number)
        ]
    return sorted(frames)


def eighths(draw: st.DrawFn, values: st.SearchStrategy[float], most: int) -> np.ndarray:
    return np.array([START + x / 8 for x in draw(st.lists(values, max_size=most))])


@st.composite
def stamps(draw: st.DrawFn, ascending: bool, most: int = 14) -> np.ndarray:
    """Timestamps, many of them equal; where they need not ascend, some of them none."""
    if ascending:
        return np.sort(eighths(draw, st.integers(0, 40), most))
    wrong = st.sampled_from([math.nan, math.inf, -math.inf])
    return eighths(draw, st.integers(0, 40) | wrong, most)


limits = st.sampled_from([0.0, 0.125, 0.5, 1.0, math.inf])
lengths = st.sampled_from([0.125, 0.5, 1.25])
offsets = st.sampled_from([-0.25, 0.0, 0.5])
counts = st.integers(1, 4)
rules = st.one_of(
    st.builds(Nearest, limits),
    st.builds(Previous, limits),
    st.builds(Next, limits),
    st.builds(Interpolate, limits),
    st.builds(Window, lengths, staleness=limits, minimum=counts, offset=offsets),
    st.builds(Window, frames=counts, staleness=limits, offset=offsets),
    st.builds(Window, lengths, counts, limits, offset=offsets),
)


def check(
    sync: Synchronization, timestamps: Mapping[str, np.ndarray], times: Sequence[float]
) -> None:
    """Assert that a synchronisation makes of timestamps what looking at every frame makes."""
    alignment = sync.align(timestamps)
    found: dict[str, list[Found]] = {}
    for name, rule in sync.rules.items():
        frames = in_order(timestamps[name].tolist(), sync.unordered)
        brute = BRUTE[type(rule)]
        found[name] = [
            brute(rule, frames, time) if frames else Found([], reason="empty") for time in times
        ]
    rows = [
        row for row in range(len(times)) if all(one[row].reason == NONE for one in found.values())
    ]
    assert alignment.times.tolist() == [times[row] for row in rows]
    plain = sync(dict(timestamps))
    assert plain.keys() == timestamps.keys()
    for name, one in found.items():
        assert plain[name].dtype == np.uint32
        expected = [one[row] for row in rows]
        assert plain[name].tolist() == [each.one for each in expected]
        assert alignment.indices[name].tolist() == plain[name].tolist()
        part = alignment.parts.get(name)
        for sample, each in enumerate(expected):
            if isinstance(part, FrameWindows | FramePairs):
                assert list(part.frames(sample)) == each.frames
            if isinstance(part, FramePairs):
                assert part.weights[sample] == each.weight
        assert (part is not None) == isinstance(sync.rules[name], Window | Interpolate)
    report = alignment.report()
    assert (report.candidates, report.samples) == (len(times), len(rows))
    assert report.dropped == len(times) - len(rows)
    for sensor in report.sensors:
        if sensor.name in found:
            reasons = [each.reason for each in found[sensor.name] if each.reason != NONE]
            assert {k: n for k, n in sensor.dropped.items() if n} == {
                reason: reasons.count(reason) for reason in set(reasons)
            }
            alone = [
                row
                for row in range(len(times))
                if [name for name in found if found[name][row].reason != NONE] == [sensor.name]
            ]
            assert sensor.only == len(alone)


@given(stamps(ascending=True), stamps(ascending=True), stamps(ascending=True), rules, rules)
def test_rules_give_what_looking_at_every_frame_gives(times, first, second, rule, other):
    sync = Synchronization(times, {"a": rule, "b": other})
    check(sync, {"a": first, "b": second}, times.tolist())


@pytest.mark.parametrize("unordered", ["sort", "skip"])
@given(reference=stamps(ascending=False), sensor=stamps(ascending=False), rule=rules)
def test_timestamps_in_no_order_are_used_as_defined(unordered: Any, reference, sensor, rule):
    sync = Synchronization("r", {"a": rule}, unordered=unordered)
    times = [time for time, _ in in_order(reference.tolist(), unordered)]
    check(sync, {"a": sensor, "r": reference}, times)
    used = [number for _, number in in_order(reference.tolist(), unordered)]
    alignment = sync.align({"a": sensor, "r": reference})
    kept = set(alignment.indices["r"].tolist())
    # Of equal times all samples are kept, or none.
    assert alignment.indices["r"].tolist() == [number for number in used if number in kept]
    assert [reference[number] for number in alignment.indices["r"]] == alignment.times.tolist()


@given(reference=stamps(ascending=True), rule=rules)
def test_a_rule_may_be_for_the_reference_itself(reference, rule):
    check(Synchronization("r", {"r": rule}), {"r": reference}, reference.tolist())


@given(reference=stamps(ascending=True), first=stamps(ascending=True))
@example(reference=np.empty(0), first=np.empty(0))
def test_unnamed_sensors_follow_the_default_and_the_reference_itself(reference, first):
    stamps = {"r": reference, "a": first}
    found = Synchronization("r", default=Previous(0.5)).align(stamps)
    same = Synchronization("r", {"a": Previous(0.5)}).align(stamps)
    for name in stamps:
        assert found.indices[name].tolist() == same.indices[name].tolist()
    numbers = found.indices["r"].tolist()
    assert numbers == sorted(set(numbers))


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=14, unique=True).map(sorted),
    st.lists(st.integers(0, 60), min_size=1, max_size=14, unique=True).map(sorted),
    st.sampled_from([0.2, 0.55, math.inf]),
)
def test_nearest_and_next_are_those_of_abstract_dataloader(reference, other, tolerance: float):
    # Its samples lie in the time that all sensors share, and have `< tol`, which is none here.
    stamps = {"r": START + np.array(reference) / 8, "a": START + np.array(other) / 8}
    begin, end = (max(s[0] for s in stamps.values()), min(s[-1] for s in stamps.values()))
    pairs: list[tuple[spec.Synchronization, Rule]] = [
        (generic.Nearest("r", tol=tolerance), Nearest(tolerance)),
        (generic.Next("r"), Next(math.inf)),
    ]
    for theirs, rule in pairs:
        expected = theirs(stamps)
        ours = Synchronization("r", {"a": rule})
        alignment = ours.align(stamps)
        shared = (alignment.times >= begin) & (alignment.times <= end)
        for name in stamps:
            assert alignment.indices[name][shared].tolist() == expected[name].tolist()
        # Wherever theirs are used, ours are.
        assert isinstance(ours, spec.Synchronization)
        every_other = generic.Decimate(ours, 2)(stamps)
        assert every_other["a"].tolist() == ours(stamps)["a"][::2].tolist()


@pytest.mark.parametrize("rate", [4, 10.0, 0.5])
def test_a_rate_gives_evenly_spaced_times_that_all_sensors_share(rate: float):
    stamps = {"a": START + np.arange(0, 10, 0.25), "b": START + 1.5 + np.arange(0, 6.1, 0.5)}
    alignment = Synchronization(rate, default=Nearest(0.25)).align(stamps)
    count = math.floor(6 * rate) + 1
    np.testing.assert_allclose(alignment.times, START + 1.5 + np.arange(count) / rate, atol=1e-6)
    assert alignment.times[0] == START + 1.5
    assert alignment.times[-1] <= START + 7.5
    assert len(Synchronization(rate).align({"a": stamps["a"], "b": START + 90 + np.zeros(1)})) == 0
    assert len(Synchronization(rate).align({"a": np.empty(0)})) == 0


def test_a_rate_over_an_absurd_span_is_refused():
    with pytest.raises(ValueError, match="more than 1000 times as many samples"):
        Synchronization(100.0)({"a": np.array([0.0, START])})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Nearest(-1),
        lambda: Nearest(math.nan),
        lambda: Previous(-0.1),
        lambda: Next(-0.1),
        lambda: Interpolate(-0.1),
        lambda: Interpolate(channels={"rot": "cubic"}),  # pyright: ignore[reportArgumentType]
        lambda: Window(),
        lambda: Window(seconds=0),
        lambda: Window(seconds=math.inf),
        lambda: Window(frames=0),
        lambda: Window(0.2, minimum=0),
        lambda: Window(frames=3, minimum=2),
        lambda: Window(0.2, offset=math.nan),
        lambda: Window(0.2, staleness=-1),
        lambda: Synchronization(0),
        lambda: Synchronization(-10.0),
        lambda: Synchronization(math.nan),
        lambda: Synchronization([1.0, 0.5]),
        lambda: Synchronization([1.0, math.nan]),
        lambda: Synchronization([[1.0]]),  # pyright: ignore[reportArgumentType]
        lambda: Synchronization("r", unordered="drop"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_wrong_arguments_are_refused(wrong: Callable[[], object]):
    with pytest.raises(ValueError, match=r"expected|give"):
        wrong()


def test_what_is_no_rule_is_refused():
    with pytest.raises(TypeError, match=r"imu: expected a rule such as Nearest\(\), got 0.2"):
        Synchronization("lidar", {"imu": 0.2})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("reference", ["lidar", "imu"])
def test_a_sensor_that_is_not_there_is_named(reference: str):
    sync = Synchronization(reference, {"lidar": Previous()})
    with pytest.raises(KeyError, match="for lidar as well; there are imu"):
        sync({"imu": np.arange(3.0)})


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (
            [1.0, 2.0, 3.0, 2.5, 2.0, 4.0],
            r"frame 3 is at 2.500000 s, 0.500000 s before frame 2 \(2",
        ),
        ([1.0, math.nan, 3.0], r"frame 1 has nan for a timestamp \(1"),
        ([math.nan], "frame 0 has nan"),
        ([-math.inf, 1.0], "frame 0 has -inf"),
        ([0.0, math.inf], "frame 1 has inf"),
    ],
)
def test_timestamps_in_no_order_are_an_error_that_names_the_first_place(stamps, message: str):
    for sync in (Synchronization("imu"), Synchronization("lidar"), Synchronization(10.0)):
        with pytest.raises(ValueError, match=f"sensor 'imu': {message}.*sort.*skip"):
            sync({"imu": np.array(stamps), "lidar": np.arange(3.0)})


def test_equal_timestamps_are_in_order():
    stamps = {"a": np.array([1.0, 1.0, 2.0, 2.0]), "r": np.array([0.9, 1.0, 1.4, 2.0])}
    expected = {
        Nearest(1.0): [0, 0, 0, 2],
        Next(1.0): [0, 0, 2, 2],
    }
    for rule, frames in expected.items():
        assert Synchronization("r", {"a": rule})(stamps)["a"].tolist() == frames
    alignment = Synchronization("r", {"a": Previous(1.0)}).align(stamps)
    assert alignment.indices["a"].tolist() == [1, 1, 3]
    assert alignment.times.tolist() == [1.0, 1.4, 2.0]


def test_margins_keep_the_windows_of_sensors_whole():
    stamps = {"r": np.arange(10.0), "a": np.arange(10.0)}
    sync = Synchronization("r", {"a": Nearest()})
    alignment = sync.align(stamps, {"a": (2, 1)})
    assert alignment.indices["a"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    (a,) = [sensor for sensor in alignment.report().sensors if sensor.name == "a"]
    assert {reason: count for reason, count in a.dropped.items() if count} == {"margin": 3}
    assert a.only == 3


@pytest.mark.parametrize(
    ("rule", "within", "beyond", "frame"),
    [
        (Nearest(0.5), 1.5, 1.625, 0),
        (Previous(0.5), 1.5, 1.625, 0),
        (Next(0.5), 2.5, 2.375, 1),
        (Window(0.25, staleness=0.5, offset=-0.25), 1.25, 1.5, 0),
        (Window(frames=1, staleness=0.5), 1.5, 1.625, 0),
        # Of two frames that are equally near, the earlier one stands for what lies between them.
        (Interpolate(2.0), 2.0, 0.875, 0),
        (Interpolate(1.875), 3.0, 2.0, 1),
    ],
)
def test_limits_are_inclusive(rule: Rule, within: float, beyond: float, frame: int):
    stamps = np.array([1.0, 3.0])
    if isinstance(rule, Window):
        stamps = np.array([1.0, 30.0]) if rule.seconds is None else np.array([0.5, 1.0, 30.0])
        frame += len(stamps) - 2
    assert Synchronization([within], {"a": rule})({"a": stamps})["a"].tolist() == [frame]
    assert Synchronization([beyond], {"a": rule})({"a": stamps})["a"].tolist() == []


def test_equal_timestamps_stay_in_the_order_of_recording_when_sorted():
    stamps = {"a": np.array([5.0, *[1.0] * 100])}
    alignment = Synchronization("a", unordered="sort").align(stamps)
    assert alignment.indices["a"].tolist() == [*range(1, 101), 0]
