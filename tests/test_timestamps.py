"""Corrections of timestamps, against the arithmetic of the specification in plain loops."""

import inspect
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd import timestamps

CORRECTIONS = [timestamps.identity, timestamps.smooth, timestamps.discretize]


def blocks(x: list[float], interval: float) -> list[tuple[int, int]]:
    """First and last index, inclusive, of each block."""
    n = len(x)
    if n == 0:
        return []
    duration = x[-1] - x[0]
    size = n if duration == 0 else max(1, int(interval * n / duration))
    return [(first, min(first + size, n) - 1) for first in range(0, n, size)]


def literal_smooth(x: list[float], interval: float = 30.0) -> list[float]:
    result: list[float] = []
    for first, last in blocks(x, interval):
        step = (x[last] - x[first]) / (last - first) if last > first else 0.0
        result += [x[first] + i * step for i in range(last - first)]
        result.append(x[last])
    return result


def literal_discretize(x: list[float], interval: float = 10.0, eps: float = 0.05) -> list[float]:
    """As specified; may exceed a block's last stamp by a rounding error."""
    d = [b - a for a, b in itertools.pairwise(x)]
    ordered = sorted(d)
    half = len(d) // 2
    m = 0.0
    if d:
        m = ordered[half] if len(d) % 2 else (ordered[half - 1] + ordered[half]) / 2
    periods = [round(step / m) if step / m > 1.5 + eps else 1 for step in d]
    result: list[float] = []
    for first, last in blocks(x, interval):
        total = sum(periods[first:last])
        count = 0
        result.append(x[first])
        for i in range(first, last):
            count += periods[i]
            result.append(x[first] + count * ((x[last] - x[first]) / total))
    return result


def kept_within_blocks(values: list[float], x: list[float], interval: float) -> list[float]:
    """`values`, with rounding errors past the end of a block removed."""
    result = list(values)
    for first, last in blocks(x, interval):
        for i in range(first, last + 1):
            assert result[i] <= np.nextafter(x[last], np.inf)
            result[i] = min(result[i], x[last])
    return result


def recording(rate: float, seconds: float, dropped: float, seed: int) -> np.ndarray:
    """Stamps of a sensor of fixed rate that loses frames, with jitter."""
    rng = np.random.default_rng(seed)
    clock = 1.7e9 + np.arange(round(rate * seconds)) / rate
    kept = clock[rng.random(len(clock)) >= dropped]
    return np.sort(kept + rng.normal(0, 0.05 / rate, len(kept)))


RECORDINGS = [
    pytest.param(recording(10, 95, 0.05, 1), id="lidar: 10 Hz, drops"),
    pytest.param(recording(30, 71.3, 0.0, 2), id="camera: 30 Hz"),
    pytest.param(recording(20, 31, 0.3, 3), id="radar: 20 Hz, many drops"),
    pytest.param(recording(100, 12, 0.01, 4), id="imu: 100 Hz"),
    pytest.param(recording(10, 4, 0.1, 5), id="shorter than a block"),
]


@pytest.mark.parametrize("x", RECORDINGS)
@pytest.mark.parametrize("interval", [None, 30.0, 10.0, 7.7, 1.0, 0.2])
def test_smooth_has_exactly_the_values_of_the_specification(x: np.ndarray, interval: float | None):
    given_interval = {} if interval is None else {"interval": interval}
    found = timestamps.smooth(x, **given_interval)
    assert found.tolist() == literal_smooth(x.tolist(), **given_interval)


@pytest.mark.parametrize("x", RECORDINGS)
@pytest.mark.parametrize("interval", [None, 30.0, 7.7, 1.0, 0.2])
@pytest.mark.parametrize("eps", [None, 0.0, 0.3])
def test_discretize_has_exactly_the_values_of_the_specification(
    x: np.ndarray, interval: float | None, eps: float | None
):
    options = {"interval": interval, "eps": eps}
    options = {name: value for name, value in options.items() if value is not None}
    found = timestamps.discretize(x, **options)
    literal = literal_discretize(x.tolist(), **options)
    assert found.tolist() == kept_within_blocks(literal, x.tolist(), options.get("interval", 10.0))


