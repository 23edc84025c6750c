"""Files that were cut off at any byte, in every format."""

import json
import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from recovery.mending import (
    KINDS,
    SIZE,
    add_sums,
    case_of,
    contents,
    copy_of,
    expect_all_kept,
    expect_mended,
    expect_sound,
    make,
    mend,
    sizes_to_try,
    tree,
)
from roverd.channels import LzmaChannel
from roverd.errors import RoverdWarning
from roverd.sensors import DynamicSensor
from support.channels import INDEXED, decodable, whole_frames
from support.damage import cut, extend, rewrite_index

COUNT = 4
FILES = ("raw", "lzma", *INDEXED, "mjpg")


@pytest.mark.parametrize("sums", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_sensor_is_not_touched(tmp_path: Path, kind: str, sums: bool):
    made = make(tmp_path / "t", [kind])
    if sums:
        add_sums(made)
    expect_sound(made.path)
    before = tree(tmp_path / "t")
    report, _ = mend(made.path, deep=True)
    assert (report.status, report.frames, report.changed) == (0, 5, False)
    assert tree(tmp_path / "t") == before


@pytest.mark.parametrize("sums", [False, True])
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 17])
def test_cut_anywhere_all_whole_frames_stay(tmp_path: Path, kind: str, sums: bool, step: int):
    made = make(tmp_path / "t", [kind], COUNT)
    if sums:
        add_sums(made)
    path = made.path / kind
    whole = path.read_bytes()
    for size in sizes_to_try(path)[::step]:
        trace = copy_of(tmp_path / "t", tmp_path / f"cut-{size}")
        here = type(made)(trace / "sensor", made.stamps, made.frames, made.meta)
        os.truncate(trace / "sensor" / kind, size)
        before = contents(trace)
        left = whole_frames(case_of(made, kind), {kind: whole[:size]}, kind)
        planned, nothing = mend(here.path, dry_run=True)
        assert (nothing, contents(trace)) == (None, before)
        report, rescued = mend(here.path)
        assert planned == report
        if size == 0:
            assert (report.dropped, report.status, report.frames) == ([kind], 0, COUNT)
            expect_mended(here, COUNT, [kind])
        else:
            (channel,) = [channel for channel in report.channels if channel.name == kind]
            assert (channel.frames, channel.kept, report.frames) == (left, left, left)
            # What was cut off of this one is not whole; what is cut off of `ts` is.
            assert (channel.lost, report.status) == (0, 3 if left < COUNT else 0)
            expect_mended(here, left)
        expect_all_kept(before, trace, rescued)
        expect_sound(here.path)


@pytest.mark.parametrize("size", range(8 * COUNT))
def test_timestamps_cut_anywhere_bring_all_to_their_length(tmp_path: Path, size: int):
    made = make(tmp_path / "t", KINDS, COUNT)
    cut(made.path / "ts", size)
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert (report.status, report.frames, report.lost) == (
        3,
        size // 8,
        (COUNT - size // 8) * len(KINDS),
    )
    expect_mended(made, size // 8)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


@pytest.mark.parametrize("kind", INDEXED)
@pytest.mark.parametrize("size", range(8 * (COUNT + 1) + 1))
def test_an_index_cut_anywhere_is_rebuilt(tmp_path: Path, size: int, kind: str):
    made = make(tmp_path / "t", [kind], COUNT)
    before = (made.path / f"{kind}_i").read_bytes()
    cut(made.path / f"{kind}_i", size)
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (0, COUNT)
    assert [channel.rebuilt for channel in report.channels] == [
        [],
        ["index"] if size < len(before) else [],
    ]
    assert (made.path / f"{kind}_i").read_bytes() == before
    expect_sound(made.path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda offsets: offsets + 1, id="not from 0"),
        pytest.param(lambda offsets: offsets[::-1], id="falling"),
        pytest.param(lambda offsets: np.append(offsets, 10**9), id="long"),
        pytest.param(lambda offsets: offsets * 0, id="zeros"),
        pytest.param(lambda offsets: np.append(offsets[:-2], [2**63, 2**64 - 1]), id="huge"),
    ],
)
@pytest.mark.parametrize("kind", INDEXED)
@pytest.mark.parametrize("torn", [False, True])
def test_an_index_that_lies_is_rebuilt(tmp_path: Path, damage: object, torn: bool, kind: str):
    made = make(tmp_path / "t", [kind], COUNT)
    before = (made.path / f"{kind}_i").read_bytes()
    rewrite_index(made.path / f"{kind}_i", damage)
    if torn:
        cut(made.path / kind, -1)
    left = COUNT - torn
    report, _ = mend(made.path)
    assert (report.status, report.frames) == (3 if torn else 0, left)
    assert (made.path / f"{kind}_i").read_bytes() == before[: 8 * (left + 1)]
    expect_mended(made, left)
    expect_sound(made.path)


