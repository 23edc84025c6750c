"""The whole demo: recorded through the public API, and read back as it was simulated."""

import hashlib
import json
import lzma
import os

import av
import numpy as np
import pytest

from roverd import Trace
from roverd.cli.main import run
from roverd.errors import AlreadyExistsError, InvalidDataError, RoverdWarning
from roverd.ops.demo import demo
from roverd.ops.demo import run as steps
from roverd.ops.demo.camera import read_number
from roverd.ops.demo.load import measure
from roverd.ops.demo.record import MARKER, claim, record
from roverd.ops.demo.rig import CLOCKS, EPOCH, Rig

SECONDS = 1.0
SEED = 7


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> str:
    path = str(tmp_path_factory.mktemp("demo") / "trace")
    claim(path)
    record(path, Rig(SEED), SECONDS)
    return path


@pytest.fixture(scope="module")
def frames() -> dict[str, list]:
    by_sensor = {name: [] for name in CLOCKS}
    for frame in Rig(SEED).frames(SECONDS):
        by_sensor[frame.sensor].append(frame)
    return by_sensor


def digests(path: str) -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            with open(file, "rb") as data:
                digest = hashlib.sha256(data.read()).hexdigest()
            found[os.path.relpath(file, path)] = digest
    return found


def test_timestamps_are_those_of_the_frames(trace, frames):
    for name, expected in frames.items():
        stamps = np.fromfile(os.path.join(trace, name, "ts"), "<f8")
        np.testing.assert_allclose(stamps, [EPOCH + frame.time for frame in expected], atol=1e-6)


def test_raw_and_lzmaf_channels_hold_what_was_simulated(trace, frames):
    """Read with NumPy and lzma alone."""
    for sensor, channel in (("radar", "iq"), ("radar", "valid"), ("imu", "acc"), ("imu", "rot")):
        expected = np.stack([frame.channels[channel] for frame in frames[sensor]])
        stored = np.fromfile(os.path.join(trace, sensor, channel), expected.dtype)
        np.testing.assert_array_equal(stored.reshape(expected.shape), expected)
    for channel in ("rng", "nir", "rfl"):
        expected = np.stack([frame.channels[channel] for frame in frames["lidar"]])
        with lzma.open(os.path.join(trace, "lidar", channel)) as file:
            stored = np.frombuffer(file.read(), expected.dtype)
        np.testing.assert_array_equal(stored.reshape(expected.shape), expected)


def test_every_video_frame_says_its_number(trace):
    """Read in sequence by another program, and at random by us."""
    with av.open(os.path.join(trace, "camera", "video.avi")) as video:
        decoded = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert video.streams.video[0].average_rate == CLOCKS["camera"].rate
    camera = Trace.from_config(trace, sensors="auto")["camera"]
    assert [read_number(image) for image in decoded] == list(range(len(camera)))
    for index in np.random.default_rng(0).permutation(len(camera)):
        assert read_number(camera[index].image[0, 0]) == index


def test_intrinsics_are_there(trace):
    rig = Rig(SEED)
    for name in ("radar", "lidar"):
        with open(os.path.join(trace, name, f"{name}.json"), encoding="utf-8") as file:
            assert json.load(file) == rig.intrinsics[name]
    radar = Trace.from_config(trace, sensors="auto")["radar"]
    assert radar.metadata.range_resolution == pytest.approx(rig.radar.range_resolution)
    assert radar.metadata.doppler_resolution == pytest.approx(rig.radar.doppler_resolution)


def test_one_seed_gives_one_recording(trace, tmp_path):
    again = str(tmp_path / "again")
    claim(again)
    record(again, Rig(SEED), SECONDS)
    assert digests(again) == digests(trace)


def test_demo_replaces_an_earlier_one_and_leaves_the_rest(tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    (out / "radar").mkdir(parents=True)
    (out / "radar" / "stale").write_text("of an earlier demo")
    (out / "notes.txt").write_text("mine")
    (out / "config.yaml").write_text(f"{MARKER}\n")
    shown = []
    found = demo(str(out), 1.0, seed=1, budget=0.02, recorded=shown.append)
    assert shown == [str(out)]
    assert not (out / "radar" / "stale").exists()
    assert (out / "notes.txt").read_text() == "mine"
    assert [rate.name for rate in found.rates] == [*CLOCKS, "trace"]
    assert all(rate.samples > 0 and rate.bytes > 0 for rate in found.rates)
    assert found.synchronised == 9
    assert found.picture == str(out / "_scratch" / "overview.png")
    assert os.path.getsize(found.picture) > 50_000
    assert Trace.find_sensors(out, virtual=True) == sorted(CLOCKS)


def test_without_matplotlib_there_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(steps.importlib.util, "find_spec", lambda name: None)
    found = demo(str(tmp_path / "out"), 1.0, budget=0.01)
    assert found.picture is None
    assert not (tmp_path / "out" / "_scratch").exists()


def test_what_is_no_demo_stays(tmp_path, capsys):
    other = tmp_path / "trace"
    other.mkdir()
    (other / "config.yaml").write_text(f"comment: not '{MARKER}'\n")
    file = tmp_path / "file"
    file.write_text("text")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, other, file, dangling):
        with pytest.raises(AlreadyExistsError, match="not an earlier demo") as refused:
            demo(str(path))
        assert isinstance(refused.value, FileExistsError)
        assert run(["demo", str(path)]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        assert str(path) in printed.err
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file", "trace"]
    assert os.listdir(other) == ["config.yaml"]


def test_linked_sensor_folders_are_unlinked_not_emptied(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "iq").write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.yaml").write_text(f"{MARKER}\n")
    (out / "radar").symlink_to(elsewhere)
    claim(str(out))
    assert not (out / "radar").exists()
    assert (elsewhere / "iq").read_text() == "precious"


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.5, 1e9, float("nan"), float("inf")])
def test_impossible_lengths_are_refused_before_anything_is_written(tmp_path, seconds):
    with pytest.raises(InvalidDataError, match="seconds"):
        demo(str(tmp_path / "out"), seconds)
    assert not (tmp_path / "out").exists()


def test_negative_seed_is_refused(tmp_path):
    with pytest.raises(InvalidDataError, match="seed"):
        demo(str(tmp_path / "out"), seed=-1)


def test_a_refused_frame_ends_the_recording_with_its_reason(tmp_path, monkeypatch):
    """The recorder does not wait for ever for a writer that has failed."""
    out = str(tmp_path / "out")
    claim(out)
    rig = Rig(0)

    def broken(seconds):
        for frame in Rig(0).frames(seconds):
            if frame.sensor == "imu" and frame.time > 0.3:
                frame.channels["acc"] = np.zeros(5, "f4")
            yield frame

    monkeypatch.setattr(rig, "frames", broken)
    with pytest.raises(InvalidDataError, match="acc"):
        record(out, rig, 20.0)
    with pytest.warns(RoverdWarning, match="differ in length"):
        assert len(Trace.from_config(out)["imu"]) == 30


def test_command_prints_info_rates_and_the_picture(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        steps, "measure", lambda dataset, generator, _: measure(dataset, generator, 0.02)
    )
    assert run(["demo", "--seconds", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    words = printed.out.split()
    assert "video.avi" in words
    assert "samples/s" in words
    assert "synchronised" in printed.out
    assert words[-2:] == ["picture", os.path.join("demo", "_scratch", "overview.png")]
    assert run(["info", "demo"]) == 0
    assert printed.out.startswith(capsys.readouterr().out)