def test_identity_is_the_recorded_stamps_and_a_copy_of_them():
    x = recording(10, 5, 0.1, 6)
    found = timestamps.identity(x)
    assert found.tolist() == x.tolist()
    found[:] = 0
    assert x[0] > 1e9


def test_defaults_are_those_of_the_specification():
    def defaults(function: object) -> list[tuple[str, object]]:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        return [(parameter.name, parameter.default) for parameter in parameters]

    nothing = inspect.Parameter.empty
    assert defaults(timestamps.identity) == [("x", nothing)]
    assert defaults(timestamps.smooth) == [("x", nothing), ("interval", 30.0)]
    assert defaults(timestamps.discretize) == [("x", nothing), ("interval", 10.0), ("eps", 0.05)]


def test_discretize_counts_a_dropped_frame_as_a_period():
    # 11 clock ticks of which 3 and 7 to 9 are missing.
    x = np.array([0, 1, 2, 4, 5, 6, 10], np.float64)
    assert timestamps.discretize(x, interval=100.0).tolist() == x.tolist()
    jittered = x + np.array([0, 0.1, -0.1, 0.1, 0, -0.1, 0])
    np.testing.assert_allclose(timestamps.discretize(jittered, interval=100.0), x, atol=1e-12)


@pytest.mark.parametrize(
    "step, expected",
    [(1.5, 1), (1.55, 1), (1.56, 2), (2.4, 2), (2.5, 2), (2.6, 3), (3.5, 4), (0.1, 1), (0.0, 1)],
)
def test_discretize_rounds_a_step_to_whole_periods(step: float, expected: int):
    x = np.cumsum([0.0, 1, 1, 1, 1, 1, step])
    found = timestamps.discretize(x, interval=1e6)
    assert found.tolist() == literal_discretize(x.tolist(), interval=1e6)
    np.testing.assert_allclose((found[-1] - found[-2]) / (found[1] - found[0]), expected)


def test_the_median_is_of_the_whole_recording_and_not_of_a_block():
    # The first block has half the rate of the rest: by its own median, all its steps would be 1.
    x = np.cumsum([0.0, *[2.0] * 5, 3.9, *[1.0] * 30])
    found = timestamps.discretize(x, interval=14.0)
    block = int(14.0 * len(x) / (x[-1] - x[0]))
    assert 7 < block < len(x) // 2
    np.testing.assert_allclose(
        np.diff(found[:8]) / (found[7] - found[0]), np.array([2] * 5 + [4, 1]) / 15
    )


@pytest.mark.parametrize("correction", CORRECTIONS[1:])
def test_blocks_begin_and_end_on_recorded_stamps(correction):
    x = recording(10, 100, 0.0, 7)
    found = correction(x, interval=10.0)
    for first, last in blocks(x.tolist(), 10.0):
        assert found[first] == x[first]
        np.testing.assert_allclose(found[last], x[last], rtol=0, atol=5e-7)


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize(
    "stamps", [[], [5.0], [5.0, 6.0], [5.0, 5.0], [3.0] * 7], ids=["none", "1", "2", "2 =", "7 ="]
)
def test_short_and_constant_recordings_stay_as_they_are(correction, stamps: list[float]):
    found = correction(np.array(stamps))
    assert found.dtype == np.float64
    assert found.tolist() == stamps


@pytest.mark.parametrize("correction", CORRECTIONS[1:])
@pytest.mark.parametrize("interval", [1e-300, 1e-9, 0.05])
def test_an_interval_shorter_than_a_sample_makes_blocks_of_one(correction, interval: float):
    x = recording(10, 5, 0.1, 8)
    assert correction(x, interval=interval).tolist() == x.tolist()


