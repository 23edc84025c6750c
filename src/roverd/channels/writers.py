"""Writing frames into an open file."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roverd.storage import Appender


class Writer(Protocol):
    """A channel that is open for frames to come."""

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames `(n, *shape)`, already checked; a reader sees them on return."""
        ...

    def sync(self) -> None:
        """Make what `add` returned from survive a loss of power; data before index.

        Another thread than the one that writes may call it, even after `close`.

        Raises:
            FileNotFoundError: a file was removed meanwhile.
        """
        ...

    def close(self) -> None:
        """Complete the file. What `add` returned from is safe without it."""
        ...


@runtime_checkable
class EncodedWriter(Writer, Protocol):
    """A channel with a codec that is open for frames to come."""

    def encode(self, frames: NDArray[Any]) -> list[bytes]:
        """Encode frames `(n, *shape)`, already checked, several at a time."""
        ...

    def add_encoded(self, frames: Sequence[bytes]) -> None:
        """Write frames as `Channel.encoded` gives them; a reader sees them on return."""
        ...


class RawWriter:
    """Frames back to back.

    Args:
        file: where they go; it holds whole frames only.
    """

    def __init__(self, file: Appender) -> None:
        self._file = file

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames; see `Writer.add`."""
        if len(frames):
            self._file.append(frames.reshape(-1).view(np.uint8).data)

    def sync(self) -> None:
        """See `Writer.sync`."""
        self._file.sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
