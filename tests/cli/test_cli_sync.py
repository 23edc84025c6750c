"""`roverd sync`, against numbers computed from the timestamps' files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from roverd import ops
from support.command_line import expect_one_line_error, run_roverd
from support.stores import serving_files
from support.traces import SHORT, START, record

GAP, DROPPED, KEPT = (0xF7, 0xD9, 0xA8), (0xC0, 0x39, 0x2B), (0x2E, 0x8B, 0x57)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A lidar, a camera that begins late and has a gap, and a virtual sensor."""
    folder = tmp_path / "walk"
    camera = START + 1 + np.arange(200) / 20
    record(folder / "lidar", START + np.arange(100) / 10, {})
    record(folder / "camera", camera[(camera < START + 4) | (camera > START + 6)], {})
    record(folder / "_camera", START + np.arange(3.0), {})
    return folder


def in_json(*arguments: object) -> dict[str, Any]:
    done = run_roverd("sync", *arguments, "--json")
    assert (done.status, done.err) == (0, "")
    return json.loads(done.out)


def called(path: object, **options: Any) -> dict[str, Any]:
    """The report of what the command calls."""
    return ops.sync(str(path), **options).to_dict()["report"]


def expect(found: dict[str, Any], folder: Path, names: list[str], tolerance: float) -> None:
    """Assert that JSON is of the nearest frames to those of the lidar."""
    stamps = {name: np.fromfile(folder / name / "ts", "<f8") for name in names}
    reference = stamps["lidar"]
    near = {
        name: np.array([np.abs(times - time).min() <= tolerance for time in reference])
        for name, times in stamps.items()
    }
    kept = np.all(list(near.values()), axis=0)
    report = found["report"]
    assert found["path"] == str(folder)
    assert (report["reference"], report["candidates"]) == ("lidar", len(reference))
    assert (report["samples"], report["dropped"]) == (kept.sum(), (~kept).sum())
    assert [sensor["name"] for sensor in report["sensors"]] == names
    for sensor in report["sensors"]:
        assert sensor["frames"] == len(stamps[sensor["name"]])
        assert sum(sensor["dropped"].values()) == (~near[sensor["name"]]).sum()


def test_json_is_of_the_nearest_frames(trace: Path):
    expect(in_json(trace, "--tolerance", 1.5), trace, ["camera", "lidar"], 1.5)
    for path, names in ((trace, []), (SHORT, ["imu", "radar"])):
        expect(ops.sync(path).to_dict(), path, sorted(["camera", "lidar", *names]), 0.1)


def test_what_is_printed_names_what_was_dropped_and_gaps(trace: Path):
    done = run_roverd("sync", trace)
    assert (done.status, done.err) == (0, "")
    assert "reference  lidar: 100 times in 9.900 s" in done.lines
    (samples,) = [line for line in done.lines if line.startswith("samples")]
    (camera,) = [line for line in done.lines if line.startswith("camera")][:1]
    report = called(trace)
    assert f" {report['samples']} " in samples and f"{report['dropped']} dropped" in samples
    reasons = report["sensors"][0]["dropped"]
    assert camera.endswith(f"{reasons['before']} before, {reasons['gap']} gap")
    assert "20.00 Hz" in camera
    assert [line.split() for line in done.lines if line.startswith("camera")][1] == [
        *("camera", "3.950", "s", "2.100", "s")
    ]


def test_the_reference_may_be_another_sensor_or_a_rate(trace: Path):
    assert called(trace, reference="camera")["reference"] == "camera"
    report = in_json(trace, "--reference", "4")["report"]
    # From when the camera began until the lidar ended.
    assert (report["reference"], report["candidates"]) == ("4 Hz", 36)
    report = in_json(trace, "--sensors", "camera", "_camera")["report"]
    assert report["reference"] == "_camera"
    assert [sensor["name"] for sensor in report["sensors"]] == ["camera", "_camera"]


def test_the_timeline_shows_gaps_and_what_was_dropped(trace: Path, tmp_path: Path):
    done = run_roverd("sync", trace, "--plot", tmp_path / "timeline.png")
    assert (done.status, done.err) == (0, "")
    assert f"picture    {tmp_path / 'timeline.png'}" in done.lines

    def shares(path: Path) -> dict[tuple[int, ...], float]:
        """How much of the picture, without its legend, has these colours."""
        with Image.open(path) as image:
            assert image.format == "PNG"
            pixels = np.asarray(image.convert("RGB"))
        above = pixels[: int(0.85 * len(pixels))]
        return {colour: (above == colour).all(2).mean() for colour in (GAP, DROPPED, KEPT)}

    found = shares(tmp_path / "timeline.png")
    assert all(share > 0 for share in found.values())
    # The same again without a gap and without anything dropped replaces it.
    for name in ("camera", "lidar"):
        (START + np.arange(100) / 10).tofile(trace / name / "ts")
    ops.sync(trace, plot=tmp_path / "timeline.png")
    found = shares(tmp_path / "timeline.png")
    assert found[KEPT] > 0
    assert found[GAP] == found[DROPPED] == 0


def test_timestamps_that_go_back_are_an_error_unless_it_is_said_what_to_do(trace: Path):
    stamps = START + np.array([1.0, 1.1, 3.0, 1.2, 1.3])
    stamps.tofile(trace / "camera" / "ts")
    expect_one_line_error(run_roverd("sync", trace), trace, "'camera'", "frame 3", "skip")
    samples: dict[str, int] = {
        "sort": called(trace, unordered="sort")["samples"],
        "skip": in_json(trace, "--unordered", "skip")["report"]["samples"],
    }
    near = {"sort": stamps, "skip": stamps[:3]}
    lidar = START + np.arange(100) / 10
    assert samples == {
        how: sum(np.abs(times - time).min() <= 0.1 for time in lidar) for how, times in near.items()
    }
    assert samples["sort"] > samples["skip"]


def test_no_sample_left_is_status_1_with_the_reason(trace: Path):
    np.empty(0).tofile(trace / "camera" / "ts")
    done = run_roverd("sync", trace)
    assert done.status == 1
    assert "100 dropped" in done.out
    (line,) = done.err.splitlines()
    assert str(trace) in line and "camera: 100 empty; 100 by it alone" in line


def test_what_is_not_there_is_named(trace: Path, tmp_path: Path):
    expect_one_line_error(run_roverd("sync", trace, "--reference", "imu"), trace, "imu", "camera")
    with pytest.raises(FileNotFoundError, match=str(trace / "imu")):
        ops.sync(trace, sensors=["imu"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty: no sensors"):
        ops.sync(tmp_path / "empty")


@pytest.mark.parametrize(
    "words",
    [
        ["--reference", "0"],
        ["--tolerance", "-1"],
        ["--sensors"],
    ],
)
def test_words_that_cannot_be_are_status_2(trace: Path, words: list[str]):
    done = run_roverd("sync", trace, *words)
    assert (done.status, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1


def test_a_url_gives_what_the_folder_gives(trace: Path, tmp_path: Path):
    with serving_files(tmp_path, lists=True) as host:
        there = in_json(f"http://{host}/walk")
    assert there["report"] == called(trace)
