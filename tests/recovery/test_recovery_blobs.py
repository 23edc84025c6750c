"""Folders of blobs: gaps, and replacements that were interrupted."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recovery.mending import (
    contents,
    expect_all_kept,
    expect_mended,
    expect_sound,
    make,
    mend,
)
from roverd.channels import NPZBlobChannel
from roverd.channels.abstract import blob
from roverd.storage.local import LocalStorage

BLOBS = ("npz", "jpg")


@pytest.mark.parametrize("kind", BLOBS)
@pytest.mark.parametrize("gap", [0, 1, 4, 8])
def test_frames_behind_a_gap_are_moved_away(tmp_path: Path, kind: str, gap: int):
    made = make(tmp_path / "t", [kind, "raw"], 10)
    (made.path / kind / f"{gap:06d}.{kind}").unlink()
    (made.path / kind / "notes.txt").write_text("of nobody")
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, gap)
    assert {channel.name: channel.lost for channel in report.channels} == {
        "ts": 10 - gap,
        kind: 9 - gap,
        "raw": 10 - gap,
    }
    expect_all_kept(before, tmp_path / "t", rescued)
    (made.path / kind / "notes.txt").unlink()
    if gap:
        expect_mended(made, gap)
    expect_sound(made.path)


@pytest.mark.parametrize("kind", BLOBS)
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"PK\3\4"])
def test_a_last_file_without_its_content_is_no_frame(tmp_path: Path, kind: str, content: bytes):
    made = make(tmp_path / "t", [kind, "raw"], 5)
    for number in (3, 4):
        (made.path / kind / f"{number:06d}.{kind}").write_bytes(content)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, 3)
    expect_mended(made, 3)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


def test_what_a_dead_writer_left_is_moved_away(tmp_path: Path):
    made = make(tmp_path / "t", ["npz"], 5)
    for name in (".0a1b2c3d.tmp", ".0a1b2c3d.old", ".11112222.tmp"):
        (made.path / "npz" / name).mkdir()
    (made.path / "npz" / ".0a1b2c3d.tmp" / "000005.npz").write_bytes(b"half a fr")
    (made.path / ".meta.json.00ff00ff.tmp").write_text("{")
    (made.path / ".hidden").write_text("of somebody else")
    before = contents(tmp_path / "t")
    planned, _ = mend(made.path, dry_run=True)
    report, rescued = mend(made.path)
    assert planned == report
    assert (report.status, report.frames) == (0, 5)
    assert report.moved == [
        ".meta.json.00ff00ff.tmp",
        *(f"npz/{name}" for name in (".0a1b2c3d.old", ".0a1b2c3d.tmp", ".11112222.tmp")),
    ]
    assert {path.name for path in made.path.iterdir()} == {"meta.json", "ts", "npz", ".hidden"}
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


class _DiedError(BaseException):
    pass


def _replace_and_die(path: Path, frames: Any, moves: int) -> bool:
    """Replace all blobs and die before move `moves`; whether that many were needed."""
    left = [moves]

    class Dying(LocalStorage):
        dead = False

        def _live(self) -> None:
            if type(self).dead:
                raise _DiedError

        def move(self, source: str, target: str) -> None:
            self._live()
            left[0] -= 1
            if left[0] < 0:
                type(self).dead = True
                raise _DiedError
            super().move(source, target)

        def remove_folder(self, path: str) -> None:
            self._live()
            super().remove_folder(path)

        def names(self, path: str) -> list[str]:
            self._live()
            return super().names(path)

    storage = Dying()
    before = blob.storage_for
    channel = NPZBlobChannel(path, frames.dtype, frames.shape[1:])
    blob.storage_for = lambda _: storage  # type: ignore[assignment]
    try:
        channel.write(frames)
    except _DiedError:
        return True
    finally:
        blob.storage_for = before
    return False


@pytest.mark.parametrize("after", [3, 5, 8])
def test_a_replacement_that_was_interrupted_anywhere_is_undone(tmp_path: Path, after: int):
    moves = 0
    while True:
        made = make(tmp_path / f"t{moves}", ["npz"], 5)
        new = make(tmp_path / f"new{moves}", ["npz"], after).frames["npz"] + 1
        if not _replace_and_die(made.path / "npz", new, moves):
            break
        before = contents(tmp_path / f"t{moves}")
        planned, _ = mend(made.path, dry_run=True)
        assert contents(tmp_path / f"t{moves}") == before
        report, rescued = mend(made.path)
        assert planned == report
        assert (report.status, report.frames) == (0, 5)
        assert report.restored == (["npz"] if moves else [])
        expect_mended(made, 5)
        expect_sound(made.path)
        # Nothing of the new is gone either.
        assert rescued is not None
        copies = [file for file in rescued.rglob("*.npz") if file.is_file()]
        found = {np.load(file)["data"].tobytes() for file in copies}
        assert {frame.tobytes() for frame in new} <= found
        moves += 1
    # Each old one away, each new one in place; files are made under another name, too.
    assert moves >= 5 + after


def test_a_replacement_that_was_complete_stays(tmp_path: Path):
    made = make(tmp_path / "t", ["npz"], 5)
    old = made.path / "npz" / ".0a1b2c3d.old"
    old.mkdir()
    (made.path / "npz" / ".0a1b2c3d.tmp").mkdir()
    for number in (0, 3):
        (old / f"{number:06d}.npz").write_bytes(b"old")
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.restored) == (0, [])
    expect_mended(made, 5)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


def test_blobs_behind_a_link_are_mended_where_they_are(tmp_path: Path):
    made = make(tmp_path / "t", ["npz", "raw"], 5)
    other = tmp_path / "elsewhere"
    os.rename(made.path / "npz", other)
    (made.path / "npz").symlink_to(other)
    os.truncate(made.path / "raw", 100)
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (3, 3)
    assert sorted(os.listdir(other)) == ["000000.npz", "000001.npz", "000002.npz"]
    assert (made.path / "npz").is_symlink()
    expect_mended(made, 3)
