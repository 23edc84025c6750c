"""What was found and done when a sensor was mended."""

from dataclasses import dataclass, field

SOUND = 0
FAILED = 1
LOST = 3


@dataclass
class ChannelRepair:
    """What became of a channel.

    Attributes:
        name: of the channel.
        format: its format; where `meta.json` named the wrong one, the right one.
        size: bytes of its files before.
        frames: whole frames before; `None` where they cannot be told.
        kept: frames after.
        lost: whole frames that were cut off, those behind a gap in the numbers of files included.
        cut: bytes that were cut off or written over, and are in the rescue folder now.
        rebuilt: what was made anew from the data: `index`, `header`, `check sums`, `last stream`,
            `file`.
        reason: why it ends where it does, if not for the other channels.
        note: why it was left as it is although it could be better; no error.
        problem: why it cannot be mended; empty where it can.
    """

    name: str
    format: str
    size: int = 0
    frames: int | None = None
    kept: int | None = None
    lost: int = 0
    cut: int = 0
    rebuilt: list[str] = field(default_factory=list[str])
    reason: str = ""
    note: str = ""
    problem: str = ""

    @property
    def changed(self) -> bool:
        """Whether a byte of it was changed, or would be."""
        return bool(self.lost or self.cut or self.rebuilt)


@dataclass
class SensorRepair:
    """What became of a sensor.

    Attributes:
        name: of the sensor.
        path: its folder.
        frames: of every channel, after; `None` where that cannot be told.
        channels: what became of each channel, in the order of `meta.json`.
        dropped: channels without data, whose entries in `meta.json` were dropped.
        relabelled: channels whose format in `meta.json` was wrong.
        moved: what a program had left behind when it died, and is in the rescue folder now;
            relative to the sensor.
        restored: channels whose replacement was interrupted, and which are again as they were.
        problems: what cannot be mended, each in a line that names the file.
    """

    name: str
    path: str
    frames: int | None = None
    channels: list[ChannelRepair] = field(default_factory=list[ChannelRepair])
    dropped: list[str] = field(default_factory=list[str])
    relabelled: list[str] = field(default_factory=list[str])
    moved: list[str] = field(default_factory=list[str])
    restored: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or would be."""
        return bool(
            self.dropped
            or self.relabelled
            or self.moved
            or self.restored
            or any(channel.changed for channel in self.channels)
        )

    @property
    def lost(self) -> int:
        """Whole frames that were cut off, of all channels."""
        return sum(channel.lost for channel in self.channels)

    @property
    def status(self) -> int:
        """0: sound, or mended without loss; 3: frames were lost; 1: not all can be mended."""
        if self.problems:
            return FAILED
        return LOST if self.lost else SOUND
