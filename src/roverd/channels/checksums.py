"""Check sums of a channel's frames, in a file beside it: `{path}_x`, 8 bytes a frame.

Each is the xxh3-64 of a frame's bytes, as a little-endian u8. For formats that encode each frame
by itself these are the bytes that are stored (the xz stream, the JPEG, the npz file); for others,
the uncompressed frame.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.writers import EncodedWriter, Writer
from roverd.storage import Appender, storage_for

METHOD = "xxh3_64"
"""What a channel's entry in `meta.json` has under `checksum` when there are such sums."""

SUM_SIZE = 8
"""Bytes of a check sum."""


def checksums(frames: Iterable[bytes | memoryview]) -> NDArray[np.uint64]:
    """The check sum of each frame's bytes.

    Returns:
        UInt64[n].
    """
    import xxhash

    return np.array([xxhash.xxh3_64_intdigest(frame) for frame in frames], "<u8")


def frame_bytes(frames: NDArray[Any]) -> list[memoryview]:
    """The bytes of each of the frames `(n, *shape)`."""
    flat = np.ascontiguousarray(frames).reshape(len(frames), -1).view(np.uint8)
    return [frame.data for frame in flat]


class ChecksumFile:
    """The check sums of a channel.

    Args:
        path: of the channel.
    """

    def __init__(self, path: str) -> None:
        self.path = f"{path}_x"

    def read(self) -> NDArray[np.uint64]:
        """All whole sums; none where there is no file.

        Returns:
            UInt64[n].
        """
        try:
            data = storage_for(self.path).read(self.path)
        except (FileNotFoundError, NotADirectoryError):
            data = b""
        return np.frombuffer(data, "<u8", len(data) // SUM_SIZE)

    def write(self, sums: NDArray[np.uint64]) -> None:
        """Replace all sums."""
        storage_for(self.path).write(self.path, sums.astype("<u8").tobytes())

    def append_to(self, count: int) -> Appender:
        """Open the file for the sums of frames to come, after those of `count` frames."""
        file = storage_for(self.path).append_to(self.path)
        if file.position > count * SUM_SIZE:
            file.truncate(count * SUM_SIZE)
        return file


class SummingWriter:
    """A writer that writes check sums too, after the frames; see `EncodedWriter`.

    Args:
        writer: writes the frames.
        encoded: whether it is one for encoded frames.
        file: where the sums go.
    """

    def __init__(self, writer: Writer, encoded: bool, file: Appender) -> None:
        self._writer = writer
        self._encoded = encoded
        self._file = file

    def add(self, frames: NDArray[Any]) -> None:
        """Write frames; see `Writer.add`."""
        if self._encoded:
            self.add_encoded(self.encode(frames))
        else:
            self._writer.add(frames)
            self._add_sums(frame_bytes(frames))

    def add_encoded(self, frames: Sequence[bytes]) -> None:
        """Write frames that are encoded; see `EncodedWriter.add_encoded`."""
        assert isinstance(self._writer, EncodedWriter)
        self._writer.add_encoded(frames)
        self._add_sums(frames)

    def encode(self, frames: NDArray[Any]) -> list[bytes]:
        """Encode frames; see `EncodedWriter.encode`."""
        assert isinstance(self._writer, EncodedWriter)
        return self._writer.encode(frames)

    def _add_sums(self, frames: Iterable[bytes | memoryview]) -> None:
        self._file.append(checksums(frames).tobytes())

    def sync(self) -> None:
        """See `Writer.sync`."""
        self._writer.sync()
        self._file.sync()

    def close(self) -> None:
        """Close both files."""
        try:
            self._writer.close()
        finally:
            self._file.close()
