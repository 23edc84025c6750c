"""A channel whose writing waits, or fails, when a test says so."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from roverd import channels
from roverd.channels.raw import RawChannel
from roverd.channels.writers import Writer

LIMIT = 60.0  # seconds


class Gate:
    """What holds the writing of frames up.

    Attributes:
        reached: set while somebody waits at the gate.
        error: what is raised instead of writing.
    """

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()
        self.error: BaseException | None = None

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.clear()
        self.reached.clear()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self._open.set()

    def pass_through(self) -> None:
        self.reached.set()
        assert self._open.wait(LIMIT)
        if self.error is not None:
            raise self.error


class _GatedWriter:
    def __init__(self, writer: Writer, gate: Gate) -> None:
        self._writer = writer
        self._gate = gate

    def add(self, frames: NDArray[Any]) -> None:
        self._gate.pass_through()
        self._writer.add(frames)

    def sync(self) -> None:
        self._writer.sync()

    def close(self) -> None:
        self._writer.close()


@contextmanager
def gated() -> Iterator[Gate]:
    """The format `gated`: as `raw`, but frames wait at the gate."""
    gate = Gate()

    class GatedChannel(RawChannel):
        def _writer(self, append: bool, **options: Any) -> Any:
            return _GatedWriter(super()._writer(append, **options), gate)

    channels.CHANNEL_TYPES["gated"] = GatedChannel
    try:
        yield gate
    finally:
        gate.open()
        del channels.CHANNEL_TYPES["gated"]
