"""Whether a channel holds the frames that it was copied from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract import Channel
from roverd.channels.copying import MOST_FRAMES, PIECE, Moved, encoded_for, moves_whole_file
from roverd.channels.utils import batch_iterator
from roverd.storage import File, storage_for


def first_difference(
    source: Channel, copy: Channel, start: int, stop: int, compared: Moved, anew: bool = False
) -> int | None:
    """Read a channel that `Channel.copy_from` has made, and compare it with its source.

    Frames that moved as they are stored are compared as such, others by the bytes of their values,
    so that a NaN is equal to itself only.

    Args:
        source: where the frames came from.
        copy: what was made of them, as it is on disk.
        start: the first of them.
        stop: the one after the last.
        compared: called with the number of frames that were compared since the last time.
        anew: whether they were encoded anew although both channels have the same codec.

    Returns:
        The first frame of the source that is not in the copy; `stop` if the copy goes on after it;
        `None` if both are the same.

    Raises:
        CorruptFileError: a frame cannot be read.
    """
    there = min(len(copy), stop - start)
    if moves_whole_file(source, copy, start, stop):
        same = _are_same_files(source.path, copy.path)
        compared(stop - start)
        if not same:
            return start
    elif source.codec == copy.codec is not None and not anew:
        frames = zip(
            encoded_for(copy, source, start, start + there), copy.encoded(0, there), strict=True
        )
        for group in batch_iterator(enumerate(frames, start), _at_once(source, copy)):
            for number, (one, other) in group:
                if one != other:
                    return number
            compared(len(group))
    else:
        found = _first_difference_in_values(source, copy, start, start + there, compared)
        if found is not None:
            return found
    return None if len(copy) == stop - start else start + there


def _first_difference_in_values(
    source: Channel, copy: Channel, start: int, stop: int, compared: Moved
) -> int | None:
    one, other = source.unresized(), copy.unresized()
    at_once = _at_once(source, copy)
    for first in range(start, stop, at_once):
        count = min(at_once, stop - first)
        frames = _bytes(one.read(first, count)), _bytes(other.read(first - start, count))
        if not np.array_equal(*frames):
            same = (frames[0] == frames[1]).all(axis=1)
            return first + int(np.argmin(same))
        compared(count)
    return None


def _at_once(source: Channel, copy: Channel) -> int:
    count = max(1, PIECE // source.size)
    return min(count, MOST_FRAMES) if source.codec or copy.codec else count


def _bytes(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """UInt8[n, bytes of a frame]."""
    return np.ascontiguousarray(frames).reshape(len(frames), -1).view(np.uint8)


def _are_same_files(path: str, copy: str) -> bool:
    files: list[File] = [storage_for(name).open(name, keep=False) for name in (path, copy)]
    if files[0].size != files[1].size:
        return False
    return all(
        files[0].read(offset, PIECE) == files[1].read(offset, PIECE)
        for offset in range(0, files[0].size, PIECE)
    )
