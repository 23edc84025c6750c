"""`meta.json`: entries without data, of the wrong format, or that no channel can be made from."""

import json
import lzma
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recovery.mending import (
    KINDS,
    contents,
    expect_all_kept,
    expect_mended,
    expect_sound,
    make,
    mend,
    tree,
    write_log,
)
from roverd import ops
from roverd.channels import CHANNEL_TYPES, Channel, LzmaChannel, RawChannel
from support.damage import cut
from support.traces import Recorded, numbered, record, ticks

COUNT = 5


def remove(made: Recorded, kind: str, how: str) -> None:
    path = made.path / kind
    if path.is_dir():
        for file in list(path.iterdir()):
            file.unlink()
        if how == "gone":
            path.rmdir()
    elif how == "gone":
        path.unlink()
    else:
        os.truncate(path, 0)


@pytest.mark.parametrize("how", ["gone", "empty"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_without_data_is_dropped(tmp_path: Path, kind: str, how: str):
    made = make(tmp_path / "t", KINDS, COUNT)
    remove(made, kind, how)
    before = contents(tmp_path / "t")
    planned, _ = mend(made.path, dry_run=True)
    assert contents(tmp_path / "t") == before
    report, rescued = mend(made.path)
    assert planned == report
    assert (report.status, report.frames, report.dropped) == (0, COUNT, [kind])
    assert rescued is not None
    assert json.loads((rescued / "sensor" / "meta.json").read_text()) == made.meta
    expect_mended(made, COUNT, [kind])
    expect_all_kept(before, tmp_path / "t", rescued)
    assert not (made.path / kind).exists()
    assert not (made.path / f"{kind}_i").exists()
    expect_sound(made.path)


def test_a_link_to_nowhere_may_come_back(tmp_path: Path):
    made = make(tmp_path / "t", ["raw", "npz"], COUNT)
    os.rename(made.path / "raw", tmp_path / "elsewhere")
    (made.path / "raw").symlink_to(tmp_path / "nowhere")
    report, _ = mend(made.path)
    assert (report.status, report.changed, report.dropped) == (0, False, [])
    assert [c.name for c in report.channels if c.note] == ["raw"]


def test_a_recorder_that_died_at_once_leaves_all_channels(tmp_path: Path):
    made = make(tmp_path / "t", KINDS, COUNT)
    write_log(tmp_path / "t", "start")
    remove(made, "raw", "gone")
    remove(made, "mjpg", "empty")
    report, _ = mend(made.path)
    assert (report.status, report.frames, report.dropped) == (3, 0, [])
    assert json.loads((made.path / "meta.json").read_text()) == made.meta
    expect_sound(made.path)
    assert not ops.validate(tmp_path / "t", {}).traces[0].errors


@pytest.mark.parametrize("mjpg", [b"", b"RIFF", None])
def test_a_sensor_without_a_frame_gets_its_files(tmp_path: Path, mjpg: bytes | None):
    made = make(tmp_path / "t", KINDS, COUNT)
    for kind in KINDS:
        remove(made, kind, "gone")
    (made.path / "ts").unlink()
    if mjpg is not None:
        (made.path / "mjpg").write_bytes(mjpg)
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (0, 0)
    expect_sound(made.path)
    assert not ops.validate(tmp_path / "t", {}).traces[0].errors


@pytest.mark.parametrize("torn", [0, 1, 30])
@pytest.mark.parametrize("index", [False, True])
def test_a_mislabelled_channel_is_given_its_format(tmp_path: Path, torn: int, index: bool):
    made = make(tmp_path / "t", ["lzma", "raw"], COUNT)
    made.meta["lzma"]["format"] = "lzmaf"
    made.meta["lzma"]["unit"] = "furlong"
    made.write_meta()
    if torn:
        cut(made.path / "lzma", -torn)
    if index:
        (made.path / "lzma_i").write_bytes(bytes(8))
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert report.relabelled == ["lzma"]
    assert rescued is not None
    expect_all_kept(before, tmp_path / "t", rescued)
    found = json.loads((made.path / "meta.json").read_text())
    assert found["lzma"] == made.meta["lzma"] | {"format": "lzma"}
    made.meta["lzma"]["format"] = "lzma"
    assert report.frames is not None
    assert report.frames >= COUNT - 2
    expect_mended(made, report.frames)
    expect_sound(made.path)


@pytest.mark.parametrize("files", [["large"], ["large", "large_i"]])
def test_files_that_were_swapped_are_not_taken_for_mislabelled(tmp_path: Path, files: list[str]):
    shapes = {"large": (6, 10), "small": (3, 5)}
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "config.yaml").write_text("{}")
    frames = {name: ("lzmaf", numbered(COUNT, shapes[name], "i2")) for name in shapes}
    made = record(tmp_path / "t" / "sensor", ticks(COUNT, 10.0), frames)
    for name in files:
        other = made.path / name.replace("large", "small")
        other.rename(made.path / "aside")
        (made.path / name).rename(other)
        (made.path / "aside").rename(made.path / name)
    before = tree(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.relabelled, rescued) == (1, [], None)
    assert len(report.problems) == 2
    assert all("do type and shape in meta.json fit?" in problem for problem in report.problems)
    assert tree(tmp_path / "t") == before
    (trace,) = ops.validate(tmp_path / "t", {}).traces
    assert "mislabelled" not in {problem.kind for problem in trace.problems}


def test_one_stream_of_one_frame_each_is_no_mistake(tmp_path: Path):
    made = make(tmp_path / "t", ["lzmaf"], 1)
    expect_sound(made.path)
    assert len(LzmaChannel(made.path / "lzmaf", "i2", (3, 5))) == 1


def broken_entry(meta: dict[str, dict[str, object]]) -> None:
    meta["odd"] = {"format": "zip", "type": "u1", "shape": []}


def test_an_entry_that_no_channel_can_be_made_from(tmp_path: Path):
    made = make(tmp_path / "t", ["raw"], COUNT)
    broken_entry(made.meta)
    made.write_meta()
    (made.path / "odd").write_bytes(b"frames")
    os.truncate(made.path / "raw", 100)
    report, _ = mend(made.path)
    # The others are mended all the same.
    assert (report.status, report.frames) == (1, 3)
    assert "unknown format 'zip'" in report.problems[0]
    assert (made.path / "odd").read_bytes() == b"frames"
    (made.path / "odd").unlink()
    report, _ = mend(made.path)
    assert (report.status, report.dropped) == (0, ["odd"])
    del made.meta["odd"]
    expect_mended(made, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected an object"),
        ("", "not valid JSON"),
        ('{"ts": {"format": "raw", "type": "f4", "shape": []}}', "expected type f8"),
        ('{"ts": {"format": "zip", "type": "f8", "shape": []}}', "unknown format"),
        ('{"raw": {"format": "raw", "type": "i2", "shape": [3, 5]}}', "expected a channel 'ts'"),
    ],
)
def test_without_a_description_of_timestamps_nothing_is_done(tmp_path: Path, text: str, says: str):
    made = make(tmp_path / "t", ["raw"], COUNT)
    (made.path / "meta.json").write_text(text)
    os.truncate(made.path / "raw", 100)
    before = tree(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames, rescued) == (1, None, None)
    assert says in report.problems[0]
    assert str(made.path) in report.problems[0]
    assert tree(tmp_path / "t") == before


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_without_timestamps_a_long_recording_is_left(tmp_path: Path, how: str):
    made = make(tmp_path / "t", ["raw"], 1200)
    remove(made, "ts", how)
    before = tree(tmp_path / "t")
    report, _ = mend(made.path)
    assert (report.status, len(report.problems)) == (1, 1)
    assert "expected the timestamps of 1200 frames, found none" in report.problems[0]
    assert tree(tmp_path / "t") == before


