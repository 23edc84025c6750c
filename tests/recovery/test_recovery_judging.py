"""Frames that a loss of power has spoilt, and damage that is not of that kind."""

import os
from pathlib import Path

import numpy as np
import pytest

from recovery.mending import (
    KINDS,
    SIZE,
    add_sums,
    contents,
    expect_all_kept,
    expect_mended,
    expect_sound,
    fill,
    make,
    mend,
    tree,
    write_log,
)
from roverd.channels import RawChannel
from support.damage import cut, flip
from support.traces import Recorded

COUNT = 8
BLOBS = ("npz", "jpg")


def end_of(made: Recorded, kind: str, count: int) -> tuple[Path, int]:
    """The file that holds frame `count`, and where in it that begins."""
    path = made.path / kind
    match kind:
        case "raw":
            return path, count * SIZE
        case "ts":
            return path, count * 8
        case "lzmaf" | "pcof" | "zstdf":
            return path, int(np.fromfile(f"{path}_i", "<u8")[count])
        case "mjpg":
            data, position = path.read_bytes(), -1
            for _ in range(count + 1):
                position = data.index(b"00dc", position + 1)
            return path, position
        case _:
            return path / f"{count:06d}.{kind}", 0


def spoil(made: Recorded, kind: str, count: int, skip: int = 0) -> None:
    """Fill what is behind the first frames with zeros, leaving all files as long as they are."""
    if kind in BLOBS:
        for number in range(count, COUNT):
            path, _ = end_of(made, kind, number)
            fill(path, skip, path.stat().st_size - skip)
        return
    path, begin = end_of(made, kind, count)
    fill(path, begin + skip, path.stat().st_size - begin - skip)


# Behind its header, a pco file may have zeros: it takes check sums to tell.
@pytest.mark.parametrize(
    "kind, skip",
    [
        (kind, skip)
        for kind in KINDS
        for skip in (0, 25)
        if kind not in ("raw", "lzma") and (kind, skip) != ("pcof", 25)
    ],
)
def test_zeros_at_the_end_are_no_frames_where_the_format_can_tell(
    tmp_path: Path, kind: str, skip: int
):
    made = make(tmp_path / "t", [kind], COUNT)
    spoil(made, kind, 5, skip)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, 5)
    expect_mended(made, 5)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


@pytest.mark.parametrize("kind", ["raw", "ts", "lzmaf", "pcof", "zstdf", "mjpg", "npz", "jpg"])
@pytest.mark.parametrize("died", [False, True])
def test_zeros_at_the_end_do_not_agree_with_check_sums(tmp_path: Path, kind: str, died: bool):
    made = make(tmp_path / "t", KINDS, COUNT)
    add_sums(made)
    if died:
        write_log(tmp_path / "t", "start", "statistics")
    spoil(made, kind, 5, 0 if kind == "ts" else 20)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, 5)
    (channel,) = [channel for channel in report.channels if channel.name == kind]
    if channel.lost:
        assert channel.reason == "frame 5 does not agree with its check sum"
    expect_mended(made, 5)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


def test_timestamps_of_zero_are_none(tmp_path: Path):
    made = make(tmp_path / "t", ["raw"], COUNT)
    spoil(made, "ts", 6)
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (3, 6)
    expect_mended(made, 6)
    expect_sound(made.path)


def test_a_recording_that_begins_at_time_zero_keeps_it(tmp_path: Path):
    made = make(tmp_path / "t", ["raw"], COUNT)
    np.arange(COUNT, dtype="<f8").tofile(made.path / "ts")
    expect_sound(made.path)
    np.zeros(COUNT).tofile(made.path / "ts")
    expect_sound(made.path)


@pytest.mark.parametrize("begin", range(0, 100, 7))
def test_zeros_behind_a_torn_stream_make_no_frames(tmp_path: Path, begin: int):
    made = make(tmp_path / "t", ["lzma"], COUNT)
    size = (made.path / "lzma").stat().st_size
    fill(made.path / "lzma", size - 150 - begin, begin + 2000)
    report, _ = mend(made.path)
    assert report.frames is not None
    assert report.frames <= COUNT
    expect_mended(made, report.frames)
    expect_sound(made.path)


