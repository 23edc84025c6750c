"""Samples as tensors, and batches of them, against NumPy and PyTorch's own functions."""

import pickle
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import optree
import pytest
import torch
from abstract_dataloader import generic
from abstract_dataloader.ext.torch import Collate as TheirCollate

from roverd import Dataset as Recordings
from roverd import Trace, types
from roverd.errors import OutOfRangeError
from roverd.torch import Collate, Dataset, Padded, collate, to_tensor, to_tensors
from support.traces import record_trace

KINDS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]


class Pair(NamedTuple):
    one: Any
    other: Any


def imu(frames: int, first: float = 0.0, batch: int = 1) -> types.IMUData[np.ndarray]:
    axes = np.arange(batch * frames * 3, dtype="f4").reshape(batch, frames, 3) + np.float32(first)
    stamps = np.arange(float(batch * frames)).reshape(batch, frames) + first
    return types.IMUData(acc=axes, rot=axes + 1, avel=axes + 2, timestamps=stamps)


def cloud(points: int, first: float, frames: int = 2) -> types.PointCloud[np.ndarray]:
    shape = (1, frames, points, 3)
    xyz = np.arange(np.prod(shape), dtype="f4").reshape(shape) + np.float32(first)
    length = points - np.arange(frames)[None] % 2
    return types.PointCloud(xyz=xyz, length=length, timestamps=np.full((1, frames), first))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_become_tensors_without_a_copy(kind: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(kind)
    tensor = to_tensor(array)
    assert tensor.data_ptr() == array.ctypes.data
    assert tensor.dtype == torch.from_numpy(array).dtype
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert to_tensor(tensor) is tensor
    together = collate([array, array])
    np.testing.assert_array_equal(together.numpy(), np.stack([array, array]))
    assert together.dtype == tensor.dtype


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">u2").reshape(2, 3),
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.arange(6)[::-1],
        np.arange(12).reshape(3, 4)[:, ::-2],
        np.broadcast_to(np.arange(3), (2, 3)),
        np.frombuffer(bytes(range(6)), "u1"),
        np.frombuffer(bytes(range(15)), [("a", "<u2"), ("b", "u1")])["a"],
    ],
    ids=["big-endian", "big-endian f8", "reversed", "strided", "broadcast", "read-only", "odd"],
)
def test_arrays_that_pytorch_cannot_share_are_copied(array: np.ndarray) -> None:
    tensor = to_tensor(array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert not np.shares_memory(tensor.numpy(), array)
    np.testing.assert_array_equal(collate([array, array]).numpy(), np.stack([array, array]))


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "b"]),
        np.array([None, 1]),
        np.array(["2020-01-01"], "M8[s]"),
        np.zeros(2, [("a", "u1")]),
        np.zeros(2, np.longdouble),
    ],
    ids=lambda array: str(array.dtype),
)
def test_elements_that_tensors_cannot_have_are_named(array: np.ndarray) -> None:
    sample = {"lidar": [types.CameraData(image=array, timestamps=np.zeros(1))]}
    for function in (to_tensors, lambda one: collate([one]), lambda one: collate([one, one])):
        with pytest.raises(TypeError, match=r"sample\['lidar'\]\[0\]\.image: .*NumPy's type"):
            function(sample)


