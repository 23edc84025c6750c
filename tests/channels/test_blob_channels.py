"""Blob folders: names, gaps, `length`, atomicity, and blob types of a user's own."""

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.channels import CHANNEL_TYPES, JPEGBlobChannel, NPZBlobChannel, from_config
from roverd.channels.abstract import BlobChannel
from roverd.errors import RoverdWarning
from support.channels import CASES, Array, Case, values

BLOBS = [case for case in CASES if case.folder]
SHAPE = (3, 5)


class TextBlobs(BlobChannel):
    """A user's own type: only what API.md asks for."""

    def _read_blob(self, index: int) -> Array:
        return np.loadtxt(f"{self._filename(index)}.txt", dtype=self.type, ndmin=2)

    def _write_blob(self, index: int, data: Array) -> None:
        np.savetxt(f"{self._filename(index)}.txt", data, fmt="%d")


class DyingBlobs(TextBlobs):
    """Dies halfway through frame 3."""

    def _write_blob(self, index: int, data: Array) -> None:
        if index == 3:
            with open(f"{self._filename(index)}.txt", "w", encoding="utf-8") as file:
                file.write("1 2")
            raise OSError(28, "no space left", self.path)
        super()._write_blob(index, data)


def text(tmp_path: Path, kind: type[BlobChannel] = TextBlobs, **options: Any) -> BlobChannel:
    return kind(tmp_path / "x", "<i2", SHAPE, **options)


def frames(count: int, first: int = 0) -> Array:
    return values(range(first, first + count), "<i2", SHAPE)


# ── a user's own type ────────────────────────────────────────────────────────────────────────────


def test_a_blob_type_of_two_methods_does_all_that_a_channel_does(tmp_path: Path) -> None:
    channel = text(tmp_path)
    assert len(channel) == 0
    channel.write(np.asfortranarray(frames(5).astype(">i2")))
    channel.write(frames(2, 5), append=True)
    channel.consume(iter(frames(3, 7)), append=True)
    assert sorted(os.listdir(channel.path)) == [f"{number:06d}.txt" for number in range(10)]
    np.testing.assert_array_equal(channel.read(), frames(10))
    np.testing.assert_array_equal(channel[-1], frames(1, 9))
    np.testing.assert_array_equal(channel[::-3], frames(10)[::-3])
    np.testing.assert_array_equal(np.stack(list(channel.stream())), frames(10))
    np.testing.assert_array_equal(
        np.concatenate(list(channel.stream_prefetch(batch=3))), frames(10)
    )
    np.testing.assert_array_equal(
        np.loadtxt(tmp_path / "x" / "000007.txt", dtype="<i2"), frames(1, 7)[0]
    )
    assert channel.filesize == sum(path.stat().st_size for path in (tmp_path / "x").iterdir())
    channel.consume(iter(frames(2)))
    assert sorted(os.listdir(channel.path)) == ["000000.txt", "000001.txt"]
    for wrong in (frames(1).astype("f8"), frames(1)[0], frames(1).tobytes()):
        with pytest.raises(ValueError, match="expected"):
            channel.write(wrong)
    np.testing.assert_array_equal(channel.read(), frames(2))


def test_a_blob_type_of_ones_own_can_be_registered_and_pickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHANNEL_TYPES, "text", TextBlobs)
    channel = from_config(tmp_path / "x", "text", "<i2", SHAPE, args={"workers": 2, "length": 3})
    assert isinstance(channel, TextBlobs)
    channel.write(frames(3))
    like = channel.open_like(tmp_path / "y")
    assert (like.workers, like.length) == (2, 3)


def test_a_blob_of_another_shape_or_type_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    channel = text(tmp_path)
    channel.write(frames(3))
    (tmp_path / "x" / "000001.txt").write_text("1 2 3\n", encoding="utf-8")
    for read in (channel.read, lambda: channel[1], lambda: list(channel.stream())):
        with pytest.raises(ValueError, match="000001"):
            read()
    np.testing.assert_array_equal(channel[2], frames(1, 2))


