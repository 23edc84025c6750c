"""A sensor's files while they are recorded: all channels together, timestamps last."""

import contextlib
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roverd.channels import Channel, VideoChannel
from roverd.channels.checksums import checksums
from roverd.channels.lzma import LzmaChannel
from roverd.channels.raw import RawChannel, SingleFileChannel
from roverd.channels.writers import EncodedWriter, Writer
from roverd.formats import xz
from roverd.parallel import for_each
from roverd.recorder.queue import QueuedFrame


class ChannelError(Exception):
    """What went wrong is its `__cause__`.

    Args:
        channel: name of the channel where it went wrong.
    """

    def __init__(self, channel: str) -> None:
        super().__init__(channel)
        self.channel = channel


@contextlib.contextmanager
def _naming(channel: str) -> Generator[None]:
    try:
        yield
    except Exception as error:
        raise ChannelError(channel) from error


class SensorWriters:
    """Writes frames of a sensor: encoded on all cores, then written one channel after the other.

    Args:
        channels: by name, without the timestamps.
        timestamps: the channel of the timestamps, written last: a frame is there for readers once
            its timestamp is.
        append: whether to go on after the frames that are there; otherwise there are none.
        fps: frames per second that new video files say they have; `None` if that is not known.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        timestamps: tuple[str, Channel],
        append: bool,
        fps: float | None,
    ) -> None:
        self._timestamps, _ = timestamps
        self._channels = {**channels, self._timestamps: timestamps[1]}
        self._writers: dict[str, Writer] = {}
        with contextlib.ExitStack() as opened:
            for name, channel in self._channels.items():
                writer = _open(channel, append, fps)
                opened.callback(writer.close)
                self._writers[name] = writer
            self._encoded = [
                name
                for name, channel in channels.items()
                if channel.codec is not None and isinstance(self._writers[name], EncodedWriter)
            ]
            self._load_codecs()
            opened.pop_all()
        # Those that encode as they write come first: what follows them takes little time, so that
        # the channels differ in length for moments only.
        order = sorted(self._channels, key=self._haste)
        self._order = [name for name in order if name != self._timestamps]
        self.count = len(timestamps[1])
        """Frames that all channels have."""
        self.size = 0
        """Bytes written since the files were opened."""
        self.encode_seconds = 0.0
        """Processor time that encoding has taken."""

    def _load_codecs(self) -> None:
        """Load the libraries that encoding needs.

        The first frame then need not wait for it; and a child that the program forks meanwhile does
        not inherit the lock of a library that is being loaded, which nobody would ever release.
        """
        checksums(())
        if any(isinstance(channel, LzmaChannel) for channel in self._channels.values()):
            xz.encode(b"")
        for name in self._encoded:
            writer, channel = self._writers[name], self._channels[name]
            assert isinstance(writer, EncodedWriter)
            writer.encode(np.zeros((1, *channel.shape), channel.type))

    def _haste(self, name: str) -> int:
        if isinstance(self._channels[name], RawChannel):
            return 2
        return 1 if name in self._encoded else 0

    def write(self, group: Sequence[QueuedFrame]) -> None:
        """Write frames; readers see them on return.

        Raises:
            ChannelError: it was not possible in one of the channels; others may have frames more.
        """
        rows = [(*frame.frames, frame.timestamp) for frame in group]
        columns = dict(zip(self._channels, zip(*rows, strict=True), strict=True))
        encoded = self._encode(columns)
        for name in [*self._order, self._timestamps]:
            with _naming(name):
                self._write_channel(name, columns[name], encoded.get(name))
        self.count += len(group)

    def _encode(self, columns: Mapping[str, Sequence[NDArray[Any]]]) -> dict[str, list[bytes]]:
        """Encode all frames of all channels that have a codec, side by side."""
        encoded = {name: [b""] * len(columns[name]) for name in self._encoded}
        seconds: list[float] = []

        def encode(place: tuple[str, int]) -> None:
            name, number = place
            writer = self._writers[name]
            assert isinstance(writer, EncodedWriter)
            begin = time.thread_time()
            with _naming(name):
                (encoded[name][number],) = writer.encode(columns[name][number][None])
            seconds.append(time.thread_time() - begin)

        for_each(encode, [(name, i) for name in encoded for i in range(len(encoded[name]))])
        self.encode_seconds += sum(seconds)
        return encoded

    def _write_channel(
        self, name: str, frames: Sequence[NDArray[Any]], encoded: list[bytes] | None
    ) -> None:
        writer, channel = self._writers[name], self._channels[name]
        if encoded is not None:
            assert isinstance(writer, EncodedWriter)
            writer.add_encoded(encoded)
            self.size += sum(map(len, encoded))
            return
        array = frames[0][None] if len(frames) == 1 else np.stack(frames)
        if isinstance(channel, RawChannel) or not isinstance(channel, SingleFileChannel):
            writer.add(array)
            self.size += array.nbytes
            return
        before, begin = channel.filesize, time.thread_time()
        writer.add(array)
        self.encode_seconds += time.thread_time() - begin
        self.size += channel.filesize - before

    def sync(self) -> None:
        """Make what was written survive a loss of power; another thread may do so.

        Raises:
            ChannelError: it was not possible in one of the channels.
        """
        for name, writer in self._writers.items():
            with _naming(name):
                writer.sync()

    def close(self) -> None:
        """Complete and close all files.

        Raises:
            ChannelError: the first thing that went wrong; all the same, all others are closed.
        """
        failure: ChannelError | None = None
        for name, writer in self._writers.items():
            try:
                with _naming(name):
                    writer.close()
            except ChannelError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """Close all files after an error, and cut them to one length, as well as that goes."""
        with contextlib.suppress(ChannelError):
            self.close()
        for channel in self._channels.values():
            # Where the disk is full or the folder gone, readers still go by the shortest channel.
            with contextlib.suppress(Exception):
                channel.cut(self.count, _keep_nothing)
                if channel.has_checksums:
                    channel.checksums.append_to(self.count).close()


def _open(channel: Channel, append: bool, fps: float | None) -> Writer:
    if isinstance(channel, VideoChannel) and fps is not None:
        return channel.open_writer(append, fps)
    return channel.open_writer(append)


def _keep_nothing(path: str, offset: int) -> None:
    """What is cut was never reported as recorded."""
    del path, offset
