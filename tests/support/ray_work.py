"""What processes of a cluster do in tests; they import it by name."""

import os
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from roverd.channels.abstract import BlobChannel
from roverd.errors import CorruptFileError, RoverdWarning
from roverd.ops.progress import Progress
from roverd.sensors import DynamicSensor


def kill_once(marker: Path) -> None:
    """Kill this process, unless that was done before."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def square(item: int, progress: Progress) -> int:
    progress(1, 2)
    return item**2


def refuse_three(item: int, progress: Progress) -> int:
    if item == 3:
        raise CorruptFileError("three: no good")
    return item


def warn_of(item: str, progress: Progress) -> None:
    warnings.warn(f"{item}: is odd", RoverdWarning, stacklevel=1)


def die_first(marker: Path, item: int, progress: Progress) -> int:
    """The square of a number; for 3, the first process that is asked dies."""
    if item == 3:
        kill_once(marker)
    return item**2


def die_always(item: int, progress: Progress) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item**2


class DyingSensor(DynamicSensor):
    """A sensor of which a sample in the middle kills the first process that reads it."""

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str) and index == 17:
            kill_once(Path(self.path).parent / "died")
        return super().__getitem__(index)


class NegativeChannel(BlobChannel):
    """A format of one's own: a file of NumPy's for each frame, with the negative of its values."""

    def _read_blob(self, index: int) -> np.ndarray:
        return -np.load(f"{self._filename(index)}.npy")

    def _write_blob(self, index: int, data: np.ndarray) -> None:
        np.save(f"{self._filename(index)}.npy", -data)
