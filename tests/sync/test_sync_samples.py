"""Samples of traces that `roverd.sync` synchronised: windows and interpolated values are read."""

import copy
import dataclasses
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import abstract, generic
from scipy.spatial.transform import Rotation, Slerp

from roverd import Dataset, Trace, sensors, split
from roverd.errors import RoverdWarning
from roverd.sync import Interpolate, Nearest, Next, Previous, Synchronization, Window
from support.traces import (
    DATA,
    SHORT,
    START,
    Recorded,
    numbered,
    record,
    record_imu,
    record_poses,
    record_trace,
)

STREET = DATA.parents[2] / "shared" / "data" / "traces" / "street"
KINDS: Any = {"camera": "camera", "imu": "imu", "lidar": "lidar", "radar": "radar"}
RULES = {
    "imu": Window(seconds=0.125),
    "radar": Window(frames=3),
    "camera": Previous(0.05),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synchronised") / "trace"


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, Recorded]:
    return record_trace(folder, 1.0)


def expected_frames(truth: dict[str, Recorded], time: float) -> dict[str, list[int]]:
    """The frames that RULES stand for at a time."""
    stamps = {name: recorded.stamps for name, recorded in truth.items()}
    past = {name: np.flatnonzero(times <= time).tolist() for name, times in stamps.items()}
    imu = stamps["imu"]
    return {
        "imu": np.flatnonzero((imu > time - 0.125) & (imu <= time)).tolist(),
        "radar": past["radar"][-3:],
        "camera": past["camera"][-1:],
        "lidar": [int(np.flatnonzero(stamps["lidar"] == time)[0])],
    }


CHANNELS = {
    "imu": {"acc": "acc", "rot": "rot", "avel": "avel"},
    "radar": {"iq": "iq", "valid": "valid"},
    "camera": {"image": "video.avi"},
    "lidar": {"rng": "rng"},
}


def check(sample: Any, truth: dict[str, Recorded], time: float, typed: bool) -> None:
    frames = expected_frames(truth, time)
    assert sample.keys() == frames.keys()
    for name, numbers in frames.items():
        recorded = truth[name]
        if not typed:
            np.testing.assert_array_equal(sample[name]["ts"], recorded.stamps[numbers])
            for channel, all_frames in recorded.frames.items():
                np.testing.assert_array_equal(sample[name][channel], all_frames[numbers])
            continue
        assert sample[name].timestamps.tolist() == [recorded.stamps[numbers].tolist()]
        for field, channel in CHANNELS[name].items():
            expected = recorded.frames[channel][numbers][None]
            np.testing.assert_array_equal(getattr(sample[name], field), expected)


@pytest.mark.parametrize("kinds", [None, KINDS], ids=["untyped", "typed"])
def test_windows_are_read_with_their_frames(folder, truth, kinds: Any):
    trace = Trace.from_config(folder, Synchronization("lidar", RULES), kinds)
    alignment = trace.alignment
    assert alignment is not None
    # 0.125 s before the first two lidar frames, the IMU had not begun.
    assert len(trace) == len(alignment) == 8
    for number, time in enumerate(alignment.times):
        check(trace[number], truth, time, kinds is not None)
    lengths = {len(expected_frames(truth, time)["imu"]) for time in alignment.times}
    assert len(lengths) > 1
    batch = trace.__getitems__([7, 0, -1, 3])
    for number, sample in zip([7, 0, -1, 3], batch, strict=True):
        check(sample, truth, alignment.times[number], kinds is not None)
    assert len(list(trace)) == 8


def test_parts_of_traces_keep_their_windows(folder, truth):
    dataset = Dataset.from_config([folder, folder], Synchronization("lidar", RULES), KINDS)
    whole = dataset.traces[0]
    assert isinstance(whole, Trace) and whole.alignment is not None
    times = whole.alignment.times
    later = split(dataset, 0.5, 1.0)
    assert len(later) == 8
    for number in range(8):
        check(later[number], truth, times[4 + number % 4], True)
    for number, sample in enumerate(later.__getitems__(range(8))):
        check(sample, truth, times[4 + number % 4], True)
    assert [trace.alignment.report() for trace in later.traces] == [whole.alignment.report()] * 2
    for number, sample in enumerate(later.prefetch(range(8), batch=3)):
        check(sample, truth, times[4 + number % 4], True)


