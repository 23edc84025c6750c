"""How many bytes a cache has, as far as can be told without looking at all of its files."""

import os

_UNIT = 16 << 10
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


class Usage:
    """An estimate that all processes share: the length of a file, in units of 16 KiB.

    To add to it is to append, which needs no lock and cannot be half done. It says too much rather
    than too little: removed blocks stay in it until somebody counts. It is a hint only; whoever
    damages it makes the cache too large or too small for some time.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def add(self, size: int) -> tuple[int, int]:
        """Add bytes; returns the estimates before and after."""
        units = _units(size)
        descriptor = os.open(self._path, _FLAGS, 0o666)
        try:
            os.write(descriptor, b"." * units)
            after = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        return max(0, after - units) * _UNIT, after * _UNIT

    def read(self) -> int:
        """The estimate, in bytes."""
        try:
            return os.stat(self._path).st_size * _UNIT
        except FileNotFoundError:
            return 0

    def write(self, size: int) -> None:
        """Replace the estimate by a number of bytes that were counted."""
        os.truncate(self._path, _units(size))


def _units(size: int) -> int:
    return -(-size // _UNIT)
