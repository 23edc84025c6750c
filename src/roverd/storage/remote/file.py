"""An object, to read ranges of."""

from collections.abc import Hashable
from concurrent.futures import Future

from roverd.storage.ranges import Merging
from roverd.storage.remote.cached import begin_cached
from roverd.storage.remote.objects import Known
from roverd.storage.remote.requests import wait_for

MERGING = Merging(gap=64 << 10, most=8 << 20)
"""A request costs a millisecond of work at both ends, in which a link brings about 64 KiB; that it
takes longer matters little, since others are underway. Large ones are better sent side by side."""


class RemoteFile:
    """An object as it was when it was looked at; see `File` and `Fetching`.

    Args:
        path: its URL.
        known: what it is known by.
    """

    __slots__ = ("_known", "path", "size", "version")
    merging = MERGING

    def __init__(self, path: str, known: Known) -> None:
        self.path = path
        self.size = known.size
        self.version: Hashable = known.version
        self._known = known

    def begin(self, offset: int, size: int) -> "Future[bytes]":
        """Begin to read; see `Fetching.begin`. All bytes of objects come from here."""
        size = max(0, min(size, self.size - offset))
        return begin_cached(self.path, offset, size, self._known)

    def read(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`: `size` of them, fewer only at the end of the object."""
        most = self.merging.most
        size = max(0, min(size, self.size - offset))
        if size <= most:
            return wait_for(self.begin(offset, size))
        pieces = [
            self.begin(offset + start, min(most, size - start)) for start in range(0, size, most)
        ]
        try:
            return b"".join(map(wait_for, pieces))
        finally:
            for piece in pieces:
                piece.cancel()

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset` on; returns how many bytes there were for it."""
        import numpy as np

        data = self.read(offset, buffer.nbytes)
        # As bytes: `memoryview.cast` knows no complex numbers.
        np.frombuffer(buffer, np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
        return len(data)
