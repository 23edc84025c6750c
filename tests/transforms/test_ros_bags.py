"""What is in the bags: every message of them, against the raw files and hand-made decoders.

The messages are decoded here, from the descriptions of ROS 1's serialisation and of CDR. ROS 1 bags
are taken apart by hand too, and read with `rosbags`; ROS 2 bags with the standard library's SQLite
and with the `mcap` package.
"""

import json
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags import rosbag1
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from roverd.sensors import IMU, OSLidar, OSLidarDepth
from roverd.sensors.lidar import LidarMetadata
from roverd.transforms.ros import BagReport, rover_to_rosbag
from roverd.types import OSDepth
from support.limits import cheap
from support.traces import DATA, SHORT, START, Recorded, numbered, record, xz_frames

FORMATS: dict[str, dict[str, Any]] = {
    "ros1": {},
    "sqlite3": {"format": "ros2"},
    "mcap": {"format": "ros2", "storage": "mcap"},
}
IMU_TYPE, POINTS_TYPE = "sensor_msgs/msg/Imu", "sensor_msgs/msg/PointCloud2"
MD5 = {"/imu": "6a62c6daae103f4ff57a132d6f95cec2", "/points2": "1158d486dd51d683ce2f1be655c3c181"}
TYPES = {"/imu": IMU_TYPE, "/points2": POINTS_TYPE}


# ── messages, taken apart by hand ────────────────────────────────────────────────────────────────


@dataclass
class Message:
    """A message as it is in a bag."""

    topic: str
    time: int
    data: bytes


@dataclass
class Decoder:
    """Takes values from a message: packed (ROS 1), or each at a multiple of its size (CDR)."""

    data: bytes
    aligned: bool
    position: int = 0

    def __post_init__(self) -> None:
        if self.aligned:
            assert self.data[:4] == b"\0\1\0\0"  # CDR, little-endian
            self.data = self.data[4:]

    def take(self, kind: str, count: int = 1) -> Any:
        size = struct.calcsize(f"<{kind}")
        if self.aligned:
            self.position += -self.position % size
        values = struct.unpack_from(f"<{count}{kind}", self.data, self.position)
        self.position += count * size
        return values[0] if count == 1 else np.array(values)

    def text(self) -> str:
        size = self.take("I")
        found = self.data[self.position : self.position + size]
        self.position += size
        if self.aligned:
            assert found[-1:] == b"\0"
            found = found[:-1]
        return found.decode()

    def header(self) -> dict[str, Any]:
        number = {} if self.aligned else {"seq": self.take("I")}
        sec, nanosec = self.take("i" if self.aligned else "I"), self.take("I")
        assert 0 <= nanosec < 10**9
        return {**number, "stamp": sec * 10**9 + nanosec, "frame": self.text()}

    def end(self) -> None:
        assert not self.data[self.position :].strip(b"\0") and len(self.data) - self.position < 4


def decode(message: Message, aligned: bool) -> dict[str, Any]:
    decoder = Decoder(message.data, aligned)
    found = decoder.header()
    if message.topic == "/imu":
        for name, count in (("rot", 4), ("avel", 3), ("acc", 3)):
            found[name] = decoder.take("d", count)
            found[f"{name} covariance"] = decoder.take("d", 9)
    else:
        found["height"], found["width"] = decoder.take("I"), decoder.take("I")
        found["fields"] = [
            (decoder.text(), decoder.take("I"), decoder.take("B"), decoder.take("I"))
            for _ in range(decoder.take("I"))
        ]
        found["bigendian"] = decoder.take("B")
        found["point_step"], found["row_step"] = decoder.take("I"), decoder.take("I")
        size = decoder.take("I")
        found["data"] = decoder.data[decoder.position : decoder.position + size]
        assert len(found["data"]) == size
        decoder.position += size
        found["dense"] = decoder.take("B")
    decoder.end()
    return found


# ── bags ─────────────────────────────────────────────────────────────────────────────────────────


def ros1_records(data: bytes, start: int = 0) -> Iterator[tuple[dict[str, bytes], bytes]]:
    """Header and content of the records of a ROS 1 bag, or of a chunk."""

    def part() -> bytes:
        nonlocal start
        size = int.from_bytes(data[start : start + 4], "little")
        start += 4 + size
        return data[start - size : start]

    while start < len(data):
        header, content = part(), part()
        yield ros1_header(header), content


def ros1_header(data: bytes) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    while data:
        size = int.from_bytes(data[:4], "little")
        name, _, value = data[4 : 4 + size].partition(b"=")
        fields[name.decode()] = value
        data = data[4 + size :]
    return fields


