"""`ops.validate` on sensors: descriptions, lengths, timestamps, intrinsics, poses, other files."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd import channels, ops
from roverd.ops.validation import KINDS, TraceReport
from support.damage import DeadlyChannel, FussyChannel, cut
from support.limits import cheap
from support.traces import (
    START,
    link,
    numbered,
    record,
    record_imu,
    record_poses,
    record_trace,
    ticks,
)

COUNT = 40


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A sound trace with a sensor of each kind."""
    record_trace(tmp_path / "walk", 2.0)
    return tmp_path / "walk"


def check(root: Path, **options: Any) -> TraceReport:
    (report,) = ops.validate(root, **options).traces
    for problem in report.problems:
        assert problem.severity == KINDS[problem.kind]
        assert problem.kind != "unexpected"
        assert "\n" not in problem.message
        assert str(root) not in problem.message
    return report


def found(root: Path, **options: Any) -> list[tuple[str, str]]:
    return [(p.kind, p.file) for p in check(root, **options).problems]


def edit_meta(sensor: Path, change: Callable[[dict[str, Any]], object]) -> None:
    meta = json.loads((sensor / "meta.json").read_text())
    change(meta)
    (sensor / "meta.json").write_text(json.dumps(meta))


# ── what should be there ─────────────────────────────────────────────────────────────────────────


def test_nothing_is_found_in_a_sound_trace(trace: Path):
    assert found(trace) == found(trace, deep=True) == []


def test_a_trace_without_config_is_one_where_it_is_named(trace: Path):
    (trace / "config.yaml").unlink()
    assert found(trace) == [("missing-config", "config.yaml")]
    assert ops.validate(trace.parent).traces == []
    assert not ops.validate(trace.parent).ok


@pytest.mark.parametrize(
    "name", ["radar/iq", "lidar/rng", "camera/video.avi", "imu/acc", "imu/ts", "lidar/meta.json"]
)
def test_a_missing_file_is_found(trace: Path, name: str):
    (trace / name).unlink()
    errors = [(p.kind, p.file) for p in check(trace).errors]
    assert errors == [("missing-file", name)]


def test_a_link_to_nowhere_is_a_missing_file_that_is_not_dropped(trace: Path):
    video = trace / "camera" / "video.avi"
    video.unlink()
    video.symlink_to("../_camera/video.avi")
    report = check(trace, fix_errors=True)
    (problem,) = report.errors
    assert (problem.kind, problem.file) == ("missing-file", "camera/video.avi")
    assert "../_camera/video.avi" in problem.message
    assert "video.avi" in (trace / "camera" / "meta.json").read_text()


def test_a_channel_file_that_is_a_link_is_as_good_as_a_file(trace: Path):
    (trace / "_camera").mkdir()
    (trace / "camera" / "video.avi").rename(trace / "_camera" / "video.avi")
    link(trace / "_camera" / "video.avi", trace / "camera" / "video.avi")
    assert found(trace) == []


def test_a_folder_in_the_place_of_a_file_and_the_other_way_round(trace: Path):
    (trace / "radar" / "iq").unlink()
    (trace / "radar" / "iq").mkdir()
    record(trace / "s", ticks(3, 10), {"x": ("npz", numbered(3, (2,), "f4"))})
    shutil.rmtree(trace / "s" / "x")
    (trace / "s" / "x").write_text("no folder")
    errors = {(p.kind, p.file) for p in check(trace).errors}
    assert errors == {("unreadable", "radar/iq"), ("missing-file", "s/x")}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_found(trace: Path):
    (trace / "radar" / "iq").chmod(0)
    (trace / "imu").chmod(0)
    kinds = {(p.kind, p.file) for p in check(trace).errors}
    (trace / "imu").chmod(0o700)
    assert kinds >= {("unreadable", "radar/iq"), ("unreadable", "imu/meta.json")}


# ── meta.json ────────────────────────────────────────────────────────────────────────────────────

BROKEN_META = {
    "not JSON": lambda text: "{",
    "no object": lambda text: "[]",
    "deep": lambda text: "[" * 100000,
    "escaping": lambda text: text.replace('"rot"', '"../rot"'),
    "without a type": lambda text: text.replace('"type"', '"kind"'),
}