def test_frame_numbers_that_are_set_replace_windows(folder, truth):
    trace = Trace.from_config(folder, Synchronization("lidar", RULES), KINDS)
    before = copy.copy(trace)
    trace.indices = {name: np.array([4, 2]) for name in truth}
    assert trace.alignment is None
    assert trace[1]["imu"].acc.tolist() == truth["imu"].frames["acc"][2][None, None].tolist()
    assert before.alignment is not None
    check(before[3], truth, before.alignment.times[3], True)


def test_an_alignment_may_be_given(folder, truth):
    stamps = {name: recorded.stamps for name, recorded in truth.items()}
    alignment = Synchronization("lidar", RULES).align(stamps)
    trace = Trace.from_config(folder, alignment[2:5], KINDS)
    assert len(trace) == 3
    for number in range(3):
        check(trace[number], truth, alignment.times[2 + number], True)


def test_plain_traces_of_abstract_dataloader_have_single_frames(folder, truth):
    opened = {name: sensors.from_config(folder / name, name) for name in KINDS}
    trace = abstract.Trace(opened, Synchronization("lidar", RULES))
    assert len(trace) == 8
    time = truth["lidar"].stamps[4]
    numbers = {name: frames[-1] for name, frames in expected_frames(truth, time).items()}
    sample: Any = trace[2]
    assert sample["imu"].timestamps.item() == truth["imu"].stamps[numbers["imu"]]
    assert (
        sample["radar"].iq[0, 0].tolist() == truth["radar"].frames["iq"][numbers["radar"]].tolist()
    )


def test_pickles_are_small_and_keep_the_samples_and_the_report(tmp_path: Path):
    record_imu(tmp_path / "t" / "imu", 20_000)
    stamps = START + np.arange(2000) / 10
    record(tmp_path / "t" / "lidar", stamps, {"rng": ("raw", numbered(2000, (2,), "u2"))})
    sync = Synchronization("lidar", {"imu": Window(seconds=0.2)})
    trace = Trace.from_config(tmp_path / "t", sync, {"imu": "imu", "lidar": None})
    data = pickle.dumps(trace)
    # 4 bytes for each frame number (a window has three), 8 for the time; nothing for IMU frames.
    assert len(data) < 2000 * (4 * 4 + 8) + 8000
    again = pickle.loads(data)  # noqa: S301
    assert again.alignment.report() == trace.alignment.report()
    for number in (0, 1000, len(trace) - 1):
        np.testing.assert_array_equal(again[number]["imu"].acc, trace[number]["imu"].acc)
        assert again[number]["imu"].acc.shape[:2] == (1, 20)
    with pytest.raises(ValueError, match="pickle"):
        _ = again.alignment.dropped
    before = len(pickle.dumps(Synchronization("lidar")))
    sync.align({"imu": stamps, "lidar": stamps})
    assert len(pickle.dumps(sync)) < before + 500


def test_samples_for_which_a_sensors_own_window_is_not_whole_are_dropped(folder, truth):
    kinds: Any = {**KINDS, "camera": partial(sensors.Camera, past=4, future=3)}
    trace = Trace.from_config(folder, Synchronization("lidar"), kinds)
    report = trace.alignment and trace.alignment.report()
    assert report is not None
    (camera,) = [sensor for sensor in report.sensors if sensor.name == "camera"]
    dropped = 10 - len(trace)
    assert dropped == camera.dropped["margin"] > 0
    for sample in trace:
        assert sample["camera"].image.shape[:2] == (1, 8)
    assert len(list(trace)) == len(trace)


def test_sensors_that_cannot_give_windows_are_refused(folder, truth):
    sync = Synchronization("lidar", {"imu": Window(frames=2)})
    lidar = sensors.DynamicSensor(folder / "lidar")
    own = sensors.IMU(folder / "imu", past=1)
    with pytest.raises(ValueError, match=r"sensor 'imu'.*windows of 2; open it with past=0"):
        Trace({"lidar": lidar, "imu": own}, sync)
    window: Any = generic.Window(sensors.IMU(folder / "imu"), past=1)
    with pytest.raises(TypeError, match=r"sensor 'imu'.*roverd's sensors, got Window"):
        Trace({"lidar": lidar, "imu": window}, sync)