@pytest.mark.parametrize("kind", INDEXED)
def test_an_index_that_is_missing_is_rebuilt(tmp_path: Path, kind: str):
    made = make(tmp_path / "t", [kind], COUNT)
    before = contents(tmp_path / "t")
    (made.path / f"{kind}_i").unlink()
    report, rescued = mend(made.path)
    # Nothing was cut off or written over.
    assert (report.status, rescued, contents(tmp_path / "t")) == (0, None, before)


@pytest.mark.parametrize("garbage", [b"\0" * 4, b"\0" * 1001, b"x", bytes(range(256)) * 4])
@pytest.mark.parametrize("kind", FILES)
def test_what_is_behind_the_frames_is_cut_off(tmp_path: Path, kind: str, garbage: bytes):
    made = make(tmp_path / "t", [kind], COUNT)
    extend(made.path / kind, garbage)
    if kind == "lzma" and garbage == b"\0" * 4:
        expect_sound(made.path)  # padding, which an .xz file may have
        return
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    # What is behind those of `ts` in `raw` may be frames.
    assert report.status == (3 if kind == "raw" and len(garbage) >= SIZE else 0)
    expect_mended(made, COUNT)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


def test_channels_of_all_lengths_get_that_of_the_shortest(tmp_path: Path):
    made = make(tmp_path / "t", KINDS, 10)
    cut(made.path / "raw", 9 * SIZE + 1)
    cut(made.path / "lzmaf", int(np.fromfile(made.path / "lzmaf_i", "<u8")[7]) + 1)
    for number in (8, 9):
        (made.path / "npz" / f"{number:06d}.npz").unlink()
    before = contents(tmp_path / "t")
    report, rescued = mend(made.path)
    assert {channel.name: (channel.frames, channel.lost) for channel in report.channels} == {
        "ts": (10, 3),
        "raw": (9, 2),
        "lzma": (10, 3),
        "lzmaf": (7, 0),
        "pcof": (10, 3),
        "zstdf": (10, 3),
        "mjpg": (10, 3),
        "npz": (8, 1),
        "jpg": (10, 3),
    }
    assert (report.frames, report.lost, report.status) == (7, 21, 3)
    expect_mended(made, 7)
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(made.path)


def test_what_was_rescued_says_where_it_is_from(tmp_path: Path):
    made = make(tmp_path / "t", ["raw"], COUNT)
    iq = (made.path / "raw").read_bytes()
    cut(made.path / "raw", 3 * SIZE + 7)
    _, rescued = mend(made.path)
    assert rescued is not None
    assert rescued.parent == tmp_path / "t" / "_scratch"
    assert rescued.name.startswith("repair-20")
    listed = json.loads((rescued / "repair.json").read_text())
    assert listed["kept"] == [
        {"file": "sensor/ts", "offset": 24, "bytes": 8, "copy": "sensor/ts.from-24"},
        {"file": "sensor/raw", "offset": 90, "bytes": 7, "copy": "sensor/raw.from-90"},
    ]
    assert (rescued / "sensor" / "raw.from-90").read_bytes() == iq[90:97]
    assert (rescued / "sensor" / "ts.from-24").read_bytes() == made.stamps[3:].tobytes()


def test_a_sensor_that_was_not_mended_reads_all_the_same(tmp_path: Path):
    made = make(tmp_path / "t", KINDS, COUNT)
    for kind in FILES:
        cut(made.path / kind, -1)
    (made.path / "lzmaf_i").unlink()
    sensor = DynamicSensor(made.path)
    with pytest.warns(RoverdWarning, match="differ in length"):
        count = len(sensor)
    assert count == COUNT - 1
    for kind in KINDS:
        np.testing.assert_array_equal(sensor[kind].read(0, count), made.frames[kind][:count])
    mend(made.path)
    expect_mended(made, COUNT - 1)


def test_padding_between_streams_of_a_torn_file_is_passed_over(tmp_path: Path):
    made = make(tmp_path / "t", ["lzma"], COUNT)
    streams = [lzma.compress(frame.tobytes()) for frame in made.frames["lzma"]]
    (made.path / "lzma").write_bytes(bytes(8).join(streams)[:-3])
    assert len(LzmaChannel(made.path / "lzma", "i2", (3, 5)).read()) == COUNT
    mend(made.path)
    content = (made.path / "lzma").read_bytes()
    assert decodable(content.replace(bytes(8) + b"\xfd7z", b"\xfd7z")) == (
        made.frames["lzma"].tobytes()
    )
    expect_sound(made.path)