@pytest.mark.parametrize("change", BROKEN_META.values(), ids=BROKEN_META)
def test_a_broken_description_is_found_and_the_other_sensors_are_checked(
    trace: Path, change: Callable[[str], str]
):
    meta = trace / "imu" / "meta.json"
    meta.write_text(change(meta.read_text()))
    cut(trace / "radar" / "iq", -5)
    errors = [(p.kind, p.file) for p in check(trace).errors]
    assert errors[0] == ("bad-meta", "imu/meta.json")
    assert ("torn-tail", "radar/iq") in errors
    assert {file for _, file in errors} == {"imu/meta.json", "radar/iq"}


BAD_ENTRIES: list[dict[str, Any]] = [
    {"format": "nope", "type": "u1", "shape": []},
    {"format": "raw", "type": "object", "shape": []},
    {"format": "raw", "type": "u1", "shape": [-1]},
    {"format": "mjpg", "type": "f4", "shape": [2, 2, 3]},
    {"format": "npz", "type": "u1", "shape": [], "args": {"workers": 0}},
    {"format": "raw", "type": "u1", "shape": [], "args": {"nonsense": 0}},
]


@pytest.mark.parametrize("entry", BAD_ENTRIES, ids=lambda entry: json.dumps(entry)[:60])
def test_one_bad_entry_is_found_and_the_other_channels_are_checked(
    trace: Path, entry: dict[str, Any]
):
    edit_meta(trace / "imu", lambda meta: meta.update(extra=entry))
    cut(trace / "imu" / "acc", -1)
    kinds = [(p.kind, p.file) for p in check(trace).errors]
    assert kinds[0] == ("bad-meta", "imu/meta.json")
    assert "'extra'" in check(trace).errors[0].message
    assert ("torn-tail", "imu/acc") in kinds


def test_channels_that_share_a_file_are_found(trace: Path):
    entry = {"format": "raw", "type": "u8", "shape": []}
    edit_meta(trace / "lidar", lambda meta: meta.update(rng_i=entry))
    errors = check(trace).errors
    assert errors[0].kind == "bad-meta"
    assert "'rng'" in errors[0].message and "'rng_i'" in errors[0].message


# ── lengths ──────────────────────────────────────────────────────────────────────────────────────


def test_channels_of_another_length_than_ts_are_found(trace: Path):
    cut(trace / "imu" / "acc", 12 * 30)
    cut(trace / "imu" / "rot", 12 * 31 + 5)
    report = check(trace)
    assert [(p.kind, p.file) for p in report.errors] == [
        ("torn-tail", "imu/rot"),
        ("length-mismatch", "imu/acc"),
        ("length-mismatch", "imu/rot"),
    ]
    (imu,) = [sensor for sensor in report.sensors if sensor.name == "imu"]
    assert (imu.n, imu.frames) == (30, {"ts": 200, "acc": 30, "rot": 31, "avel": 200})


def test_a_sensor_without_frames_is_a_warning(trace: Path):
    record_imu(trace / "spare", 0)
    assert found(trace) == [("no-frames", "spare/ts")]


# ── timestamps ───────────────────────────────────────────────────────────────────────────────────


def with_stamps(root: Path, stamps: np.ndarray) -> Path:
    """A trace with a sensor `s` that has these timestamps."""
    values = numbered(len(stamps), (2,), "i2")
    record(root / "s", np.asarray(stamps, float), {"x": ("raw", values)})
    (root / "config.yaml").write_text("")
    return root


EVEN = START + np.arange(COUNT) / 10
NUMBERS = np.arange(COUNT)


@pytest.mark.parametrize(
    "stamps, kinds",
    [
        (EVEN, []),
        (EVEN[:1], []),
        (EVEN[:2], []),
        (EVEN[::-1], ["timestamps-order"]),
        (EVEN - 0.15 * (NUMBERS == 7), ["timestamps-order", "timestamps-gap"]),
        (np.repeat(EVEN[::2], 2), ["timestamps-order"]),
        (np.full(COUNT, START), ["timestamps-order"]),
        (EVEN + 3 * (NUMBERS > 20), ["timestamps-gap"]),
        (EVEN[NUMBERS != 11], ["timestamps-gap"]),
        (EVEN + 0.05 * (NUMBERS % 2), ["timestamps-irregular"]),
        (EVEN - START, ["timestamps-epoch"]),
        (EVEN * 1000, ["timestamps-epoch"]),
        (np.where(NUMBERS == 3, np.nan, EVEN), ["timestamps-not-finite"]),
        (np.where(NUMBERS == 3, np.inf, EVEN), ["timestamps-not-finite"]),
        (np.where(NUMBERS == 3, 1e308, -1e308), ["timestamps-order", "timestamps-epoch"]),
    ],
)
def test_what_is_found_of_timestamps(tmp_path: Path, stamps: np.ndarray, kinds: list[str]):
    assert found(with_stamps(tmp_path, stamps), schema={}) == [(kind, "s/ts") for kind in kinds]