def test_a_solid_stream_that_disagrees_with_its_own_check_has_no_frames(tmp_path: Path):
    made = make(tmp_path / "t", ["lzma"], COUNT)
    more = make(tmp_path / "more", ["lzma"], 3)
    size = (made.path / "lzma").stat().st_size
    with (made.path / "lzma").open("ab") as file:
        file.write((more.path / "lzma").read_bytes())
    np.append(made.stamps, made.stamps[-1] + [1, 2, 3]).astype("<f8").tofile(made.path / "ts")
    flip(made.path / "lzma", size + 60)
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (3, COUNT)
    expect_sound(made.path)


# ── one bad frame ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["raw", "lzmaf", "pcof", "zstdf", "mjpg", "npz", "jpg"])
def test_a_bad_frame_near_the_end_of_what_died_is_cut_off(tmp_path: Path, kind: str):
    made = make(tmp_path / "t", [kind], COUNT)
    add_sums(made)
    write_log(tmp_path / "t", "start")
    path, begin = end_of(made, kind, 3)
    flip(path, begin + 29)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, 3)
    expect_mended(made, 3)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


@pytest.mark.parametrize("kind", ["raw", "lzmaf", "pcof", "zstdf", "npz"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_bad_frame_further_in_front_is_reported_and_left(tmp_path: Path, kind: str, ended: bool):
    # 8 frames in 16 s, or in less than one of a recording that was closed.
    made = make(tmp_path / "t", [kind], COUNT, rate=10 if ended else 0.5)
    add_sums(made)
    write_log(tmp_path / "t", *(["start", "close"] if ended else ["start"]))
    path, begin = end_of(made, kind, 1)
    flip(path, begin + 29)
    before = tree(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, rescued) == (0, None)
    report, rescued = mend(made.path, deep=True)
    assert (report.status, report.frames, rescued) == (1, COUNT, None)
    (problem,) = report.problems
    assert problem.startswith(f"{made.path / kind}: expected sound frames, found 1 of 8 damaged: 1")
    assert tree(tmp_path / "t") == before


def test_damage_in_front_does_not_keep_the_end_from_being_mended(tmp_path: Path):
    made = make(tmp_path / "t", ["lzmaf"], COUNT, rate=0.1)
    add_sums(made)
    flip(made.path / "lzmaf", 60)
    cut(made.path / "lzmaf", -1)
    report, _ = mend(made.path, deep=True)
    assert (report.status, report.frames, len(report.problems)) == (1, COUNT - 1, 1)
    assert (made.path / "ts").stat().st_size == 8 * (COUNT - 1)
    report, _ = mend(made.path)
    assert (report.status, report.changed) == (0, False)


def test_what_was_closed_is_not_read_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = make(tmp_path / "t", ["raw"], 500, rate=100)
    add_sums(made)
    summed: list[int] = []
    compute = RawChannel.compute_checksums

    def counting(self: RawChannel, start: int, stop: int) -> object:
        summed.append(stop - start)
        return compute(self, start, stop)

    monkeypatch.setattr(RawChannel, "compute_checksums", counting)
    write_log(tmp_path / "t", "start", "close")
    expect_sound(made.path)
    assert sum(summed) <= 2
    summed.clear()
    write_log(tmp_path / "t", "start", "close", "start")
    expect_sound(made.path)
    assert sum(summed) == 2 * 500
    summed.clear()
    write_log(tmp_path / "t", "start", "close")
    mend(made.path, deep=True)
    assert sum(summed) >= 2 * 500


def test_only_the_last_seconds_of_what_died_are_read(tmp_path: Path):
    made = make(tmp_path / "t", ["raw"], 3000, rate=100)
    add_sums(made)
    flip(made.path / "raw", 100 * SIZE)
    judged: list[int] = []
    report, _ = mend(made.path, progress=judged.append)
    assert report.status == 0
    # Of 30 s about 10; those of `ts` and `raw`.
    assert sum(judged) < 0.6 * 3000 * (8 + SIZE)


# ── check sums ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("left", range(0, 8 * COUNT, 11))
@pytest.mark.parametrize("kind", ["lzma", "lzmaf", "mjpg", "npz", "jpg"])
def test_check_sums_that_are_missing_are_made_for_frames_that_can_be_read(
    tmp_path: Path, kind: str, left: int
):
    made = make(tmp_path / "t", [kind], COUNT)
    add_sums(made)
    write_log(tmp_path / "t", "start")
    cut(made.path / f"{kind}_x", left)
    cut(made.path / "ts_x", left)
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (0, COUNT)
    assert [channel.rebuilt for channel in report.channels] == [["check sums"]] * 2
    expect_mended(made, COUNT)
    expect_sound(made.path)


def test_raw_frames_that_lack_their_check_sums_were_just_being_written(tmp_path: Path):
    made = make(tmp_path / "t", ["raw"], COUNT)
    add_sums(made)
    cut(made.path / "raw_x", 8 * 6 + 3)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, 6)
    assert [channel.reason for channel in report.channels] == ["", "frame 6 has no check sum yet"]
    expect_mended(made, 6)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


@pytest.mark.parametrize("how", ["closed", "longer than ten seconds", "no sums at all", "no file"])
def test_raw_frames_without_check_sums_stay_where_no_recorder_explains_it(tmp_path: Path, how: str):
    made = make(tmp_path / "t", ["raw"], COUNT, rate=0.5 if how.startswith("longer") else 10)
    add_sums(made)
    cut(made.path / "raw_x", 0 if how == "no sums at all" else 8)
    if how == "closed":
        write_log(tmp_path / "t", "start", "close", "start", "close")
        cut(made.path / "ts_x", 8 * COUNT)
    if how == "no file":
        (made.path / "raw_x").unlink()
    report, _ = mend(made.path)
    if how == "closed":
        # A log says nothing of what was added after it.
        assert (report.status, report.frames) == (3, 1)
        return
    assert (report.status, report.frames) == (0, COUNT)
    expect_mended(made, COUNT)
    expect_sound(made.path)


def test_more_check_sums_than_frames_are_cut_off(tmp_path: Path):
    made = make(tmp_path / "t", ["raw", "npz"], COUNT)
    add_sums(made)
    cut(made.path / "raw", 5 * SIZE + 3)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, 5)
    expect_mended(made, 5)
    expect_all_kept(before, tmp_path / "t", rescued)


