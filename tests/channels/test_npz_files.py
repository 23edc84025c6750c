"""`npz` against `np.load` and `np.savez`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roverd.channels import Channel, NPZBlobChannel
from support.channels import BY_NAME, Array

CASE = BY_NAME["npz"]
COUNT = 4


@pytest.mark.parametrize("compress", [False, True])
def test_numpy_reads_what_is_written(compress: bool, tmp_path: Path) -> None:
    channel = NPZBlobChannel(tmp_path / "x", CASE.dtype, CASE.shape, compress=compress)
    frames = CASE.upto(COUNT)
    channel.write(np.asfortranarray(frames).astype(">i2"))
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [
        f"{number:06d}.npz" for number in range(COUNT)
    ]
    for number, frame in enumerate(frames):
        with np.load(tmp_path / "x" / f"{number:06d}.npz") as found:
            assert list(found) == ["data"]
            assert found["data"].dtype == np.dtype("<i2")
            np.testing.assert_array_equal(found["data"], frame)
            stored = {info.compress_type for info in found.zip.infolist()}
            assert stored == {8 if compress else 0}


OTHERS: dict[str, Callable[[Array], Array]] = {
    "C order": lambda frame: frame,
    "Fortran order": np.asfortranarray,
    "big-endian": lambda frame: frame.astype(">i2"),
    "big-endian, Fortran order": lambda frame: np.asfortranarray(frame.astype(">i2")),
    "strided": lambda frame: np.repeat(frame, 2, axis=1)[:, ::2],
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("extra", ["none", "before", "after"])
@pytest.mark.parametrize("other", OTHERS)
def test_what_numpy_writes_is_read(
    save: Callable[..., None], extra: str, other: str, tmp_path: Path
) -> None:
    frames = CASE.upto(COUNT)
    (tmp_path / "x").mkdir()
    more = {"note": np.array(["text"]), "data2": frames[0] + 1}
    for number, frame in enumerate(frames):
        data = {"data": OTHERS[other](frame)}
        arrays = {"none": data, "before": more | data, "after": data | more}[extra]
        save(tmp_path / "x" / f"{number:06d}.npz", **arrays)
    channel = CASE.open(str(tmp_path / "x"))
    for got in (channel.read(), np.concatenate([channel[number] for number in range(COUNT)])):
        assert got.dtype == np.dtype("<i2")
        np.testing.assert_array_equal(got, frames)


@pytest.mark.parametrize("dtype", ["u1", "f8", "c16", "b1"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3, 4)], ids=str)
def test_other_types_and_shapes(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    frame = np.ones(shape, dtype)
    np.savez(tmp_path / "x" / "000000.npz", data=frame)
    np.savez_compressed(tmp_path / "x" / "000001.npz", data=frame)
    got = NPZBlobChannel(tmp_path / "x", dtype, shape).read()
    np.testing.assert_array_equal(got, np.ones((2, *shape), dtype))


WRONG: dict[str, dict[str, Array]] = {
    "another shape": {"data": np.zeros((5, 3), "<i2")},
    "another number of axes": {"data": np.zeros((3, 5, 1), "<i2")},
    "more axes": {"data": np.zeros((1, 3, 5), "<i2")},
    "another type": {"data": np.zeros((3, 5), "<u2")},
    "a wider type": {"data": np.zeros((3, 5), "<i4")},
    "another key": {"frame": np.zeros((3, 5), "<i2")},
    "no key": {},
    "a structured type": {"data": np.zeros((3, 5), [("a", "<i2")])},
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("what", WRONG)
def test_another_array_is_an_error_that_names_the_file(
    save: Callable[..., None], what: str, tmp_path: Path
) -> None:
    channel = CASE.open(str(tmp_path / "x"))
    channel.write(CASE.upto(3))
    save(tmp_path / "x" / "000001.npz", **WRONG[what])
    for read in (channel.read, lambda: channel[1], lambda: list(channel.stream())):
        with pytest.raises(ValueError, match=r"000001\.npz"):
            read()
    np.testing.assert_array_equal(channel[2], CASE.upto(1, 2))


def of_one_frame(save: Callable[..., None], folder: Path) -> tuple[Channel, Path, bytes]:
    """A channel of one frame that NumPy has saved, and the bytes of its file."""
    channel = CASE.open(str(folder / "x"))
    channel.write(CASE.upto(1))
    path = folder / "x" / "000000.npz"
    save(path, data=CASE.upto(1)[0])
    return channel, path, path.read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_cut_anywhere_is_an_error_never_a_frame(
    save: Callable[..., None], tmp_path: Path
) -> None:
    channel, path, whole = of_one_frame(save, tmp_path)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"000000\.npz"):
            channel.read()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_with_any_byte_changed_is_a_frame_or_a_clear_error(
    save: Callable[..., None], tmp_path: Path
) -> None:
    channel, path, whole = of_one_frame(save, tmp_path)
    for position in range(len(whole)):
        for value in (0x28, 0xFF):
            path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
            try:
                got = channel.read()
            except ValueError as error:
                assert "000000.npz" in str(error)
            else:
                assert got.shape == (1, *CASE.shape)
