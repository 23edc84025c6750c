"""Which frames `extract` takes: NumPy on the raw timestamps says which."""

import itertools
import json
import math
import tempfile
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd.errors import RoverdWarning
from roverd.ops import Extracted, extract
from support.traces import SHORT, START, numbered, record, record_trace

Stamps = dict[str, Any]


def make(folder: Path, stamps: Stamps) -> Path:
    """A trace of raw sensors with these timestamps; the value of a frame is its number."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("a: 1\n")
    for name, times in stamps.items():
        array = np.array(times, float)
        record(folder / name, array, {"n": ("raw", np.arange(len(array), dtype="<i4"))})
    return folder


def numbers(folder: Path, name: str = "s") -> list[int]:
    """The frames of a sensor that are there; its timestamps match."""
    found = np.fromfile(folder / name / "n", "<i4").tolist()
    assert len(np.fromfile(folder / name / "ts", "<f8")) == len(found)
    return found


def taken(tmp_path: Path, stamps: Any, **arguments: Any) -> list[int]:
    """The frames of a single sensor that are taken."""
    source = make(tmp_path / "source", {"s": stamps})
    extract(source, tmp_path / "part", **arguments)
    return numbers(tmp_path / "part")


def raw_stamps(folder: Path) -> dict[str, np.ndarray]:
    names = [path.parent.name for path in folder.glob("*/meta.json")]
    return {name: np.fromfile(folder / name / "ts", "<f8") for name in sorted(names)}


def expect_slices(source: Path, part: Path, begin: float, end: float, closed: bool) -> None:
    """Assert that each sensor's timestamps are those of the stretch; raw data follows them."""
    for name, times in raw_stamps(source).items():
        within = (times >= begin) & ((times <= end) if closed else (times < end))
        found = np.fromfile(part / name / "ts", "<f8")
        np.testing.assert_array_equal(found, times[within])
        meta = json.loads((source / name / "meta.json").read_text())
        for channel, entry in meta.items():
            if entry["format"] == "raw":
                shape = (-1, *entry["shape"])
                whole = np.fromfile(source / name / channel, entry["type"]).reshape(shape)
                cut = np.fromfile(part / name / channel, entry["type"]).reshape(shape)
                np.testing.assert_array_equal(cut, whole[within])


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace whose sensors begin and end at different times."""
    folder = tmp_path_factory.mktemp("extract") / "walk"
    record_trace(folder, 1.0)
    return folder


# ── stretches ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": 0, "end": 1, "relative": True},
        {"start": 0, "length": 1, "relative": True},
        {"end": 1, "length": 1, "relative": True},
        {"start": 0.0, "end": "duration"},
        {"start": 0.0, "length": "duration"},
        {"end": "duration", "length": "duration"},
    ],
)
@pytest.mark.parametrize("which", ["short", "walk"])
def test_from_beginning_to_end_is_everything(
    arguments: dict[str, Any], which: str, walk: Path, tmp_path: Path
) -> None:
    source = SHORT if which == "short" else walk
    times = np.concatenate(list(raw_stamps(source).values()))
    duration = float(times.max() - times.min())
    given_ = {key: duration if x == "duration" else x for key, x in arguments.items()}
    found = extract(source, tmp_path / "all", **given_)
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = tmp_path / "all" / file.relative_to(source)
        if file.name == "meta.json":
            assert json.loads(copy.read_text()) == json.loads(file.read_text())
        elif file.suffix != ".avi":
            assert copy.read_bytes() == file.read_bytes(), file
    assert found.start == times.min()
    assert found.length == pytest.approx(duration, abs=1e-6)
    assert all((s.first, s.frames) == (0, s.of) for s in found.sensors)


def test_the_sensors_of_the_real_trace_begin_at_different_times() -> None:
    assert len({times[0] for times in raw_stamps(SHORT).values()}) > 1


cuts = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=3, unique=True).map(sorted)


@given(cuts)
@settings(max_examples=8)
@pytest.mark.parametrize("relative", [False, True])
def test_adjoining_stretches_share_no_frame_and_lose_none(
    walk: Path, relative: bool, points: list[float]
) -> None:
    stamps = raw_stamps(walk)
    first = min(times[0] for times in stamps.values())
    duration = max(times[-1] for times in stamps.values()) - first
    scale = 1.0 if relative else duration
    ends = [0.0, *(point * scale for point in points), scale]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in stamps}
    with tempfile.TemporaryDirectory() as folder:
        for number, (begin, end) in enumerate(itertools.pairwise(ends)):
            part = Path(folder) / str(number)
            last = number == len(points)
            lower, upper = first + begin * (duration / scale), first + end * (duration / scale)
            if not any(np.any((t >= lower) & (t < upper)) for t in stamps.values()) and not last:
                with pytest.raises(IndexError):
                    extract(walk, part, begin, end, relative=relative)
                continue
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*has no frame in it", UserWarning)
                found = extract(walk, part, begin, end, relative=relative)
            assert found.start == pytest.approx(lower, abs=1e-6)
            assert found.start + found.length == pytest.approx(upper, abs=1e-6)
            expect_slices(walk, part, found.start, found.start + found.length, last)
            for name in stamps:
                parts[name].append(np.fromfile(part / name / "ts", "<f8"))
    for name, times in stamps.items():
        np.testing.assert_array_equal(np.concatenate(parts[name]), times)


any_stamps = st.lists(
    st.one_of(st.integers(0, 12).map(float), st.floats(0, 12), st.just(math.nan)), max_size=8
)


@given(any_stamps.map(lambda times: sorted(times, key=lambda t: t if t == t else 6)), cuts)
@settings(max_examples=30)
def test_stretches_adjoin_whatever_the_timestamps(times: list[float], points: list[float]) -> None:
    # Ascending, with equal ones, and with some that are no number.
    known = [time for time in times if time == time]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RoverdWarning)
        source = make(Path(folder) / "source", {"s": times, "anchor": [0.0, 12.0]})
        found: list[int] = []
        ends = [0.0, *(12 * point for point in points), 12.0]
        for number, (begin, end) in enumerate(itertools.pairwise(ends)):
            part = Path(folder) / str(number)
            try:
                extract(source, part, begin, end)
            except IndexError:
                continue
            new = numbers(part)
            inside = [i for i in new if times[i] == times[i]]
            last = number == len(points)
            assert all(begin <= times[i] and (times[i] < end or last) for i in inside)
            found += new
    if sorted(known) == known:
        assert found == list(range(len(times)))


def test_a_boundary_belongs_to_what_follows_it(tmp_path: Path) -> None:
    times = [0.0, 1.0, 1.0, 1.0, 2.0, 3.0]
    source = make(tmp_path / "source", {"s": times})
    for number, (begin, end, expected) in enumerate(
        [(0, 1, [0]), (1, 2, [1, 2, 3]), (0.5, 2, [1, 2, 3]), (2, 3, [4, 5]), (3, 4, [5])]
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RoverdWarning)
            extract(source, tmp_path / str(number), begin, end)
        assert numbers(tmp_path / str(number)) == expected


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({"start": 2, "end": 5}, [2, 3, 4]),
        ({"start": 2, "length": 3}, [2, 3, 4]),
        ({"end": 5, "length": 3}, [2, 3, 4]),
        ({"start": 2, "end": -5}, [2, 3]),
        ({"end": -5, "length": 2}, [2, 3]),
        ({"start": 2, "end": -0.5}, [2, 3, 4, 5, 6, 7, 8]),
        ({"start": 0.25, "end": 0.5, "relative": True}, [3, 4]),
        ({"start": 0.25, "length": 0.25, "relative": True}, [3, 4]),
        ({"end": -0.5, "length": 0.25, "relative": True}, [3, 4]),
        ({"start": 9, "length": 1}, [9]),
        ({"start": 1.5, "end": 1e12}, [2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_two_of_the_three_say_what_is_taken(
    arguments: dict[str, Any], expected: list[int], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RoverdWarning)
        assert taken(tmp_path, START + np.arange(10.0), **arguments) == expected


def test_an_end_past_the_end_is_warned_of(tmp_path: Path) -> None:
    with pytest.warns(RoverdWarning, match="9.000000 s long"):
        assert taken(tmp_path, START + np.arange(10.0), start=8, length=1.5) == [8, 9]


@pytest.mark.parametrize("rate", [3.0, 10.0, 30.0, 100.0])
def test_the_last_frame_comes_whatever_rounding_says(rate: float, tmp_path: Path) -> None:
    # Seconds that people read off `roverd info` differ from the sum of periods by rounding.
    times = START + 0.1 + np.arange(7) / rate
    end = sum([1 / rate] * 6)
    assert taken(tmp_path, times, start=0, end=end) == list(range(7))


def test_the_trace_begins_with_its_earliest_sensor_and_ends_with_its_latest(tmp_path: Path) -> None:
    stamps = {"early": START + np.arange(3.0), "late": START + 5 + np.arange(3.0), "none": []}
    source = make(tmp_path / "source", stamps)
    found = extract(source, tmp_path / "part", 1, -1)
    assert (found.start, found.length) == (START + 1, 5)
    assert [(s.name, s.first, s.frames, s.of) for s in found.sensors] == [
        ("early", 1, 2, 3),
        ("late", 0, 1, 3),
        ("none", 0, 0, 0),
    ]
    for name, expected in {"early": [1, 2], "late": [0], "none": []}.items():
        assert numbers(tmp_path / "part", name) == expected


def test_the_beginning_is_that_of_all_sensors_whichever_are_taken(tmp_path: Path) -> None:
    stamps = {"early": START + np.arange(10.0), "late": START + 5 + np.arange(10.0)}
    source = make(tmp_path / "source", stamps)
    extract(source, tmp_path / "part", 6, 8, sensors=["late"])
    assert numbers(tmp_path / "part", "late") == [1, 2]


# ── a single moment ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("times", [[START], [START] * 4, [0.0]])
def test_a_trace_of_a_single_moment_is_taken_whole(times: list[float], tmp_path: Path) -> None:
    everything = list(range(len(times)))
    assert taken(tmp_path / "a", times, start=0, end=1, relative=True) == everything
    with pytest.warns(RoverdWarning, match="0.000000 s long"):
        assert taken(tmp_path / "b", times, start=0, length=1) == everything
    # Half of it, and the other half, share nothing.
    assert taken(tmp_path / "c", times, start=0.5, end=1, relative=True) == everything
    with pytest.raises(IndexError):
        taken(tmp_path / "d", times, start=0, end=0.5, relative=True)


# ── timestamps that are not as they should be ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "times, begin, end, expected",
    [
        ([0, 1, 3, 2, 4, 5], 2, 4, [2, 3]),
        ([0, 1, 3, 2, 4, 5], 3, 4, [2]),
        ([0, 4, 1, 2, 3, 5], 1, 4, [2, 3, 4]),
        # Contiguous, though the one in between lies elsewhere.
        ([0, 2, 9, 3, 4, 10], 2, 4, [1, 2, 3]),
    ],
)
def test_frames_out_of_order_make_a_contiguous_range(
    times: list[float], begin: float, end: float, expected: list[int], tmp_path: Path
) -> None:
    assert taken(tmp_path, times, start=begin, end=end) == expected


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_frames_without_a_time_go_with_those_before_them(missing: float, tmp_path: Path) -> None:
    times = [missing, 0, 1, missing, missing, 2, 3, missing]
    for number, (begin, end, expected) in enumerate(
        [(0, 3, list(range(8))), (0, 1, [0, 1]), (1, 2, [2, 3, 4]), (2, 3, [5, 6, 7])]
    ):
        arguments = {"start": begin, "end": end}
        assert taken(tmp_path / str(number), times, **arguments) == expected


# ── times of day ─────────────────────────────────────────────────────────────────────────────────

DAY = datetime(2024, 10, 2, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "start",
    [
        DAY + timedelta(seconds=2),
        (DAY + timedelta(seconds=2)).replace(tzinfo=None),
        (DAY + timedelta(seconds=2)).astimezone(timezone(timedelta(hours=2))),
        (DAY + timedelta(seconds=2)).astimezone(timezone(-timedelta(hours=3, minutes=30))),
        (DAY + timedelta(seconds=1.25)),
    ],
)
@pytest.mark.parametrize("end", [5.0, -4.0, DAY + timedelta(seconds=5), None])
def test_times_of_day_are_utc_unless_they_name_a_zone(
    start: datetime, end: Any, tmp_path: Path
) -> None:
    times = DAY.timestamp() + np.arange(10.0)
    begin = start.replace(tzinfo=start.tzinfo or UTC).timestamp()
    length = None if end is not None else DAY.timestamp() + 5 - begin
    assert taken(tmp_path, times, start=start, end=end, length=length) == [2, 3, 4]


def test_times_of_day_meet_fractions_of_a_second(tmp_path: Path) -> None:
    times = np.array([0.0, 0.5, 0.750001, 1.0]) + DAY.timestamp()
    moment = DAY + timedelta(seconds=0.750001)
    assert taken(tmp_path / "a", times, start=moment, end=-0.1) == [2]
    assert taken(tmp_path / "b", times, start=0, end=moment) == [0, 1]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"start": 1},
        {"end": 1},
        {"length": 1},
        {"start": 1, "end": 2, "length": 1},
        {"start": 1, "end": 1},
        {"start": 2, "end": 1},
        {"start": 1, "length": 0},
        {"start": 1, "length": -1},
        {"end": 5, "length": 0},
        {"start": 1, "end": -9},
        {"start": 5, "end": -5},
        {"start": 10, "length": 1},
        {"start": -1, "length": 5},
        {"end": 2, "length": 5},
        {"start": 1.25, "end": 1.75},
        {"start": 0, "end": 1.5, "relative": True},
        {"start": 0.5, "end": 0.5, "relative": True},
        {"start": 0.5, "end": 0.25, "relative": True},
        {"start": 50, "end": 90, "relative": True},
        {"start": math.nan, "end": 1},
        {"start": 0, "end": math.inf},
        {"start": 0, "length": math.nan},
        {"start": DAY, "end": 1.0, "relative": True},
        {"start": DAY, "length": 1.0},
        {"start": datetime.min, "length": 1.0},
        {"start": 0, "end": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))},
    ],
    ids=str,
)
def test_what_is_no_stretch_of_the_trace_is_an_error(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    source = make(tmp_path / "source", {"s": START + np.arange(10.0)})
    with pytest.raises((ValueError, IndexError), match="source") as caught:
        extract(source, tmp_path / "part", **arguments)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("stamps", [{}, {"s": []}, {"s": [math.nan, math.inf]}])
def test_a_trace_without_times_has_nothing_to_extract(stamps: Stamps, tmp_path: Path) -> None:
    source = make(tmp_path / "source", stamps)
    with pytest.raises(IndexError, match="source"):
        extract(source, tmp_path / "part", 0, 1, relative=True)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_stretch_in_which_no_chosen_sensor_has_frames_is_an_error(tmp_path: Path) -> None:
    stamps = {"early": START + np.arange(3.0), "late": START + 5 + np.arange(3.0)}
    source = make(tmp_path / "source", stamps)
    with pytest.raises(IndexError, match="no frame"):
        extract(source, tmp_path / "part", 0, 2, sensors=["late"])
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_what_was_taken_is_told_in_plain_values(tmp_path: Path) -> None:
    record(tmp_path / "t" / "s", START + np.arange(4.0), {"x": ("raw", numbered(4, (2,), "u2"))})
    found = extract(tmp_path / "t", tmp_path / "part", 1, 2.5)
    assert isinstance(found, Extracted)
    assert json.loads(json.dumps(found.to_dict())) == {
        "path": str(tmp_path / "part"),
        "start": START + 1,
        "length": 1.5,
        "sensors": [{"name": "s", "first": 1, "frames": 2, "of": 4}],
    }


def test_a_time_of_day_before_the_trace_begins_with_it_and_a_warning(walk: Path, tmp_path: Path):
    first = min(times[0] for times in raw_stamps(walk).values())
    early = datetime.fromtimestamp(first - 60, UTC)
    with pytest.warns(UserWarning, match=r"begins 60\.0+ s after the start"):
        found = extract(walk, tmp_path / "part", early, length=60.25)
    assert found.start == first
    assert found.length == pytest.approx(0.25, abs=1e-5)
    with pytest.raises(IndexError, match=r"nothing from -60\.0+ s to -59\.0+ s"):
        extract(walk, tmp_path / "none", early, length=1)
