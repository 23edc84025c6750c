"""Sensors are repaired whatever they are called, and by one at a time."""

from pathlib import Path

import numpy as np
import pytest

from roverd import Recorder, Trace, ops
from roverd.errors import RecordingError


def record(path: Path, name: str, count: int) -> None:
    """Record a channel of numbers, and tear its last one."""
    with Recorder(path) as recorder:
        sensor = recorder.sensor(name, {"v": {"format": "raw", "type": "i4", "shape": ()}})
        for number in range(count):
            sensor.write(float(number), v=number)
    with open(path / name / "v", "r+b") as file:
        file.truncate(4 * count - 2)


@pytest.mark.parametrize("name", ["..x", ".hidden", "x"])
def test_a_torn_sensor_is_repaired_whatever_its_name(tmp_path: Path, name: str) -> None:
    record(tmp_path, name, 5)
    assert Trace.find_sensors(tmp_path) == [name]
    assert ops.repair(tmp_path).status == ops.repair(tmp_path, dry_run=True).status + 3
    np.testing.assert_array_equal(np.fromfile(tmp_path / name / "v", "<i4"), range(4))
    assert (tmp_path / name / "ts").stat().st_size == 4 * 8


def test_nobody_records_to_a_trace_that_is_being_repaired(tmp_path: Path) -> None:
    record(tmp_path, "x", 5)
    refused: list[str] = []

    def try_to_record(done: int, total: int) -> None:
        del done, total
        if refused:  # once is enough, and the last call comes when all is done
            return
        with pytest.raises(RecordingError, match="is being recorded by this process") as caught:
            Recorder(tmp_path, append=True)
        refused.append(str(caught.value))

    assert ops.repair(tmp_path, deep=True, progress=try_to_record).status == 3
    assert refused
    assert not (tmp_path / "_recorder" / "lock").exists()
    with Recorder(tmp_path, append=True) as recorder:
        channels = {"v": {"format": "raw", "type": "i4", "shape": ()}}
        assert recorder.sensor("x", channels).write(9.0, v=9)
