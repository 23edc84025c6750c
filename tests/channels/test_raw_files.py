"""`raw` against NumPy's own reading and writing, and past 4 GiB."""

import os
from pathlib import Path

import numpy as np
import pytest

from roverd.channels import RawChannel
from support.channels import values


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "c8", "f8"])
def test_numpy_reads_what_is_written_and_the_other_way_round(dtype: str, tmp_path: Path) -> None:
    frames = values(range(6), dtype, (2, 3))
    channel = RawChannel(tmp_path / "x", dtype, (2, 3))
    channel.write(frames.astype(np.dtype(dtype).newbyteorder(">")))
    found = np.fromfile(tmp_path / "x", np.dtype(dtype).newbyteorder("<")).reshape(6, 2, 3)
    np.testing.assert_array_equal(found, frames)
    other = values(range(10, 14), dtype, (2, 3))
    other.tofile(tmp_path / "x")
    np.testing.assert_array_equal(channel.read(), other)


def test_frames_past_4_gib(tmp_path: Path) -> None:
    channel = RawChannel(tmp_path / "x", "i2", (512, 1024))  # 1 MiB a frame
    marked = {number: values([number], "i2", (512, 1024)) for number in (0, 4095, 4096, 4097, 5000)}
    with open(channel.path, "wb") as file:
        for number, frame in marked.items():
            file.seek(number * channel.size)
            file.write(frame.tobytes())
    assert len(channel) == 5001
    assert channel.filesize == 5001 << 20
    for number, frame in marked.items():
        for kind in (int, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64):
            np.testing.assert_array_equal(channel[kind(number)], frame)
    np.testing.assert_array_equal(channel.memmap()[4096], marked[4096][0])
    np.testing.assert_array_equal(channel[-1], marked[5000])
    np.testing.assert_array_equal(channel[4097:4094:-1][1], marked[4096][0])
    np.testing.assert_array_equal(channel[0:5001:5000][1], marked[5000][0])
    channel.write(marked[0], append=True)
    np.testing.assert_array_equal(channel[5001], marked[0])
    os.truncate(channel.path, (5000 << 20) + 1)
    assert len(channel) == 5000
