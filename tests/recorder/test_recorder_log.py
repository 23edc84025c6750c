"""What a recorder tells of how it goes: the log, the statistics, the lines on a terminal."""

import contextlib
import os
import re
import termios
from collections.abc import Iterable
from pathlib import Path

import pytest

import roverd
from roverd import Recorder
from roverd.recorder import SensorStats
from roverd.recorder.display import Display
from roverd.recorder.statistics import Meter
from support.channels import CASES, wait_until
from support.recording import (
    RAW,
    add_all_formats,
    finish,
    log_of,
    start,
    write,
    write_number,
)


def test_the_log_tells_what_was_recorded_and_how(tmp_path: Path) -> None:
    with Recorder(tmp_path, config={"a": 1}, flush_interval=0.5) as recorder:
        write(add_all_formats(recorder), range(10))
    begin, sensor, *stats, end = log_of(tmp_path)
    assert (begin["event"], begin["version"]) == ("start", roverd.__version__)
    assert begin["continued"] is False
    assert begin["settings"] == {
        "overflow": "block",
        "queue_bytes": 256 << 20,
        "flush_interval": 0.5,
        "sync_interval": 2.0,
        "checksums": True,
    }
    assert (sensor["event"], sensor["sensor"], sensor["rate"]) == ("sensor", "all", 20.0)
    assert sensor["channels"].keys() == {"ts", *(case.name for case in CASES)}
    assert stats
    assert {entry["event"] for entry in stats} == {"stats"}
    last = stats[-1]
    assert (last["sensor"], last["frames"], last["dropped"]) == ("all", 10, 0)
    assert (last["queued_frames"], last["queued_bytes"], last["error"]) == (0, 0, None)
    assert last["rate"] > 0
    assert last["encode_seconds"] > 0
    sizes = [
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(tmp_path / "all")
        for name in names
        if not name.endswith(("_x", "_i", ".json"))
    ]
    # Without headers and indexes.
    assert 0.5 * sum(sizes) < last["bytes"] < sum(sizes)
    assert end["event"] == "close"
    assert end["sensors"] == {"all": {"frames": 10, "dropped": 0, "error": None}}


def test_once_a_second_there_are_statistics_of_each_sensor(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        for name in ("a", "b"):
            write_number(recorder.sensor(name, RAW), 0)
        wait_until(lambda: len(log_of(tmp_path, "stats")) >= 4, 30)
        told = log_of(tmp_path, "stats")
    assert [entry["sensor"] for entry in told[:4]] == ["a", "b", "a", "b"]
    assert 0.5 < told[2]["time"] - told[0]["time"] < 10


def test_a_log_is_added_to_after_its_last_whole_line(tmp_path: Path) -> None:
    Recorder(tmp_path).close()
    log = tmp_path / "_recorder" / "log.jsonl"
    before = log.read_bytes()
    log.write_bytes(before + b'{"event": "sta' + b" " * 100_000)
    Recorder(tmp_path, append=True).close()
    assert log.read_bytes().startswith(before + b'{"event": "start"')
    assert [entry["event"] for entry in log_of(tmp_path)] == ["start", "close"] * 2
    assert [entry["continued"] for entry in log_of(tmp_path, "start")] == [False, True]


def test_a_log_without_a_whole_line_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "_recorder").mkdir()
    (tmp_path / "_recorder" / "log.jsonl").write_bytes(b'{"event"')
    Recorder(tmp_path).close()
    assert [entry["event"] for entry in log_of(tmp_path)] == ["start", "close"]


def test_statistics_are_those_of_each_sensor(tmp_path: Path) -> None:
    with Recorder(tmp_path, flush_interval=0.01, sync_interval=0.05) as recorder:
        a = recorder.sensor("a", RAW, rate=5)
        recorder.sensor("b", RAW)
        for i in range(7):
            write_number(a, i)
        wait_until(lambda: recorder.stats()["a"].frames == 7)
        stats = recorder.stats()
        assert isinstance(stats["a"], SensorStats)
        assert (stats["a"].target, stats["b"].target) == (5, None)
        assert stats["a"].bytes == 7 * (12 + 8)
        assert (stats["b"].frames, stats["b"].rate, stats["b"].lag) == (0, 0.0, 0.0)
        wait_until(lambda: recorder.stats()["a"].unsynced == 0)