def ros1_contents(path: Path) -> tuple[dict[bytes, dict[str, bytes]], list[Message]]:
    """Connections by number, and messages in the order of the file."""
    data = path.read_bytes()
    assert data.startswith(b"#ROSBAG V2.0\n")
    connections: dict[bytes, dict[str, bytes]] = {}
    messages: list[Message] = []
    for header, content in ros1_records(data, 13):
        if header["op"] != b"\x05":
            continue
        assert header["compression"] == b"none"
        for inner, body in ros1_records(content):
            if inner["op"] == b"\x07":
                connections[inner["conn"]] = {**ros1_header(body), "topic": inner["topic"]}
            else:
                sec, nanosec = struct.unpack("<II", inner["time"])
                topic = connections[inner["conn"]]["topic"].decode()
                messages.append(Message(topic, sec * 10**9 + nanosec, body))
    return connections, messages


def read(path: Path, kind: str) -> list[Message]:
    """All messages of a bag, in the order of the file."""
    if kind == "ros1":
        return ros1_contents(path)[1]
    if kind == "sqlite3":
        query = "SELECT name, timestamp, data FROM messages JOIN topics ON topic_id = topics.id"
        database = sqlite3.connect(path / f"{path.name}.db3")
        try:
            return [Message(*row) for row in database.execute(f"{query} ORDER BY messages.id")]
        finally:
            database.close()
    with (path / f"{path.name}.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        return [
            Message(channel.topic, message.log_time, message.data)
            for _, channel, message in reader.iter_messages(log_time_order=False)
        ]


def decoded(path: Path, kind: str) -> list[tuple[Message, dict[str, Any]]]:
    return [(message, decode(message, kind != "ros1")) for message in read(path, kind)]


