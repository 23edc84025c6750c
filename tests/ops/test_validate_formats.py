"""`ops.validate` on the files of channels: every damage is found, and nothing in sound ones."""

import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd import ops
from roverd.channels import from_config
from support import avi
from support.channels import INDEXED, avi_chunks, ffmpeg
from support.damage import cut, exchange, extend, rewrite_index
from support.traces import SHORT, numbered, pictures, record, record_trace, ticks

COUNT = 7
FRAMES = numbered(COUNT, (4, 6), "u2")
FRAME_SIZE = 48
JPEGS = pictures(COUNT, 24, 32)
KINDS = {"raw", "lzma", *INDEXED, "npz", "jpg", "mjpg"}


def make(root: Path, kind: str) -> Path:
    """A trace with one sensor `s` with one channel `x`; gives the path of the channel."""
    frames = JPEGS if kind in ("jpg", "mjpg") else FRAMES
    record(root / "s", ticks(COUNT, 10), {"x": (kind, frames)})
    (root / "config.yaml").write_text("")
    return root / "s" / "x"


def problems(root: Path, deep: bool = False, severity: str = "error") -> list[tuple[str, str]]:
    """Kind and file of what is found in a trace."""
    (trace,) = ops.validate(root, {}, deep=deep).traces
    assert not any(problem.kind == "unexpected" for problem in trace.problems)
    return [(p.kind, p.file) for p in trace.problems if p.severity == severity]


# ── sound ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("deep", [False, True], ids=["structure", "deep"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_is_found_in_sound_channels(tmp_path: Path, kind: str, deep: bool):
    make(tmp_path, kind)
    assert ops.validate(tmp_path, {}, deep=deep).traces[0].problems == []


@pytest.mark.parametrize("deep", [False, True], ids=["structure", "deep"])
def test_the_one_oddity_of_a_real_trace_is_a_step_of_three_periods(deep: bool):
    (trace,) = ops.validate(SHORT, deep=deep).traces
    (gap,) = trace.problems
    assert (gap.severity, gap.kind, gap.file) == ("warning", "timestamps-gap", "imu/ts")
    steps = np.diff(np.fromfile(SHORT / "imu" / "ts", "<f8"))
    assert f"frame {int(np.argmax(steps))} " in gap.message


SOUND_AVI = [
    name
    for name in avi.NAMES
    if not name.startswith(("powercut", "truncated", "idx1_missing", "idx1_short", "riff_and"))
]


def put_avi(root: Path, data: bytes, count: int) -> Path:
    """A trace whose camera has this AVI."""
    path = make(root, "mjpg")
    width, height = (int.from_bytes(data[at : at + 4], "little") for at in (64, 68))
    meta = {
        "ts": {"format": "raw", "type": "f8", "shape": []},
        "x": {"format": "mjpg", "type": "u1", "shape": [height, width, 3]},
    }
    (root / "s" / "meta.json").write_text(str(meta).replace("'", '"'))
    ticks(count, 25).astype("<f8").tofile(root / "s" / "ts")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("deep", [False, True], ids=["structure", "deep"])
@pytest.mark.parametrize("name", SOUND_AVI)
def test_nothing_is_found_in_sound_avis_of_any_writer(tmp_path: Path, name: str, deep: bool):
    data = avi.load(name)
    put_avi(tmp_path, data, len(avi.truth(name, len(data))))
    assert problems(tmp_path, deep) == []


@pytest.mark.parametrize(
    "name, kind",
    [
        ("powercut_cv2_ffmpeg.avi", "torn-tail"),
        ("powercut_cv2_native.avi", "torn-tail"),
        ("truncated_inside_frame20.avi", "torn-tail"),
        ("idx1_missing.avi", "unfinished"),
        ("idx1_short_first5_missing.avi", "unfinished"),
        ("riff_and_movi_size_zero.avi", "unfinished"),
    ],
)
def test_avis_that_were_not_finished_are_told_from_those_that_were_cut(
    tmp_path: Path, name: str, kind: str
):
    data = avi.load(name)
    put_avi(tmp_path, data, len(avi.truth(name, len(data))))
    assert problems(tmp_path) == [(kind, "s/x")]
    assert problems(tmp_path, deep=True) == [(kind, "s/x")]


