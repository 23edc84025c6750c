"""Poses in an extracted trace: cut with the sensor that they are for."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.ops import blobify, extract
from roverd.sensors import Pose
from support.limits import cheap
from support.traces import START, numbered, record, record_poses

STAMPS = START + np.arange(10.0)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    record(tmp_path / "source" / "radar", STAMPS, {"x": ("raw", numbered(10, (2,), "i2"))})
    return tmp_path / "source"


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path / "_radar" / "pose.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def expect_poses(trace: Path, part: Path, kept: slice) -> None:
    before, after = arrays(trace), arrays(part)
    count = len(before["t"])
    assert list(after) == list(before)
    for name, array in before.items():
        expected = array[kept] if array.ndim and len(array) == count else array
        np.testing.assert_array_equal(after[name], expected)
        assert after[name].dtype == array.dtype


@pytest.mark.parametrize("start, end, kept", [(2, 6, slice(2, 6)), (8, 9, slice(8, 10))])
def test_poses_of_a_sensor_are_cut_by_its_frames(
    start: float, end: float, kept: slice, trace: Path, tmp_path: Path
) -> None:
    # Their own times are others: corrected ones, of twenty a second.
    record_poses(trace, 10)
    extract(trace, tmp_path / "part", start, end)
    expect_poses(trace, tmp_path / "part", kept)
    assert len(Pose(tmp_path / "part" / "pose")) == kept.stop - kept.start


def test_poses_in_another_number_are_cut_by_their_own_times(trace: Path, tmp_path: Path) -> None:
    times = START + np.arange(0, 9, 0.25)
    (trace / "_radar").mkdir()
    np.savez(trace / "_radar" / "pose.npz", t=times, pos=numbered(36, (3,), "f8"))
    extract(trace, tmp_path / "part", 2, 6)
    expect_poses(trace, tmp_path / "part", slice(8, 24))


def test_poses_without_their_sensor_are_cut_by_their_own_times(trace: Path, tmp_path: Path) -> None:
    (trace / "_radar").mkdir()
    np.savez(trace / "_radar" / "pose.npz", t=STAMPS + 0.5, pos=numbered(10, (3,), "f8"))
    (trace / "radar").rename(trace / "lidar")
    extract(trace, tmp_path / "part", 2, 6)
    expect_poses(trace, tmp_path / "part", slice(2, 6))


def test_arrays_of_another_length_stay_whole(trace: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "t": STAMPS,
        "pos": numbered(10, (3,), "f4"),
        "file": numbered(10, (2,), "i8"),
        "scalar": np.float32(4),
        "names": np.array(["a", "b"]),
        "empty": np.empty((0, 3)),
        "fortran": np.asfortranarray(numbered(10, (4,), "f8")),
        "matrix": np.eye(4),
    }
    (trace / "_radar").mkdir()
    with zipfile.ZipFile(trace / "_radar" / "pose.npz", "w") as archive:
        for name, array in values.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{name}.npy", file.getvalue())
    extract(trace, tmp_path / "part", 2, 6)
    expect_poses(trace, tmp_path / "part", slice(2, 6))


def test_poses_beside_channels_and_several_of_them(trace: Path, tmp_path: Path) -> None:
    poses = record_poses(trace, 10)
    record(trace / "_camera", STAMPS, {"segment": ("lzmaf", numbered(10, (4, 4), "u1"))})
    np.savez(trace / "_camera" / "pose.npz", **poses)
    extract(trace, tmp_path / "part", 2, 6)
    expect_poses(trace, tmp_path / "part", slice(2, 6))
    assert (tmp_path / "part" / "_camera" / "pose.npz").exists()
    assert len(np.fromfile(tmp_path / "part" / "_camera" / "ts")) == 4


def test_poses_come_along_whole_when_nothing_is_cut(trace: Path, tmp_path: Path) -> None:
    record_poses(trace, 10)
    extract(trace, tmp_path / "all", 0, 1, relative=True)
    expect_poses(trace, tmp_path / "all", slice(0, 10))
    blobify(trace, tmp_path / "blobs")
    path = Path("_radar") / "pose.npz"
    assert (tmp_path / "blobs" / path).read_bytes() == (trace / path).read_bytes()


def header(count: int) -> bytes:
    file = io.BytesIO()
    described = {"descr": "<f8", "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        {"t.npy": b"no array"},
        {"pos.npy": header(1) + bytes(8)},
        {"t.npy": header(10) + bytes(8)},
        {"t.npy": header(10**9) + bytes(8)},
        {"t.npy": header(10**14) + bytes(8)},
        {"t.npy": header(2**61) + bytes(8)},
        {"t.npy": "pickle"},
        {"t.npy": header(1) + bytes(8), "pos.npy": "pickle"},
    ],
    ids=lambda content: str(content)[:40],
)
def test_what_holds_no_poses_is_an_error_that_names_it(
    content: Any, trace: Path, tmp_path: Path
) -> None:
    (trace / "_radar").mkdir()
    path = trace / "_radar" / "pose.npz"
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"an": "object"}]), allow_pickle=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, pickled.getvalue() if data == "pickle" else data)
    with cheap(5, 32), pytest.raises(ValueError, match=str(path)) as caught:
        extract(trace, tmp_path / "part", 2, 6)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
