"""The simulated rig: clocks of its own for each sensor, one world for all, one seed one drive."""

import itertools

import numpy as np
import pytest

from roverd.ops.demo.radar import range_doppler
from roverd.ops.demo.rig import CLOCKS, Rig, radar_targets


@pytest.mark.parametrize("name", list(CLOCKS))
def test_clocks_jitter_but_never_run_backwards(name):
    clock = CLOCKS[name]
    times = clock.times(60.0, np.random.default_rng(0))
    steps = np.diff(times)
    assert steps.min() > 0
    assert steps.std() > 0.2 * clock.jitter
    assert steps.mean() == pytest.approx(1 / clock.rate, rel=1e-3)
    assert abs(times[0] - clock.offset) <= clock.jitter
    assert 60.0 - 2 / clock.rate < times[-1] <= 60.0


def test_sensors_start_at_different_times():
    assert len({clock.offset for clock in CLOCKS.values()}) == len(CLOCKS)


def test_frames_come_in_order_and_as_described():
    rig = Rig(seed=1)
    frames = list(itertools.islice(rig.frames(5.0), 40))
    times = [frame.time for frame in frames]
    assert times == sorted(times)
    assert {frame.sensor for frame in frames} == set(CLOCKS)
    for frame in frames:
        described = rig.channels[frame.sensor]
        assert set(frame.channels) == set(described)
        for name, array in frame.channels.items():
            assert array.dtype == np.dtype(described[name]["type"])
            assert list(array.shape) == described[name]["shape"]


def test_one_seed_is_one_drive():
    def frames(seed: int) -> list[bytes]:
        return [
            repr(frame.time).encode() + b"".join(x.tobytes() for x in frame.channels.values())
            for frame in Rig(seed).frames(0.2)
        ]

    assert frames(4) == frames(4)
    assert frames(4) != frames(5)


@pytest.mark.parametrize("seed", range(20))
def test_rig_and_people_keep_clear_of_everything(seed):
    rig = Rig(seed)
    times = np.arange(0, 60, 0.05)
    driven = rig.motion.position(times)
    walked = [person.position(times) for person in rig.scene.people]
    for person, path in zip(rig.scene.people, walked, strict=True):
        for box in rig.scene.boxes:
            outside = np.maximum(np.array(box.low) - path, path - np.array(box.high))[:, :2]
            assert outside.max(axis=1).min() > person.radius
    for path in walked:
        assert np.linalg.norm((path - driven)[:, :2], axis=1).min() > 0.5
    assert np.linalg.norm(walked[0] - walked[1], axis=1).min() > 0.44


@pytest.mark.parametrize("time", [0.5, 2.0, 3.5])
def test_radar_sees_the_person_walk(time):
    rig = Rig(seed=2)
    targets = radar_targets(rig.scene, rig.motion, time)
    assert np.abs(targets.radial_speed).max() < rig.radar.doppler_resolution * rig.radar.loops / 2
    power = range_doppler(rig.radar.simulate(targets, np.random.default_rng(0)))
    person = len(rig.scene.boxes)
    column = round(targets.range[person] / rig.radar.range_resolution)
    row = round(targets.radial_speed[person] / rig.radar.doppler_resolution) + rig.radar.loops // 2
    around = power[row - 1 : row + 2, column - 1 : column + 2]
    assert around.max() > np.median(power) + 15


def test_radial_speed_is_the_change_of_range():
    rig = Rig(seed=6)
    step = 1e-4
    before, now, after = (
        radar_targets(rig.scene, rig.motion, time) for time in (1.0 - step, 1.0, 1.0 + step)
    )
    expected = (after.range - before.range) / (2 * step)
    np.testing.assert_allclose(now.radial_speed, expected, atol=1e-6)