def test_statistics_are_those_of_the_timestamps(tmp_path: Path):
    noise = np.random.default_rng(5).uniform(0, 0.01, COUNT)
    stamps = EVEN + noise + 0.5 * (NUMBERS > 20)
    (sensor,) = check(with_stamps(tmp_path, stamps), schema={}).sensors
    steps = np.diff(stamps)
    assert (sensor.n, sensor.start, sensor.end) == (COUNT, stamps[0], stamps[-1])
    assert sensor.duration == pytest.approx(stamps[-1] - stamps[0])
    assert sensor.rate == pytest.approx((COUNT - 1) / (stamps[-1] - stamps[0]))
    assert sensor.period == pytest.approx(np.median(steps))
    assert sensor.longest_step == pytest.approx(steps[20])
    assert sensor.jitter == pytest.approx(np.delete(steps, 20).std())
    assert (sensor.gaps, sensor.missed) == (1, 5)


@pytest.mark.parametrize("entry", [{"type": "f4", "shape": [2]}, {"type": "i8", "shape": []}])
def test_timestamps_of_another_type_are_found(tmp_path: Path, entry: dict[str, Any]):
    with_stamps(tmp_path, EVEN)
    edit_meta(tmp_path / "s", lambda meta: meta["ts"].update(entry))
    assert found(tmp_path, schema={}) == [("timestamps-type", "s/ts")]


def test_a_sensor_whose_description_lacks_timestamps_is_found(tmp_path: Path):
    with_stamps(tmp_path, EVEN)
    edit_meta(tmp_path / "s", lambda meta: meta.pop("ts"))
    kinds = [p.kind for p in check(tmp_path, schema={}).errors]
    assert kinds == ["missing-channel"]


def test_sensors_that_share_no_time_are_a_warning(tmp_path: Path):
    with_stamps(tmp_path, EVEN)
    record(tmp_path / "later", EVEN + 100, {})
    (problem,) = check(tmp_path, schema={}).problems
    assert (problem.severity, problem.kind, problem.file) == ("warning", "no-overlap", ".")
    assert "later begins 96.1 s after s ended" in problem.message


# ── beside the channels ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name, text",
    [
        ("radar/radar.json", "{"),
        ("radar/radar.json", '{"range_resolution": 1}'),
        ("radar/radar.json", '{"range_resolution": "1", "doppler_resolution": 1}'),
        ("radar/radar.json", '{"range_resolution": NaN, "doppler_resolution": 1}'),
        ("lidar/lidar.json", "[1]"),
        ("lidar/lidar.json", "\x00\x01"),
    ],
)
def test_intrinsics_that_are_none_are_found(trace: Path, name: str, text: str):
    (trace / name).write_text(text)
    assert found(trace) == [("bad-intrinsics", name)]


def test_missing_intrinsics_are_a_warning(trace: Path):
    (trace / "radar" / "radar.json").unlink()
    (trace / "lidar" / "lidar.json").unlink()
    assert found(trace) == [
        ("missing-intrinsics", "lidar/lidar.json"),
        ("missing-intrinsics", "radar/radar.json"),
    ]


def test_files_that_no_channel_has_are_a_warning_but_in_virtual_sensors(trace: Path):
    (trace / "radar" / "iq.bak").write_bytes(b"")
    (trace / "radar" / "notes.txt").write_text("cold day")
    record(trace / "_radar", ticks(4, 20), {})
    (trace / "_radar" / "anything.bin").write_bytes(b"")
    (trace / "_scratch").mkdir()
    assert found(trace) == [("extra-file", "radar/iq.bak")]


def test_virtual_sensors_are_checked(trace: Path):
    record(trace / "_camera", ticks(4, 20), {"segment": ("lzmaf", numbered(4, (5,), "u1"))})
    assert found(trace) == []
    cut(trace / "_camera" / "segment", -1)
    assert ("torn-tail", "_camera/segment") in found(trace)


