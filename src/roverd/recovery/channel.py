"""One channel of a sensor that is being mended."""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from roverd.channels import Channel, LzmaChannel, LzmaFrameChannel, VideoChannel
from roverd.channels.abstract import BlobChannel
from roverd.channels.abstract.channel import Keep
from roverd.channels.checksums import SUM_SIZE
from roverd.channels.frame_streams import FrameStreamChannel
from roverd.errors import CorruptFileError, UnsupportedError
from roverd.formats import avi
from roverd.recovery.frames import TAIL, Check, Judge, own_check, solid_frames, stream_frames
from roverd.recovery.leftovers import InterruptedBlobs
from roverd.recovery.report import ChannelRepair
from roverd.recovery.rescue import Rescue
from roverd.sensors.meta import TIMESTAMPS, Entries
from roverd.storage import storage_for

_PIECE = 16 << 20
_NAMED = 5  # damaged frames that are named


class _WouldChangeError(Exception):
    """Raised before anything is changed, to find out what would be."""

    def __init__(self, path: str, offset: int) -> None:
        super().__init__(path, offset)
        self.path = path
        self.offset = offset


def _refuse(path: str, offset: int) -> None:
    raise _WouldChangeError(path, offset)


class Part:
    """A channel, what was found out about it, and what is to be done.

    Args:
        name: of the channel.
        channel: the channel.
        format: as `meta.json` names it.
        entries: of `meta.json`: the names that other channels have.

    Attributes:
        channel: the channel, of the format that its data has.
        whole: frames that are there whole, as far as structure tells; `None` without data.
        gone: whether its entry is dropped.
    """

    def __init__(self, name: str, channel: Channel, format: str, entries: Entries) -> None:
        self.name = name
        self.channel = channel
        self.report = ChannelRepair(name, format)
        self.whole: int | None = None
        self.gone = False
        self.is_relabelled = False
        self._entries = entries
        self._storage = storage_for(channel.path)
        self._judge: Judge | None = None
        self._change: _WouldChangeError | None = None
        self._is_made = False
        self._cuts_blobs = False
        self._mends_sums = False
        self._blobs = InterruptedBlobs(channel) if isinstance(channel, BlobChannel) else None
        self._left_alone = False
        self._failed = False
        self._forces = False
        self._count()

    # What is there

    def _count(self) -> None:
        report = self.report
        try:
            is_xz = isinstance(channel := self.channel, LzmaFrameChannel)
            if is_xz and self.exists and channel.is_mislabelled():
                self._relabel()
            report.size = self.channel.filesize + self._sums_size
            if isinstance(self.channel, BlobChannel) and self._blobs is not None:
                self.channel.length = None
                if self.channel.exists():
                    self.channel.length = self.whole = self._blobs.whole
            elif isinstance(self.channel, LzmaChannel) and self.exists:
                self.whole = solid_frames(self.channel)
            else:
                self.whole = self.channel.whole_frames()
        except Exception as error:  # noqa: BLE001 - users' own formats raise what they like
            self.fail(str(error))
        report.frames = self.whole

    @property
    def _sums_size(self) -> int:
        if not self.channel.has_checksums:
            return 0
        path = self.channel.checksums.path
        return self._storage.size(path) or 0

    def _relabel(self) -> None:
        channel = self.channel
        self.channel = LzmaChannel(channel.path, channel.type, channel.shape)
        self.channel.has_checksums = channel.has_checksums
        self.is_relabelled = True
        self.report.format = "lzma"

    @property
    def exists(self) -> bool:
        """Whether there is any data, even if empty."""
        return self.channel.exists()

    @property
    def holds_nothing(self) -> bool:
        """Whether there is not a byte of frames (an index may be there)."""
        if self._blobs is not None:
            return not self._blobs.after
        return not self._storage.size(self.channel.path)

    @property
    def is_dangling(self) -> bool:
        """Whether it is a link whose target is not there."""
        return os.path.islink(self.channel.path) and not os.path.exists(self.channel.path)

    @property
    def restores(self) -> bool:
        """Whether frames come back whose replacement was interrupted."""
        return self._blobs is not None and self._blobs.restores

    @property
    def left(self) -> list[str]:
        """What unfinished work has left in its folder, relative to the sensor's."""
        return [] if self._blobs is None else [f"{self.name}/{file}" for file in self._blobs.left]

    @property
    def is_complete(self) -> bool:
        """Whether there is a check sum for every frame, where there should be."""
        return not self.channel.has_checksums or self._sums_size == (self.whole or 0) * SUM_SIZE

    # Judging

    def fail(self, problem: str) -> None:
        """Say that it cannot be mended, and leave it as it is."""
        self.report.problem = " ".join(problem.split())
        self._failed = True

    def leave(self, note: str) -> None:
        """Say why it is left as it is."""
        self.report.note = note
        self._left_alone = True

    @property
    def failed(self) -> bool:
        """Whether it cannot be mended, not even in part."""
        return self._failed

    @property
    def counts(self) -> bool:
        """Whether the others are brought to its length."""
        return not (self._failed or self.gone or (self._left_alone and self.whole is None))

    def probe(self, times: NDArray[np.float64], died: bool | None) -> None:
        """Find out whether it can be cut, by going as far as the first change.

        Args:
            times: Float64[n], seconds, not falling; when each frame was recorded.
            died: see `Judge`.
        """
        whole = self.whole or 0
        if self._blobs is not None or not self.exists:
            return
        try:
            self.channel.cut(whole, _refuse)
        except _WouldChangeError:
            pass
        except CorruptFileError as error:
            # In the last seconds, some may have been written and what is before them not.
            last = whole >= len(times) or times[-1] - times[whole] <= TAIL
            if died is False or not last:
                self.fail(str(error))
            self._forces = True
        except UnsupportedError as error:
            self.leave(str(error))
        # Zeros behind an .xz file may be padding. Not if it was being written.
        self._forces |= bool(died) and isinstance(self.channel, LzmaChannel)

    def make_judge(
        self,
        times: NDArray[np.float64],
        died: bool | None,
        deep: bool,
        own: Check | None,
        done: Callable[[int], None],
    ) -> None:
        """Make ready to judge frames; see `Judge`."""
        if self.whole and not self.restores:
            if own is None and self.name != TIMESTAMPS:
                own = own_check(self.channel.unresized(), deep)
            self._judge = Judge(self.channel, times, died, own, done)

    def judge(self, count: int) -> int:
        """How many of the first frames are sound up to the last one."""
        if self._judge is None:
            return count
        sound = self._judge.sound(count)
        if sound is None:
            self.fail(
                f"{self.channel.path}: expected frames of type {self.channel.type.str[1:]} and "
                f"shape {list(self.channel.shape)}, found not one that is; do type and shape in "
                f"meta.json fit?"
            )
            return count
        self.report.reason = self._judge.reason
        return sound

    def look_for_damage(self, count: int) -> None:
        """Judge all frames that stay; damage among them cannot be mended."""
        if self._judge is None or self._failed:
            return
        bad = self._judge.damaged(count)
        if bad:
            more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
            # The end can be mended all the same.
            self.report.problem = (
                f"{self.channel.path}: expected sound frames, found {len(bad)} of {count} damaged: "
                f"{', '.join(map(str, bad[:_NAMED]))}{more}; they are left as they are, since "
                f"cutting would lose the frames behind them"
            )

    # Mending

    def plan(self, count: int) -> None:
        """Find out what has to be done for it to have exactly so many frames."""
        report = self.report
        if self.gone or self._failed:
            return
        if self._left_alone and (self.whole or 0) <= count:
            report.kept = self.whole
            return
        report.kept = count
        if not self.exists:
            self._is_made = True
            report.rebuilt.append("file")
            return
        if self._blobs is not None:
            self._plan_blobs(self._blobs, count)
        else:
            self._plan_file(count)
        if not self._failed:
            self._plan_sums(count)

    def _plan_blobs(self, blobs: InterruptedBlobs, count: int) -> None:
        going = blobs.beyond(count)
        self._cuts_blobs = bool(going)
        self.report.lost = sum(index >= count for index in blobs.after)
        self.report.cut = sum(self._storage.size(f"{self.channel.path}/{n}") or 0 for n in going)

    def _plan_file(self, count: int) -> None:
        try:
            self._cut(count, _refuse)
        except _WouldChangeError as change:
            self._change = change
            self._describe(count, change)
        except (CorruptFileError, UnsupportedError) as error:
            self.report.kept = None
            self.fail(f"{error} (to be cut to {count} frames)")

    def _describe(self, count: int, change: _WouldChangeError) -> None:
        """Say what a cut does."""
        report, channel = self.report, self.channel
        report.lost = max(0, (self.whole or 0) - count)
        size = self._storage.size(channel.path) or 0
        if change.path == channel.path:
            report.cut = max(0, size - change.offset)
        if isinstance(channel, VideoChannel):
            report.rebuilt += ["header", "index"]
        elif isinstance(channel, LzmaChannel):
            if stream_frames(channel, change.offset) != count:
                report.rebuilt.append("last stream")
        elif isinstance(channel, FrameStreamChannel) and change.path == channel.index_path:
            _, offsets = channel.find()
            report.cut = size - int(offsets[count])
            expected = offsets[: count + 1].astype("<u8").tobytes()
            index = self._storage.size(channel.index_path)
            stored = self._storage.read(channel.index_path) if index else b""
            if stored.startswith(expected):
                report.cut += len(stored) - len(expected)
            else:
                report.rebuilt.append("index")

    def _plan_sums(self, count: int) -> None:
        if self.channel.has_checksums and self._sums_size != count * SUM_SIZE:
            self._mends_sums = True
            if self._sums_size < count * SUM_SIZE:
                self.report.rebuilt.append("check sums")
            self.report.cut += max(0, self._sums_size - count * SUM_SIZE)

    def prepare(self, rescue: Rescue) -> None:
        """Clear away what is not of the channel any more."""
        if self._blobs is not None and not self.gone:
            self._blobs.carry_out(rescue)
        paths: list[str] = []
        if self.gone:
            folder = os.path.dirname(self.channel.path)
            paths = [f"{folder}/{name}" for name in sorted(self.channel.files - set(self._entries))]
            paths.append(self.channel.path)
        elif self.is_relabelled and f"{self.name}_i" not in self._entries:
            paths = [f"{self.channel.path}_i"]
        for path in paths:
            if os.path.lexists(path):
                rescue.move(path)

    def mend(self, count: int, rescue: Rescue) -> None:
        """Do what was planned."""
        channel = self.channel
        if self._is_made:
            if self._sums_size:
                rescue.keep(channel.checksums.path, 0)
            channel.write(np.empty((0, *channel.shape), channel.type))
        if self._cuts_blobs:
            self._cut(count, lambda path, _: rescue.move(path))
        if self._change is not None:
            if isinstance(channel, VideoChannel):
                _keep_headers(channel, self._change.offset, rescue)
            self._cut(count, rescue.keep)
        if self._mends_sums:
            self._mend_sums(count, rescue)
        if self._is_made or self._change is not None or self._mends_sums:
            self._sync()

    def _cut(self, count: int, keep: Keep) -> None:
        if self._forces:
            self.channel.cut(count, keep, force=True)
        else:
            self.channel.cut(count, keep)

    def _mend_sums(self, count: int, rescue: Rescue) -> None:
        sums = self.channel.checksums
        known = min(count, len(sums.read()))
        if self._sums_size > known * SUM_SIZE:
            rescue.keep(sums.path, known * SUM_SIZE)
        file = sums.append_to(known)
        at_once = max(1, _PIECE // self.channel.size)
        try:
            for start in range(known, count, at_once):
                stop = min(start + at_once, count)
                file.append(self.channel.compute_checksums(start, stop).tobytes())
        except CorruptFileError as error:
            self.report.note = f"check sums end where frames cannot be read: {error}"
        finally:
            file.close()

    def _sync(self) -> None:
        folder = os.path.dirname(os.path.abspath(self.channel.path))
        for name in self.channel.files:
            if os.path.exists(f"{folder}/{name}"):
                self._storage.sync(f"{folder}/{name}")
        self._storage.sync(folder)


def _keep_headers(channel: VideoChannel, end: int, rescue: Rescue) -> None:
    """Keep what a video's new lengths and counts are written over, as far as it stays."""
    file = storage_for(channel.path).open(channel.path)
    try:
        index = avi.read_index(file.read, file.size)
    except CorruptFileError:
        return  # cut off inside its header, all of which is kept
    rescue.keep(channel.path, 0, min(end, index.header.start))
    for segment in index.segments[1:]:
        stop = segment.movi + avi.LIST_HEADER
        if stop <= end:
            rescue.keep(channel.path, segment.riff, stop)
