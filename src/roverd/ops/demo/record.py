"""Recording the simulated rig, as a program with real sensors would: through the public API."""

import contextlib
import json
import os
import queue
import shutil
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from roverd.channels import Channel, VideoChannel
from roverd.errors import AlreadyExistsError
from roverd.ops.demo.rig import CLOCKS, EPOCH, Rig
from roverd.sensors import DynamicSensor

MARKER = "generator: roverd demo"
"""A line of config.yaml by which an earlier demo is recognised."""

PICTURE = os.path.join("_scratch", "overview.png")
"""Where the picture is, below the trace; names starting with "_" are no sensors."""

WAITING = 16
"""Frames that may wait for each channel's writer, so that a long recording fits into memory."""


def claim(path: str) -> None:
    """Make sure that a demo may be recorded to `path`, and make it an empty one.

    Of an earlier demo only what the demo itself writes is removed, whatever else is there stays.

    Args:
        path: folder of the trace; made if it does not exist.

    Raises:
        AlreadyExistsError: it is not empty, and not an earlier demo. Nothing has been touched.
    """
    if os.path.lexists(path) and not (_is_empty(path) or _is_demo(path)):
        raise AlreadyExistsError(f"{path}: exists and is not an earlier demo, so it stays as it is")
    os.makedirs(path, exist_ok=True)
    for name in CLOCKS:
        folder = os.path.join(path, name)
        if os.path.islink(folder):
            os.unlink(folder)
        elif os.path.isdir(folder):
            shutil.rmtree(folder)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(path, PICTURE))


def record(
    path: str, rig: Rig, seconds: float, progress: Callable[[float], None] | None = None
) -> None:
    """Record a trace.

    Args:
        path: folder of the trace, as `claim` leaves it.
        rig: what to record.
        seconds: length of the recording.
        progress: called with the seconds that are recorded, with every lidar frame.
    """
    # First, so that a demo that was interrupted can be replaced.
    _write_config(path, rig, seconds)
    with contextlib.ExitStack() as stack:
        writers: dict[str, dict[str, _Writer]] = {}
        for name, channels in rig.channels.items():
            sensor = DynamicSensor(os.path.join(path, name), create=True)
            if name in rig.intrinsics:
                with open(os.path.join(path, name, f"{name}.json"), "w", encoding="utf-8") as file:
                    json.dump(rig.intrinsics[name], file, indent=4)
            opened = {key: sensor.create(key, meta) for key, meta in channels.items()}
            opened["ts"] = sensor["ts"]
            writers[name] = {
                key: stack.enter_context(_Writer(channel, _arguments(name, channel)))
                for key, channel in opened.items()
            }
        for frame in rig.frames(seconds):
            for key, array in frame.channels.items():
                writers[frame.sensor][key].put(array)
            writers[frame.sensor]["ts"].put(np.array(EPOCH + frame.time))
            if progress is not None and frame.sensor == "lidar":
                progress(frame.time)


class _Writer:
    """Queue of a channel whose frames are encoded and written in a thread of its own.

    Args:
        channel: to write to.
        arguments: for `consume`.
    """

    def __init__(self, channel: Channel, arguments: dict[str, Any]) -> None:
        self._queue: queue.Queue[np.ndarray | None] = queue.Queue(WAITING)
        handle = channel.consume(self._queue, thread=True, **arguments)
        self._handle = handle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.put(None)
        self._handle.join()

    def put(self, item: np.ndarray | None) -> None:
        """Hand over a frame, or `None` at the end; raises what went wrong in the thread."""
        # A thread that has failed takes nothing more, and would leave a full queue full.
        while self._handle.is_alive():
            with contextlib.suppress(queue.Full):
                return self._queue.put(item, timeout=0.1)
        return self._handle.join()


def _arguments(sensor: str, channel: Channel) -> dict[str, Any]:
    """Arguments for `consume`: video files say their frame rate, for players."""
    return {"fps": CLOCKS[sensor].rate} if isinstance(channel, VideoChannel) else {}


def _write_config(path: str, rig: Rig, seconds: float) -> None:
    lines = [
        "# A simulated recording. `roverd demo` replaces a trace that holds the next line.",
        MARKER,
        f"seed: {rig.seed}",
        f"seconds: {seconds}",
    ]
    for name, clock in CLOCKS.items():
        lines += [f"{name}:", f"  type: {name}", f"  rate: {clock.rate}"]
    with open(os.path.join(path, "config.yaml"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _is_empty(path: str) -> bool:
    return os.path.isdir(path) and not os.listdir(path)


def _is_demo(path: str) -> bool:
    try:
        with open(os.path.join(path, "config.yaml"), encoding="utf-8") as file:
            return MARKER in file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return False