def test_samples_keep_their_structure() -> None:
    sample = OrderedDict(
        imu=imu(2),
        pair=Pair(np.arange(3), (1.5, "text", None)),
        scalar=np.float32(2),
        depth=types.OSDepth(
            rng=np.ones((1, 1, 2, 3), "u2"), timestamps=np.ones((1, 1)), intrinsics="p"
        ),
    )
    tensors = to_tensors(sample)
    assert type(tensors) is OrderedDict
    assert type(tensors["imu"]) is types.IMUData
    assert tensors["imu"].acc.data_ptr() == sample["imu"].acc.ctypes.data
    assert tensors["pair"].one.tolist() == [0, 1, 2]
    assert tensors["pair"].other == (1.5, "text", None)
    assert (tensors["scalar"].shape, tensors["scalar"].item()) == ((), 2)
    assert tensors["depth"].rng.dtype == torch.uint16
    assert tensors["depth"].intrinsics == "p"

    batch = collate([sample, tensors, sample])
    assert type(batch) is OrderedDict
    np.testing.assert_array_equal(batch["imu"].acc, np.concatenate([sample["imu"].acc] * 3))
    assert batch["imu"].timestamps.dtype == torch.float64
    assert torch.equal(batch["pair"].one, torch.arange(3).expand(3, 3))
    assert torch.equal(batch["pair"].other[0], torch.tensor([1.5] * 3, dtype=torch.float64))
    assert batch["pair"].other[1:] == (["text"] * 3, [None] * 3)
    assert torch.equal(batch["scalar"], torch.full((3,), 2.0))
    assert batch["depth"].rng.shape == (3, 1, 2, 3)
    assert batch["depth"].intrinsics == ["p"] * 3
    on_device = optree.tree_map(lambda x: x.float() if torch.is_tensor(x) else x, batch)
    assert on_device["depth"].rng.dtype == torch.float32


def test_mappings_that_are_not_made_of_what_they_hold_alone_keep_their_type() -> None:
    sample = defaultdict(list, x=np.arange(2))
    tensors = to_tensors(sample)
    assert (type(tensors), tensors.default_factory) == (defaultdict, list)
    assert torch.equal(tensors["x"], torch.arange(2))
    assert type(sample["x"]) is np.ndarray
    assert torch.equal(collate([sample, tensors])["x"], torch.arange(2).expand(2, 2))


def test_numbers_become_tensors_of_pytorchs_usual_types() -> None:
    for values in ([1, 2], [True, False], [0.1, 0.2]):
        batch = collate(values)
        expected = torch.utils.data.default_collate(values)
        assert batch.dtype == expected.dtype
        assert torch.equal(batch, expected)
    assert torch.equal(collate([1, 0.1]), torch.tensor([1, 0.1], dtype=torch.float64))
    assert collate([1, None]) == [1, None]


def test_a_batch_of_one_shares_the_memory_of_its_sample() -> None:
    sample = {"imu": imu(3), "x": np.arange(4)}
    batch = collate([sample])
    assert batch["imu"].acc.data_ptr() == sample["imu"].acc.ctypes.data
    assert (batch["x"].data_ptr(), batch["x"].shape) == (sample["x"].ctypes.data, (1, 4))


def test_batches_are_those_of_abstract_dataloader() -> None:
    samples = [{"imu": imu(2, first), "cloud": cloud(5, first)} for first in (1.0, 20.0, 300.0)]
    theirs = TheirCollate()(samples)
    assert optree.tree_all(optree.tree_map(torch.equal, collate(samples), theirs))


def test_samples_with_batches_of_their_own_are_concatenated() -> None:
    batch = collate([imu(2, batch=3), imu(2, 50, batch=1)])
    np.testing.assert_array_equal(
        batch.acc, np.concatenate([imu(2, batch=3).acc, imu(2, 50, batch=1).acc])
    )


def test_tensors_elsewhere_are_joined_by_pytorch() -> None:
    tensor = torch.ones(2, requires_grad=True)
    assert collate([{"x": tensor}, {"x": tensor}])["x"].requires_grad


def test_clouds_are_padded_to_the_longest() -> None:
    clouds = [cloud(4, 10), cloud(7, 50), cloud(1, 90)]
    batch = collate([to_tensors(clouds[0]), *clouds[1:]])
    assert type(batch) is types.PointCloud
    assert batch.length.tolist() == [[4, 3], [7, 6], [1, 0]]
    padded = [
        np.pad(one.xyz, ((0, 0), (0, 0), (0, 7 - one.xyz.shape[2]), (0, 0))) for one in clouds
    ]
    np.testing.assert_array_equal(batch.xyz, np.concatenate(padded))


