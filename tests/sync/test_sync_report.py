"""What a synchronisation reports of a trace's sensors, against numbers computed from timestamps."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from roverd import Dataset
from roverd.sync import Nearest, Previous, SensorReport, Synchronization, SyncReport, Window
from support.traces import START, record

RNG = np.random.default_rng(7)
REFERENCE = START + np.arange(600) / 10
CAMERA = START + 5 + np.arange(1500) / 30 + RNG.uniform(0, 4e-3, 1500)
CAMERA = CAMERA[(CAMERA < START + 20) | (CAMERA > START + 23.5)]
CAMERA = np.delete(CAMERA, [100, 101, 102, 103])
STAMPS = {"r": REFERENCE, "camera": CAMERA, "imu": START - 1 + np.arange(7000) / 100}


def sensor(report: SyncReport, name: str) -> SensorReport:
    (found,) = [each for each in report.sensors if each.name == name]
    return found


def test_rates_gaps_coverage_and_offsets_are_those_of_the_timestamps():
    sync = Synchronization("r", {"camera": Nearest(0.05), "imu": Window(seconds=0.2)})
    alignment = sync.align(STAMPS)
    report = alignment.report()
    assert report == sync.report() == sync.report(STAMPS)
    assert (report.reference, report.candidates) == ("r", 600)
    assert (report.start, report.end) == (REFERENCE[0], REFERENCE[-1])
    camera = sensor(report, "camera")
    steps = np.diff(CAMERA)
    gaps = np.flatnonzero(steps > 3 * np.median(steps))
    assert len(gaps) == camera.gaps == 2
    assert camera.frames == len(CAMERA)
    assert camera.unused == 0
    assert (camera.start, camera.end) == (CAMERA[0], CAMERA[-1])
    assert camera.rate == pytest.approx(1 / np.median(steps), rel=1e-12)
    assert camera.jitter == pytest.approx(np.std(np.delete(steps, gaps)), rel=1e-9)
    assert camera.gap_seconds == pytest.approx(steps[gaps].sum(), rel=1e-12)
    assert [(gap.start, gap.seconds) for gap in camera.longest_gaps] == [
        (CAMERA[gap], steps[gap]) for gap in gaps
    ]
    # Counted in milliseconds of the reference's time in which the camera recorded.
    moments = np.arange(REFERENCE[0], REFERENCE[-1], 1e-3)
    inside = (moments >= CAMERA[0]) & (moments <= CAMERA[-1])
    for gap in gaps:
        inside &= (moments < CAMERA[gap]) | (moments > CAMERA[gap + 1])
    assert camera.coverage == pytest.approx(inside.mean(), abs=1e-4)
    assert sensor(report, "imu").coverage == 1
    assert sensor(report, "imu").rate == pytest.approx(100, rel=1e-4)
    nearest = np.array([np.argmin(np.abs(CAMERA - time)) for time in REFERENCE])
    distance = CAMERA[nearest] - REFERENCE
    kept = np.abs(distance) <= 0.05
    assert report.samples == np.count_nonzero(kept)
    early, late = CAMERA[0] > REFERENCE, CAMERA[-1] < REFERENCE
    reasons = {
        "before": np.count_nonzero(~kept & early),
        "after": np.count_nonzero(~kept & late),
        "gap": np.count_nonzero(~kept & ~early & ~late),
    }
    assert all(reasons.values())
    assert camera.dropped == {**reasons, "margin": 0, "empty": 0}
    assert camera.only == report.dropped == np.count_nonzero(~kept)
    assert camera.offsets is not None
    offsets = distance[kept]
    assert camera.offsets.mean == pytest.approx(offsets.mean(), abs=1e-12)
    assert (camera.offsets.p5, camera.offsets.p50, camera.offsets.p95) == pytest.approx(
        np.percentile(offsets, (5, 50, 95)), abs=1e-12
    )
    assert camera.offsets.largest == np.abs(offsets).max()
    assert sensor(report, "r").offsets == type(camera.offsets)(0, 0, 0, 0, 0)
    assert alignment.dropped["camera"].tolist() == REFERENCE[~kept].tolist()
    assert alignment.timestamps["camera"].tolist() == CAMERA.tolist()
    assert str(report).splitlines() == [
        f"{report.samples} samples of 600 by r, {report.dropped} dropped",
        f"camera: {reasons['before']} before, {reasons['after']} after, {reasons['gap']} gap; "
        f"{camera.only} by it alone",
    ]
    assert json.loads(json.dumps(report.to_dict()))["sensors"][0]["name"] == "r"


def test_many_gaps_are_counted_and_the_longest_listed():
    lengths = 1 + np.arange(25) % 9
    stamps = START + np.cumsum(np.insert(np.repeat(0.01, 2500), np.arange(100, 2600, 100), lengths))
    found = sensor(Synchronization("s").align({"s": stamps}).report(), "s")
    assert found.gaps == 25
    assert sorted(gap.seconds for gap in found.longest_gaps) == pytest.approx(
        sorted(lengths)[-10:], abs=1e-6
    )
    assert [gap.start for gap in found.longest_gaps] == sorted(
        gap.start for gap in found.longest_gaps
    )


@pytest.mark.parametrize("count", [0, 1, 2])
def test_little_or_nothing_is_reported_on(count: int):
    stamps = {"s": START + np.arange(float(count)), "r": START + np.arange(3.0)}
    report = Synchronization("r").align(stamps).report()
    found = sensor(report, "s")
    assert (found.frames, found.gaps, found.jitter) == (count, 0, 0)
    assert found.rate == (1 if count == 2 else 0)
    assert (found.start is None) == (count == 0)
    assert (found.offsets is None) == (count == 0)
    assert found.dropped["empty"] == (3 if count == 0 else 0)
    assert json.dumps(report.to_dict(), allow_nan=False)


def test_frames_that_are_not_used_are_counted():
    stamps = START + np.array([0.0, 1.0, np.nan, 0.5, 2.0])
    for unordered, unused in (("sort", 1), ("skip", 2)):
        sync = Synchronization("s", unordered=unordered)  # pyright: ignore[reportArgumentType]
        found = sensor(sync.align({"s": stamps}).report(), "s")
        assert (found.frames, found.unused) == (5, unused)


def test_equal_timestamps_are_no_gaps():
    stamps = START + np.repeat(np.arange(10.0), 3)
    found = sensor(Synchronization("s").align({"s": stamps}).report(), "s")
    assert (found.gaps, found.rate, found.coverage) == (0, 0, 1)


def test_nothing_is_reported_before_anything_was_synchronised():
    with pytest.raises(ValueError, match="synchronised nothing yet"):
        Synchronization("r").report()


def test_every_trace_has_its_own_report_when_many_are_opened_at_once(tmp_path: Path):
    folders: list[Path] = []
    for number in range(12):
        folder = tmp_path / f"t{number:02d}"
        record(folder / "r", START + np.arange(20 + number) / 10, {})
        record(folder / "s", START + np.arange(10) / 10, {})
        folders.append(folder)
    sync = Synchronization("r", {"s": Previous(0.05)})
    dataset = Dataset.from_config(folders, sync, workers=-1)
    for number, trace in enumerate(dataset.traces):
        report = trace.alignment.report()
        assert (report.candidates, report.samples) == (20 + number, 10)
        assert sensor(report, "s").dropped["after"] == 10 + number


def test_one_object_may_synchronise_in_many_threads():
    sync = Synchronization("r", {"s": Previous(0.05)})
    problems: list[str] = []

    def work(number: int) -> None:
        stamps = {"r": START + np.arange(100 + number) / 10, "s": START + np.arange(50) / 10}
        for _ in range(20):
            alignment = sync.align(stamps)
            if (len(alignment), alignment.report().candidates) != (50, 100 + number):
                problems.append(f"{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
