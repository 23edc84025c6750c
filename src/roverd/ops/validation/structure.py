"""Checks of channels' files that need no frame: sizes, indexes, containers.

Each function gets a channel whose data is there and could be opened, and its layout.
"""

import contextlib

import numpy as np

from roverd.channels import Channel, LzmaChannel, RawChannel, VideoChannel
from roverd.channels.abstract import BlobChannel
from roverd.channels.frame_streams import FrameStreamChannel
from roverd.channels.layouts import EmptyLayout, Layout
from roverd.channels.solid import SolidIndex, SolidLayout
from roverd.errors import CorruptFileError
from roverd.formats import avi, xz
from roverd.ops.validation.report import Findings
from roverd.recovery.leftovers import leftovers
from roverd.storage import storage_for


def check_structure(channel: Channel, layout: Layout, findings: Findings, deep: bool) -> None:
    """Check the files of a channel without reading frames.

    Args:
        channel: the channel.
        layout: its frames, as they are now.
        findings: takes the problems.
        deep: whether indexes are compared with all of the data, too.
    """
    if isinstance(channel, BlobChannel):
        _check_blobs(channel, findings)
    elif isinstance(channel, RawChannel):
        _check_raw(channel, findings)
    elif isinstance(channel, LzmaChannel) and isinstance(layout, SolidLayout):
        _check_solid(channel, layout, findings)
    elif isinstance(channel, FrameStreamChannel):
        _check_offsets(channel, findings, deep)
    elif isinstance(channel, VideoChannel):
        _check_avi(channel, layout, findings, deep)
    elif layout.note:
        findings.add("torn-tail", channel.path, f"expected whole frames only, found {layout.note}")


def check_temporaries(folder: str, findings: Findings) -> None:
    """Look for what a program left behind that died while it wrote."""
    for name in leftovers(folder):
        findings.add(
            "stray-temporary",
            f"{folder}/{name}",
            "expected no temporary files, found one that a program left behind when it died "
            "(or is just writing)",
        )


def index_of(layout: SolidLayout) -> SolidIndex:
    """What the file of a solid channel holds."""
    return layout._index  # pyright: ignore[reportPrivateUsage]


def _check_raw(channel: RawChannel, findings: Findings) -> None:
    size = storage_for(channel.path).size(channel.path) or 0
    _check_rest(channel, size, findings)


def _check_rest(channel: Channel, content: int, findings: Findings) -> None:
    """Check that the content of a file is a whole number of frames."""
    count, rest = divmod(content, channel.size)
    if rest:
        findings.add(
            "torn-tail",
            channel.path,
            f"expected whole frames of {channel.size} bytes, found {count} and {rest} bytes more",
        )


def _check_solid(channel: LzmaChannel, layout: SolidLayout, findings: Findings) -> None:
    index = index_of(layout)
    file = storage_for(channel.path).open(channel.path)
    if index.streams and not index.streams[-1].whole:
        torn = index.streams[-1]
        # Where the file ends well, it was not cut: something inside it is wrong.
        damaged = xz.stream_ending_at(file.read, file.size) is not None
        findings.add(
            "damaged" if damaged else "torn-tail",
            channel.path,
            f"expected whole xz streams, found that the one from byte {torn.offset} on is "
            f"{'damaged' if damaged else 'torn'}; {len(layout)} frames can be read",
        )
    elif index.note:
        findings.add("extra-bytes", channel.path, f"expected xz streams only, found {index.note}")
    else:
        _check_rest(channel, index.content, findings)


def _check_offsets(channel: FrameStreamChannel, findings: Findings, deep: bool) -> None:
    file, offsets = channel.find()
    count, end = len(offsets) - 1, int(offsets[-1])
    if end != file.size:
        findings.add(
            "torn-tail",
            channel.path,
            f"expected {channel.encoding}s of one frame each, found {count} and {file.size - end} "
            f"bytes from byte {end} on that are none",
        )
    _check_index_file(channel, file.size, offsets, findings)
    if not deep or not count:
        return
    ends = [0]
    with contextlib.suppress(CorruptFileError):  # reading the frames there will say so
        ends.extend(channel.walk(file, 0, end))
    same = min(len(ends), len(offsets))
    differing = np.flatnonzero(np.array(ends[:same]) != offsets[:same])
    if len(differing):
        at = int(differing[0])
        findings.add(
            "bad-index",
            channel.index_path,
            f"expected offset {at} to be {ends[at]}, where a frame of the data ends, found "
            f"{offsets[at]}",
        )


