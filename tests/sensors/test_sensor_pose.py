"""Poses of a sensor, from the file beside it."""

import copy
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import spec

from roverd.errors import CorruptFileError
from roverd.sensors import Pose
from support.traces import record_poses
from support.typed import check_sample

FIELDS = ("pos", "vel", "acc", "rot")


@pytest.mark.parametrize("past, future", [(0, 0), (2, 0), (1, 3), (5, 0)])
def test_a_sample_is_the_window_of_poses_around_its_index(tmp_path: Path, past: int, future: int):
    truth = record_poses(tmp_path, 6)
    pose = Pose(tmp_path / "pose", past, future)
    assert len(pose) == 6
    assert (pose.past, pose.future, pose.window) == (past, future, past + 1 + future)
    assert pose.metadata.timestamps.tolist() == truth["t"].tolist()
    whole = range(past, 6 - future)
    for index in range(-6, 6):
        frame = index % 6
        if frame not in whole:
            with pytest.raises(IndexError):
                pose[index]
            continue
        frames = slice(frame - past, frame + future + 1)
        sample = pose[index]
        check_sample(sample)
        for name in FIELDS:
            expected = truth[name][frames].astype(np.float32)
            np.testing.assert_array_equal(getattr(sample, name), expected[None])
        assert sample.timestamps.tolist() == [truth["t"][frames].tolist()]
    assert len(list(pose)) == len(list(pose.stream())) == len(whole)
    assert len(next(pose.stream(batch=2))) == min(2, len(whole))


@pytest.mark.parametrize("count", [3, 9])
def test_a_worker_refuses_other_poses_than_its_timestamps_are_for(tmp_path: Path, count: int):
    record_poses(tmp_path, 6)
    pose = Pose(tmp_path / "pose", past=1)
    assert len(pose) == 6
    worker = copy.copy(pose)  # as a pickle has it
    record_poses(tmp_path, count)
    with pytest.raises(CorruptFileError, match="refresh"):
        worker[5]
    assert len(worker.refresh()) == count
    assert worker[-1].pos.shape == (1, 2, 3)


def test_the_reference_says_whose_poses(tmp_path: Path):
    record_poses(tmp_path, 6)
    lidar = record_poses(tmp_path, 4, "lidar")
    pose = Pose(tmp_path / "pose", reference="lidar")
    assert len(pose) == 4
    np.testing.assert_array_equal(pose[2].pos[0, 0], lidar["pos"][2].astype(np.float32))


def test_poses_are_found_from_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    record_poses(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    assert len(Pose("pose")) == 3
    assert len(Pose(os.path.join(".", "pose", ""))) == 3


def test_a_modified_sample_never_modifies_the_poses(tmp_path: Path):
    truth = record_poses(tmp_path, 4)
    pose = Pose(tmp_path / "pose", past=1)
    for sample in (pose[2], next(pose.stream())):
        for name in (*FIELDS, "timestamps"):
            getattr(sample, name)[...] = 0
    np.testing.assert_array_equal(pose[2].rot[0], truth["rot"][1:3].astype(np.float32))
    np.testing.assert_array_equal(pose[2].timestamps[0], truth["t"][1:3])


def test_poses_conform_to_the_protocol_of_sensors(tmp_path: Path):
    truth = record_poses(tmp_path, 4)
    pose = Pose(tmp_path / "pose")
    assert isinstance(pose, spec.Sensor)
    assert isinstance(pose.metadata, spec.Metadata)
    assert pose.filesize == (tmp_path / "_radar" / "pose.npz").stat().st_size
    assert pose.duration == truth["t"][-1] - truth["t"][0]
    assert pose.framerate == 3 / pose.duration
    assert pose.datarate == pose.filesize / pose.duration


def test_refresh_reads_the_file_again(tmp_path: Path):
    record_poses(tmp_path, 4)
    pose = Pose(tmp_path / "pose")
    assert len(pose) == 4
    record_poses(tmp_path, 7)
    assert len(pose) == 4
    assert len(pose.refresh()) == 7


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path):
    pose = Pose(tmp_path / "pose")
    for ask in (lambda: len(pose), lambda: pose[0], lambda: pose.metadata):
        with pytest.raises(FileNotFoundError, match=r"_radar/pose\.npz"):
            ask()


def npz(compress: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


def good_arrays(n: int = 4) -> dict[str, Any]:
    return {
        "t": np.arange(float(n)),
        "pos": np.zeros((n, 3)),
        "vel": np.zeros((n, 3)),
        "acc": np.zeros((n, 3)),
        "rot": np.zeros((n, 3, 3)),
    }


def broken_files() -> dict[str, bytes]:
    n = 4
    good = good_arrays(n)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("t.npy", b"not an array")
    whole = npz(**good)
    return {
        "empty": b"",
        "text": b"poses come later",
        "cut in half": whole[: len(whole) // 2],
        "cut at the end": whole[:-10],
        "bytes overwritten": whole[:200] + b"\xff" * 200 + whole[400:],
        "no arrays": npz(),
        "no zip of arrays": archive.getvalue(),
        "an array alone": b"\x93NUMPY" + bytes(30),
        "no t": npz(**{name: array for name, array in good.items() if name != "t"}),
        "no rot": npz(**{name: array for name, array in good.items() if name != "rot"}),
        "fewer positions": npz(**{**good, "pos": np.zeros((n - 1, 3))}),
        "one position only": npz(**{**good, "pos": np.zeros(3)}),
        "flat rotations": npz(**{**good, "rot": np.zeros((n, 9))}),
        "t of two axes": npz(**{**good, "t": np.zeros((n, 1))}),
        "t a number": npz(**{**good, "t": np.float64(3)}),
        "text for positions": npz(**{**good, "pos": np.full((n, 3), "a")}),
        "pickled objects": npz(**{**good, "vel": np.full((n, 3), object())}),
    }


BROKEN = broken_files()


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, what: str):
    folder = tmp_path / "_radar"
    folder.mkdir()
    (folder / "pose.npz").write_bytes(BROKEN[what])
    pose = Pose(tmp_path / "pose")
    with pytest.raises(ValueError, match=r"_radar/pose\.npz"):
        pose[0]


@pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
@pytest.mark.parametrize(
    "mask", [0x01, *(pytest.param(mask, marks=pytest.mark.slow) for mask in (0x80, 0xFF))]
)
def test_a_damaged_byte_is_never_another_error_than_a_value_error(
    tmp_path: Path, compress: bool, mask: int
):
    folder = tmp_path / "_radar"
    folder.mkdir()
    whole = npz(compress, **good_arrays())
    refused = 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= mask
        (folder / "pose.npz").write_bytes(damaged)
        try:
            Pose(tmp_path / "pose")[0]
        except ValueError as error:
            assert "_radar/pose.npz" in str(error)
            refused += 1
    assert refused > len(whole) // 10


def test_an_array_that_claims_a_size_that_is_not_there_is_refused(tmp_path: Path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000, 3), }"
    head = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117).encode() + b"\n"
    folder = tmp_path / "_radar"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pose.npz", "w") as archive:
        archive.writestr("t.npy", head + bytes(100))
    with pytest.raises(ValueError, match=r"_radar/pose\.npz"):
        len(Pose(tmp_path / "pose"))