def test_a_trace_that_loses_all_samples_says_why(folder, truth, tmp_path: Path):
    record(tmp_path / "t" / "a", START + np.arange(5.0), {})
    record(tmp_path / "t" / "b", np.empty(0), {})
    with pytest.warns(RoverdWarning, match=r"'t' has no samples: .*5 dropped; b: 5 empty; 5 by it"):
        trace = Trace.from_config(tmp_path / "t", Synchronization("a"))
    assert len(trace) == 0
    assert list(trace) == []
    with pytest.warns(RoverdWarning, match="no samples"):
        assert len(Trace.from_config(tmp_path / "t", Synchronization("b"))) == 0


def test_errors_name_the_trace(tmp_path: Path):
    record(tmp_path / "walk" / "imu", START + np.array([0.0, 0.2, 0.1]), {})
    with pytest.raises(ValueError, match="'walk': sensor 'imu': frame 2"):
        Trace.from_config(tmp_path / "walk", Synchronization("imu"))
    with pytest.raises(KeyError, match=r"'walk': .* for lidar as well"):
        Trace.from_config(tmp_path / "walk", Synchronization("lidar"))


def test_frames_that_were_recorded_in_no_order_are_read_in_order_of_time(tmp_path: Path):
    order = np.array([0, 1, 4, 5, 2, 3, 7, 6])
    frames = numbered(8, (3,), "f4")
    made = record(tmp_path / "t" / "s", START + order / 10, {"x": ("raw", frames)})
    record(tmp_path / "t" / "r", START + np.arange(8) / 10, {})
    sync = Synchronization("r", {"s": Window(frames=4)}, unordered="sort")
    trace = Trace.from_config(tmp_path / "t", sync)
    assert len(trace) == 5
    for number, sample in enumerate(trace):
        numbers = np.argsort(order)[number : number + 4]
        np.testing.assert_array_equal(sample["s"]["x"], frames[numbers])
        np.testing.assert_array_equal(sample["s"]["ts"], made.stamps[numbers])


# Interpolation


def attitudes(count: int) -> Rotation:
    return Rotation.random(count, rng=np.random.default_rng(5))