def _check_index_file(
    channel: FrameStreamChannel,
    size: int,
    offsets: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    findings: Findings,
) -> None:
    """Check the file with the offsets against those that are true as far as one can tell.

    Args:
        channel: the channel.
        size: bytes of the data.
        offsets: Int64[n + 1], where the frames begin and end.
        findings: takes the problems.
    """
    path, storage = channel.index_path, storage_for(channel.index_path)
    count = len(offsets) - 1
    if storage.size(path) is None:
        expected = f"expected the offsets of {count} frames"
        findings.add(
            "missing-index", path, f"{expected}, found no such file; frames are found from the data"
        )
        return
    stored = storage.read(path)
    if len(stored) % 8:
        findings.add(
            "torn-index",
            path,
            f"expected offsets of 8 bytes, found {len(stored) // 8} and {len(stored) % 8} bytes",
        )
    entries = np.frombuffer(stored, "<u8", len(stored) // 8)
    listed = max(0, len(entries) - 1)
    same = min(len(entries), len(offsets))
    wrong = np.flatnonzero(entries[:same] != offsets[:same].astype(np.uint64))
    falling = np.flatnonzero(entries[1:] <= entries[:-1])
    if len(entries) and entries[0] != 0:
        findings.add("bad-index", path, f"expected the first offset to be 0, found {entries[0]}")
    elif len(falling):
        at = int(falling[0]) + 1
        findings.add(
            "bad-index",
            path,
            f"expected ascending offsets, found {entries[at]} behind {entries[at - 1]} as number "
            f"{at}",
        )
    elif len(wrong):
        at = int(wrong[0])
        findings.add(
            "bad-index",
            path,
            f"expected offset {at} to be {offsets[at]}, where a frame of the data ends, found "
            f"{entries[at]}",
        )
    elif len(entries) and entries[-1] > offsets[-1]:
        findings.add(
            "long-index",
            path,
            f"expected the offsets of {count} frames, which end at byte {offsets[-1]} of {size}, "
            f"found {listed} up to byte {entries[-1]}",
        )
    elif listed < count:
        findings.add(
            "short-index",
            path,
            f"expected the offsets of the {count} frames in the data, found {listed}",
        )


def _check_avi(channel: VideoChannel, layout: Layout, findings: Findings, deep: bool) -> None:
    path = channel.path
    if isinstance(layout, EmptyLayout):
        findings.add("torn-tail", path, f"expected a video, found that {layout.note}")
        return
    file = storage_for(path).open(path)
    index = avi.read_index(file.read, file.size)
    behind = file.size - index.end
    if behind > 0:
        findings.add(
            "extra-bytes" if index.finished else "torn-tail",
            path,
            f"expected whole chunks, found {len(index)} frames and {behind} bytes from byte "
            f"{index.end} on that are none",
        )
    elif not index.finished and not _is_finished_without_frames(index):
        promised = ", ".join(map(str, sorted(index.header.promised))) or "none"
        findings.add(
            "unfinished",
            path,
            f"expected lengths, counts and an index of all {len(index)} frames, found them missing "
            f"or wrong (counts in the headers: {promised}); other programs may show fewer frames",
        )
    height, width = channel.shape[:2]
    if (index.height, index.width) != (height, width):
        findings.add(
            "shape-mismatch",
            path,
            f"expected a video of {width} × {height} pixels, as meta.json says, found one of "
            f"{index.width} × {index.height}",
        )
    if deep:
        _compare_with_walk(path, index, avi.walk_index(file.read, file.size), findings)


def _is_finished_without_frames(index: avi.AviIndex) -> bool:
    return not len(index) and index.segments[0].riff_size > 0


def _compare_with_walk(
    path: str, index: avi.AviIndex, walked: avi.AviIndex, findings: Findings
) -> None:
    same = min(len(index), len(walked))
    differing = np.flatnonzero(
        (index.offsets[:same] != walked.offsets[:same])
        | (index.sizes[:same] != walked.sizes[:same])
    )
    if len(differing) or len(index) != len(walked):
        at = int(differing[0]) if len(differing) else same
        findings.add(
            "bad-index",
            path,
            f"expected the index to list the {len(walked)} frames that the chunks lead to, found "
            f"{len(index)}; they differ from frame {at} on",
        )


def _check_blobs(channel: BlobChannel, findings: Findings) -> None:
    if gap := channel.gap():
        findings.add(
            "frame-gap",
            channel.path,
            f"expected numbers without a gap, found {gap[1]:06d} but no {gap[0]:06d}; the channel "
            f"ends before it",
        )
    check_temporaries(channel.path, findings)
