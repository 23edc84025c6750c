"""The simulated radar: a target shows up at its range, its speed and its angle."""

import numpy as np
import pytest

from roverd.ops.demo.radar import SPEED_OF_LIGHT, PointTargets, Radar, range_doppler


def targets(*rows: tuple[tuple[float, float, float], tuple[float, float, float]]) -> PointTargets:
    position, velocity = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    return PointTargets(position, velocity, np.full(len(rows), 0.5))


@pytest.mark.parametrize(
    ("position", "velocity"),
    [
        ((3.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((2.0, 1.0, 0.2), (1.2, 0.3, 0.0)),
        ((7.5, -2.0, -0.4), (-1.5, 0.5, 0.0)),
        ((1.0, 0.1, 0.0), (-0.4, 0.0, 0.0)),
        ((11.0, 1.0, 0.0), (1.7, 0.0, 0.0)),
    ],
)
def test_peak_is_at_range_and_speed(position, velocity):
    radar = Radar()
    target = targets((position, velocity))
    power = range_doppler(radar.simulate(target, np.random.default_rng(0)))
    row, column = np.unravel_index(power.argmax(), power.shape)
    distance = column * radar.range_resolution
    speed = (row - radar.loops // 2) * radar.doppler_resolution
    assert abs(distance - target.range[0]) < radar.range_resolution
    assert abs(speed - target.radial_speed[0]) < radar.doppler_resolution


def test_resolutions_follow_from_the_chirp():
    radar = Radar()
    sweep = radar.samples / radar.sample_rate
    assert radar.intrinsics()["range_resolution"] == pytest.approx(
        SPEED_OF_LIGHT / (2 * radar.slope * sweep)
    )
    centre = radar.start_frequency + radar.slope * sweep / 2
    assert radar.intrinsics()["doppler_resolution"] == pytest.approx(
        SPEED_OF_LIGHT / centre / (2 * radar.loops * radar.loop_period)
    )
    # The parts exist: the sweep stays in the 77-81 GHz band, and three chirps fit into a loop.
    assert radar.start_frequency + radar.slope * sweep < 81e9
    assert sweep < radar.loop_period / len(radar.tx)


def test_two_targets_are_told_apart_by_speed_alone():
    radar = Radar(noise=5.0)
    power = range_doppler(
        radar.simulate(
            targets(((4.0, 0, 0), (0.9, 0, 0)), ((4.0, 0, 0), (-0.9, 0, 0))),
            np.random.default_rng(1),
        )
    )
    column = round(4.0 / radar.range_resolution)
    profile = power[:, column - 2 : column + 3].max(axis=1)
    speeds = (np.arange(radar.loops) - radar.loops // 2) * radar.doppler_resolution
    for speed in (-0.9, 0.9):
        assert profile[np.abs(speeds - speed).argmin()] > profile[radar.loops // 2] + 20


@pytest.mark.parametrize("angle", [-35.0, 0.0, 20.0])
@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_virtual_array_sees_the_azimuth(angle, speed):
    radar = Radar(noise=5.0)
    ahead = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0])
    target = targets((tuple(5 * ahead), tuple(speed * ahead)))
    iq = radar.simulate(target, np.random.default_rng(2)).astype(float)
    signal = iq[..., 0::2] + 1j * iq[..., 1::2]
    spectrum = np.fft.fft(np.fft.fft(signal, axis=-1), axis=0)
    power = np.abs(spectrum).sum(axis=(1, 2))
    row, column = np.unravel_index(power.argmax(), power.shape)
    cell = spectrum[row, :, :, column]
    # Time-division multiplexing: later transmitters carry the Doppler phase of their delay.
    turn = 2 * np.pi * np.fft.fftfreq(radar.loops)[row] / len(radar.tx)
    cell = cell * np.exp(-1j * turn * np.arange(len(radar.tx)))[:, None]
    # The first and last transmitter, four half wavelengths apart, make a line of eight elements.
    line = np.concatenate([cell[0], cell[2]])
    beams = np.radians(np.arange(-60, 61))
    steering = np.exp(1j * np.pi * np.sin(beams)[:, None] * np.arange(len(line)))
    found = np.degrees(beams[np.abs(steering @ line).argmax()])
    assert abs(found - angle) <= 3


def test_layout_and_range_of_the_samples():
    radar = Radar(loops=8, samples=32)
    frame = radar.simulate(targets(((2.0, 0, 0), (0, 0, 0))), np.random.default_rng(3))
    assert frame.dtype == np.dtype("<i2")
    assert frame.shape == (8, 3, 4, 64)
    assert 100 < np.abs(frame).max() < 32767


def test_strong_echo_saturates_instead_of_wrapping():
    radar = Radar(loops=4, samples=16, noise=0.0)
    close = targets(((0.1, 0, 0), (0, 0, 0)))
    frame = radar.simulate(close, np.random.default_rng(4))
    assert frame.max() == 32767
    assert frame.min() == -32768


def test_nothing_is_seen_behind():
    radar = Radar(noise=0.0)
    behind = targets(((-3.0, 0, 0), (0, 0, 0)))
    assert not radar.simulate(behind, np.random.default_rng(5)).any()
