"""Sensors whose files are missing, of different lengths, linked, or still growing."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roverd import sensors
from support.traces import (
    HEIGHT,
    WIDTH,
    Recorded,
    avi,
    decoded,
    link,
    numbered,
    pictures,
    record,
    record_camera,
    record_imu,
    record_lidar,
    record_radar,
)


def warned(action: Callable[[], object]) -> list[str]:
    """Messages of all warnings that `action` gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    assert all(issubclass(warning.category, UserWarning) for warning in caught)
    return [str(warning.message) for warning in caught]


def append(path: Path, frames: np.ndarray) -> None:
    with path.open("ab") as file:
        file.write(frames.tobytes())


# Lengths


@pytest.mark.parametrize("short", ["acc", "rot", "avel", "ts"])
def test_a_sensor_is_as_long_as_its_shortest_channel(tmp_path: Path, short: str):
    truth = record_imu(tmp_path / "imu", 10)
    frames = {**truth.frames, "ts": truth.stamps}[short][:6]
    frames.tofile(tmp_path / "imu" / short)
    sensor = sensors.IMU(tmp_path / "imu")

    def use() -> None:
        assert len(sensor) == 6
        assert sensor.metadata.timestamps.tolist() == truth.stamps[:6].tolist()
        assert len(list(sensor)) == 6
        np.testing.assert_array_equal(sensor[-1].acc, truth.frames["acc"][None, 5:6])
        with pytest.raises(IndexError):
            sensor[6]
        assert sensor.duration == truth.stamps[5] - truth.stamps[0]

    messages = warned(use)
    assert len(messages) == 1
    assert "imu" in messages[0]
    assert f"{short} 6" in messages[0]


def test_the_warning_comes_again_only_after_a_refresh(tmp_path: Path):
    truth = record_imu(tmp_path / "imu", 10)
    truth.frames["acc"][:4].tofile(tmp_path / "imu" / "acc")
    sensor = sensors.IMU(tmp_path / "imu")
    assert len(warned(lambda: (len(sensor), len(sensor), sensor.metadata, sensor[0]))) == 1
    assert len(warned(lambda: (len(sensor), sensor[1], list(sensor)))) == 0
    assert len(warned(lambda: (sensor.refresh(), len(sensor), sensor.framerate))) == 1


def test_a_torn_tail_is_no_frame_and_no_difference_in_length(tmp_path: Path):
    truth = record_imu(tmp_path / "imu", 5)
    for name in ("acc", "rot", "avel", "ts"):
        append(tmp_path / "imu" / name, np.ones(7, np.uint8))
    sensor = sensors.IMU(tmp_path / "imu")
    assert len(sensor) == 5
    np.testing.assert_array_equal(sensor[4].rot[0], truth.frames["rot"][4:])


def test_a_difference_in_length_of_a_compressed_channel_is_noticed(tmp_path: Path):
    record_lidar(tmp_path / "lidar", 6)
    offsets = np.fromfile(tmp_path / "lidar" / "rfl_i", "<u8")
    data = (tmp_path / "lidar" / "rfl").read_bytes()
    (tmp_path / "lidar" / "rfl").write_bytes(data[: offsets[5] - 1])  # frame 4 is torn
    sensor = sensors.OSLidar(tmp_path / "lidar")
    (message,) = warned(lambda: len(sensor))
    assert "rfl 4" in message
    assert len(sensor) == 4


# Missing files


def test_a_missing_channel_is_an_error_only_where_it_is_read(tmp_path: Path):
    truth = record_lidar(tmp_path / "lidar", 4)
    (tmp_path / "lidar" / "nir").unlink()
    (tmp_path / "lidar" / "nir_i").unlink()
    depth = sensors.OSLidarDepth(tmp_path / "lidar")
    assert len(depth) == 4
    np.testing.assert_array_equal(depth[1].rng[0], truth.frames["rng"][1:2])

    everything = sensors.OSLidar(tmp_path / "lidar")
    untyped = sensors.DynamicSensor(tmp_path / "lidar")
    for read in (
        lambda: everything[0],
        lambda: untyped[0],
        lambda: list(everything.stream()),
        lambda: untyped["nir"].read(),
    ):
        with pytest.raises(FileNotFoundError, match="lidar/nir"):
            read()
    assert everything.filesize == depth.filesize > 0


def test_a_recording_without_its_video_opens_and_says_which_file_is_missing(tmp_path: Path):
    truth = record_camera(tmp_path / "camera", 5)
    (tmp_path / "camera" / "video.avi").unlink()
    camera = sensors.Camera(tmp_path / "camera")
    assert len(camera) == 5
    np.testing.assert_array_equal(camera.metadata.timestamps, truth.stamps)
    with pytest.raises(FileNotFoundError, match=r"camera/video\.avi"):
        camera[0]


def test_a_camera_whose_meta_json_names_only_ts_opens(tmp_path: Path):
    truth = record_camera(tmp_path / "camera", 5)
    truth.drop("video.avi")
    camera = sensors.Camera(tmp_path / "camera")
    assert len(camera) == 5
    with pytest.raises(KeyError, match=r"video\.avi"):
        camera[0]


