"""Channel format `raw`: frames back to back."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract import Channel
from roverd.channels.abstract.channel import Keep
from roverd.channels.layouts import FixedLayout
from roverd.channels.writers import RawWriter
from roverd.storage.paths import expect_local

__all__ = ["RawChannel"]


class SingleFileChannel(Channel):
    """A channel whose frames are all in one file."""

    @property
    def filesize(self) -> int:
        """Bytes on disk now; 0 where there is no file."""
        return self._storage.size(self.path) or 0

    def exists(self) -> bool:
        """Whether there is a file."""
        return self._storage.size(self.path) is not None

    def _truncate(self, path: str, size: int, keep: Keep) -> bool:
        """Cut a file to its first bytes, if it has more."""
        if (self._storage.size(path) or 0) <= size:
            return False
        keep(path, size)
        file = self._storage.append_to(path)
        try:
            file.truncate(size)
        finally:
            file.close()
        return True


def drop(path: str, offset: int) -> None:
    """Keep nothing of what `Channel.cut` removes."""
    del path, offset


class RawChannel(SingleFileChannel):
    """Uncompressed frames, read with one system call each."""

    _compressed = False

    def _layout(self) -> FixedLayout:
        return FixedLayout(self._storage.open(self.path), self.size)

    def memmap(self) -> "np.memmap[Any, Any]":
        """All whole frames, mapped into memory.

        Returns:
            Read-only array `(n, *shape)`.

        Raises:
            MissingFileError: there is no file.
        """
        expect_local(self.path, "only files of this machine are mapped into memory")
        count = len(self.existing_layout())
        if count == 0:
            # The operating system maps no empty files.
            nothing = np.empty((0, *self.shape), self.type).view(np.memmap)
            nothing.flags.writeable = False
            return nothing
        return np.memmap(self.path, self.type, "r", shape=(count, *self.shape))

    def checked(self, data: Any) -> NDArray[Any]:
        """`data`, which may be the bytes of whole frames, as an array; see `Channel.checked`."""
        if isinstance(data, bytes | bytearray | memoryview):
            return self.buffer_to_array(cast(bytes, data), final=False)
        return super().checked(data)

    def _checked_item(self, item: Any) -> NDArray[Any]:
        if isinstance(item, bytes | bytearray | memoryview):
            return self.checked(item)
        return super()._checked_item(item)

    def _replace(self, frames: NDArray[Any], **options: Any) -> None:
        with self._storage.replacing(self.path) as file:
            RawWriter(file).add(frames)

    def _writer(self, append: bool, **options: Any) -> RawWriter:
        if not append:
            self._storage.write(self.path, b"")
        elif self.exists():
            self.cut(len(self), drop)
        return RawWriter(self._storage.append_to(self.path))

    def cut(self, count: int, keep: Keep, force: bool = False) -> bool:
        """Bring the file to exactly the first frames; see `Channel.cut`."""
        return self._truncate(self.path, count * self.size, keep)
