"""`lzma` and `lzmaf` against the standard library and the program `xz`."""

import itertools
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roverd.channels import Channel, LzmaChannel, LzmaFrameChannel, from_config
from support.channels import BY_NAME, Array, Case, decodable, stream_ends, values

LZMA, LZMAF = BY_NAME["lzma"], BY_NAME["lzmaf"]
COUNT = 9

needs_xz = pytest.mark.skipif(shutil.which("xz") is None, reason="the program xz is not installed")


def xz(*arguments: str, data: bytes) -> bytes:
    return subprocess.run(["xz", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def open_solid(tmp_path: Path, data: bytes) -> Channel:
    (tmp_path / "solid").write_bytes(data)
    return LZMA.open(str(tmp_path / "solid"))


def open_frames(tmp_path: Path, frames: list[bytes], index: bytes | None) -> Channel:
    (tmp_path / "frames").write_bytes(b"".join(frames))
    (tmp_path / "frames_i").unlink(missing_ok=True)
    if index is not None:
        (tmp_path / "frames_i").write_bytes(index)
    return LZMAF.open(str(tmp_path / "frames"))


def offsets(frames: list[bytes]) -> Array:
    return np.cumsum([0, *map(len, frames)]).astype("<u8")


def check_random_and_in_sequence(channel: Channel, frames: Array) -> None:
    assert len(channel) == len(frames)
    np.testing.assert_array_equal(channel.read(), frames)
    for number in np.random.default_rng(1).permutation(len(frames)):
        np.testing.assert_array_equal(channel[number][0], frames[number])
    np.testing.assert_array_equal(channel[::-2], frames[::-2])
    np.testing.assert_array_equal(np.stack(list(channel.stream())), frames)


# ── what we write ────────────────────────────────────────────────────────────────────────────────


def written(channel: Channel) -> bytes:
    channel.write(LZMA.upto(4))
    channel.write(LZMA.upto(3, 4), append=True)
    channel.consume(iter(LZMA.upto(2, 7)), append=True)
    return Path(channel.path).read_bytes()


@pytest.mark.parametrize("case", [LZMA, LZMAF], ids=str)
def test_the_standard_library_reads_what_is_written(case: Case, tmp_path: Path) -> None:
    channel = case.open(str(tmp_path / "x"))
    assert lzma.decompress(written(channel)) == LZMA.upto(COUNT).tobytes()


@needs_xz
@pytest.mark.parametrize("case", [LZMA, LZMAF], ids=str)
def test_xz_reads_what_is_written(case: Case, tmp_path: Path) -> None:
    data = written(case.open(str(tmp_path / "x")))
    assert xz("-dc", data=data) == LZMA.upto(COUNT).tobytes()
    xz("--test", "-c", data=data)


def test_each_frame_is_a_stream_between_two_offsets(tmp_path: Path) -> None:
    channel = LZMAF.open(str(tmp_path / "x"))
    data = written(channel)
    index = np.frombuffer(Path(f"{channel.path}_i").read_bytes(), "<u8")
    assert index[0] == 0
    assert index[1:].tolist() == stream_ends(data)
    for number, frame in enumerate(LZMAF.upto(COUNT)):
        piece = data[int(index[number]) : int(index[number + 1])]
        assert lzma.decompress(piece) == frame.tobytes()


def test_no_frames_leave_the_offset_0(tmp_path: Path) -> None:
    channel = LZMAF.open(str(tmp_path / "x"))
    for write in (lambda: channel.write(LZMAF.upto(0)), lambda: channel.consume(iter(()))):
        write()
        assert Path(f"{channel.path}_i").read_bytes() == bytes(8)
        assert Path(channel.path).read_bytes() == b""


def test_presets_make_streams_that_are_read_alike(tmp_path: Path) -> None:
    frames = np.zeros((4, 3, 5), "<i2")
    channel = LzmaFrameChannel(tmp_path / "x", "i2", (3, 5))
    for preset in (0, 3, 9):
        channel.write(frames, preset=preset)
        np.testing.assert_array_equal(channel.read(), frames)
        channel.consume(iter(frames), preset=preset, append=True)
        np.testing.assert_array_equal(channel.read(), np.zeros((8, 3, 5), "<i2"))


# ── what others write ────────────────────────────────────────────────────────────────────────────

CHECKS = {
    "none": lzma.CHECK_NONE,
    "crc32": lzma.CHECK_CRC32,
    "crc64": lzma.CHECK_CRC64,
    "sha256": lzma.CHECK_SHA256,
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("preset", [0, 6])
def test_streams_of_the_standard_library(check: str, preset: int, tmp_path: Path) -> None:
    def compress(data: bytes) -> bytes:
        return lzma.compress(data, check=CHECKS[check], preset=preset)

    frames = LZMA.upto(COUNT)
    solid = open_solid(tmp_path, compress(frames.tobytes()))
    check_random_and_in_sequence(solid, frames)
    streams = [compress(frame.tobytes()) for frame in frames]
    for index in (offsets(streams).tobytes(), None):
        check_random_and_in_sequence(open_frames(tmp_path, streams, index), frames)
    solid.write(LZMA.upto(2, COUNT), append=True)
    check_random_and_in_sequence(solid, LZMA.upto(COUNT + 2))


def test_streams_that_divide_frames_anywhere(tmp_path: Path) -> None:
    frames = LZMA.upto(COUNT)
    data = frames.tobytes()
    cuts = [0, 1, 30, 31, 95, 95, 200, len(data)]
    pieces = [data[start:stop] for start, stop in itertools.pairwise(cuts)]
    solid = open_solid(tmp_path, b"".join(map(lzma.compress, pieces)))
    check_random_and_in_sequence(solid, frames)


@pytest.mark.parametrize("padding", [4, 8, 400])
def test_padding_between_and_after_streams(padding: int, tmp_path: Path) -> None:
    frames = LZMA.upto(COUNT)
    streams = [lzma.compress(frames[:4].tobytes()), lzma.compress(frames[4:].tobytes())]
    solid = open_solid(tmp_path, b"".join(stream + bytes(padding) for stream in streams))
    check_random_and_in_sequence(solid, frames)
    solid.write(LZMA.upto(1, COUNT), append=True)
    check_random_and_in_sequence(solid, LZMA.upto(COUNT + 1))


@needs_xz
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "how", ["-0", "-T2 --block-size=4KiB -1", "--delta=dist=2 --lzma2=preset=0", "--x86 --lzma2"]
)
def test_files_of_the_program_xz(check: str, how: str, tmp_path: Path) -> None:
    frames = values(range(40), "<i2", (16, 32))
    data = xz("-c", f"--check={check}", *how.split(), data=frames.tobytes())
    (tmp_path / "x").write_bytes(data)
    check_random_and_in_sequence(LzmaChannel(tmp_path / "x", "i2", (16, 32)), frames)


@needs_xz
def test_a_stream_of_many_blocks_cut_anywhere(tmp_path: Path) -> None:
    frames = values(range(40), "<i2", (16, 32))
    whole = xz("-c", "-T2", "--block-size=4KiB", "-0", data=frames.tobytes())
    channel = LzmaChannel(tmp_path / "x", "i2", (16, 32))
    for cut in [*range(0, len(whole), 499), *range(len(whole) - 24, len(whole))]:
        (tmp_path / "x").write_bytes(whole[:cut])
        left = len(decodable(whole[:cut])) // channel.size
        np.testing.assert_array_equal(channel.read(), frames[:left])


def test_frames_larger_than_a_chunk_cut_anywhere(tmp_path: Path) -> None:
    smooth = np.cumsum(values(range(6), "i1", (128, 512)), axis=2, dtype="i2")
    whole = lzma.compress(smooth.tobytes(), preset=0)
    channel = LzmaChannel(tmp_path / "x", "i2", (128, 512))
    noise = np.random.default_rng(2)
    for cut in [len(whole), len(whole) - 1, *noise.integers(0, len(whole), 8)]:
        (tmp_path / "x").write_bytes(whole[: int(cut)])
        left = len(decodable(whole[: int(cut)])) // channel.size
        np.testing.assert_array_equal(channel.read(), smooth[:left])
        assert len(list(channel.stream())) == left


def test_ready_made_streams_are_kept_as_they_are(tmp_path: Path) -> None:
    channel = LzmaChannel(tmp_path / "x", "<i2", LZMA.shape)
    first, second = (lzma.compress(frames.tobytes()) for frames in (LZMA.upto(3), LZMA.upto(2, 3)))
    channel.write(first)
    channel.write(bytearray(second), append=True)
    assert Path(channel.path).read_bytes() == first + second
    check_random_and_in_sequence(channel, LZMA.upto(5))
    for wrong in (first[:-1], first + b"rest", lzma.compress(b"12345"), b"12345"):
        for append in (False, True):
            with pytest.raises(ValueError, match="expected"):
                channel.write(wrong, append=append)
    assert Path(channel.path).read_bytes() == first + second


# ── the index of lzmaf ───────────────────────────────────────────────────────────────────────────

Mend = Callable[[Array], bytes]
INDICES: dict[str, Mend | None] = {
    "as it should be": lambda index: index.tobytes(),
    "missing": None,
    "empty": lambda index: b"",
    "only the first": lambda index: index[:1].tobytes(),
    "short by one": lambda index: index[:-1].tobytes(),
    "short by many": lambda index: index[:3].tobytes(),
    "torn": lambda index: index.tobytes()[:-3],
    "torn within the first": lambda index: b"\0\0\0",
    "long by one": lambda index: np.append(index, index[-1] + 60).tobytes(),
    "long by many": lambda index: np.append(index, index[-1] + np.arange(1, 9) * 50).tobytes(),
    "followed by zeros": lambda index: index.tobytes() + bytes(800),
    "zeros": lambda index: bytes(len(index.tobytes())),
    "noise": lambda index: np.random.default_rng(3).bytes(len(index) * 8),
    "text": lambda index: b"these are no offsets at all, in any way you look at it",
    "descending": lambda index: index[::-1].tobytes(),
    "descending in the end": lambda index: np.append(index[:-2], index[-2:][::-1]).tobytes(),
    "twice the same": lambda index: np.append(index[:4], index[3]).tobytes(),
    "past the end": lambda index: np.append(index[:-1], index[-1] + 1).tobytes(),
    "2**63": lambda index: np.append(index, np.uint64(2**63)).tobytes(),
    "2**64 - 1 in the middle": lambda index: np.where(
        np.arange(len(index)) == 4, np.uint64(2**64 - 1), index
    ).tobytes(),
    "not from 0 on": lambda index: index[1:].tobytes(),
    "another file's": lambda index: (np.arange(len(index)) * 17).astype("<u8").tobytes(),
}


@pytest.mark.parametrize("name", INDICES)
def test_whatever_the_index_is_like_all_frames_of_the_data_are_read(
    name: str, tmp_path: Path
) -> None:
    frames = LZMAF.upto(COUNT)
    streams = [lzma.compress(frame.tobytes()) for frame in frames]
    mend = INDICES[name]
    channel = open_frames(tmp_path, streams, None if mend is None else mend(offsets(streams)))
    check_random_and_in_sequence(channel, frames)
    channel.write(LZMAF.upto(2, COUNT), append=True)
    check_random_and_in_sequence(channel, LZMAF.upto(COUNT + 2))
    index = np.frombuffer(Path(f"{channel.path}_i").read_bytes(), "<u8")
    assert index[1:].tolist() == stream_ends(Path(channel.path).read_bytes())


@pytest.mark.parametrize("lost", [1, 20, 100, 500])
@pytest.mark.parametrize("index_too", [False, True])
def test_data_that_is_shorter_than_the_index(lost: int, index_too: bool, tmp_path: Path) -> None:
    streams = [lzma.compress(frame.tobytes()) for frame in LZMAF.upto(COUNT)]
    index = offsets(streams)
    channel = open_frames(tmp_path, streams, (index[:-1] if index_too else index).tobytes())
    data = b"".join(streams)[:-lost]
    os.truncate(channel.path, len(data))
    check_random_and_in_sequence(channel, LZMAF.upto(len(stream_ends(data))))


def test_an_index_without_data_names_the_data(tmp_path: Path) -> None:
    channel = open_frames(tmp_path, [], np.array([0, 10], "<u8").tobytes())
    os.unlink(channel.path)
    with pytest.raises(FileNotFoundError, match="frames"):
        channel.read()
    (tmp_path / "frames").write_bytes(b"")
    assert len(channel) == 0


@pytest.mark.parametrize("blocks", [False, True])
def test_one_stream_of_all_frames_is_said_to_be_lzma(blocks: bool, tmp_path: Path) -> None:
    data = lzma.compress(LZMAF.upto(COUNT).tobytes())
    channel = open_frames(tmp_path, [data] * (2 if blocks else 1), None)
    for read in (channel.read, lambda: channel[0], lambda: next(iter(channel.stream()))):
        with pytest.raises(ValueError, match=r"'lzma'.*meta\.json") as caught:
            read()
        assert channel.path in str(caught.value)
    mended = from_config(channel.path, "lzma", "i2", LZMA.shape)
    assert len(mended) == COUNT * (2 if blocks else 1)


def test_a_long_mislabelled_file_is_recognised_though_it_is_cut_off(tmp_path: Path) -> None:
    data = lzma.compress(np.random.default_rng(4).bytes(30 * 10_000), preset=0)
    channel = open_frames(tmp_path, [data[:-500]], None)
    with pytest.raises(ValueError, match=r"'lzma'.*meta\.json"):
        channel.read()


def test_damage_in_a_stream_is_an_error_that_names_the_frame(tmp_path: Path) -> None:
    streams = [lzma.compress(frame.tobytes()) for frame in LZMAF.upto(COUNT)]
    index = offsets(streams)
    wrong = bytearray(streams[4])
    wrong[30] ^= 0x55
    channel = open_frames(tmp_path, [*streams[:4], bytes(wrong), *streams[5:]], index.tobytes())
    np.testing.assert_array_equal(channel.read(0, 4), LZMAF.upto(4))
    np.testing.assert_array_equal(channel.read(5), LZMAF.upto(4, 5))
    for read in (channel.read, lambda: channel[4], lambda: channel[2:7:2]):
        with pytest.raises(ValueError, match="frame 4") as caught:
            read()
        assert channel.path in str(caught.value)


def test_every_flipped_byte_of_a_solid_file_is_seen_or_harmless(tmp_path: Path) -> None:
    frames = LZMA.upto(4)
    data = lzma.compress(frames.tobytes())
    channel = open_solid(tmp_path, data)
    for position in range(len(data)):
        wrong = bytearray(data)
        wrong[position] ^= 0x41
        Path(channel.path).write_bytes(wrong)
        try:
            got = LZMA.open(channel.path).read()
        except ValueError as error:
            assert "solid" in str(error)
        else:
            np.testing.assert_array_equal(got, frames[: len(got)])