def test_missing_timestamps_are_an_error_that_names_the_file(tmp_path: Path):
    record_imu(tmp_path / "imu", 5)
    (tmp_path / "imu" / "ts").unlink()
    sensor = sensors.IMU(tmp_path / "imu")
    assert len(sensor["acc"]) == 5
    for ask in (lambda: sensor[0], lambda: len(sensor), lambda: sensor.metadata):
        with pytest.raises(FileNotFoundError, match="imu/ts"):
            ask()


def test_a_sensor_without_any_data_has_no_frames(tmp_path: Path):
    record_imu(tmp_path / "imu", 5)
    for name in ("ts", "acc", "rot", "avel"):
        (tmp_path / "imu" / name).write_bytes(b"")
    assert len(sensors.IMU(tmp_path / "imu")) == 0
    assert list(sensors.IMU(tmp_path / "imu", past=2)) == []


@pytest.mark.parametrize("entry", [{"type": "f4"}, {"type": "i8"}, {"shape": [2]}])
def test_timestamps_of_another_type_are_an_error(tmp_path: Path, entry: dict[str, object]):
    truth = record_imu(tmp_path / "imu", 6)
    truth.meta["ts"].update(entry)
    truth.write_meta()
    with pytest.raises(ValueError, match="imu/ts"):
        len(sensors.IMU(tmp_path / "imu"))


def test_missing_radar_json_is_one_warning_and_zeros(tmp_path: Path):
    record_radar(tmp_path / "radar", 5)
    (tmp_path / "radar" / "radar.json").unlink()

    def use() -> None:
        radar = sensors.XWRRadar(tmp_path / "radar")
        for holder in (radar.metadata, radar[0], radar[1]):
            assert holder.range_resolution.tolist() == [0.0]
            assert holder.doppler_resolution.tolist() == [0.0]

    (message,) = warned(use)
    assert "radar/radar.json" in message


@pytest.mark.parametrize("name", ["OSLidar", "OSLidarDepth"])
def test_missing_lidar_json_is_one_warning_and_an_empty_path(tmp_path: Path, name: str):
    record_lidar(tmp_path / "lidar", 5)
    (tmp_path / "lidar" / "lidar.json").unlink()

    def use() -> None:
        lidar = getattr(sensors, name)(tmp_path / "lidar")
        assert [holder.intrinsics for holder in (lidar.metadata, lidar[0], lidar[1])] == [""] * 3

    (message,) = warned(use)
    assert "lidar/lidar.json" in message


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"range_resolution": 1}', '"text"'])
def test_an_unusable_radar_json_is_an_error_that_names_it(tmp_path: Path, text: str):
    record_radar(tmp_path / "radar", 5)
    (tmp_path / "radar" / "radar.json").write_text(text)
    radar = sensors.XWRRadar(tmp_path / "radar")
    np.testing.assert_array_equal(len(radar["iq"]), 5)
    with pytest.raises(ValueError, match=r"radar\.json"):
        _ = radar.metadata


def test_intrinsics_of_radar_and_lidar_are_in_samples_and_metadata(tmp_path: Path):
    record_radar(tmp_path / "radar", 5)
    record_lidar(tmp_path / "lidar", 5)
    radar, lidar = sensors.XWRRadar(tmp_path / "radar"), sensors.OSLidar(tmp_path / "lidar")
    for holder in (radar.metadata, radar[2]):
        assert holder.range_resolution.tolist() == [0.25]
        assert holder.doppler_resolution.tolist() == [0.125]
    for holder in (lidar.metadata, lidar[2]):
        assert holder.intrinsics == str(tmp_path / "lidar" / "lidar.json")
    assert isinstance(radar.metadata, sensors.RadarMetadata)
    assert isinstance(lidar.metadata, sensors.LidarMetadata)


# Links


def test_a_linked_channel_is_read_like_any_other(tmp_path: Path):
    anonymised = record_camera(tmp_path / "_camera", 5, seed=1)
    record_camera(tmp_path / "camera", 5)
    (tmp_path / "camera" / "video.avi").unlink()
    link(tmp_path / "_camera" / "video.avi", tmp_path / "camera" / "video.avi")
    camera = sensors.Camera(tmp_path / "camera")
    np.testing.assert_array_equal(camera[3].image[0], anonymised.frames["video.avi"][3:4])


def test_a_link_to_nothing_is_a_missing_channel(tmp_path: Path):
    record_camera(tmp_path / "camera", 5)
    (tmp_path / "camera" / "video.avi").unlink()
    link(tmp_path / "_camera" / "video.avi", tmp_path / "camera" / "video.avi")
    camera = sensors.Camera(tmp_path / "camera")
    assert len(camera) == 5
    with pytest.raises(FileNotFoundError, match=r"video\.avi"):
        camera[0]