def test_an_avi_with_another_codec_is_read_and_its_damage_found(tmp_path: Path):
    raw = np.random.default_rng(1).bytes(12 * 48 * 64 * 3)
    options = "-f rawvideo -pix_fmt rgb24 -s 64x48 -r 25 -i - -c:v png"
    ffmpeg(*options.split(), str(tmp_path / "out.avi"), data=raw)
    data = (tmp_path / "out.avi").read_bytes()
    path = put_avi(tmp_path / "t", data, 12)
    assert problems(tmp_path / "t", deep=True) == []
    offset, size = avi_chunks(data)[5]
    path.write_bytes(data[:offset] + bytes(size) + data[offset + size :])
    (problem,) = ops.validate(tmp_path / "t", {}, deep=True).traces[0].errors
    assert (problem.kind, problem.file) == ("bad-frames", "s/x")
    cut(path, offset + 3)
    assert problems(tmp_path / "t", deep=True)[0] == ("torn-tail", "s/x")


# ── cut off, extended, exchanged ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("deep", [False, True], ids=["structure", "deep"])
@pytest.mark.parametrize("left", [0.0, 0.02, 0.3, 0.62, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["raw", "lzma", *INDEXED, "mjpg"])
def test_files_that_were_cut_off_are_found_wherever(
    tmp_path: Path, kind: str, left: float, deep: bool
):
    path = make(tmp_path, kind)
    cut(path, int(path.stat().st_size * left))
    found = problems(tmp_path, deep)
    assert ("length-mismatch", "s/x") in found or left > 0.9
    assert {"torn-tail", "unfinished", "long-index", "length-mismatch"} & {k for k, _ in found}
    assert {file for _, file in found} <= {"s/x", "s/x_i"}


@pytest.mark.parametrize("kind", ["raw", "lzma", *INDEXED])
def test_every_point_to_cut_at_is_found(tmp_path: Path, kind: str):
    path = make(tmp_path, kind)
    for size in range(path.stat().st_size - 1, -1, -7):
        cut(path, size)
        assert problems(tmp_path), size


@pytest.mark.parametrize("kind", ["npz", "jpg"])
@pytest.mark.parametrize("number, deep", [(0, False), (COUNT - 1, False), (3, True)])
def test_blobs_that_were_cut_off_are_found(tmp_path: Path, kind: str, number: int, deep: bool):
    blob = make(tmp_path, kind) / f"{number:06d}.{kind}"
    for size in (blob.stat().st_size - 1, blob.stat().st_size // 2, 0):
        cut(blob, size)
        assert problems(tmp_path, deep) == [("bad-frames", "s/x")]


@pytest.mark.parametrize(
    "kind, found",
    [
        ("raw", ["torn-tail"]),
        ("lzma", ["extra-bytes"]),
        *((kind, ["torn-tail"]) for kind in INDEXED),
        ("mjpg", ["extra-bytes"]),
    ],
)
def test_bytes_too_many_are_found(tmp_path: Path, kind: str, found: list[str]):
    extend(make(tmp_path, kind), b"more than there was")
    assert [kind for kind, _ in problems(tmp_path)] == found


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_frame_too_many_is_found(tmp_path: Path, kind: str):
    path = make(tmp_path, kind)
    stamps = tmp_path / "s" / "ts"
    cut(stamps, -8)
    assert problems(tmp_path) == [("length-mismatch", "s/x")]
    assert path.exists()


def test_exchanged_files_are_found_where_their_frames_differ(tmp_path: Path):
    record_trace(tmp_path / "t", 1.0)
    root = tmp_path / "t"
    exchange(root / "radar" / "iq", root / "radar" / "valid")
    exchange(root / "lidar" / "rng", root / "lidar" / "rfl")
    exchange(root / "lidar" / "rng_i", root / "lidar" / "rfl_i")
    exchange(root / "camera" / "video.avi", root / "imu" / "acc")
    found = {file for _, file in problems(root)}
    assert {"radar/iq", "radar/valid", "lidar/rfl", "lidar/rng"} <= found
    assert {"camera/video.avi", "imu/acc"} <= found


@pytest.mark.parametrize("deep", [False, True], ids=["structure", "deep"])
def test_data_and_index_of_different_channels_are_found(tmp_path: Path, deep: bool):
    record_trace(tmp_path / "t", 1.0)
    exchange(tmp_path / "t" / "lidar" / "rng_i", tmp_path / "t" / "lidar" / "rfl_i")
    found = {file for _, file in problems(tmp_path / "t", deep)}
    assert {"lidar/rng_i", "lidar/rfl_i"} <= found


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_of_another_format_is_found(tmp_path: Path, kind: str):
    path = make(tmp_path, kind)
    if path.is_dir():
        (path / f"000000.{kind}").write_bytes(b"something else" * 20)
    else:
        path.write_bytes(b"something else" * 20)
    kinds = {kind for kind, _ in problems(tmp_path)}
    assert kinds & {"damaged", "bad-frames", "length-mismatch"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_frames_of_another_shape_are_found(tmp_path: Path, kind: str):
    make(tmp_path, kind)
    meta = tmp_path / "s" / "meta.json"
    text = meta.read_text()
    shape, other = ("24, 32, 3", "24, 36, 3") if kind in ("jpg", "mjpg") else ("4, 6", "4, 7")
    assert shape in text
    meta.write_text(text.replace(shape, other))
    expected = {"bad-frames", "shape-mismatch", "damaged", "length-mismatch"}
    assert expected & {kind for kind, _ in problems(tmp_path)}


# ── lzma, lzmaf ──────────────────────────────────────────────────────────────────────────────────

INDEXES: list[tuple[str, Callable[[Any], Any], str]] = [
    ("missing a middle entry", lambda i: np.delete(i, 3), "bad-index"),
    ("not beginning at 0", lambda i: i[1:], "bad-index"),
    ("not ascending", lambda i: i[[0, 2, 1, *range(3, len(i))]], "bad-index"),
    ("one offset wrong", lambda i: i + (np.arange(len(i)) == 5), "bad-index"),
    ("last offset wrong", lambda i: i + (np.arange(len(i)) == len(i) - 1), "bad-index"),
    ("short", lambda i: i[:4], "short-index"),
    ("empty", lambda i: i[:0], "short-index"),
    ("with frames that are not there", lambda i: [*i, i[-1] + 9], "long-index"),
]


@pytest.mark.parametrize("change, kind", [c[1:] for c in INDEXES], ids=[c[0] for c in INDEXES])
def test_an_index_that_is_wrong_is_found(tmp_path: Path, change: Any, kind: str):
    path = make(tmp_path, "lzmaf")
    rewrite_index(Path(f"{path}_i"), change)
    assert (kind, "s/x_i") in problems(tmp_path, deep=True)
    if "middle" not in str(change) and kind != "bad-index":
        assert problems(tmp_path) == [(kind, "s/x_i")]


def test_a_torn_index_is_found(tmp_path: Path):
    cut(Path(f"{make(tmp_path, 'lzmaf')}_i"), -3)
    assert problems(tmp_path) == [("torn-index", "s/x_i"), ("short-index", "s/x_i")]


def test_a_missing_index_is_found_and_the_frames_are_read_without(tmp_path: Path):
    path = make(tmp_path, "lzmaf")
    Path(f"{path}_i").unlink()
    assert problems(tmp_path, deep=True) == [("missing-index", "s/x_i")]


@pytest.mark.parametrize("index", [True, False])
def test_one_stream_of_all_frames_under_the_name_of_lzmaf_is_mislabelled(
    tmp_path: Path, index: bool
):
    path = make(tmp_path, "lzmaf")
    path.write_bytes(lzma.compress(FRAMES.tobytes()))
    if not index:
        Path(f"{path}_i").unlink()
    (trace,) = ops.validate(tmp_path, {}).traces
    (problem,) = trace.errors
    assert (problem.kind, problem.file) == ("mislabelled", "s/x")
    assert "'lzma'" in problem.message and "meta.json" in problem.message


def test_damage_in_one_stream_of_many_leaves_the_frames_of_the_others(tmp_path: Path):
    path = make(tmp_path, "lzma")
    streams = [lzma.compress(FRAMES[i : i + 1].tobytes()) for i in range(COUNT)]
    start = sum(map(len, streams[:2]))
    data = bytearray(b"".join(streams))
    for at in (start + 30, start + len(streams[2]) + 30, len(data) - 60):
        data[at] ^= 0x41
    path.write_bytes(data)
    (trace,) = ops.validate(tmp_path, {}, deep=True).traces
    (problem,) = trace.errors
    assert problem.kind == "bad-frames"
    assert "found 3 of 7 that are not: 2-3, 6 (" in problem.message


def test_damage_before_a_sound_end_is_told_from_a_cut(tmp_path: Path):
    path = make(tmp_path, "lzma")
    streams = [lzma.compress(FRAMES[i : i + 1].tobytes()) for i in range(COUNT)]
    streams[3] = streams[3][:-20]
    path.write_bytes(b"".join(streams))
    assert problems(tmp_path)[0] == ("damaged", "s/x")


# ── blobs ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["npz", "jpg"])
def test_a_gap_between_blobs_is_found(tmp_path: Path, kind: str):
    path = make(tmp_path, kind)
    (path / f"000003.{kind}").unlink()
    assert problems(tmp_path) == [("frame-gap", "s/x"), ("length-mismatch", "s/x")]
    (trace,) = ops.validate(tmp_path, {}).traces
    assert "000004" in trace.errors[0].message and "000003" in trace.errors[0].message


@pytest.mark.parametrize("kind", ["npz", "jpg"])
def test_many_bad_blobs_are_one_problem_that_names_the_first(tmp_path: Path, kind: str):
    path = make(tmp_path, kind)
    for number in (0, 1, 3, 5, 6):
        (path / f"{number:06d}.{kind}").write_bytes(b"nothing")
    (trace,) = ops.validate(tmp_path, {}, deep=True).traces
    (problem,) = trace.errors
    assert "found 5 of 7 that are not: 0-1, 3, 5-6 (" in problem.message


def test_what_a_dead_program_left_behind_is_a_warning(tmp_path: Path):
    path = make(tmp_path, "npz")
    (path / ".0123abcd.tmp").mkdir()
    shutil.copy(path / "000000.npz", path / ".0123abcd.tmp")
    (tmp_path / "s" / ".meta.json.deadbeef.tmp").write_text("{")
    assert problems(tmp_path) == []
    assert problems(tmp_path, severity="warning") == [
        ("stray-temporary", "s/x/.0123abcd.tmp"),
        ("stray-temporary", "s/.meta.json.deadbeef.tmp"),
    ]


def test_a_video_without_frames_that_is_complete_is_sound(tmp_path: Path):
    channel = from_config(tmp_path / "x.avi", "mjpg", "u1", (24, 32, 3))
    channel.write(np.empty((0, 24, 32, 3), np.uint8))
    (tmp_path / "t").mkdir()
    made = record(tmp_path / "t" / "s", np.empty(0), {})
    made.meta["x.avi"] = {"format": "mjpg", "type": "u1", "shape": [24, 32, 3]}
    made.write_meta()
    (tmp_path / "x.avi").rename(tmp_path / "t" / "s" / "x.avi")
    (tmp_path / "t" / "config.yaml").write_text("{}")
    (report,) = ops.validate([tmp_path / "t"], schema={}).traces
    assert [problem.kind for problem in report.problems] == ["no-frames"]


def test_files_of_another_shape_are_not_called_mislabelled(tmp_path: Path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "config.yaml").write_text("{}")
    large = numbered(6, (8, 16), "u2")
    record(
        tmp_path / "t" / "s",
        np.arange(6) + 1.7e9,
        {"rng": ("lzmaf", large), "rfl": ("lzmaf", large.astype("u1"))},
    )
    for name, other in (("rng", "x"), ("rfl", "rng"), ("x", "rfl")):
        (tmp_path / "t" / "s" / name).rename(tmp_path / "t" / "s" / other)
    (report,) = ops.validate([tmp_path / "t"], schema={}).traces
    kinds = {problem.kind for problem in report.problems}
    assert "damaged" in kinds
    assert "mislabelled" not in kinds
