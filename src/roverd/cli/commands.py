"""The commands by name, without loading them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Command:
    """A command of the command line.

    Attributes:
        module: where it is, in `roverd.cli`.
        function: that parses nothing and returns the exit status.
        summary: one line for `roverd --help`.
    """

    module: str
    function: str
    summary: str

    def load(self) -> Callable[..., int]:
        """The function, whose signature and docstring say what `--help` shows."""
        return getattr(import_module(f"roverd.cli.{self.module}"), self.function)


COMMANDS = {
    "info": Command("info", "info", "Show what is in a trace: sensors, channels, sizes, rates."),
    "sync": Command("sync", "sync", "Show how sensors lie in time, and the samples they make."),
    "list": Command("list", "list_traces", "Print the path of every trace below a folder."),
    "validate": Command("validate", "validate", "Check that traces are whole and readable."),
    "repair": Command("repair", "repair", "Bring traces that were cut off to a sound state."),
    "extract": Command("extract", "extract", "Make a trace of a part of another one."),
    "blobify": Command("blobify", "blobify", "Make the same trace with a file for each frame."),
    "unblobify": Command("blobify", "unblobify", "Go the way back from blobify."),
    "transcode": Command(
        "transcode", "transcode", "Make the same traces in other formats, faster or smaller."
    ),
    "checksum": Command("checksum", "checksum", "Write checksums of files, or compare two sides."),
    "upload": Command("upload", "upload", "Bring traces to an object store, as they are."),
    "rosbag": Command("rosbag", "rosbag", "Write a trace's IMU and lidar to a ROS bag."),
    "cache": Command("cache", "cache", "Show what was kept of URLs that were read, or remove it."),
    "demo": Command("demo", "demo", "Simulate a rig, record it, and load it again."),
}
