"""Ways to damage recordings, and formats of a user's own that misbehave."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels import RawChannel


def flip(path: Path, position: int, mask: int = 0x41) -> None:
    """Turn over bits of one byte; a negative position counts from the end."""
    data = bytearray(path.read_bytes())
    data[position] ^= mask
    path.write_bytes(data)


def cut(path: Path, size: int) -> None:
    """Cut a file to its first bytes; a negative size cuts so many off."""
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)


def extend(path: Path, data: bytes) -> None:
    """Add bytes at the end of a file."""
    with path.open("ab") as file:
        file.write(data)


def exchange(one: Path, other: Path) -> None:
    """Give each of two files the other one's content."""
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)


def rewrite_index(path: Path, change: Any) -> None:
    """Replace the offsets of an `lzmaf` channel by what a function makes of them."""
    np.asarray(change(np.fromfile(path, "<u8")), "<u8").tofile(path)


def deflate(path: Path) -> None:
    """Write an `.npz` file again, compressed."""
    with zipfile.ZipFile(path) as archive:
        entry = archive.read("data.npy")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", entry)


class FussyChannel(RawChannel):
    """A format of a user's own that raises what no library would."""

    def read(self, start: Any = 0, samples: Any = -1) -> NDArray[Any]:
        """Refuse odd frames."""
        if odd := [number for number in range(start, start + samples) if number % 2]:
            raise ZeroDivisionError(f"no frame {odd[0]}")
        return super().read(start, samples)


class DeadlyChannel(RawChannel):
    """A format of a user's own whose reading kills the process, but for the one of the test."""

    def read(self, start: Any = 0, samples: Any = -1) -> NDArray[Any]:
        """Die."""
        os._exit(3)
