"""Opening traces: which sensors, and what each is opened as."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import generic, spec

from roverd import Trace, sensors
from support.traces import (
    link,
    numbered,
    record,
    record_imu,
    record_poses,
    record_trace,
)

NAMES = ["camera", "imu", "lidar", "radar"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trace with sensors of known and unknown names, virtual ones, and what is no sensor."""
    path = tmp_path / "walk"
    record_trace(path, 0.5)
    record_imu(path / "sonar", 7)
    maps = numbered(5, (4, 6), "u1")
    record(path / "_camera", np.arange(5.0), {"segment": ("lzmaf", maps)})
    record_poses(path, 6)  # _radar has no meta.json
    (path / "_scratch").mkdir()
    (path / "_scratch" / "notes.txt").write_text("nothing")
    (path / "plots").mkdir()
    (path / "meta.json").write_text("{}")
    return path


def test_sensors_are_folders_with_a_meta_json_and_sorted(folder: Path):
    names = sorted([*NAMES, "sonar"])
    assert Trace.find_sensors(folder) == names
    assert Trace.find_sensors(str(folder), virtual=True) == ["_camera", *names]
    assert Trace.find_sensors(folder / "_scratch", virtual=True) == []


def test_a_linked_sensor_is_a_sensor(folder: Path):
    link(folder / "imu", folder / "imu2")
    assert "imu2" in Trace.find_sensors(folder)
    assert len(Trace.from_config(folder)["imu2"]) == 50


@pytest.mark.parametrize("virtual", [False, True])
def test_without_a_mapping_every_sensor_is_opened_untyped(folder: Path, virtual: bool):
    trace = Trace.from_config(folder, include_virtual=virtual)
    assert list(trace.sensors) == Trace.find_sensors(folder, virtual)
    assert {type(sensor) for sensor in trace.sensors.values()} == {sensors.DynamicSensor}
    assert trace.name == "walk"
    assert len(trace) == 0


def test_by_auto_names_that_say_nothing_are_opened_untyped(folder: Path):
    trace = Trace.from_config(str(folder), sensors="auto", include_virtual=True)
    assert {name: type(sensor) for name, sensor in trace.sensors.items()} == {
        "_camera": sensors.Semseg,
        "camera": sensors.Camera,
        "imu": sensors.IMU,
        "lidar": sensors.OSLidarDepth,
        "radar": sensors.XWRRadar,
        "sonar": sensors.DynamicSensor,
    }


def test_a_mapping_says_what_each_sensor_is_opened_as(folder: Path):
    ready = sensors.IMU(folder / "imu", past=2)
    window = generic.Window.from_partial_sensor(sensors.OSLidar, past=1)
    trace = Trace.from_config(
        folder,
        sensors={
            "sonar": "imu",
            "imu": ready,
            "camera": partial(sensors.Camera, resolution=(8, 6)),
            "lidar": window,
            "radar": None,
            "_camera": "auto",
            "pose": "auto",
        },
    )
    assert list(trace.sensors) == ["sonar", "imu", "camera", "lidar", "radar", "_camera", "pose"]
    assert {name: type(sensor) for name, sensor in trace.sensors.items()} == {
        "sonar": sensors.IMU,
        "imu": sensors.IMU,
        "camera": sensors.Camera,
        "lidar": generic.Window,
        "radar": sensors.DynamicSensor,
        "_camera": sensors.Semseg,
        "pose": sensors.Pose,
    }
    assert trace["imu"] is ready
    assert trace["sonar"].path == str(folder / "sonar")
    assert trace["camera"][0].image.shape == (1, 1, 6, 8, 3)
    assert len(trace["lidar"][0]) == 2
    assert len(trace["pose"]) == 6


def test_auto_for_one_sensor_of_no_known_name_is_untyped(folder: Path):
    trace = Trace.from_config(folder, sensors={"sonar": "auto"})
    assert type(trace["sonar"]) is sensors.DynamicSensor


def test_an_unknown_type_name_is_an_error_that_names_it(folder: Path):
    with pytest.raises(ValueError, match="echo"):
        Trace.from_config(folder, sensors={"sonar": "echo"})


def test_a_named_sensor_that_is_not_there_is_an_error_that_names_the_file(folder: Path):
    with pytest.raises(FileNotFoundError, match=r"walk/gps/meta\.json"):
        Trace.from_config(folder, sensors={"gps": None})


def test_a_trace_that_is_not_there_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Trace.from_config(tmp_path / "nowhere")


@pytest.mark.parametrize("ending", ["", "/", "/.", "/../walk"])
def test_a_trace_is_called_as_its_folder_however_it_is_written(folder: Path, ending: str):
    assert Trace.from_config(f"{folder}{ending}").name == "walk"


def test_a_trace_can_be_given_another_name(folder: Path):
    assert Trace.from_config(folder, name="jog").name == "jog"
    assert Trace({}, None, "run").name == "run"


def test_a_trace_in_the_current_folder_is_called_as_that(folder: Path, monkeypatch):
    monkeypatch.chdir(folder)
    trace = Trace.from_config(".")
    assert trace.name == "walk"
    assert len(trace["imu"]) == 50


def test_sizes_are_those_of_all_sensors(folder: Path):
    trace = Trace.from_config(folder, sensors="auto")
    files = [
        file
        for name in trace.sensors
        for file in (folder / name).iterdir()
        if file.suffix != ".json"
    ]
    assert trace.filesize == sum(file.stat().st_size for file in files)
    assert trace.datarate == sum(sensor.datarate for sensor in trace.sensors.values())
    assert trace.datarate > 0


def test_children_are_the_sensors(folder: Path):
    trace = Trace.from_config(folder)
    assert list(trace.children()) == list(trace.sensors.values())


def test_a_sensor_is_reached_by_name_and_another_name_is_a_key_error(folder: Path):
    trace = Trace.from_config(folder)
    assert trace["imu"] is trace.sensors["imu"]
    with pytest.raises(KeyError, match="gps"):
        trace["gps"]


def test_sensors_of_others_stand_beside_ours(folder: Path):
    class Clock:
        """A sensor by the protocol alone."""

        def __init__(self) -> None:
            self.metadata: Any = generic.Metadata(np.arange(3.0))

        def stream(self) -> Any:
            return iter([0, 1, 2])

        def __getitem__(self, index: int | np.integer) -> Any:
            return int(index)

        def __len__(self) -> int:
            return 3

    clock = Clock()
    assert isinstance(clock, spec.Sensor)
    trace = Trace.from_config(folder, None, {"imu": "imu", "clock": clock})
    assert len(trace) == 3
    assert trace[2]["clock"] == 2
    assert trace.filesize == trace["imu"].filesize
