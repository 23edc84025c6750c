"""A rig of all formats, whose frames tell their channel and number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.channels import image, shown_number, values

Array = NDArray[Any]

START = 1.7279e9  # seconds since the epoch
JUMP, LAST = 4000, 8000  # frames that are added later have numbers from here on
_PIXEL_ERROR = 40  # of 255, between a black or white block and what a JPEG makes of it


@dataclass(frozen=True)
class ChannelOfRig:
    """A channel; its frames tell `identity`, and their number.

    Attributes:
        identity: of the channel, below 8.
        format: as `meta.json` names it.
        type: of the values.
        shape: of a frame.
        args: constructor arguments that `meta.json` has.
    """

    identity: int
    format: str
    type: str
    shape: tuple[int, ...]
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_image(self) -> bool:
        return self.format in ("mjpg", "jpg")

    @property
    def meta(self) -> dict[str, Any]:
        """Its description."""
        plain = {"format": self.format, "type": self.type, "shape": list(self.shape)}
        return {**plain, "args": dict(self.args)} if self.args else plain

    def frame(self, number: int) -> Array:
        """One frame."""
        return _frame(self.identity, self.is_image, self.type, self.shape, number)

    def check(self, got: Array, numbers: Sequence[int]) -> None:
        """Fail unless `got` are the frames of these numbers, `(n, *shape)`."""
        assert got.shape == (len(numbers), *self.shape)
        assert got.dtype == np.dtype(self.type)
        for i, number in enumerate(numbers):
            wanted = self.frame(number)
            if self.is_image:
                worst = np.abs(got[i].astype(int) - wanted).max()
                assert worst <= _PIXEL_ERROR, _wrong(i, number, got[i])
            else:
                assert got[i].tobytes() == wanted.tobytes(), f"frame {i} is not number {number}"


def _wrong(frame: int, number: int, got: Array) -> str:
    try:
        return f"frame {frame} shows {shown_number(got)}, not number {number}"
    except AssertionError as error:
        return f"frame {frame} is not number {number}: {error}"


@lru_cache(maxsize=20000)
def _frame(identity: int, is_image: bool, dtype: str, shape: tuple[int, ...], number: int) -> Array:
    assert number < 1 << 13
    code = identity << 13 | number
    made = image(code, shape) if is_image else values([code], f"<{dtype}", shape)[0, ...]
    made.flags.writeable = False
    return made


@dataclass(frozen=True)
class SensorOfRig:
    """A sensor.

    Attributes:
        rate: frames per second.
        channels: its channels by name, without the timestamps.
    """

    rate: float
    channels: Mapping[str, ChannelOfRig]

    def time(self, number: int) -> float:
        """When a frame is taken, in seconds since the epoch."""
        return START + number / self.rate


RIG = {
    "radar": SensorOfRig(
        20.0,
        {
            "iq": ChannelOfRig(0, "raw", "i2", (8, 3, 4, 16)),
            "valid": ChannelOfRig(1, "raw", "u1", ()),
        },
    ),
    "lidar": SensorOfRig(
        10.0,
        {
            "rng": ChannelOfRig(2, "lzmaf", "u2", (16, 64)),
            "rfl": ChannelOfRig(3, "lzmaf", "u1", (16, 64)),
        },
    ),
    "camera": SensorOfRig(30.0, {"video.avi": ChannelOfRig(4, "mjpg", "u1", (16, 64, 3))}),
    "stills": SensorOfRig(10.0, {"photo": ChannelOfRig(5, "jpg", "u1", (16, 64, 3))}),
    "imu": SensorOfRig(100.0, {"acc": ChannelOfRig(6, "raw", "f4", (3,))}),
    "mixed": SensorOfRig(
        10.0,
        {
            "notes": ChannelOfRig(7, "lzma", "i2", (5, 7)),
            "stored": ChannelOfRig(0, "npz", "c8", (4, 9)),
            "deflated": ChannelOfRig(1, "npz", "f8", (40,), {"compress": True}),
            "packed": ChannelOfRig(2, "pcof", "i2", (5, 7)),
            "quick": ChannelOfRig(3, "zstdf", "u2", (16, 64), {"filter": "delta-planes"}),
        },
    ),
}


def check_numbers(sensor: str, channel: str, got: Array, numbers: Sequence[int]) -> None:
    """Fail unless `got` are the frames of these numbers."""
    rig = RIG[sensor]
    try:
        if channel == "ts":
            assert got.tolist() == [rig.time(number) for number in numbers]
        else:
            rig.channels[channel].check(got, numbers)
    except AssertionError as error:
        error.add_note(f"channel {channel} of {sensor}")
        raise


def told_by(sensor: str, stamps: Array) -> list[int]:
    """The numbers of frames with these timestamps."""
    return [round((float(stamp) - START) * RIG[sensor].rate) for stamp in stamps]
