"""Checks that read frames: the first and last one, or all of them."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels import Channel, LzmaChannel, NPZBlobChannel, VideoChannel
from roverd.channels.abstract import BlobChannel
from roverd.channels.frame_streams import FrameStreamChannel
from roverd.channels.layouts import Layout
from roverd.channels.other_video import OtherVideoLayout
from roverd.channels.solid import SolidLayout, check_stream
from roverd.ops.validation.options import Options
from roverd.ops.validation.report import Findings
from roverd.ops.validation.structure import index_of
from roverd.parallel import for_each, map_all, thread_count
from roverd.storage import storage_for

Read = Callable[[int, int], NDArray[Any]]
"""(first, count) → those frames, `(count, *shape)`."""

_PIECE = 16 << 20  # bytes of frames that are in memory at a time
_MOST_AT_ONCE = 4096
_NAMED = 3  # ranges of bad frames that are named
# A last frame that is further than this into its stream is not decompressed just to look at it.
_CHEAP = 64 << 20


def check_end_frames(channel: Channel, layout: Layout, findings: Findings) -> None:
    """Read the first and the last frame.

    Not the last one where that would mean to decompress much before it.

    Args:
        channel: the channel.
        layout: its frames, as they are now.
        findings: takes the problems.
    """
    count = len(layout)
    numbers = sorted({0, count - 1}) if count else []
    if isinstance(layout, OtherVideoLayout) or not _last_is_cheap(channel, layout):
        numbers = numbers[:1]
    bad = _BadFrames()
    for number in numbers:
        try:
            channel.read(number, 1)
        except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
            bad.add(number, number, error)
    bad.report(channel, f"of the {len(numbers)} that were tried", findings)


def _last_is_cheap(channel: Channel, layout: Layout) -> bool:
    if not isinstance(channel, LzmaChannel) or not isinstance(layout, SolidLayout):
        return True
    index = index_of(layout)
    return index.content - index.starts[-1] <= _CHEAP if index.starts else True


def check_all_frames(
    channel: Channel, layout: Layout, findings: Findings, options: Options
) -> None:
    """Read every frame, whichever of them are bad.

    Args:
        channel: the channel.
        layout: its frames, as they are now.
        findings: takes the problems.
        options: how wide to work, and whom to tell how far it is.
    """
    bad, odd = _BadFrames(), _NotFinite(channel)
    if isinstance(channel, LzmaChannel) and isinstance(layout, SolidLayout):
        _read_solid(channel, layout, bad, odd, options)
    else:
        _read_frames(channel, layout, bad, odd, options)
    bad.report(channel, f"of {len(layout)}", findings)
    odd.report(findings)


class _BadFrames:
    """Which frames could not be read, and why the first of them could not."""

    def __init__(self) -> None:
        self.count = 0
        self._ranges: list[list[int]] = []
        self._last = -2
        self._reason = ""

    def add(self, first: int, last: int, error: Exception | str) -> None:
        """Take note of a range; in the order of their numbers, each frame once."""
        if not self.count:
            self._reason = str(error) or type(error).__name__
        self.count += last - first + 1
        if first == self._last + 1 and self._ranges and self._ranges[-1][1] == self._last:
            self._ranges[-1][1] = last
        elif len(self._ranges) < _NAMED:
            self._ranges.append([first, last])
        self._last = last

    def report(self, channel: Channel, of: str, findings: Findings) -> None:
        """Make them a problem, if there are any."""
        if not self.count:
            return
        names = [f"{first}" if first == last else f"{first}-{last}" for first, last in self._ranges]
        named = sum(last - first + 1 for first, last in self._ranges)
        more = f" and {self.count - named} more" if self.count > named else ""
        reason = self._reason.removeprefix(f"{channel.path}: ")
        findings.add(
            "bad-frames",
            channel.path,
            f"expected readable frames, found {self.count} {of} that are not: {', '.join(names)}"
            f"{more} ({reason})",
        )


class _NotFinite:
    """Which frames have values that are no numbers, in channels that could have some."""

    def __init__(self, channel: Channel) -> None:
        self._path = channel.path
        self.wanted = channel.type.kind in "fc"
        self._count = 0
        self._first = -1
        self._lock = threading.Lock()

    def look_at(self, first: int, frames: NDArray[Any]) -> None:
        """Look for them in frames `(n, *shape)`, of which the first has the number `first`."""
        if self.wanted:
            self.mark(
                first + np.flatnonzero(~np.isfinite(frames).reshape(len(frames), -1).all(axis=1))
            )

    def mark(self, numbers: NDArray[np.int64]) -> None:
        """Take note of frames, Int64[n] ascending, each once."""
        if len(numbers):
            with self._lock:
                self._count += len(numbers)
                lowest = int(numbers[0])
                self._first = lowest if self._first < 0 else min(self._first, lowest)

    def report(self, findings: Findings) -> None:
        """Make them a problem, if there are any."""
        if self._count:
            findings.add(
                "not-finite",
                self._path,
                f"expected finite numbers, found NaN or infinity in {self._count} "
                f"frame{'s' if self._count > 1 else ''}, the first of them {self._first}",
            )


def _frames_at_once(channel: Channel, options: Options) -> int:
    by_itself = isinstance(channel, FrameStreamChannel | VideoChannel | BlobChannel)
    if by_itself and not options.wide:
        return 1  # several at a time are read by threads
    least = min(thread_count(), 8) if by_itself else 1
    return max(least, min(_MOST_AT_ONCE, _PIECE // channel.size))


def _read_frames(
    channel: Channel, layout: Layout, bad: _BadFrames, odd: _NotFinite, options: Options
) -> None:
    count = len(layout)
    read: Read = channel.read
    if isinstance(channel, NPZBlobChannel):
        read = _checked_npz(channel)
    at_once = _frames_at_once(channel, options)
    size = channel.filesize
    for first in range(0, count, at_once):
        stop = min(first + at_once, count)
        try:
            odd.look_at(first, read(first, stop - first))
        except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
            if stop - first == 1:
                bad.add(first, first, error)
            else:
                _read_singly(range(first, stop), read, bad, odd)
            if isinstance(layout, OtherVideoLayout) and bad.count and stop < count:
                # What comes after depends on what came before; each try would decode all of it.
                bad.add(stop, count - 1, error)
                break
        options.count(size * stop // count - size * first // count)


def _read_singly(numbers: range, read: Read, bad: _BadFrames, odd: _NotFinite) -> None:
    for number in numbers:
        try:
            odd.look_at(number, read(number, 1))
        except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
            bad.add(number, number, error)


def _checked_npz(channel: NPZBlobChannel) -> Read:
    """Reads frames with the check sums of their files, which the channel skips where it can."""

    def read(first: int, count: int) -> NDArray[Any]:
        out = np.empty((count, *channel.shape), channel.type)
        for_each(
            lambda slot: channel.read_checked_into(first + slot, out[slot, ...]),
            range(count),
            channel.workers,
        )
        return out

    return read


def _read_solid(
    channel: LzmaChannel, layout: SolidLayout, bad: _BadFrames, odd: _NotFinite, options: Options
) -> None:
    """Decompress the whole streams of a file, each by itself: damage in one leaves the others."""
    index = index_of(layout)
    file = storage_for(channel.path).open(channel.path)

    def check(number: int) -> tuple[int, str]:
        stream, start = index.streams[number], index.starts[number]
        values = _Values(channel, start, odd)
        done, reason = check_stream(file, stream, values.add)
        options.count(stream.size)
        return done, reason

    numbers = [number for number, stream in enumerate(index.streams) if stream.whole]
    found = map_all(check, numbers, None if options.wide else 1)
    reached = 0  # a frame may lie in two bad streams
    for number, (done, reason) in zip(numbers, found, strict=True):
        start, content = index.starts[number], index.streams[number].content
        if not reason:
            continue
        first = max(reached, (start + min(done, max(0, content - 1))) // channel.size)
        last = min(len(layout), -(-(start + content) // channel.size)) - 1
        if first <= last:
            bad.add(first, last, f"damaged xz stream {number}: {reason}")
            reached = last + 1


class _Values:
    """Looks for values that are no numbers in the content of a stream, as it comes.

    Args:
        channel: the channel.
        start: where the content of the stream begins in the content of the file, bytes.
        odd: takes the frames that have some.
    """

    def __init__(self, channel: Channel, start: int, odd: _NotFinite) -> None:
        self._type = channel.type
        self._frame_size = channel.size
        self._odd = odd
        # A value may begin in the stream before.
        self._skip = -start % channel.type.itemsize
        self._position = start + self._skip
        self._rest = b""
        self._marked = -1

    def add(self, piece: bytes) -> None:
        """Look at the next bytes."""
        if not self._odd.wanted:
            return
        data = self._rest + piece[self._skip :]
        self._skip = max(0, self._skip - len(piece))
        values = np.frombuffer(data, self._type, len(data) // self._type.itemsize)
        wrong = self._position + np.flatnonzero(~np.isfinite(values)) * self._type.itemsize
        numbers = np.unique(wrong // self._frame_size)
        # A frame may come in several pieces.
        self._odd.mark(numbers[numbers > self._marked])
        self._marked = int(numbers[-1]) if len(numbers) else self._marked
        self._position += values.nbytes
        self._rest = data[values.nbytes :]