@pytest.mark.parametrize("frames", [(3, 1), (1, 3)])
def test_clouds_of_different_windows_are_as_other_types(frames: tuple[int, int]) -> None:
    clouds = [cloud(4, 10 * count, count) for count in frames]
    with pytest.raises(ValueError, match=r"sample\.xyz: samples differ in shape.*\(1, 1, 4, 3\)"):
        collate(clouds)
    parts = Collate("list")(clouds).xyz
    for part, one in zip(parts, clouds, strict=True):
        np.testing.assert_array_equal(part, one.xyz)
    batch = Collate("pad")(clouds)
    assert batch.xyz.lengths.tolist() == batch.length.lengths.tolist() == list(frames)
    rows = [np.pad(one.xyz[0], ((0, 3 - len(one.xyz[0])), (0, 0), (0, 0))) for one in clouds]
    np.testing.assert_array_equal(batch.xyz.values, np.stack(rows))
    with pytest.raises(ValueError, match=r"sample\.xyz.*in more than one axis"):
        Collate("pad")([clouds[0], cloud(5, 0, frames[1])])


@pytest.mark.parametrize(
    "part, other",
    [
        (np.zeros(2), None),
        (np.zeros(2), "text"),
        (np.zeros(2), [0.0, 0.0]),
        (np.int64(1), 1),
        (np.float32(1), 1.0),
        ({"x": 1}, None),
        ([1], "text"),
    ],
    ids=str,
)
def test_parts_of_different_types_are_an_error_in_any_order(part: Any, other: Any) -> None:
    for pair in ((part, other), (other, part)):
        with pytest.raises(ValueError, match=r"sample\['x'\]: samples differ in type: "):
            collate([{"x": one} for one in pair])