def test_rates_are_those_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    meter = Meter()
    assert meter.rates() == (0, 0)
    for _ in range(10):
        meter.written(frames=20, size=2000, encode_seconds=0.1, came=now[0] - 0.05)
        now[0] += 1
        meter.tick()
    assert meter.rates() == pytest.approx((20, 2000))
    assert meter.longest_wait() == pytest.approx(0.05)
    for _ in range(10):
        now[0] += 1
        meter.tick()
    assert meter.rates() == (0, 0)
    assert meter.longest_wait() == 0


STATS = SensorStats(
    frames=600,
    dropped=2,
    rate=29.96,
    target=30.0,
    queued_frames=1,
    queued_bytes=100,
    lag=0.0123,
    unsynced=0.5,
    encode_seconds=3.0,
    bytes=10**9,
    bytes_per_second=24.3e6,
    error=None,
)


def shown_on(terminal: int) -> str:
    """All that was written to a terminal, which nobody has open any more."""
    shown = b""
    with contextlib.suppress(OSError):  # which is how Linux tells the end
        while piece := os.read(terminal, 10_000):
            shown += piece
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_a_line_per_sensor_in_the_same_place() -> None:
    master, slave = os.openpty()
    with open(slave, "w", encoding="utf-8") as terminal:
        display = Display(terminal)
        display.draw({"camera": STATS, "imu": STATS})
        display.draw({"camera": STATS, "imu": STATS})
    first, second = shown_on(master).split("\x1b[2F")
    assert first == second
    lines = re.sub(r"\x1b\[\d*[A-Z]", "", first).splitlines()
    wanted = "  30.0/30 Hz  lag 0.012 s  2 dropped    24.30 MB/s  600 frames"
    assert lines == [f"camera  {wanted}", f"imu     {wanted}"]


def drawn(names: Iterable[str], rows: int, columns: int) -> list[str]:
    """The lines that are shown of sensors; checks that they are drawn in the same place again."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (rows, columns))
    with open(slave, "w", encoding="utf-8") as terminal:
        display = Display(terminal)
        for _ in range(2):
            display.draw(dict.fromkeys(names, STATS))
    shown = shown_on(master)
    lines = re.sub(r"\x1b\[\d*[A-Z]", "", shown).splitlines()
    up = re.findall(r"\x1b\[(\d+)F", shown)
    assert up == [str(len(lines) // 2)]
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    return lines[: len(lines) // 2]


def test_more_sensors_than_a_terminal_has_lines_do_not_make_it_scroll() -> None:
    lines = drawn([f"s{i}" for i in range(12)], rows=6, columns=80)
    assert [line.split("  ")[0].strip() for line in lines[:4]] == ["s0", "s1", "s2", "s3"]
    assert lines[4:] == ["and 8 more sensors"]


def test_names_do_not_move_the_cursor_and_wide_ones_do_not_wrap() -> None:
    odd, wide = drawn(["a\nb\x1b[31m", "雷达" * 20], rows=24, columns=30)
    assert odd.startswith("a?b?[31m ")
    assert wide == ("雷达" * 20)[:14]


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    master, slave = os.openpty()
    process = start("show", tmp_path / "trace")
    _, errors = finish(process)
    assert (process.returncode, errors) == (0, "")  # which is no terminal
    second = tmp_path / "second"
    process = start("show", second, stderr=slave)
    finish(process)
    os.close(slave)
    shown = shown_on(master)
    assert process.returncode == 0
    assert re.search(r"all +\d+\.\d/20 Hz +lag \d\.\d+ s +0 dropped +\d+\.\d+ MB/s +20 fr", shown)
