"""A real recording, every sample of which equals a plain decode of its files."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import generic

from roverd import Dataset, Trace, sensors
from support.traces import DATA, SHORT, decoded, jpegs_of, nearest, xz_frames
from support.typed import check_sample

STREET = DATA.parents[2] / "shared" / "data" / "traces" / "street"
LIDAR = (128, 1024)


@pytest.fixture(scope="module", params=[SHORT, STREET], ids=["short", "street"])
def folder(request: pytest.FixtureRequest) -> Path:
    if not request.param.is_dir():
        pytest.skip(f"{request.param} is not on this machine; `short` is tested everywhere")
    return request.param


def plain(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Every channel of the recording, by the simplest means."""
    radar, imu, lidar = folder / "radar", folder / "imu", folder / "lidar"
    frames = {
        "camera": {"video.avi": decoded(jpegs_of((folder / "camera/video.avi").read_bytes()))},
        "radar": {
            "iq": np.fromfile(radar / "iq", "<i2").reshape(-1, 16, 1, 1, 40),
            "valid": np.fromfile(radar / "valid", "u1"),
        },
        "imu": {
            name: np.fromfile(imu / name, "<f4").reshape(-1, 3) for name in ("acc", "rot", "avel")
        },
        "lidar": {
            "rng": xz_frames(lidar, "rng", "<u2", LIDAR),
            "nir": xz_frames(lidar, "nir", "<u2", LIDAR),
            "rfl": xz_frames(lidar, "rfl", "u1", LIDAR),
        },
    }
    for name, channels in frames.items():
        channels["ts"] = np.fromfile(folder / name / "ts", "<f8")
    return frames


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    return plain(folder)


def test_the_recording_holds_what_its_description_says(folder, truth):
    counts = {
        name: {len(frames) for frames in channels.values()} for name, channels in truth.items()
    }
    if folder == SHORT:
        assert counts == {"lidar": {3}, "radar": {80}, "camera": {60}, "imu": {398}}
    assert all(len(lengths) == 1 for lengths in counts.values())


def test_every_frame_of_every_untyped_sensor_is_its_plain_decode(folder, truth):
    trace = Trace.from_config(folder)
    assert set(trace.sensors) == set(truth)
    for name, channels in truth.items():
        sensor = trace[name]
        count = len(channels["ts"])
        assert len(sensor) == count
        assert sensor.metadata.timestamps.tolist() == channels["ts"].tolist()
        for channel, frames in channels.items():
            np.testing.assert_array_equal(sensor[channel].read(), frames)
            assert sensor[channel].type == frames.dtype
        for index in range(count - 1, -1, -max(1, count // 7)):
            sample = sensor[index]
            assert set(sample) == set(channels)
            for channel, frames in channels.items():
                np.testing.assert_array_equal(sample[channel], frames[index : index + 1])


FIELDS = {
    "camera": {"image": "video.avi"},
    "radar": {"iq": "iq", "valid": "valid"},
    "imu": {"acc": "acc", "rot": "rot", "avel": "avel"},
    "lidar": {"rng": "rng", "rfl": "rfl", "nir": "nir"},
}


def expect(name: str, sample: Any, truth: dict[str, np.ndarray], index: int) -> None:
    """Assert that every field of a typed sample is the plain decode of frame `index`."""
    check_sample(sample)
    names = {field.name for field in dataclasses.fields(sample)}
    assert names & set(FIELDS[name])
    for field, channel in FIELDS[name].items():
        if field in names:
            np.testing.assert_array_equal(getattr(sample, field)[0, 0], truth[channel][index])
    assert sample.timestamps.tolist() == [[truth["ts"][index]]]


@pytest.mark.parametrize("name", FIELDS)
def test_every_sample_of_every_typed_sensor_is_its_plain_decode(folder, truth, name: str):
    kind = {"camera": sensors.Camera, "radar": sensors.XWRRadar, "imu": sensors.IMU}
    sensor = kind.get(name, sensors.OSLidar)(folder / name)
    samples = list(sensor)
    assert len(samples) == len(truth[name]["ts"])
    for index, sample in enumerate(samples):
        expect(name, sample, truth[name], index)


@pytest.mark.parametrize("kinds", [None, "auto"], ids=["untyped", "typed"])
def test_synchronised_samples_are_plain_decodes_of_the_nearest_frames(folder, truth, kinds):
    dataset = Dataset.from_config([folder], generic.Nearest("lidar"), kinds)
    expected = nearest({name: channels["ts"] for name, channels in truth.items()}, "lidar", 0.1)
    count = len(expected["lidar"])
    assert len(dataset) == count >= 3
    for row in np.random.default_rng(0).permutation(count)[:12]:
        for name, sample in dataset[row].items():
            index = expected[name][row]
            if kinds is None:
                for channel, frames in truth[name].items():
                    np.testing.assert_array_equal(sample[channel][0], frames[index])
            else:
                expect(name, sample, truth[name], index)


def test_intrinsics_are_those_in_the_files(folder):
    trace = Trace.from_config(folder, sensors="auto")
    radar = trace["radar"].metadata
    assert radar.range_resolution.tolist() == [0.06005457602441304]
    assert radar.doppler_resolution.tolist() == [0.21258453739065983]
    assert trace["lidar"].metadata.intrinsics == str(folder / "lidar" / "lidar.json")
    assert trace["lidar"][0].intrinsics == str(folder / "lidar" / "lidar.json")


def test_windows_over_the_recording_are_plain_decodes(folder, truth):
    camera = sensors.Camera(folder / "camera", past=2, future=1)
    sample = camera[30]
    np.testing.assert_array_equal(sample.image[0], truth["camera"]["video.avi"][28:32])
    assert sample.timestamps.tolist() == [truth["camera"]["ts"][28:32].tolist()]
    check_sample(sample)
