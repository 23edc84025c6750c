"""The folder of what was cut off: there before anything is cut, and complete at any moment."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from recovery.mending import KINDS, SIZE, add_sums, make, mend
from roverd.recovery import Rescue
from roverd.storage import local
from support.damage import cut


def test_nothing_is_made_as_long_as_nothing_is_kept(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"0123456789")
    rescue = Rescue(tmp_path)
    assert rescue.keep(str(tmp_path / "file"), 10) == 0
    assert rescue.keep(str(tmp_path / "file"), 7, 7) == 0
    assert rescue.keep(str(tmp_path / "gone"), 0) == 0
    rescue.close()
    assert rescue.folder is None
    assert os.listdir(tmp_path) == ["file"]


def test_the_list_can_be_read_after_each_step(tmp_path: Path):
    path = str(tmp_path / "a" / "file")
    (tmp_path / "a").mkdir()
    Path(path).write_bytes(b"0123456789")
    rescue = Rescue(tmp_path)
    steps: list[tuple[Any, int | None, bytes]] = [
        (lambda: rescue.keep(path, 7), 7, b"789"),
        (lambda: rescue.keep(path, 7), 7, b"789"),
        (lambda: rescue.keep(path, 2, 4), 2, b"23"),
        (lambda: rescue.keep_whole(path), None, b"0123456789"),
        (lambda: rescue.move(path), None, b"0123456789"),
    ]
    names: list[str] = []
    for number, (step, offset, data) in enumerate(steps, 1):
        assert step() == len(data)
        assert rescue.folder is not None
        kept = json.loads((Path(rescue.folder) / "repair.json").read_text())["kept"]
        assert len(kept) == number
        assert (kept[-1]["file"], kept[-1]["offset"]) == ("a/file", offset)
        assert (Path(rescue.folder) / kept[-1]["copy"]).read_bytes() == data
        names.append(kept[-1]["copy"])
    assert len(set(names)) == len(steps)
    assert not os.path.exists(path)
    rescue.close()


def test_files_of_other_traces_are_refused(tmp_path: Path):
    (tmp_path / "t").mkdir()
    (tmp_path / "file").write_bytes(b"0123456789")
    with pytest.raises(ValueError, match="expected a file of the trace"):
        Rescue(tmp_path / "t").keep(str(tmp_path / "file"), 0)


def test_two_repairs_at_once_have_a_folder_each(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"0123456789")
    folders: set[str | None] = set()
    for _ in range(20):
        rescue = Rescue(tmp_path)
        rescue.keep(str(tmp_path / "file"), 5)
        rescue.close()
        folders.add(rescue.folder)
    assert len(folders) == 20


def test_what_is_cut_off_is_safe_before_it_goes(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
):
    made = make(tmp_path / "t", KINDS, 5)
    add_sums(made)
    for kind in ("lzma", "lzmaf", "mjpg"):
        cut(made.path / kind, -1)
    cut(made.path / "raw", 3 * SIZE + 7)
    truncate = local.LocalAppender.truncate
    cuts: list[str] = []

    def watched(self: local.LocalAppender, size: int) -> None:
        name = os.path.basename(self.path)
        if size < os.path.getsize(self.path):
            (copy,) = [path for path in synced if path.endswith(f"/{name}.from-{size}")]
            folder = os.path.dirname(copy)
            assert folder in synced
            assert os.path.dirname(folder) in synced
            assert os.path.dirname(os.path.dirname(folder)) in synced
            assert os.path.join(os.path.dirname(folder), "repair.json") in synced
            cuts.append(name)
        truncate(self, size)

    monkeypatch.setattr(local.LocalAppender, "truncate", watched)
    report, _ = mend(made.path)
    assert report.frames == 3
    assert {"ts", "raw", "lzmaf", "mjpg", "raw_x", "ts_x"} <= set(cuts)
    # So is what is left, and the names of all files.
    for name in ("ts", "raw", "lzma", "lzmaf", "lzmaf_i", "mjpg", "raw_x"):
        assert str(made.path / name) in synced
    assert synced.count(str(made.path)) >= 1


def test_a_disk_that_is_full_leaves_what_was_not_cut_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = make(tmp_path / "t", ["raw"], 5)
    cut(made.path / "raw", 3 * SIZE + 7)
    before = (made.path / "raw").read_bytes()
    append = local.LocalAppender.append

    def full(self: local.LocalAppender, data: Any) -> None:
        if "raw.from" in self.path:
            raise OSError(28, "No space left on device", self.path)
        append(self, data)

    monkeypatch.setattr(local.LocalAppender, "append", full)
    with pytest.raises(OSError, match="No space left"):
        mend(made.path)
    assert (made.path / "raw").read_bytes() == before
    monkeypatch.undo()
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (0, 3)