def test_poses_are_checked(trace: Path):
    record_poses(trace, 40)
    assert found(trace) == []
    poses = dict(np.load(trace / "_radar" / "pose.npz"))
    for change, kinds in [
        ({"t": poses["t"][::-1]}, ["bad-poses"]),
        ({"vel": poses["vel"][1:]}, ["bad-poses"]),
        ({"rot": np.array([None])}, ["bad-poses"]),
        ({name: poses[name][1:] for name in ("t", "pos", "vel", "acc", "rot")}, ["pose-length"]),
    ]:
        np.savez(trace / "_radar" / "pose.npz", **{**poses, **change})
        assert found(trace) == [(kind, "_radar/pose.npz") for kind in kinds]


# ── --fix-errors ─────────────────────────────────────────────────────────────────────────────────


def test_entries_without_data_are_dropped_and_all_else_is_kept(trace: Path):
    def change(meta: dict[str, Any]) -> None:
        meta["rot"]["vendor"] = {"kept": [1, 2]}
        meta["gone"] = {"format": "npz", "type": "f4", "shape": [3]}
        meta["empty"] = {"format": "lzmaf", "type": "f4", "shape": [3]}

    edit_meta(trace / "imu", change)
    (trace / "imu" / "empty").write_bytes(b"")
    (trace / "imu" / "empty_i").write_bytes(bytes(8))
    before = json.loads((trace / "imu" / "meta.json").read_text())
    errors = [(p.kind, p.file) for p in check(trace).errors]
    assert errors == [("missing-file", "imu/gone"), ("length-mismatch", "imu/empty")]
    assert json.loads((trace / "imu" / "meta.json").read_text()) == before

    report = check(trace, fix_errors=True)
    fixed = [p for p in report.problems if p.severity == "fixed"]
    assert report.errors == []
    assert [p.file for p in fixed] == ["imu/meta.json"] * 2
    assert "'gone'" in fixed[0].message and "'empty'" in fixed[1].message
    del before["gone"], before["empty"]
    after = json.loads((trace / "imu" / "meta.json").read_text())
    assert (after, list(after)) == (before, list(before))
    assert [p.severity for p in check(trace).problems] == ["warning", "warning"]  # left files


def test_a_channel_that_the_schema_asks_for_is_missed_when_its_entry_was_dropped(trace: Path):
    (trace / "lidar" / "nir").unlink()
    (trace / "lidar" / "nir_i").unlink()
    for _ in range(2):
        report = check(trace, fix_errors=True)
        assert [(p.kind, p.file) for p in report.errors] == [("missing-channel", "lidar/meta.json")]
    assert check(trace, fix_errors=True, schema={"lidar": ["ts", "rng"]}).problems == []


@pytest.mark.parametrize("name", ["radar", "imu"])
def test_timestamps_are_never_dropped(trace: Path, name: str):
    (trace / name / "ts").unlink()
    before = (trace / name / "meta.json").read_bytes()
    assert [(p.kind, p.file) for p in check(trace, fix_errors=True).errors] == [
        ("missing-file", f"{name}/ts")
    ]
    assert (trace / name / "meta.json").read_bytes() == before


def test_a_sensor_that_was_just_made_keeps_its_entries(tmp_path: Path):
    with_stamps(tmp_path, EVEN[:0])
    before = (tmp_path / "s" / "meta.json").read_bytes()
    assert [p.kind for p in check(tmp_path, fix_errors=True, schema={}).problems] == ["no-frames"]
    assert (tmp_path / "s" / "meta.json").read_bytes() == before


# ── values, and formats of a user's own ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["raw", "lzma", "lzmaf", "npz"])
@pytest.mark.parametrize("dtype", ["f4", "c8"])
def test_values_that_are_no_numbers_are_a_warning_of_deep(tmp_path: Path, kind: str, dtype: str):
    frames = numbered(COUNT, (3, 700), dtype)
    frames[5, 2, 1] = np.nan
    frames[17, 0, :] = np.inf
    record(tmp_path / "s", EVEN, {"x": (kind, frames)})
    (tmp_path / "config.yaml").write_text("")
    assert found(tmp_path, schema={}) == []
    (problem,) = check(tmp_path, schema={}, deep=True).problems
    assert (problem.severity, problem.kind, problem.file) == ("warning", "not-finite", "s/x")
    assert "in 2 frames, the first of them 5" in problem.message