def test_what_a_blob_raises_reaches_the_caller(tmp_path: Path) -> None:
    class Broken(TextBlobs):
        """Cannot read frame 2."""

        def _read_blob(self, index: int) -> Array:
            if index == 2:
                raise ZeroDivisionError("frame 2")
            return super()._read_blob(index)

    channel = text(tmp_path, Broken)
    channel.write(frames(6))
    np.testing.assert_array_equal(channel[3:], frames(3, 3))
    with pytest.raises(ZeroDivisionError, match="frame 2"):
        channel.read()


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_no_more_than_workers_frames_are_worked_on_at_a_time(workers: int, tmp_path: Path) -> None:
    lock = threading.Lock()
    now: list[int] = []
    most: list[int] = []

    class Counting(TextBlobs):
        """Notes how many frames are worked on."""

        def _read_blob(self, index: int) -> Array:
            with lock:
                now.append(index)
                most.append(len(now))
            try:
                return super()._read_blob(index)
            finally:
                with lock:
                    now.remove(index)

    channel = text(tmp_path, Counting, workers=workers)
    channel.write(frames(40))
    np.testing.assert_array_equal(channel.read(), frames(40))
    assert max(most) <= workers


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_are_at_least_one(workers: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers"):
        text(tmp_path, workers=workers)


# ── atomicity ────────────────────────────────────────────────────────────────────────────────────


def test_a_write_that_dies_midway_leaves_no_frame_of_it(tmp_path: Path) -> None:
    channel = text(tmp_path, DyingBlobs)
    for write in (
        lambda: channel.write(frames(6)),
        lambda: channel.write(frames(6), append=True),
        lambda: channel.consume(iter(frames(6))),
    ):
        with pytest.raises(OSError, match="no space left"):
            write()
        there = len(channel)
        assert there <= 3
        np.testing.assert_array_equal(channel.read(), frames(there))
        assert not (tmp_path / "x" / "000003.txt").exists()
        assert len(os.listdir(tmp_path / "x")) == there
    text(tmp_path).write(frames(2, 50))
    with pytest.raises(OSError, match="no space left"):
        channel.write(frames(6))
    np.testing.assert_array_equal(channel.read(), frames(2, 50))


def test_a_process_that_is_gone_midway_leaves_whole_frames_only(tmp_path: Path) -> None:
    script = """
import os, sys
import numpy as np
from roverd.channels.abstract import BlobChannel

class Gone(BlobChannel):
    def _read_blob(self, index):
        raise NotImplementedError
    def _write_blob(self, index, data):
        with open(f"{self._filename(index)}.txt", "w") as file:
            file.write("7 7 7 7 7\\n")
            if index == 3:
                file.flush()
                os._exit(9)
            file.write("7 7 7 7 7\\n7 7 7 7 7\\n")

def slowly():
    for number in range(6):
        yield np.full((3, 5), 7, "<i2")

Gone(sys.argv[1], "<i2", (3, 5), workers=1).consume(slowly())
"""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x")],
        env=os.environ | {"PYTHONPATH": path},
        timeout=60,
        check=False,
    )
    assert process.returncode == 9
    channel = text(tmp_path)
    assert len(channel) <= 3
    np.testing.assert_array_equal(channel.read(), np.full((len(channel), *SHAPE), 7))
    channel.write(frames(2), append=True)
    np.testing.assert_array_equal(channel[-2:], frames(2))


# ── names ────────────────────────────────────────────────────────────────────────────────────────

OTHER_NAMES = [
    "000003{0}.bak",
    "000003{0}.tmp",
    "0000003{0}",
    "-00003{0}",
    "-000003{0}",
    "+00003{0}",
    "00003{0}",
    "3{0}",
    " 00003{0}",
    "00_003{0}",
    "00000३{0}",
    "000003",
    "000003.other",
    "000003{0}{0}",
    ".000003{0}",
    "000003{0} ",
    "000003{1}",
    "x000003{0}",
    "radar.json",
]


@pytest.mark.parametrize("case", BLOBS, ids=str)
def test_other_names_are_ignored_and_left_alone(case: Case, tmp_path: Path) -> None:
    channel = case.open(str(tmp_path / "x"))
    channel.write(case.upto(3))
    size = channel.filesize
    ending = f".{case.format}"
    others = [name.format(ending, ending.upper()) for name in OTHER_NAMES]
    for name in others:
        (tmp_path / "x" / name).write_bytes(b"not a frame")
    (tmp_path / "x" / "folder").mkdir()
    assert len(channel) == len(case.open(channel.path)) == 3
    assert channel.filesize == size
    case.check(channel.read(), case.upto(3))
    with pytest.raises(IndexError):
        channel[3]
    channel.write(case.upto(1, 3), append=True)
    case.check(channel.read(), case.upto(4))
    channel.write(case.upto(1))
    case.check(channel.read(), case.upto(1))
    for name in others:
        assert (tmp_path / "x" / name).read_bytes() == b"not a frame"