@pytest.mark.parametrize("kind", ["npz", "jpg"])
def test_a_linked_folder_of_blobs_is_read_like_any_other(tmp_path: Path, kind: str):
    frames = pictures(4, 8, 8) if kind == "jpg" else numbered(4, (8, 8, 3), "u1")
    truth = record(tmp_path / "s", np.arange(4.0), {"x": (kind, frames)})
    shutil.move(tmp_path / "s" / "x", tmp_path / "elsewhere")
    link(tmp_path / "elsewhere", tmp_path / "s" / "x")
    sensor = sensors.DynamicSensor(tmp_path / "s")
    np.testing.assert_array_equal(sensor[2]["x"], truth.frames["x"][2:3])


# Growing recordings


def grow(truth: Recorded, frames: dict[str, np.ndarray], stamps: np.ndarray) -> None:
    for name, more in {**frames, "ts": stamps}.items():
        append(truth.path / name, more)


def test_a_growing_recording_is_followed_when_refreshed(tmp_path: Path):
    truth = record_imu(tmp_path / "imu", 5)
    sensor = sensors.IMU(tmp_path / "imu", past=1)
    assert len(sensor) == 5
    for step in range(3):
        more = {name: numbered(2, (3,), "f4", 50 + step) for name in truth.frames}
        stamps = truth.stamps[-1] + np.array([1.0, 2.0]) + 2 * step
        grow(truth, more, stamps)
        before = 5 + 2 * step
        assert len(sensor) == before
        assert len(list(sensor)) == before - 1
        assert sensor.refresh() is sensor
        assert len(sensor) == before + 2
        assert sensor.metadata.timestamps[-2:].tolist() == stamps.tolist()
        np.testing.assert_array_equal(sensor[-1].acc[0], more["acc"])
        assert len(list(sensor)) == before + 1


def test_a_growing_lidar_and_camera_are_followed_when_refreshed(tmp_path: Path):
    long = {"lidar": record_lidar(tmp_path / "a" / "lidar", 9)}
    images = pictures(9, HEIGHT, WIDTH, 3)
    record(tmp_path / "c", np.arange(4.0), {"video.avi": ("mjpg", images[:4])})
    camera = sensors.Camera(tmp_path / "c")
    np.testing.assert_array_equal(camera[3].image[0, 0], decoded(images)[3])
    (tmp_path / "c" / "video.avi").write_bytes(avi(images, HEIGHT, WIDTH))
    np.arange(9.0).tofile(tmp_path / "c" / "ts")
    assert len(camera.refresh()) == 9
    np.testing.assert_array_equal(camera[8].image[0, 0], decoded(images)[8])

    folder = tmp_path / "b" / "lidar"
    shutil.copytree(tmp_path / "a" / "lidar", folder)
    whole = {name: (folder / name).read_bytes() for name in ("ts", "rng", "rng_i")}
    for name in ("rfl", "rfl_i", "nir", "nir_i"):
        (folder / name).unlink()
    end = int(np.frombuffer(whole["rng_i"], "<u8")[5])
    for name, size in (("ts", 40), ("rng", end), ("rng_i", 48)):
        (folder / name).write_bytes(whole[name][:size])
    lidar = sensors.OSLidarDepth(folder)
    assert len(lidar) == 5
    for name, data in whole.items():
        (folder / name).write_bytes(data)
    assert len(lidar) == 5
    assert len(lidar.refresh()) == 9
    np.testing.assert_array_equal(lidar[8].rng[0], long["lidar"].frames["rng"][8:])


def test_refresh_takes_up_new_channels_and_intrinsics(tmp_path: Path):
    truth = record_radar(tmp_path / "radar", 5)
    (tmp_path / "radar" / "radar.json").write_text(
        '{"range_resolution": 1, "doppler_resolution": 1}'
    )
    radar = sensors.XWRRadar(tmp_path / "radar")
    assert radar[0].range_resolution.tolist() == [1.0]
    (tmp_path / "radar" / "radar.json").write_text(
        json.dumps({"range_resolution": 2, "doppler_resolution": 3})
    )
    truth.meta["power"] = {"format": "raw", "type": "f4", "shape": []}
    truth.write_meta()
    np.arange(5, dtype="f4").tofile(tmp_path / "radar" / "power")
    radar.refresh()
    assert radar[0].range_resolution.tolist() == [2.0]
    assert radar.metadata.doppler_resolution.tolist() == [3.0]
    assert radar["power"].read().tolist() == [0, 1, 2, 3, 4]


def test_a_recording_that_is_written_by_a_sensor_is_followed_by_another(tmp_path: Path):
    writer = sensors.DynamicSensor(tmp_path / "s", create=True)
    value = writer.create("value", {"format": "raw", "type": "i4", "shape": []})
    reader = sensors.DynamicSensor(tmp_path / "s")
    assert len(reader) == 0
    for number in range(3):
        value.write(np.array([number], "i4"), append=True)
        writer["ts"].write(np.array([float(number)]), append=True)
        assert len(reader.refresh()) == number + 1
        assert reader[-1]["value"].tolist() == [number]
        assert reader.metadata.timestamps.tolist() == list(range(number + 1))