def test_a_format_of_ones_own_gets_the_general_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(channels.CHANNEL_TYPES, "fussy", FussyChannel)
    with_stamps(tmp_path, EVEN)
    edit_meta(tmp_path / "s", lambda meta: meta["x"].update(format="fussy"))
    for deep, text in [(False, "1 of the 2 that were tried"), (True, "20 of 40")]:
        (problem,) = check(tmp_path, schema={}, deep=deep).problems
        assert (problem.kind, problem.file) == ("bad-frames", "s/x")
        assert text in problem.message and "no frame" in problem.message
    cut(tmp_path / "s" / "x", -1)
    assert "torn-tail" in [kind for kind, _ in found(tmp_path, schema={})]


# ── many traces ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [1, 2])
def test_a_report_for_each_trace_whatever_is_wrong_with_the_others(tmp_path: Path, workers: int):
    for number in range(4):
        with_stamps(tmp_path / f"t{number}", EVEN)
    cut(tmp_path / "t1" / "s" / "x", -1)
    (tmp_path / "t2" / "s" / "meta.json").write_text("{")
    told: list[tuple[int, int]] = []
    report = ops.validate(
        [tmp_path / "t3", tmp_path],
        {},
        workers=workers,
        progress=lambda done, total: told.append((done, total)),
    )
    assert [os.path.basename(trace.path) for trace in report.traces] == ["t0", "t1", "t2", "t3"]
    assert [bool(trace.errors) for trace in report.traces] == [False, True, True, False]
    assert (report.broken, report.ok) == (2, False)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_progress_of_deep_counts_all_bytes(trace: Path):
    told: list[tuple[int, int]] = []
    ops.validate(trace, deep=True, progress=lambda done, total: told.append((done, total)))
    size = sum(
        file.stat().st_size
        for file in trace.rglob("*")
        if file.is_file() and not file.name.endswith((".json", ".yaml"))
    )
    assert {total for _, total in told} == {size}
    assert sorted(told) == told
    assert told[-1][0] >= 0.9 * size


def test_the_death_of_a_process_is_an_error_of_the_trace_that_killed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(channels.CHANNEL_TYPES, "deadly", DeadlyChannel)
    for number in range(3):
        with_stamps(tmp_path / f"t{number}", EVEN)
    edit_meta(tmp_path / "t1" / "s", lambda meta: meta["x"].update(format="deadly"))
    report = ops.validate(tmp_path, {}, workers=2)
    assert [[p.kind for p in trace.problems] for trace in report.traces] == [
        [],
        ["worker-died"],
        [],
    ]


def test_workers_must_be_a_positive_number(trace: Path):
    with pytest.raises(ValueError, match="workers"):
        ops.validate(trace, workers=0)


# ── what it costs ────────────────────────────────────────────────────────────────────────────────


def test_a_large_channel_is_read_in_bounded_memory(tmp_path: Path):
    with_stamps(tmp_path, EVEN)
    size = 8 << 20
    edit_meta(tmp_path / "s", lambda meta: meta["x"].update(type="f4", shape=[size // 4]))
    os.truncate(tmp_path / "s" / "x", COUNT * size)  # sparse: 320 MiB of zeros
    with cheap(seconds=10, megabytes=120):
        assert found(tmp_path, schema={}, deep=True) == []


@pytest.mark.parametrize("deep", [False, True], ids=["structure", "deep"])
@pytest.mark.parametrize("kind", ["raw", "lzma", "lzmaf", "npz"])
def test_a_description_of_frames_that_cannot_be_costs_nothing(
    tmp_path: Path, kind: str, deep: bool
):
    record(tmp_path / "s", EVEN, {"x": (kind, numbered(COUNT, (4,), "i2"))})
    (tmp_path / "config.yaml").write_text("")
    edit_meta(tmp_path / "s", lambda meta: meta["x"].update(shape=[1 << 20, 1 << 20]))
    with cheap(seconds=2, megabytes=64):
        assert check(tmp_path, schema={}, deep=deep).errors


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_timestamps_of_any_number_are_found_to_ascend(tmp_path: Path, size: int):
    # One in the middle is as late as the next.
    stamps = START + np.arange(size + 2) / 100
    stamps[size // 2 + 1] = stamps[size // 2]
    stamps.tofile(tmp_path / "ts")
    meta = {"ts": {"format": "raw", "type": "f8", "shape": []}}
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "config.yaml").write_text("")
    (tmp_path / "ts").rename(tmp_path / "s" / "ts")
    errors = check(tmp_path, schema={}).errors
    assert [p.kind for p in errors] == ["timestamps-order"]
    assert f"number {size // 2 + 1} " in errors[0].message