@pytest.mark.parametrize("case", BLOBS, ids=str)
def test_a_gap_ends_the_channel_and_is_reported(case: Case, tmp_path: Path) -> None:
    channel = case.open(str(tmp_path / "x"))
    channel.write(case.upto(8))
    os.unlink(tmp_path / "x" / f"000005.{case.format}")
    for each in (channel, case.open(channel.path)):
        with pytest.warns(RoverdWarning, match="number 5 is missing, though 6 is there") as told:
            assert len(each) == 5
        assert len(told) == 1
        case.check(each.read(), case.upto(5))
        for beyond in (5, 6, 7):
            with pytest.raises(IndexError, match=r"\b5\b.*\b6\b"):
                each[beyond]
        assert len(list(each.stream())) == 5
    before = sorted(os.listdir(channel.path))
    for add in (
        lambda: channel.write(case.upto(1), append=True),
        lambda: channel.consume(iter(case.upto(1)), append=True),
    ):
        with pytest.raises(ValueError, match=r"\b5\b.*\b6\b"):
            add()
    assert sorted(os.listdir(channel.path)) == before
    channel.write(case.upto(2))
    assert len(os.listdir(channel.path)) == 2
    case.check(channel.read(), case.upto(2))


@pytest.mark.parametrize("case", BLOBS, ids=str)
def test_a_folder_that_does_not_begin_at_0_holds_no_frames(case: Case, tmp_path: Path) -> None:
    channel = case.open(str(tmp_path / "x"))
    channel.write(case.upto(2))
    os.unlink(tmp_path / "x" / f"000000.{case.format}")
    with pytest.warns(RoverdWarning, match="number 0 is missing, though 1 is there"):
        assert len(channel) == 0
    with pytest.raises(IndexError, match=r"\b0\b.*\b1\b"):
        channel[0]


def test_numbers_grow_past_six_digits(tmp_path: Path) -> None:
    channel = text(tmp_path)
    assert [os.path.basename(channel._filename(number)) for number in (0, 999999, 1000000)] == [
        "000000",
        "999999",
        "1000000",
    ]


@pytest.mark.parametrize("kind", [NPZBlobChannel, JPEGBlobChannel])
def test_frames_past_a_million_are_read(kind: Any, tmp_path: Path) -> None:
    case = next(case for case in BLOBS if CHANNEL_TYPES[case.format] is kind)
    first = case.open(str(tmp_path / "first"))
    first.write(case.upto(3))
    (tmp_path / "x").mkdir()
    numbers = [999_999, 1_000_000, 1_000_001]
    for position, number in enumerate(numbers):
        os.rename(
            tmp_path / "first" / f"{position:06d}.{case.format}",
            tmp_path / "x" / f"{number}.{case.format}",
        )
    channel = kind(tmp_path / "x", case.dtype, case.shape, length=1_000_002)
    case.check(channel.read(999_999), case.upto(3))
    case.check(channel[np.uint32(1_000_000)], case.upto(1, 1))
    with pytest.raises(FileNotFoundError, match="999998"):
        channel[999_998]


# ── length ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", BLOBS, ids=str)
def test_length_is_taken_at_its_word(case: Case, tmp_path: Path) -> None:
    case.open(str(tmp_path / "x")).write(case.upto(5))

    def told(length: int) -> Any:
        arguments = {**case.args, "length": length}
        return CHANNEL_TYPES[case.format](tmp_path / "x", case.dtype, case.shape, **arguments)

    assert len(told(3)) == 3
    case.check(told(3).read(), case.upto(3))
    with pytest.raises(IndexError):
        told(3)[3]
    assert len(told(0)) == 0
    assert len(told(7)) == 7
    case.check(told(7).read(0, 5), case.upto(5))
    for read in (lambda: told(7).read(), lambda: told(7)[5], lambda: list(told(7).stream())):
        with pytest.raises(FileNotFoundError, match=r"00000[56]"):
            read()
    assert pickle.loads(pickle.dumps(told(3))).length == 3  # noqa: S301 - our own
    with pytest.raises(ValueError, match="length"):
        told(-1)
