"""Telling sound frames from those that a loss of power has spoilt.

After a loss of power a file may be as long as it was, with zeros or old content in the pages that
had not been written yet. Frames are judged from the end backwards: by their check sums where there
are any, and otherwise by decoding them, as far as their format has a check of its own.
"""

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from roverd.channels import (
    Channel,
    JPEGBlobChannel,
    LzmaChannel,
    NPZBlobChannel,
    VideoChannel,
)
from roverd.channels.frame_streams import FrameStreamChannel
from roverd.channels.solid import SolidIndex, check_stream
from roverd.errors import CorruptFileError
from roverd.formats import xz
from roverd.parallel import map_all
from roverd.storage import File, storage_for

TAIL = 10.0
"""Seconds of sound recording behind which a bad frame is none that was not written in time."""

Check = Callable[[int, int], NDArray[np.bool_]]
"""(start, stop) → for each of those frames, whether it is sound."""

_PIECE = 16 << 20  # bytes of frames in memory
_MOST_AT_ONCE = 1024
# A last frame that is further than this into its stream is not decompressed just to look at it.
_CHEAP = 64 << 20
_ZEROS = 16  # so many at the end of a torn stream are none of its own

_UNKNOWN, _GOOD, _BAD = 0, 1, 2


class Judge:
    """Judges the frames of a channel.

    Args:
        channel: the channel.
        times: Float64[n], seconds, not falling; when each frame was recorded.
        died: whether what recorded it is known to have died (`True`), or to have come to its end
            (`False`); `None` where nobody knows.
        own: how frames are judged by themselves; `None` where they can't be.
        done: called with the number of frames that were judged since the last time.

    Attributes:
        reason: why the frames that were judged last end where they do; empty where all are sound.
    """

    def __init__(
        self,
        channel: Channel,
        times: NDArray[np.float64],
        died: bool | None,
        own: Check | None,
        done: Callable[[int], None],
    ) -> None:
        self._channel = channel = channel.unresized()
        self._times = times
        self._died = died
        self._done = done
        self._own = own
        self._sums = np.empty(0, np.uint64)
        # A recorder writes the sum right after the frame: one that lacks it was just being written.
        self._demands_sums = False
        if channel.has_checksums:
            self._sums = channel.checksums.read()
            kept = len(self._sums) > 0 or bool(died)
            self._demands_sums = kept and died is not False and self._own is None
        self._known = np.zeros(len(times), np.uint8)
        self.reason = ""

    @property
    def can_tell(self) -> bool:
        """Whether there is anything to judge frames by."""
        return self._own is not None or len(self._sums) > 0 or self._demands_sums

    def sound(self, count: int) -> int | None:
        """How many of the first frames are sound up to the last one.

        Args:
            count: how many frames to judge from the end of.

        Returns:
            The number; `None` where no frame is sound, so that something else is wrong with the
            channel.
        """
        if not self.can_tell or not count:
            return count
        looks = self._died is not False and (bool(self._died) or len(self._sums) > 0)
        needed = TAIL if looks else 0.0
        left = end = count
        at_once = 1
        nothing_yet = True
        while end > 0:
            start = max(0, end - at_once)
            at_once = min(2 * at_once, self._most_at_once)
            good = self._judged(start, end, count)
            for frame in range(end - 1, start - 1, -1):
                if good[frame - start]:
                    nothing_yet = False
                    if self._times[left - 1] - self._times[frame] >= needed:
                        return left
                    continue
                # Where the first one is as bad as the last, there is no end to be cut off.
                if nothing_yet and not self._died and not self._judged(0, 1, count)[0]:
                    return None
                left, needed = frame, TAIL
                self.reason = self._reason(frame)
            end = start
        return left

    def damaged(self, count: int) -> list[int]:
        """Which of the first frames are not sound, looking at all of them."""
        if not self.can_tell:
            return []
        return [
            start + int(frame)
            for start in range(0, count, self._most_at_once)
            for frame in np.flatnonzero(
                ~self._judged(start, min(start + self._most_at_once, count), count)
            )
        ]

    @property
    def _most_at_once(self) -> int:
        return max(8, min(_MOST_AT_ONCE, _PIECE // self._channel.size))

    def _judged(self, start: int, stop: int, count: int) -> NDArray[np.bool_]:
        known = self._known[start:stop]
        if not known.all():
            good = np.ones(stop - start, np.bool_)
            middle = max(start, min(stop, len(self._sums)))
            if middle > start:
                good[: middle - start] = self._agrees(start, middle)
            if self._own is not None and stop > middle:
                good[middle - start :] = self._own(middle, stop)
            self._done(int(np.count_nonzero(known == _UNKNOWN)))
            known[:] = np.where(good, _GOOD, _BAD)
        found = known == _GOOD
        # Whether the sums of many frames are missing depends on how many are looked at.
        if self._demands_sums and stop > len(self._sums) and self._were_being_written(count):
            found[max(0, len(self._sums) - start) :] = False
        return found

    def _were_being_written(self, count: int) -> bool:
        first = len(self._sums)
        return first < count and self._times[count - 1] - self._times[first] <= TAIL

    def _agrees(self, start: int, stop: int) -> NDArray[np.bool_]:
        try:
            found = self._channel.compute_checksums(start, stop)
        except CorruptFileError:
            if stop - start == 1:
                return np.zeros(1, np.bool_)
            return np.concatenate([self._agrees(i, i + 1) for i in range(start, stop)])
        return found == self._sums[start:stop]

    def _reason(self, frame: int) -> str:
        if frame < len(self._sums):
            return f"frame {frame} does not agree with its check sum"
        if self._own is None:
            return f"frame {frame} has no check sum yet"
        return f"frame {frame} is damaged"


def solid_frames(channel: LzmaChannel) -> int:
    """Whole frames of an .xz file, without what came out of zeros behind a torn stream."""
    file = storage_for(channel.path).open(channel.path)
    index = SolidIndex.of(file)
    if index.streams and not index.streams[-1].whole:
        written = xz.before_padding(file.read, file.size)
        if file.size - written >= _ZEROS:
            index = SolidIndex.of(_Beginning(file, written))
    return index.content // channel.size


def stream_frames(channel: LzmaChannel, end: int) -> int:
    """Frames in the streams of an .xz file that end before a byte."""
    file = storage_for(channel.path).open(channel.path)
    streams = SolidIndex.of(file).streams
    content = sum(stream.content for stream in streams if stream.whole and stream.end <= end)
    return content // channel.size


class _Beginning:
    """The first bytes of a file; see `File`."""

    def __init__(self, file: File, size: int) -> None:
        self._file = file
        self.path = file.path
        self.size = size
        self.version = (file.version, size)
        self.merging = file.merging

    def read(self, offset: int, size: int) -> bytes:
        """See `File.read`."""
        return self._file.read(offset, max(0, min(size, self.size - offset)))

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See `File.read_into`."""
        return self._file.read_into(offset, buffer[: max(0, self.size - offset)])


def own_check(channel: Channel, deep: bool) -> Check | None:
    """How frames of a format are judged by themselves; `None` where they can't be.

    Args:
        channel: the channel, its data being there.
        deep: whether to decompress large streams to their end, too.
    """
    if isinstance(channel, NPZBlobChannel):
        return _npz_check(channel)
    if isinstance(channel, LzmaChannel):
        return _SolidCheck(channel, deep)
    if isinstance(channel, FrameStreamChannel | JPEGBlobChannel) or (
        isinstance(channel, VideoChannel) and channel.codec == "jpeg"
    ):
        return lambda start, stop: _readable(channel, start, stop)
    return None


def zero_check(stamps: NDArray[np.float64]) -> Check | None:
    """How timestamps are judged: the first one is not 0, so that those that are were not written.

    Args:
        stamps: Float64[n], as they are stored.
    """
    if not len(stamps) or stamps[0] == 0:
        return None
    return lambda start, stop: stamps[start:stop].view(np.uint64) != 0


def _readable(channel: Channel, start: int, stop: int) -> NDArray[np.bool_]:
    try:
        channel.read(start, stop - start)
    except CorruptFileError:
        if stop - start == 1:
            # A dropped frame has nothing that could be damaged; there may be none to repeat.
            empty = channel.repeats_dropped and next(channel.encoded(start, stop)) == b""
            return np.array([empty])
        return np.concatenate([_readable(channel, i, i + 1) for i in range(start, stop)])
    return np.ones(stop - start, np.bool_)


def _npz_check(channel: NPZBlobChannel) -> Check:
    """With the check sums of the files, which the channel itself skips where it can."""

    def is_sound(frame: int) -> bool:
        try:
            channel.read_checked_into(frame, np.empty(channel.shape, channel.type))
        except CorruptFileError:
            return False
        return True

    return lambda start, stop: np.array(
        map_all(is_sound, range(start, stop), channel.workers), np.bool_
    )


class _SolidCheck:
    """Frames of an .xz file are sound where the streams that they are in are.

    A stream's check is behind its content: nothing tells which of its frames are damaged. Of a
    stream that was cut off, all that can be decompressed counts.
    """

    def __init__(self, channel: LzmaChannel, deep: bool) -> None:
        self._file = storage_for(channel.path).open(channel.path)
        self._index = SolidIndex.of(self._file)
        self._size = channel.size
        self._deep = deep
        self._sound: dict[int, bool] = {}

    def __call__(self, start: int, stop: int) -> NDArray[np.bool_]:
        return np.array([self._is_frame_sound(frame) for frame in range(start, stop)], np.bool_)

    def _is_frame_sound(self, frame: int) -> bool:
        first = bisect_right(self._index.starts, frame * self._size) - 1
        last = bisect_right(self._index.starts, (frame + 1) * self._size - 1) - 1
        return all(self._is_stream_sound(number) for number in range(first, last + 1))

    def _is_stream_sound(self, number: int) -> bool:
        if number not in self._sound:
            stream = self._index.streams[number]
            looks = stream.whole and (self._deep or stream.content <= _CHEAP)
            _, reason = check_stream(self._file, stream) if looks else (0, "")
            self._sound[number] = not reason
        return self._sound[number]
