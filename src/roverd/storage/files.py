"""Whole files, a piece at a time."""

from roverd.storage.abstract import Storage

_PIECE = 16 << 20


def copy_file(source: Storage, path: str, target: Storage, copy: str) -> None:
    """Copy a file, which appears under its name when it is complete.

    Args:
        source: where the file is.
        path: its path there; a link is followed.
        target: where the copy is to be.
        copy: its path there.
    """
    file = source.open(path, keep=False)
    with target.replacing(copy) as written:
        for offset in range(0, file.size, _PIECE):
            written.append(file.read(offset, _PIECE))