@pytest.fixture
def moving(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A trace with everything that can be interpolated, its reference between the frames."""
    count, folder = 12, tmp_path / "moving"
    stamps = START + np.cumsum(np.random.default_rng(1).uniform(0.02, 0.09, count))
    turned = attitudes(count)
    values: dict[str, np.ndarray] = {
        "stamps": stamps,
        "acc": numbered(count, (3,), "f4"),
        "euler": turned.as_euler("XYZ").astype("f4"),
        "matrix": turned.as_matrix().astype("f4"),
        "quaternion": turned.as_quat().astype("f8") * np.linspace(1, 2, count)[:, None],
        "flag": np.arange(count, dtype="u1"),
    }
    times = np.sort(np.append(np.linspace(stamps[0] - 0.1, stamps[-1] + 0.1, 23), stamps[3]))
    record(folder / "r", times, {})
    channels = ("acc", "matrix", "quaternion", "flag")
    record(folder / "any", stamps, {name: ("raw", values[name]) for name in channels})
    imu = {"acc": values["acc"], "rot": values["euler"], "avel": 2 * values["acc"]}
    record(folder / "imu", stamps, {name: ("raw", frames) for name, frames in imu.items()})
    (folder / "_r").mkdir()
    vectors = {name: values["acc"] * k for k, name in enumerate(("pos", "vel", "acc"), 1)}
    np.savez(folder / "_r" / "pose.npz", t=stamps, rot=values["matrix"], **vectors)
    return folder, {**values, "times": times}


HOW: Any = {"matrix": "matrix", "quaternion": "quaternion", "flag": "nearest"}


def open_moving(folder: Path, **rules: Any) -> Trace[Any]:
    kinds: Any = {
        "r": None,
        "any": None,
        "imu": "imu",
        "pose": partial(sensors.Pose, reference="r"),
    }
    given = {"any": Interpolate(0.2, HOW), "imu": Interpolate(0.2), "pose": Interpolate(0.2)}
    return Trace.from_config(folder, Synchronization("r", {**given, **rules}), kinds)


def test_values_are_scipys_between_the_frames_and_the_frames_at_theirs(moving):
    folder, values = moving
    trace, stamps = open_moving(folder), values["stamps"]
    times = [time for time in values["times"] if stamps[0] <= time <= stamps[-1]]
    assert trace.alignment is not None
    assert trace.alignment.times.tolist() == times
    turning = Slerp(stamps - START, Rotation.from_matrix(values["matrix"]))
    batch = trace.__getitems__(range(len(trace)))
    for time, sample in zip(times, batch, strict=True):
        acc = [np.interp(time, stamps, values["acc"][:, axis]) for axis in range(3)]
        expected = turning(time - START)
        imu, pose, untyped = sample["imu"], sample["pose"], sample["any"]
        for typed in (imu, pose):
            assert typed.timestamps.tolist() == [[time]]
        shapes = {field.name: getattr(imu, field.name).shape for field in dataclasses.fields(imu)}
        assert shapes == {**dict.fromkeys(("acc", "rot", "avel"), (1, 1, 3)), "timestamps": (1, 1)}
        np.testing.assert_allclose(imu.acc[0, 0], acc, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(imu.avel, 2 * imu.acc, rtol=1e-6)
        np.testing.assert_allclose(pose.pos[0, 0], acc, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(pose.acc, 3 * pose.pos, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(pose.rot[0, 0], expected.as_matrix(), atol=2e-6)
        np.testing.assert_allclose(untyped["acc"][0], acc, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(untyped["matrix"][0], expected.as_matrix(), atol=2e-6)
        np.testing.assert_allclose(untyped["ts"], [time], atol=1e-6)
        assert {array.dtype for array in (imu.acc, imu.rot, pose.rot, untyped["acc"])} == {
            np.dtype("f4")
        }
        nearest = int(np.argmin(np.abs(stamps - time)))
        assert untyped["flag"].tolist() == [nearest]
        angles = Rotation.from_euler("XYZ", imu.rot[0, 0])
        assert (angles * expected.inv()).magnitude() < 5e-6
        if time in stamps:
            # Exactly as recorded, whatever its length.
            np.testing.assert_array_equal(untyped["quaternion"][0], values["quaternion"][nearest])
            np.testing.assert_array_equal(imu.rot[0, 0], values["euler"][nearest])
        else:
            assert np.linalg.norm(untyped["quaternion"][0]) == pytest.approx(1, abs=1e-12)
            same = Rotation.from_quat(untyped["quaternion"][0]) * expected.inv()
            assert same.magnitude() < 1e-6
    assert any(time in stamps for time in times)


def test_samples_share_no_memory_and_come_the_same_one_by_one(moving):
    trace = open_moving(moving[0])
    together = trace.__getitems__([2, 2, 5])
    together[0]["imu"].acc[...] = 0
    np.testing.assert_array_equal(together[1]["imu"].acc, trace[2]["imu"].acc)
    np.testing.assert_array_equal(together[2]["any"]["matrix"], trace[5]["any"]["matrix"])


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (Interpolate(), TypeError, "any/flag: uint8 cannot be interpolated"),
        (Interpolate(channels={"nothing": "linear"}), ValueError, "any: cannot .* nothing"),
        (Interpolate(channels={**HOW, "acc": "matrix"}), ValueError, r"any/acc: .*\[3\]"),
        (Interpolate(channels={**HOW, "acc": "quaternion"}), ValueError, "any/acc: expected"),
        (Interpolate(channels={**HOW, "flag": "euler"}), ValueError, "any/flag: .*uint8"),
    ],
)
def test_what_cannot_be_interpolated_is_refused(moving, rule, error, message: str):
    trace = open_moving(moving[0], any=rule)
    with pytest.raises(error, match=message):
        trace[1]


def test_what_is_no_rotation_is_an_error_and_a_missing_value_stays_missing(moving):
    folder, values = moving
    wrong = values["matrix"].copy()
    wrong[2] = 0
    wrong[5, 0, 0] = np.nan
    wrong[8] *= -1  # a mirror
    wrong.tofile(folder / "any" / "matrix")
    trace = open_moving(folder)
    assert trace.alignment is not None
    pair = trace.alignment.parts["any"]
    seen: set[str] = set()
    for number in range(len(trace)):
        ends = set(pair.frames(number))
        if len(ends) == 2 and ends & {2, 8}:
            with pytest.raises(ValueError, match="any/matrix: expected rotations"):
                trace[number]
            seen.add("wrong")
        elif len(ends) == 2 and 5 in ends:
            assert np.isnan(trace[number]["any"]["matrix"]).all()
            seen.add("missing")
    assert seen == {"wrong", "missing"}


@pytest.fixture(params=[SHORT, STREET], ids=["short", "street"])
def path(request: pytest.FixtureRequest) -> Path:
    if not request.param.is_dir():
        pytest.skip(f"{request.param} is not on this machine; `short` is tested everywhere")
    return request.param


@pytest.mark.parametrize("reference", ["lidar", "camera", "imu"])
def test_nearest_frames_of_real_recordings_are_those_of_abstract_dataloader(path, reference: str):
    theirs = Trace.from_config(path, generic.Nearest(reference, tol=0.02))
    ours = Trace.from_config(path, Synchronization(reference, default=Nearest(0.02)))
    stamps = [sensor.metadata.timestamps for sensor in ours.sensors.values()]
    assert ours.alignment is not None and ours.indices is not None and theirs.indices is not None
    times = ours.alignment.times
    # Theirs have no samples outside of the time that all sensors share.
    shared = (times >= max(x[0] for x in stamps)) & (times <= min(x[-1] for x in stamps))
    assert len(theirs) == shared.sum() > 1
    for name, numbers in theirs.indices.items():
        assert ours.indices[name][shared].tolist() == numbers.tolist()


def test_real_recordings_give_what_looking_at_every_frame_gives(path):
    rules = {
        "imu": Window(seconds=0.1, minimum=5),
        "camera": Nearest(0.02),
        "radar": Next(0.05),
    }
    trace = Trace.from_config(path, Synchronization("lidar", rules), "auto")
    stamps = {name: np.fromfile(path / name / "ts", "<f8") for name in (*rules, "lidar")}
    acc = np.fromfile(path / "imu" / "acc", "<f4").reshape(-1, 3)
    expected: list[tuple[int, list[int], int, int]] = []
    for number, time in enumerate(stamps["lidar"]):
        imu = np.flatnonzero((stamps["imu"] > time - 0.1) & (stamps["imu"] <= time)).tolist()
        camera = int(np.argmin(np.abs(stamps["camera"] - time)))
        radar = np.flatnonzero(stamps["radar"] >= time)
        if (
            stamps["imu"][0] <= time - 0.1
            and len(imu) >= 5
            and time - stamps["imu"][imu[-1]] <= 0.1
            and abs(stamps["camera"][camera] - time) <= 0.02
            and len(radar)
            and stamps["radar"][radar[0]] - time <= 0.05
        ):
            expected.append((number, imu, camera, int(radar[0])))
    assert len(trace) == len(expected) > 0
    for number in range(0, len(trace), max(1, len(trace) // 5)):
        lidar, imu, camera, radar = expected[number]
        sample = trace[number]
        np.testing.assert_array_equal(sample["imu"].acc[0], acc[imu])
        assert sample["lidar"].timestamps.item() == stamps["lidar"][lidar]
        assert sample["camera"].timestamps.item() == stamps["camera"][camera]
        assert sample["radar"].timestamps.item() == stamps["radar"][radar]


def test_poses_can_be_windows(tmp_path: Path):
    record(tmp_path / "t" / "radar", START + np.arange(10) / 20, {})
    poses = record_poses(tmp_path / "t", 20)
    sync = Synchronization("radar", {"pose": Window(frames=3)})
    trace = Trace.from_config(tmp_path / "t", sync, {"radar": None, "pose": "pose"})
    assert trace.alignment is not None
    for sample, time in zip(trace, trace.alignment.times, strict=True):
        numbers = np.flatnonzero(poses["t"] <= time)[-3:]
        np.testing.assert_array_equal(sample["pose"].pos[0], poses["pos"][numbers].astype("f4"))
