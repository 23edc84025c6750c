"""Replacing the frames of a blob folder: all of the new, or all of the old. And `length`."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roverd.channels import NPZBlobChannel
from roverd.channels.abstract import BlobChannel
from roverd.storage import LocalStorage
from support.channels import Array, values

SHAPE = (3, 5)


def frames(count: int, first: int = 0) -> Array:
    return values(range(first, first + count), "<i2", SHAPE)


def folder(tmp_path: Path) -> dict[str, bytes]:
    """Everything in the channel's folder, hidden files and folders too."""
    files: dict[str, bytes] = {}
    for place, folders, names in os.walk(tmp_path / "x"):
        files.update({f"{name}/": b"" for name in folders})
        files.update({name: Path(place, name).read_bytes() for name in names})
    return files


@pytest.fixture
def break_move(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Have the k-th move raise, once; gives the list of the moves made."""
    plain = LocalStorage.move

    def arm(wanted: int, error: BaseException, after: bool) -> list[int]:
        calls: list[int] = []

        def move(self: LocalStorage, source: str, target: str) -> None:
            calls.append(len(calls))
            if calls[-1] != wanted:
                plain(self, source, target)
                return
            if after:
                plain(self, source, target)
            raise error

        monkeypatch.setattr(LocalStorage, "move", move)
        return calls

    return arm


@pytest.mark.parametrize("error", [OSError(28, "no space left"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("after", [False, True], ids=["before the move", "after the move"])
@pytest.mark.parametrize("old, new", [(5, 3), (3, 5), (4, 4), (0, 3), (1, 1)])
def test_a_replacement_that_fails_anywhere_leaves_exactly_the_old_frames(
    error: BaseException, after: bool, old: int, new: int, tmp_path: Path, break_move
) -> None:
    channel = NPZBlobChannel(tmp_path / "x", "<i2", SHAPE)
    break_move(-1, error, after)
    channel.write(frames(old))
    # Numbers for names, but no frames of this channel: none of its business.
    (tmp_path / "x" / "000001.json").write_text("{}", encoding="utf-8")
    (tmp_path / "x" / "000002").write_text("a note", encoding="utf-8")
    before = folder(tmp_path)
    for position in range(old + new):
        break_move(position, error, after)
        with pytest.raises(type(error)):
            channel.write(frames(new, 100))
        assert folder(tmp_path) == before
        np.testing.assert_array_equal(channel.read(), frames(old))
    calls = break_move(old + new, error, after)
    channel.write(frames(new, 100))
    assert len(calls) == old + new
    np.testing.assert_array_equal(channel.read(), frames(new, 100))
    names = {f"{number:06d}.npz" for number in range(new)} | {"000001.json", "000002"}
    assert set(folder(tmp_path)) == names


class Versioned(BlobChannel):
    """A user's type whose extension has a dot in it."""

    extension = ".v1.npy"

    def _read_blob(self, index: int) -> Array:
        return np.load(f"{self._filename(index)}.v1.npy")

    def _write_blob(self, index: int, data: Array) -> None:
        np.save(f"{self._filename(index)}.v1.npy", data)


class Unnamed(Versioned):
    """The same, and it does not say which extension it has."""

    extension = None


@pytest.mark.parametrize("kind", [Versioned, Unnamed])
def test_an_extension_may_have_a_dot_in_it(kind: type[BlobChannel], tmp_path: Path) -> None:
    channel = kind(tmp_path / "x", "<i2", SHAPE)
    channel.write(frames(3))
    assert len(channel) == len(kind(tmp_path / "x", "<i2", SHAPE)) == 3
    channel.write(frames(2, 3), append=True)
    channel.consume(iter(frames(1, 5)), append=True)
    np.testing.assert_array_equal(channel.read(), frames(6))
    assert channel.filesize == sum(map(len, folder(tmp_path).values())) > 6 * channel.size
    channel.write(frames(2, 50))
    assert sorted(folder(tmp_path)) == ["000000.v1.npy", "000001.v1.npy"]
    np.testing.assert_array_equal(channel.read(), frames(2, 50))


def test_a_length_that_was_told_follows_what_is_written(tmp_path: Path, break_move) -> None:
    NPZBlobChannel(tmp_path / "x", "<i2", SHAPE).write(frames(3))
    channel = NPZBlobChannel(tmp_path / "x", "<i2", SHAPE, length=3)
    channel.write(frames(2, 3), append=True)
    assert (len(channel), channel.length) == (5, 5)
    np.testing.assert_array_equal(channel.read(), frames(5))
    channel.consume(iter(frames(1, 5)), append=True)
    np.testing.assert_array_equal(channel.read(), frames(6))
    break_move(4, OSError(28, "no space left"), False)
    with pytest.raises(OSError, match="no space left"):
        channel.write(frames(2, 50))
    np.testing.assert_array_equal(channel.read(), frames(6))
    break_move(-1, OSError(), False)
    channel.write(frames(2, 50))
    assert (len(channel), channel.length) == (2, 2)
    np.testing.assert_array_equal(channel.read(), frames(2, 50))
    channel.consume(iter(frames(4, 60)))
    np.testing.assert_array_equal(channel.read(), frames(4, 60))
    channel.consume(iter(frames(0)))
    assert len(channel) == 0


def test_a_length_that_is_not_told_stays_counted(tmp_path: Path) -> None:
    channel = NPZBlobChannel(tmp_path / "x", "<i2", SHAPE)
    channel.write(frames(3))
    NPZBlobChannel(tmp_path / "x", "<i2", SHAPE).write(frames(2, 3), append=True)
    assert channel.length is None
    np.testing.assert_array_equal(channel.read(), frames(5))


def test_a_cut_goes_from_the_last_frame_to_the_first_beyond_a_million_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = NPZBlobChannel(tmp_path / "x", "<i2", SHAPE)
    channel.write(frames(1))
    one = (tmp_path / "x" / "000000.npz").read_bytes()
    wanted = ["1000001.npz", "1000000.npz", "999999.npz", "999998.npz"]
    for name in ("999997.npz", *wanted):
        (tmp_path / "x" / name).write_bytes(one)
    removed: list[str] = []
    plain = LocalStorage.remove

    def remove(self: LocalStorage, path: str) -> None:
        removed.append(os.path.basename(path))
        plain(self, path)

    monkeypatch.setattr(LocalStorage, "remove", remove)
    kept: list[str] = []
    assert channel.cut(999_998, lambda path, offset: kept.append(os.path.basename(path)))
    assert (kept, removed) == (wanted, wanted)
    assert set(folder(tmp_path)) == {"000000.npz", "999997.npz"}