@pytest.mark.parametrize("correction", CORRECTIONS[1:])
def test_a_last_block_of_one_sample_is_itself(correction):
    x = np.array([0.0, 1.2, 2.0, 3.1, 4.0, 5.2, 6.9])
    interval = 3.0 * 6.9 / 7 + 1e-9
    assert blocks(x.tolist(), interval)[-1] == (6, 6)
    assert correction(x, interval=interval)[-1] == 6.9


@pytest.mark.parametrize("correction", CORRECTIONS[1:])
def test_blocks_are_at_least_one_sample_when_a_clock_was_set_back(correction):
    # The formula gives a negative number of samples here.
    x = np.array([10.0, 11.0, 12.5, 3.0, 4.0, 5.5])
    assert correction(x).tolist() == x.tolist()


sorted_stamps = st.lists(
    st.one_of(
        st.floats(1.7e9, 1.7e9 + 100),
        st.floats(0, 1e-3),
        st.sampled_from([0.0, 1.0, 2.0, 1.7e9]),
    ),
    max_size=40,
).map(sorted)
intervals = st.one_of(st.floats(1e-6, 1e3), st.sampled_from([1e-300, 1e300, 0.0]))


def check_correction(correction, stamps: list[float], options: dict[str, float]) -> np.ndarray:
    x = np.array(stamps, np.float64)
    x.flags.writeable = False
    found = correction(x, **options)
    assert found.shape == x.shape
    assert found.dtype == np.float64
    assert found.flags.writeable
    assert not np.shares_memory(found, x)
    assert x.tolist() == stamps
    assert np.isfinite(found).all()
    return found


@pytest.mark.parametrize("correction", CORRECTIONS)
@given(stamps=sorted_stamps, interval=intervals)
@settings(max_examples=100)
def test_corrected_stamps_are_finite_and_in_order(correction, stamps, interval):
    options = {} if correction is timestamps.identity else {"interval": interval}
    found = check_correction(correction, stamps, options)
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("correction", CORRECTIONS)
@given(stamps=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=12).map(sorted))
@settings(max_examples=100)
def test_corrected_stamps_are_finite_and_in_order_for_numbers_of_any_size(correction, stamps):
    found = check_correction(correction, stamps, {})
    assert (found[1:] >= found[:-1]).all()


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize(
    "stamps", [[-1.7e308, 0.0, 1.7e308], [0.0, 0.0, 0.0, 1.79e308], [5e-324, 1e-323, 2.0]]
)
def test_corrected_stamps_are_finite_at_the_limits_of_floats(correction, stamps: list[float]):
    found = check_correction(correction, stamps, {})
    assert (found[1:] >= found[:-1]).all()


@pytest.mark.parametrize("correction", CORRECTIONS)
@given(stamps=st.lists(st.floats(-1e300, 1e300), max_size=12))
@settings(max_examples=100)
def test_corrected_stamps_are_finite_in_any_order(correction, stamps):
    check_correction(correction, stamps, {})


@given(stamps=sorted_stamps, interval=st.floats(0.01, 100))
@settings(max_examples=100)
def test_any_recording_is_smoothed_as_specified(stamps, interval):
    found = timestamps.smooth(np.array(stamps), interval).tolist()
    literal = literal_smooth(stamps, interval)
    np.testing.assert_allclose(found, literal, rtol=1e-15, atol=1e-300)


@given(
    steps=st.lists(st.floats(0.001, 5.0), min_size=1, max_size=40),
    interval=st.floats(0.01, 100),
    eps=st.floats(0, 0.4),
)
@settings(max_examples=100)
def test_any_recording_is_discretized_as_specified(steps, interval, eps):
    x = np.cumsum([1000.0, *steps]).tolist()
    literal = kept_within_blocks(literal_discretize(x, interval, eps), x, interval)
    assert timestamps.discretize(np.array(x), interval, eps).tolist() == literal