def test_tensors_that_numpy_does_not_know_are_joined_and_keep_their_type() -> None:
    tensors = [torch.arange(3).bfloat16(), torch.arange(3, 6).bfloat16()]
    batch = collate(tensors)
    assert (batch.dtype, batch.tolist()) == (torch.bfloat16, [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(ValueError, match=r"type of elements: torch\.bfloat16, torch\.float32"):
        collate([tensors[0], tensors[1].float()])


def test_other_shapes_are_an_error_that_names_the_field() -> None:
    samples = [{"imu": imu(3)}, {"imu": imu(5)}]
    with pytest.raises(ValueError, match=r"sample\['imu'\]\.acc.*\(1, 3, 3\), \(1, 5, 3\).*'pad'"):
        collate(samples)
    with pytest.raises(ValueError, match=r"sample\['x'\].*differ in the type.*float32, float64"):
        collate([{"x": np.zeros(1, "f4")}, {"x": np.zeros(1)}])
    with pytest.raises(ValueError, match=r"sample: .*\['x'\] and \['y'\]"):
        collate([{"x": 1}, {"y": 1}])
    with pytest.raises(ValueError, match="differ in type: IMUData, dict"):
        collate([imu(1), {"y": 1}])
    with pytest.raises(ValueError, match=r"sample\['x'\].*Collate\(ragged="):
        collate([{"x": [1, 2]}, {"x": [1]}])
    with pytest.raises(ValueError, match="in more than one axis"):
        Collate("pad")([np.zeros((2, 3)), np.zeros((3, 4))])
    with pytest.raises(ValueError, match="no samples"):
        collate([])
    with pytest.raises(ValueError, match="ragged"):
        Collate("zeros")  # type: ignore[arg-type]


def test_windows_of_different_lengths_are_padded_with_their_lengths() -> None:
    samples = [{"imu": imu(3), "x": np.arange(1, 3)}, {"imu": imu(5, 9), "x": np.arange(4, 5)}]
    batch = Collate("pad")(samples)
    acc = batch["imu"].acc
    assert type(acc) is Padded
    assert acc.lengths.tolist() == [3, 5]
    np.testing.assert_array_equal(acc.values[0], np.pad(samples[0]["imu"].acc[0], ((0, 2), (0, 0))))
    np.testing.assert_array_equal(acc.values[1], samples[1]["imu"].acc[0])
    assert acc.mask.sum(1).tolist() == [3, 5]
    assert torch.equal(batch["imu"].timestamps.mask, acc.mask)
    assert batch["x"].values.tolist() == [[1, 2], [4, 0]]
    assert batch["x"].lengths.tolist() == [2, 1]
    doubled = optree.tree_map(lambda tensor: tensor * 2, acc)
    assert doubled.lengths.tolist() == [6, 10]
    # Where all are of one length, nothing is padded.
    assert isinstance(Collate("pad")(samples[:1] * 2)["imu"].acc, torch.Tensor)


@pytest.mark.parametrize("ragged", ["list", "pad"])
def test_lists_of_different_lengths_stay_lists(ragged: Any) -> None:
    batch = Collate(ragged)([{"x": [np.arange(2)]}, {"x": [np.arange(3), np.arange(1)]}])
    assert [[part.tolist() for part in parts] for parts in batch["x"]] == [
        [[0, 1]],
        [[0, 1, 2], [0]],
    ]


def test_windows_of_different_lengths_are_lists_on_request() -> None:
    batch = Collate("list")([imu(3), imu(5)])
    assert [tensor.shape for tensor in batch.acc] == [(1, 3, 3), (1, 5, 3)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("torch")
    for number in range(2):
        record_trace(root / f"t{number}", 1.0, seed=number)
    return [str(root / "t0"), str(root / "t1")]


def scale(sample: dict[str, Any]) -> dict[str, Any]:
    return {"rng": sample["lidar"].rng.astype("f4") / 1000, "imu": sample["imu"]}


def test_recordings_are_a_data_set_of_pytorchs(folders: list[str]) -> None:
    recordings = Recordings.from_config(folders, generic.Nearest("lidar"), "auto")
    dataset = Dataset(recordings)
    assert isinstance(dataset, torch.utils.data.Dataset)
    assert len(dataset) == len(recordings) > 10
    last = dataset[-1]
    assert type(last["camera"]) is types.CameraData
    np.testing.assert_array_equal(last["camera"].image, recordings[-1]["camera"].image)
    with pytest.raises(OutOfRangeError):
        dataset[len(dataset)]
    together = dataset.__getitems__([3, 0, 3])
    assert [float(sample["imu"].timestamps[0, 0]) for sample in together] == [
        float(recordings[number]["imu"].timestamps[0, 0]) for number in (3, 0, 3)
    ]
    transformed = pickle.loads(pickle.dumps(Dataset(recordings, scale)))  # noqa: S301
    np.testing.assert_array_equal(
        transformed[2]["rng"], recordings[2]["lidar"].rng / np.float32(1000)
    )
    assert set(transformed.__getitems__([1])[0]) == {"rng", "imu"}


@pytest.mark.parametrize("options", [{}, {"collate_fn": collate}], ids=["default", "ours"])
def test_a_loader_takes_it_as_it_is(folders: list[str], options: dict[str, Any]) -> None:
    trace = Trace.from_config(folders[0], generic.Nearest("lidar"), {"lidar": "auto", "imu": None})
    batches = list(torch.utils.data.DataLoader(Dataset(trace), batch_size=4, **options))
    samples = [trace[number] for number in range(4)]
    assert type(batches[0]["lidar"]) is types.OSDepth
    np.testing.assert_array_equal(
        batches[0]["lidar"].rng, np.concatenate([sample["lidar"].rng for sample in samples])
    )
    assert batches[0]["lidar"].rng.dtype == torch.uint16
    assert batches[0]["lidar"].intrinsics == [samples[0]["lidar"].intrinsics] * 4
    # Samples of a DynamicSensor have no axis for batches.
    np.testing.assert_array_equal(
        batches[0]["imu"]["acc"], np.stack([sample["imu"]["acc"] for sample in samples])
    )
