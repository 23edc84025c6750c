"""Moving frames from one channel to another, some at a time: memory is bounded."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels.checksums import checksums, frame_bytes
from roverd.channels.utils import batch_iterator
from roverd.channels.writers import EncodedWriter
from roverd.errors import (
    CorruptFileError,
    InvalidDataError,
    MissingFileError,
    OutOfRangeError,
    UnsupportedError,
)
from roverd.storage import storage_for
from roverd.storage.files import copy_file

if TYPE_CHECKING:
    from roverd.channels.abstract.channel import Channel

Moved = Callable[[int], None]
"""Called with the number of frames that were moved since the last time."""

PIECE = 16 << 20
"""Bytes of frames that are in memory at a time."""

MOST_FRAMES = 1024
"""The same for those that have an object, or a file, each."""


def copy_frames(
    source: "Channel",
    target: "Channel",
    start: int,
    stop: int,
    moved: Moved,
    anew: bool,
    options: Mapping[str, Any],
) -> None:
    """See `Channel.copy_from`."""
    if (source.type, source.shape) != (target.type, target.shape):
        raise InvalidDataError(
            f"{target.path}: expected frames of type {target.type.str[1:]} and shape "
            f"{list(target.shape)}, but those of {source.path} are of type {source.type.str[1:]} "
            f"and shape {list(source.shape)}"
        )
    there = source.whole_frames()
    if there is None:
        raise MissingFileError(f"{source.path}: no such file; expected frames to copy here")
    if os.path.realpath(source.path) == os.path.realpath(target.path):
        raise UnsupportedError(f"{source.path}: a channel cannot be copied to where it is")
    if not 0 <= start <= stop <= there:
        raise OutOfRangeError(
            f"{source.path}: frames {start} to {stop - 1} were to be copied, but there are {there}"
        )
    if moves_whole_file(source, target, start, stop):
        storages = storage_for(source.path), storage_for(target.path)
        copy_file(storages[0], source.path, storages[1], target.path)
        if target.has_checksums:
            target.checksums.write(target.compute_checksums(start, stop))
            _keep_checksums(source, target, start, stop)
        moved(stop - start)
        return
    as_they_are = source.codec == target.codec and not (anew and source.codec)
    writer = target.writer_like(source, **options)
    at_once = max(1, PIECE // source.size)
    if source.codec or target.codec:
        at_once = min(at_once, MOST_FRAMES)
    try:
        if isinstance(writer, EncodedWriter) and source.codec and as_they_are:
            for group in batch_iterator(encoded_for(target, source, start, stop), at_once):
                writer.add_encoded(group)
                moved(len(group))
        else:
            stored = source.unresized()
            # Sums of frames that stay as they are go along. Here new ones will be made.
            known = source.checksums.read() if source.has_checksums and not as_they_are else None
            for first in range(start, stop, at_once):
                count = min(at_once, stop - first)
                frames = target.checked(stored.read(first, count))
                _check_frames(source, first, frames, known)
                writer.add(frames)
                moved(count)
    finally:
        writer.close()
    if target.has_checksums and as_they_are:
        _keep_checksums(source, target, start, stop)


def moves_whole_file(source: "Channel", target: "Channel", start: int, stop: int) -> bool:
    """Whether these are the bytes of a whole file that can only be understood as a whole."""
    return type(source) is type(target) and source.is_whole_file(start, stop)


def encoded_for(target: "Channel", source: "Channel", start: int, stop: int) -> Iterator[bytes]:
    """The bytes of frames; those of dropped ones, too, where the target cannot repeat frames."""
    shown = b""
    for number, stored in enumerate(source.encoded(start, stop), start):
        frame = stored
        if not frame and number == start:
            frame = _shown_before(source, start)
        elif not frame and not target.repeats_dropped:
            frame = shown
        if not frame and not target.repeats_dropped:
            raise CorruptFileError(
                f"{source.path}: frame {number} was dropped by the recorder, and there is no frame "
                f"before it that it could repeat"
            )
        shown = frame or shown
        yield frame


def _shown_before(source: "Channel", frame: int) -> bytes:
    """The bytes of the last frame before one that was not dropped; none if all were."""
    for number in range(frame - 1, -1, -1):
        (stored,) = source.encoded(number, number + 1)
        if stored:
            return stored
    return b""


def _check_frames(
    source: "Channel", first: int, frames: NDArray[Any], known: NDArray[np.uint64] | None
) -> None:
    """Refuse frames, about to be encoded, that are not what was recorded."""
    if known is None:
        return
    expected = known[first : first + len(frames)]
    if source.codec is None:
        found = checksums(frame_bytes(frames[: len(expected)]))
    else:
        found = source.compute_checksums(first, first + len(expected))
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        raise CorruptFileError(
            f"{source.path}: frame {first + int(wrong[0])} is not what was recorded: its bytes do "
            f"not have the check sum in {source.checksums.path}"
        )


def _keep_checksums(source: "Channel", target: "Channel", start: int, stop: int) -> None:
    """Let frames that were copied as they are have the sums that they had.

    Those of the copies would bless what was damaged before.
    """
    if not source.has_checksums:
        return
    known = source.checksums.read()[start:stop]
    sums = target.checksums.read()
    # In place of a dropped frame, there may be what it showed.
    same = known != checksums([b""])
    sums = np.concatenate([np.where(same, known, sums[: len(known)]), sums[len(known) :]])
    target.checksums.write(sums)