def test_a_format_of_a_users_own_is_left_unless_it_has_to_be_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Uncut(RawChannel):
        def cut(self, count: int, keep: Any, force: bool = False) -> bool:
            return Channel.cut(self, count, keep, force)

    monkeypatch.setitem(CHANNEL_TYPES, "own", Uncut)
    made = make(tmp_path / "t", ["raw", "npz"], COUNT)
    made.meta["raw"]["format"] = "own"
    made.write_meta()
    report, _ = mend(made.path)
    assert (report.status, report.changed) == (0, False)
    (channel,) = [channel for channel in report.channels if channel.note]
    assert channel.name == "raw"
    assert "cannot be cut to length" in channel.note
    (made.path / "npz" / "000004.npz").unlink()
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (1, COUNT - 1)
    assert str(made.path / "raw") in report.problems[0]


def test_an_xz_file_of_the_command_line_reads_the_same(tmp_path: Path):
    made = make(tmp_path / "t", ["lzma"], COUNT)
    data = made.frames["lzma"].tobytes()
    (made.path / "lzma").write_bytes(lzma.compress(data[:40]) + lzma.compress(data[40:]))
    expect_sound(made.path)
    cut(made.path / "lzma", -3)
    report, _ = mend(made.path)
    assert report.frames is not None
    frames = np.frombuffer(lzma.decompress((made.path / "lzma").read_bytes()), "<i2")
    np.testing.assert_array_equal(frames.reshape(-1, 3, 5), made.frames["lzma"][: report.frames])
    expect_sound(made.path)
