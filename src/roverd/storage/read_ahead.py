"""Small reads of a file whose bytes take long to come, answered from large ones."""

from collections import OrderedDict
from collections.abc import Hashable

from roverd.storage.abstract import Fetching, File, is_fetching
from roverd.storage.ranges import Merging

_HEAD = 64 << 10  # of a file: the headers of a video, of a stream
_TAIL = 512 << 10  # of a file: the index of half an hour of video, the end of a stream
_FIRST = 64 << 10
_LARGEST = 8 << 20
_KEPT = 4  # pieces, of which one may be of the largest kind


def read_ahead(file: File) -> File:
    """A file for whoever looks for its frames: many small reads, one after the other.

    Returns:
        The file itself, where a read takes no time worth speaking of.
    """
    return _ReadAhead(file) if is_fetching(file) else file


class _ReadAhead:
    """Keeps what was read last. Its head and its tail come first, together.

    Reads that go on, or skip a little, are answered by ever larger pieces.
    """

    def __init__(self, file: Fetching) -> None:
        self._file = file
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._size = _FIRST
        self._end = -1  # of the piece that was read last

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def version(self) -> Hashable:
        return self._file.version

    @property
    def merging(self) -> Merging:
        return self._file.merging

    def read(self, offset: int, size: int) -> bytes:
        """See `File.read`."""
        size = max(0, min(size, self.size - offset))
        if size > _LARGEST:
            return self._file.read(offset, size)
        if not self._pieces and self._end < 0:
            self._read_ends()
        for start, piece in self._pieces.items():
            if start <= offset and offset + size <= start + len(piece):
                self._pieces.move_to_end(start)
                return piece[offset - start : offset - start + size]
        goes_on = 0 <= offset - self._end <= 4 * self._size
        self._size = min(2 * self._size, _LARGEST) if goes_on else _FIRST
        # What ends with the file is as likely looked at from its end.
        wanted = min(max(size, self._size), self.size - offset)
        piece = self._file.read(offset, wanted)
        self._end = offset + wanted
        self._keep(offset, piece)
        return piece[:size]

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See `File.read_into`."""
        return self._file.read_into(offset, buffer)

    def _read_ends(self) -> None:
        tail = max(0, self.size - _TAIL)
        if tail <= _HEAD:
            self._keep(0, self._file.read(0, self.size))
            self._end = self.size
            return
        head, rest = self._file.begin(0, _HEAD), self._file.begin(tail, _TAIL)
        self._keep(tail, rest.result())
        self._keep(0, head.result())
        self._end = _HEAD

    def _keep(self, start: int, piece: bytes) -> None:
        self._pieces[start] = piece
        while len(self._pieces) > _KEPT:
            self._pieces.popitem(last=False)
