"""The simulated rig: four sensors on one moving platform, each with a clock of its own."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from roverd.ops.demo.camera import Camera
from roverd.ops.demo.imu import Imu
from roverd.ops.demo.lidar import Lidar
from roverd.ops.demo.motion import RigMotion, Wave
from roverd.ops.demo.radar import PointTargets, Radar
from roverd.ops.demo.scene import Scene, living_room

EPOCH = 1_760_000_000.0
"""Start of every recording, seconds since 1970: fixed, so that one seed gives one recording."""


@dataclass(frozen=True)
class Clock:
    """When a sensor takes its samples.

    Attributes:
        rate: samples per second.
        offset: time of the first sample, seconds after the start of the recording.
        jitter: greatest deviation from the even spacing, seconds; below half a period.
    """

    rate: float
    offset: float
    jitter: float

    def times(self, seconds: float, generator: np.random.Generator) -> Float64[np.ndarray, " n"]:
        """Ascending sample times before `seconds`, which is when the recording ends."""
        samples = max(0, int((seconds - self.offset) * self.rate))
        even = self.offset + np.arange(samples) / self.rate
        return even + generator.uniform(-self.jitter, self.jitter, samples)


CLOCKS = {
    "radar": Clock(rate=20.0, offset=0.021, jitter=0.002),
    "lidar": Clock(rate=10.0, offset=0.058, jitter=0.0015),
    "camera": Clock(rate=30.0, offset=0.013, jitter=0.004),
    "imu": Clock(rate=100.0, offset=0.004, jitter=0.0008),
}


@dataclass(frozen=True)
class Frame:
    """One sample of one sensor.

    Attributes:
        time: seconds after the start of the recording.
        sensor: name of the sensor.
        channels: array of each channel, without a leading axis.
    """

    time: float
    sensor: str
    channels: dict[str, np.ndarray]


class Rig:
    """Radar, lidar, camera and IMU in a room where people walk.

    Args:
        seed: every number gives another drive, and the same number the same one, bit for bit.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.radar = Radar()
        self.lidar = Lidar(rate=CLOCKS["lidar"].rate)
        self.camera = Camera()
        self.imu = Imu()
        generator = np.random.default_rng([seed, len(CLOCKS)])
        self.scene = living_room(generator)
        self.motion = driving(generator)

    @property
    def intrinsics(self) -> dict[str, dict[str, Any]]:
        """Contents of the file `{sensor}.json` of the sensors that have one."""
        return {"radar": self.radar.intrinsics(), "lidar": self.lidar.intrinsics()}

    @property
    def channels(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Descriptions of every sensor's channels, as meta.json holds them, timestamps apart."""
        slow, tx, rx, fast = self.radar.shape
        scan = [self.lidar.beams, self.lidar.columns]
        picture = [self.camera.height, self.camera.width, 3]
        return {
            "radar": {
                "iq": _describe("raw", "i2", [slow, tx, rx, 2 * fast], "I/Q pairs (I, Q, I, Q, …)"),
                "valid": _describe("raw", "u1", [], "True if this frame is complete."),
            },
            "lidar": {
                "rng": _describe("lzmaf", "u2", scan, "Range, in millimeters."),
                "nir": _describe("lzmaf", "u2", scan, "Near infrared ambient photons."),
                "rfl": _describe("lzmaf", "u1", scan, "Reflectivity, in percent."),
            },
            "camera": {"video.avi": _describe("mjpg", "u1", picture, "Camera video.")},
            "imu": {
                "acc": _describe("raw", "f4", [3], "Specific force with gravity, in m/s^2."),
                "avel": _describe("raw", "f4", [3], "Angular velocity, in rad/s."),
                "rot": _describe("raw", "f4", [3], "Intrinsic XYZ Euler angles, in radians."),
            },
        }

    def frames(self, seconds: float) -> Iterator[Frame]:
        """Samples of all sensors, in the order of their times.

        Args:
            seconds: length of the recording.
        """
        streams = {
            "radar": self._radar_frames,
            "lidar": self._lidar_frames,
            "camera": self._camera_frames,
            "imu": self._imu_frames,
        }
        running: list[Iterator[Frame]] = []
        for number, (name, stream) in enumerate(streams.items()):
            # Each sensor has noise of its own, so that it does not depend on the others.
            generator = np.random.default_rng([self.seed, number])
            running.append(stream(CLOCKS[name].times(seconds, generator), generator))
        return heapq.merge(*running, key=lambda frame: frame.time)

    def _radar_frames(
        self, times: Float64[np.ndarray, " n"], generator: np.random.Generator
    ) -> Iterator[Frame]:
        for time in times.tolist():
            iq = self.radar.simulate(radar_targets(self.scene, self.motion, time), generator)
            yield Frame(time, "radar", {"iq": iq, "valid": np.array(1, "u1")})

    def _lidar_frames(
        self, times: Float64[np.ndarray, " n"], generator: np.random.Generator
    ) -> Iterator[Frame]:
        for time in times.tolist():
            yield Frame(time, "lidar", self.lidar.scan(self.scene, self.motion, time, generator))

    def _camera_frames(
        self, times: Float64[np.ndarray, " n"], generator: np.random.Generator
    ) -> Iterator[Frame]:
        for number, time in enumerate(times.tolist()):
            image = self.camera.take(self.scene, self.motion, time, number)
            yield Frame(time, "camera", {"video.avi": image})

    def _imu_frames(
        self, times: Float64[np.ndarray, " n"], generator: np.random.Generator
    ) -> Iterator[Frame]:
        measured = self.imu.measure(self.motion, times, generator)
        for i, time in enumerate(times.tolist()):
            yield Frame(time, "imu", {name: values[i] for name, values in measured.items()})


def driving(generator: np.random.Generator) -> RigMotion:
    """A drive in the free part of the living room, looking towards where people walk.

    Args:
        generator: chooses where in its curves the drive starts.
    """
    phase = generator.uniform(0, 2 * np.pi, 6)
    return RigMotion(
        x=Wave(-2.6, 0.9, 0.55, phase[0]),
        y=Wave(0.0, 0.5, 0.8, phase[1]),
        z=Wave(1.2, 0.02, 3.0, phase[2]),
        roll=Wave(0.0, 0.04, 2.1, phase[3]),
        pitch=Wave(0.02, 0.03, 1.7, phase[4]),
        yaw=Wave(0.0, 0.3, 0.6, phase[5]),
    )


def radar_targets(scene: Scene, motion: RigMotion, time: float) -> PointTargets:
    """Furniture and people as point targets in the frame of the rig.

    Args:
        scene: the room.
        motion: of the rig.
        time: middle of the radar's frame, seconds.
    """
    now = np.array(time)
    centres = [(np.array(box.low) + np.array(box.high)) / 2 for box in scene.boxes]
    position = np.stack([*centres, *(person.position(now) for person in scene.people)])
    still = [np.zeros(3)] * len(centres)
    velocity = np.stack([*still, *(person.position(now, 1) for person in scene.people)])
    # Row vectors times the rig-to-world matrix: the rotation from world to rig. That the rig also
    # turns moves targets across the line of sight only, which the radar does not see.
    to_rig = motion.rotation(now)
    cross_sections = [thing.cross_section for thing in (*scene.boxes, *scene.people)]
    return PointTargets(
        (position - motion.position(now)) @ to_rig,
        (velocity - motion.position(now, 1)) @ to_rig,
        np.array(cross_sections),
    )


def _describe(format: str, type: str, shape: list[int], desc: str) -> dict[str, Any]:
    return {"format": format, "type": type, "shape": shape, "desc": desc}
