"""What a loss of power may leave of files that were not all on the disk yet."""

import lzma
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.mending import (
    KINDS,
    RATE,
    add_sums,
    contents,
    expect_all_kept,
    expect_mended,
    expect_sound,
    make,
    mend,
    write_log,
)
from roverd.formats.avi import AviWriter
from support.avi import MemoryFile
from support.channels import INDEXED, avi_chunks
from support.traces import Recorded, stored_frames

COUNT = 9
FILES = ("ts", "raw", "lzma", *INDEXED, *(f"{kind}_i" for kind in INDEXED), "mjpg")
SUMS = tuple(f"{kind}_x" for kind in ("ts", *KINDS))


def being_written(folder: Path) -> Recorded:
    """A sensor that is being recorded: the video has no index, the solid file a stream a frame."""
    made = make(folder, KINDS, COUNT)
    add_sums(made)
    jpegs = stored_frames(made.path, "mjpg", "mjpg")
    height, width = made.frames["mjpg"].shape[1:3]
    video, writer = MemoryFile(), AviWriter(width, height, RATE)
    video.apply(writer.start())
    for jpeg in jpegs:
        video.apply(writer.add(jpeg))
    (made.path / "mjpg").write_bytes(video.data)
    frames = [lzma.compress(frame.tobytes()) for frame in made.frames["lzma"]]
    (made.path / "lzma").write_bytes(b"".join(frames))
    write_log(folder, "start")
    return made


def ends(made: Recorded, file: str) -> list[int]:
    """Where each frame ends in a file."""
    data = (made.path / file).read_bytes()
    match file:
        case "lzmaf" | "pcof" | "zstdf":
            return np.fromfile(made.path / f"{file}_i", "<u8")[1:].tolist()
        case "lzmaf_i" | "pcof_i" | "zstdf_i":
            return [8 * number + 16 for number in range(COUNT)]
        case "mjpg":
            return [offset + size + size % 2 for offset, size in avi_chunks(data)]
        case "lzma":
            starts = [at for at in range(len(data)) if data.startswith(b"\xfd7zXZ\0", at)]
            return [*starts[1:], len(data)]
        case _:
            return [len(data) // COUNT * (number + 1) for number in range(COUNT)]


def spoilt(data: bytes, safe: int, how: str, begin: float, length: float) -> bytes:
    """A file of which all behind the first bytes may or may not have been written."""
    at = safe + round(begin * (len(data) - safe))
    end = at + round(length * (len(data) - at))
    match how:
        case "cut":
            return data[:at]
        case "zeros to the end":
            return data[:at] + bytes(len(data) - at)
        case "hole":
            return data[:at] + bytes(end - at) + data[end:]
        case _:
            return data


HOW = st.tuples(
    st.sampled_from(["there", "cut", "zeros to the end", "hole"]),
    st.floats(0, 1),
    st.floats(0, 1),
)


@settings(max_examples=40)
@given(
    safe=st.integers(1, COUNT),
    files=st.fixed_dictionaries(dict.fromkeys((*FILES, *SUMS), HOW)),
    blobs=st.lists(
        st.sampled_from(["there", "gone", "empty", "zeros", "half", "hole"]),
        min_size=2 * COUNT,
        max_size=2 * COUNT,
    ),
)
def test_all_that_was_safe_stays_and_nothing_else_is_taken_for_a_frame(
    safe: int, files: dict[str, tuple[str, float, float]], blobs: list[str]
):
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "t"
        made = being_written(trace)
        places = {file: [0, *ends(made, file)] for file in FILES}
        places |= {file: list(range(0, 8 * COUNT + 1, 8)) for file in SUMS}
        for file, (how, begin, length) in files.items():
            data = (made.path / file).read_bytes()
            (made.path / file).write_bytes(spoilt(data, places[file][safe], how, begin, length))
        for kind, states in (("npz", blobs[:COUNT]), ("jpg", blobs[COUNT:])):
            for number in range(safe, COUNT):
                spoil_blob(made.path / kind / f"{number:06d}.{kind}", states[number])
        before = contents(trace)
        report, rescued = mend(made.path)
        assert report.status in (0, 3), report.problems
        assert report.frames is not None
        assert report.frames >= safe
        expect_mended(made, report.frames)
        expect_all_kept(before, trace, rescued)
        expect_sound(made.path)
        shutil.rmtree(trace)


def spoil_blob(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "gone":
            path.unlink()
        case "empty":
            os.truncate(path, 0)
        case "zeros":
            path.write_bytes(bytes(len(data)))
        case "half":
            os.truncate(path, len(data) // 2)
        case "hole":
            middle = len(data) // 2
            path.write_bytes(data[:middle] + bytes(64) + data[middle + 64 :])
        case _:
            pass