def on(topic: str, messages: list[tuple[Message, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [content for message, content in messages if message.topic == topic]


# ── recordings, and what should become of them ───────────────────────────────────────────────────

BEAMS, COLUMNS = 8, 16
LIDAR_JSON = json.dumps(
    {
        "beam_intrinsics": {
            "beam_altitude_angles": np.linspace(20, -22, BEAMS).tolist(),
            "beam_azimuth_angles": [4.2, 1.4, -1.4, -4.2] * 2,
            "beam_to_lidar_transform": [1, 0, 0, 15.806, 0, 1, 0, 0, 0, 0, 1, 2.5, 0, 0, 0, 1],
            "lidar_origin_to_beam_origin_mm": 15.806,
        },
        "lidar_data_format": {
            "columns_per_frame": COLUMNS,
            "pixels_per_column": BEAMS,
            "pixel_shift_by_row": [3, 2, 1, 0] * 2,
        },
        "lidar_intrinsics": {
            "lidar_to_sensor_transform": [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 36.18, 0, 0, 0, 1]
        },
        "config_params": {"lidar_mode": "1024x10"},
        "sensor_info": {"prod_line": "OS-1-8"},
    }
)


def all_points(rng: np.ndarray, intrinsics: str) -> np.ndarray:
    """Points `(beam, column, 3)` in metres, by the formula of the manufacturer's manual."""
    known = json.loads(intrinsics)
    beams = known["beam_intrinsics"]
    altitude = np.radians(beams["beam_altitude_angles"])[:, None]
    azimuth = -np.radians(beams["beam_azimuth_angles"])[:, None]
    encoder = 2 * np.pi * (1 - np.arange(rng.shape[1]) / rng.shape[1])[None]
    to_lidar = np.reshape(beams["beam_to_lidar_transform"], (4, 4))
    across, up = to_lidar[0, 3], to_lidar[2, 3]
    length = rng.astype(float) - np.hypot(across, up)
    x = length * np.cos(encoder + azimuth) * np.cos(altitude) + across * np.cos(encoder)
    y = length * np.sin(encoder + azimuth) * np.cos(altitude) + across * np.sin(encoder)
    z = length * np.sin(altitude) + up
    turn = np.reshape(known["lidar_intrinsics"]["lidar_to_sensor_transform"], (4, 4))
    return (np.stack([x, y, z], -1) @ turn[:3, :3].T + turn[:3, 3]) / 1000


def record_lidar(folder: Path, stamps: np.ndarray, dead: int = -1) -> Recorded:
    """A lidar, in whose frame `dead` nothing came back."""
    rng = numbered(len(stamps), (BEAMS, COLUMNS), "u2")
    rng[:, 1::3, ::4] = 0
    if dead >= 0:
        rng[dead] = 0
    others = {
        "rfl": ("lzmaf", numbered(len(stamps), (BEAMS, COLUMNS), "u1")),
        "nir": ("lzmaf", numbered(len(stamps), (BEAMS, COLUMNS), "u2", 1)),
    }
    channels = {"rng": ("lzmaf", rng), **others}
    return record(folder / "lidar", stamps, channels, {"lidar.json": LIDAR_JSON})


def record_imu(folder: Path, stamps: np.ndarray) -> Recorded:
    names = enumerate(("acc", "rot", "avel"))
    channels = {name: ("raw", numbered(len(stamps), (3,), "f4", seed)) for seed, name in names}
    return record(folder / "imu", stamps, channels)


def rate(start: float, count: int, hertz: float) -> np.ndarray:
    """Timestamps with jitter and with decimals that a float has at this time."""
    jitter = np.random.default_rng(count).uniform(-0.4, 0.4, count)
    return START + start + (np.arange(count) + jitter) / hertz


def convert(folder: Path, out: Path, kind: str = "ros1", **options: Any) -> BagReport:
    imu, lidar = IMU(folder / "imu"), OSLidarDepth(folder / "lidar")
    return rover_to_rosbag(out, imu, lidar, **FORMATS[kind], **options)


def whole_nanoseconds(stamps: np.ndarray) -> list[int]:
    """Integers all the way: times since 1970 that a float has are multiples of 2**-30 s."""
    steps = [int(stamp * 2.0**30) for stamp in stamps]
    assert all(step == stamp * 2.0**30 for step, stamp in zip(steps, stamps, strict=True))
    return [(step * 10**9 + (1 << 29)) >> 30 for step in steps]


def expect_order(
    messages: list[tuple[Message, dict[str, Any]]], imu: np.ndarray, lidar: np.ndarray
) -> None:
    """Assert that all frames are there by time, at their times, and numbered in ROS 1."""
    wanted = [(time, "/imu") for time in whole_nanoseconds(imu)]
    wanted += [(time, "/points2") for time in whole_nanoseconds(lidar)]
    assert [(message.time, message.topic) for message, _ in messages] == sorted(wanted)
    assert all(message.time == content["stamp"] for message, content in messages)
    for topic in TYPES:
        if "seq" in messages[0][1]:
            numbers = [content["seq"] for content in on(topic, messages)]
            assert numbers == list(range(len(numbers)))


def expect_imu(found: list[dict[str, Any]], frames: dict[str, np.ndarray]) -> None:
    turns = Rotation.from_euler("XYZ", frames["rot"].astype(float))
    for name in ("acc", "avel"):
        np.testing.assert_array_equal([message[name] for message in found], frames[name])
    quaternions = np.array([message["rot"] for message in found])
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1, rtol=1e-12)
    apart = (Rotation.from_quat(quaternions).inv() * turns).magnitude()
    assert apart.max() < 1e-7
    for message in found:
        assert message["frame"] == "imu_link"
        assert not any(message[f"{name} covariance"].any() for name in ("rot", "acc", "avel"))


def expect_points(
    found: list[dict[str, Any]], frames: np.ndarray, intrinsics: str, nearest: int = 1
) -> None:
    for message, rng in zip(found, frames, strict=True):
        wanted = all_points(rng, intrinsics)[rng >= nearest]
        assert (message["frame"], message["height"], message["width"]) == (
            "os_sensor",
            1,
            len(wanted),
        )
        assert message["fields"] == [("x", 0, 7, 1), ("y", 4, 7, 1), ("z", 8, 7, 1)]
        assert (message["point_step"], message["row_step"]) == (12, 12 * len(wanted))
        assert (message["bigendian"], message["dense"]) == (0, 1)
        points = np.frombuffer(message["data"], "<f4").reshape(-1, 3)
        np.testing.assert_allclose(points, wanted, rtol=1e-5, atol=1e-3)


@pytest.fixture(params=list(FORMATS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


# ── tests ────────────────────────────────────────────────────────────────────────────────────────


def test_a_real_recording_is_in_the_bag_frame_for_frame(tmp_path: Path, kind: str):
    report = convert(SHORT, tmp_path / "out", kind)
    stamps = {name: np.fromfile(SHORT / name / "ts", "<f8") for name in ("imu", "lidar")}
    assert report.messages == {"/imu": 398, "/points2": 3}
    assert report.duration == pytest.approx(np.ptp(np.concatenate(list(stamps.values()))), abs=1e-9)
    messages = decoded(tmp_path / "out", kind)
    expect_order(messages, stamps["imu"], stamps["lidar"])
    raw = {name: np.fromfile(SHORT / "imu" / name, "<f4") for name in ("acc", "rot", "avel")}
    expect_imu(on("/imu", messages), {name: found.reshape(-1, 3) for name, found in raw.items()})
    frames = xz_frames(SHORT / "lidar", "rng", "<u2", (128, 1024))
    expect_points(on("/points2", messages), frames, (SHORT / "lidar" / "lidar.json").read_text())


def test_points_are_those_of_the_manufacturer(tmp_path: Path):
    capture = np.load(DATA / "ouster" / "os1-128_v2.3.0_1024x10_3frames" / "scans.npz")
    rng, vendor = capture["rng"][-1], capture["xyz"][-1]
    convert(SHORT, tmp_path / "out")
    last = on("/points2", decoded(tmp_path / "out", "ros1"))[-1]
    image = np.zeros((*rng.shape, 3), np.float32)
    image[rng > 0] = np.frombuffer(last["data"], "<f4").reshape(-1, 3)
    stored = (rng <= 65535)[:, ::32]  # farther ones do not fit into a recording's range images
    assert stored.mean() > 0.99
    np.testing.assert_allclose(image[:, ::32][stored], vendor[stored], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    "imu, lidar",
    [
        pytest.param((0.0, 200, 100.0), (0.5, 8, 10.0), id="imu longer"),
        pytest.param((0.4, 30, 100.0), (0.0, 12, 10.0), id="lidar longer"),
        pytest.param((0.0, 20, 100.0), (5.0, 6, 10.0), id="apart"),
        pytest.param((0.0, 1, 100.0), (0.0, 1, 10.0), id="one each"),
    ],
)
def test_all_frames_of_both_sensors_are_there(
    tmp_path: Path, kind: str, imu: tuple[Any, ...], lidar: tuple[Any, ...]
):
    truth = {"imu": record_imu(tmp_path, rate(*imu)), "lidar": record_lidar(tmp_path, rate(*lidar))}
    report = convert(tmp_path, tmp_path / "out", kind)
    messages = decoded(tmp_path / "out", kind)
    assert report.messages == {"/imu": imu[1], "/points2": lidar[1]}
    expect_order(messages, truth["imu"].stamps, truth["lidar"].stamps)
    expect_imu(on("/imu", messages), truth["imu"].frames)
    expect_points(on("/points2", messages), truth["lidar"].frames["rng"], LIDAR_JSON)


def test_of_frames_at_one_time_the_imus_come_first(tmp_path: Path, kind: str):
    stamps = START + np.array([0.0, 0.1, 0.1, 0.2])
    record_imu(tmp_path, stamps)
    record_lidar(tmp_path, stamps)
    convert(tmp_path, tmp_path / "out", kind)
    order = [(message.time, message.topic) for message in read(tmp_path / "out", kind)]
    assert order == sorted(order)
    assert [topic for _, topic in order[2:6]] == ["/imu", "/imu", "/points2", "/points2"]


def test_frames_are_put_in_order_where_a_clock_went_back(tmp_path: Path, kind: str):
    back = np.array([0.0, 0.1, 0.05, 0.3, 0.2, 0.2])
    imu = record_imu(tmp_path, START + back)
    lidar = record_lidar(tmp_path, START + back + 0.01)
    convert(tmp_path, tmp_path / "out", kind)
    messages = decoded(tmp_path / "out", kind)
    expect_order(messages, imu.stamps, lidar.stamps)
    order = np.argsort(back, kind="stable")
    expect_imu(on("/imu", messages), {name: frames[order] for name, frames in imu.frames.items()})
    expect_points(on("/points2", messages), lidar.frames["rng"][order], LIDAR_JSON)


@pytest.mark.parametrize(
    "seconds, wanted",
    [
        (0.0, 0),
        (np.nextafter(START, 0), 1_699_999_999_999_999_762),
        (np.nextafter(START, 2e9), 1_700_000_000_000_000_238),
        (0.9999999999, 10**9),
        (1 / 1024, 976_562),
        (np.nextafter(2.0**31, 0), 2_147_483_647_999_999_762),
    ],
)
def test_stamps_are_right_to_the_nanosecond(tmp_path: Path, kind: str, seconds: float, wanted: int):
    record_imu(tmp_path, np.array([seconds]))
    record_lidar(tmp_path, np.array([seconds]))
    convert(tmp_path, tmp_path / "out", kind)
    for message, content in decoded(tmp_path / "out", kind):
        assert message.time == content["stamp"] == wanted


def test_stamps_are_those_of_the_sensors_after_their_correction(tmp_path: Path):
    recorded = record_imu(tmp_path, rate(0, 50, 100))
    record_lidar(tmp_path, rate(0, 5, 10))
    lidar = OSLidarDepth(tmp_path / "lidar")
    moved = recorded.stamps + 64
    rover_to_rosbag(tmp_path / "out", IMU(tmp_path / "imu", correction=lambda x: x + 64), lidar)
    found = [message.time for message in read(tmp_path / "out", "ros1") if message.topic == "/imu"]
    assert found == whole_nanoseconds(moved)


def test_frames_where_nothing_came_back_are_clouds_without_points(tmp_path: Path, kind: str):
    record_imu(tmp_path, rate(0, 20, 100))
    truth = record_lidar(tmp_path, rate(0, 4, 10), dead=2)
    convert(tmp_path, tmp_path / "out", kind)
    clouds = on("/points2", decoded(tmp_path / "out", kind))
    assert (clouds[2]["width"], clouds[2]["row_step"], clouds[2]["data"]) == (0, 0, b"")
    expect_points(clouds, truth.frames["rng"], LIDAR_JSON)


@pytest.mark.parametrize("metres, nearest", [(None, 1), (0.0, 1), (12.5, 12500), (30.0, 30000)])
def test_near_points_are_left_out_where_asked_for(
    tmp_path: Path, metres: float | None, nearest: int
):
    record_imu(tmp_path, rate(0, 20, 100))
    truth = record_lidar(tmp_path, rate(0, 4, 10))
    rng = truth.frames["rng"]
    assert (rng < 12500).any() and (rng > 12500).any()
    convert(tmp_path, tmp_path / "out", min_range=metres)
    expect_points(on("/points2", decoded(tmp_path / "out", "ros1")), rng, LIDAR_JSON, nearest)


def test_a_lidar_with_all_its_images_gives_the_same_bag(tmp_path: Path, kind: str):
    record_imu(tmp_path, rate(0, 20, 100))
    record_lidar(tmp_path, rate(0, 4, 10))
    imu = IMU(tmp_path / "imu")
    for number, lidar in enumerate((OSLidarDepth, OSLidar)):
        rover_to_rosbag(
            tmp_path / str(number) / "out", imu, lidar(tmp_path / "lidar"), **FORMATS[kind]
        )
    first, second = (read(tmp_path / name / "out", kind) for name in "01")
    assert first == second and len(first) == 24


@dataclass
class MadeUpLidar:
    """Any object with a lidar's samples will do; this one has many, and none on disk."""

    count: int

    @property
    def metadata(self) -> LidarMetadata:
        return LidarMetadata(START + np.arange(self.count) / 10, str(SHORT / "lidar/lidar.json"))

    def __len__(self) -> int:
        return self.count

    def stream(self) -> Iterator[OSDepth[np.ndarray]]:
        return (self[number] for number in range(self.count))

    def __getitem__(self, index: Any) -> OSDepth[np.ndarray]:
        stamps = self.metadata.timestamps[None, index : index + 1]
        rng = np.full((1, 1, 128, 1024), 1000 + index, np.uint16)
        return OSDepth(rng, stamps, self.metadata.intrinsics)


def test_memory_does_not_grow_with_the_recording(tmp_path: Path, kind: str):
    convert(SHORT, tmp_path / "first", kind)  # what is loaded once
    # 120 clouds of 1.6 MB; at most 48 are in memory, on a machine of many cores.
    with cheap(seconds=60, megabytes=120):
        report = rover_to_rosbag(
            tmp_path / "out", IMU(SHORT / "imu"), MadeUpLidar(120), **FORMATS[kind]
        )
    assert report.messages["/points2"] == 120
    assert report.size > 120 * 128 * 1024 * 12


# ── what else is in a bag ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small recording."""
    record_imu(tmp_path, rate(0, 50, 100))
    record_lidar(tmp_path, rate(0.1, 5, 10))
    return tmp_path


def test_ros1_connections_latch_and_have_the_standard_definitions(small: Path):
    convert(small, small / "walk.bag")
    connections, _ = ros1_contents(small / "walk.bag")
    for connection in connections.values():
        topic = connection["topic"].decode()
        assert connection["latching"] == b"1"
        assert connection["md5sum"].decode() == MD5[topic]
        assert connection["type"].decode() == TYPES[topic].replace("/msg/", "/")
        definition = connection["message_definition"].decode()
        assert "MSG: std_msgs/Header" in definition
        assert ("orientation_covariance" if topic == "/imu" else "point_step") in definition
    assert {connection["topic"] for connection in connections.values()} == {b"/imu", b"/points2"}


def test_rosbags_finds_every_message_through_the_index(small: Path):
    convert(small, small / "walk.bag")
    with rosbag1.Reader(small / "walk.bag") as reader:
        assert {c.topic: (c.msgtype, c.digest, c.msgcount) for c in reader.connections} == {
            "/imu": (IMU_TYPE, MD5["/imu"], 50),
            "/points2": (POINTS_TYPE, MD5["/points2"], 5),
        }
        found = [Message(c.topic, time, bytes(data)) for c, time, data in reader.messages()]
    assert found == read(small / "walk.bag", "ros1")


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_ros2_bags_say_that_they_are_transient_local(small: Path, storage: str):
    report = convert(small, small / "walk", storage)
    bag = yaml.safe_load((small / "walk" / "metadata.yaml").read_text())
    about = bag["rosbag2_bagfile_information"]
    assert about["storage_identifier"] == storage
    assert about["message_count"] == 55
    (name,) = about["relative_file_paths"]
    assert sorted(file.name for file in (small / "walk").iterdir()) == ["metadata.yaml", name]
    assert report.size == sum(file.stat().st_size for file in (small / "walk").iterdir())
    first, last = (read(small / "walk", storage)[end].time for end in (0, -1))
    assert about["starting_time"]["nanoseconds_since_epoch"] == first
    assert about["duration"]["nanoseconds"] == last - first
    for topic in about["topics_with_message_count"]:
        what = topic["topic_metadata"]
        assert what["type"] == TYPES[what["name"]]
        (quality,) = yaml.safe_load(what["offered_qos_profiles"])
        assert (quality["durability"], quality["reliability"]) == (
            1,
            1,
        )  # transient-local, reliable


def test_mcap_has_the_schemas_and_statistics(small: Path):
    convert(small, small / "walk", "mcap")
    with (small / "walk" / "walk.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None and summary.statistics is not None
    assert summary.statistics.message_count == 55
    for channel in summary.channels.values():
        schema = summary.schemas[channel.schema_id]
        assert (schema.name, schema.encoding) == (TYPES[channel.topic], "ros2msg")
        assert b"std_msgs/Header header" in schema.data
        assert channel.message_encoding == "cdr"
        (quality,) = yaml.safe_load(channel.metadata["offered_qos_profiles"])
        assert quality["durability"] == 1


def test_any_reader_of_rosbags_makes_messages_of_it(small: Path, kind: str):
    out = small / ("walk.bag" if kind == "ros1" else "walk")
    convert(small, out, kind)
    with AnyReader([out]) as reader:
        found = [
            (connection.topic, reader.deserialize(data, connection.msgtype))
            for connection, _, data in reader.messages()
        ]
    assert len(found) == 55
    for (topic, message), (_, content) in zip(found, decoded(out, kind), strict=True):
        assert message.header.frame_id == content["frame"]
        stamp = message.header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == content["stamp"]
        if topic == "/imu":
            assert message.orientation.w == content["rot"][3]
        else:
            assert bytes(message.data) == content["data"]


def test_a_converted_ros1_bag_has_the_messages_of_a_ros2_bag(small: Path):
    convert(small, small / "walk.bag")
    convert(small, small / "walk", "sqlite3")
    command = [sys.executable, "-m", "rosbags.convert", "--src", str(small / "walk.bag")]
    store = ["--dst-typestore", "ros2_jazzy"]
    subprocess.run(
        [*command, "--dst", str(small / "converted"), *store], check=True, capture_output=True
    )
    assert read(small / "converted", "sqlite3") == read(small / "walk", "sqlite3")


def test_definitions_are_those_of_other_ros_releases(small: Path):
    convert(small, small / "walk", "sqlite3")
    database = sqlite3.connect(small / "walk" / "walk.db3")
    found = dict(
        database.execute("SELECT topic_type, type_description_hash FROM message_definitions")
    )
    database.close()
    for release in (Stores.ROS2_HUMBLE, Stores.ROS2_KILTED):
        store = get_typestore(release)
        assert found == {name: store.hash_rihs01(name) for name in (IMU_TYPE, POINTS_TYPE)}