def test_a_channel_called_like_check_sums_is_one(tmp_path: Path):
    made = make(tmp_path / "t", ["raw"], COUNT)
    made.meta["raw"]["checksum"] = "xxh3_64"
    made.meta["raw_x"] = {"format": "raw", "type": "u8", "shape": []}
    made.write_meta()
    np.arange(COUNT, dtype="<u8").tofile(made.path / "raw_x")
    expect_sound(made.path)


# ── other things that are wrong ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["npz", "jpg", "mjpg"])
def test_a_description_that_does_not_fit_is_no_reason_to_cut(tmp_path: Path, kind: str):
    made = make(tmp_path / "t", [kind, "raw"], COUNT)
    made.meta[kind]["shape"][0] += 8
    made.write_meta()
    before = tree(tmp_path / "t")
    report, _ = mend(made.path)
    assert report.status == 1
    (problem,) = report.problems
    assert problem.startswith(f"{made.path / kind}: expected frames of type ")
    assert "meta.json" in problem
    assert tree(tmp_path / "t") == before


@pytest.mark.parametrize("rate", [10, 0.5])
def test_a_channel_without_a_whole_frame(tmp_path: Path, rate: float):
    made = make(tmp_path / "t", ["raw", "npz"], COUNT, rate)
    os.truncate(made.path / "raw", 7)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    if rate == 10:  # it has just begun
        assert (report.status, report.frames) == (3, 0)
        expect_all_kept(before, tmp_path / "t", rescued)
        expect_mended_empty(made)
    else:
        assert (report.status, len(report.problems), rescued) == (1, 1, None)
        assert str(made.path / "raw") in report.problems[0]


def expect_mended_empty(made: Recorded) -> None:
    assert not list((made.path / "npz").iterdir())
    assert (made.path / "raw").stat().st_size == (made.path / "ts").stat().st_size == 0


def test_frames_behind_damage_in_the_last_seconds_are_cut_off(tmp_path: Path):
    made = make(tmp_path / "t", KINDS, COUNT)
    for kind in ("lzmaf", "mjpg"):
        path, begin = end_of(made, kind, 5)
        fill(path, begin, 101)
    (made.path / "lzmaf_i").unlink()
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames) == (3, 5)
    expect_mended(made, 5)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


def test_frames_behind_damage_further_in_front_are_left(tmp_path: Path):
    made = make(tmp_path / "t", ["lzmaf", "raw"], COUNT, rate=0.5)
    (made.path / "lzmaf_i").unlink()
    _, begin = end_of(make(tmp_path / "u", ["lzmaf"], COUNT), "lzmaf", 2)
    flip(made.path / "lzmaf", begin + 2)
    before = tree(tmp_path / "t")
    report, _ = mend(made.path)
    assert report.status == 1
    assert "lzmaf: damaged at byte" in report.problems[0]
    assert tree(tmp_path / "t") == before
