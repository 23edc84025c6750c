"""Sample types: the fields of the specification, usable by tree functions and type checkers."""

import dataclasses
import pickle
from typing import Any, get_type_hints

import jaxtyping as jt
import numpy as np
import optree
import pytest

from roverd import types
from support.typed import check_sample

TIMES = (jt.Float64, "batch t")
PER_BATCH = (jt.Float, "#batch")
SPECIFIED: dict[str, dict[str, Any]] = {
    "XWRRadarIQ": {
        "iq": (jt.Int16, "batch t slow tx rx fast"),
        "timestamps": TIMES,
        "range_resolution": PER_BATCH,
        "doppler_resolution": PER_BATCH,
        "valid": (jt.UInt8, "batch t"),
    },
    "XWR4DSpectrum": {
        "spectrum": (jt.Complex64, "batch t doppler elevation azimuth range"),
        "timestamps": TIMES,
        "range_resolution": PER_BATCH,
        "doppler_resolution": PER_BATCH,
    },
    "Depth": {"rng": (jt.UInt16, "batch t beam time"), "timestamps": TIMES},
    "PointCloud": {
        "xyz": (jt.Float32, "batch t n 3"),
        "length": (jt.Integer, "#batch #t"),
        "timestamps": TIMES,
    },
    "OSDepth": {"rng": (jt.UInt16, "batch t beam time"), "timestamps": TIMES, "intrinsics": str},
    "OSData": {
        "rng": (jt.UInt16, "batch t beam time"),
        "rfl": (jt.UInt8, "batch t beam time"),
        "nir": (jt.UInt16, "batch t beam time"),
        "timestamps": TIMES,
        "intrinsics": str,
    },
    "CameraData": {"image": (jt.UInt8, "batch t height width 3"), "timestamps": TIMES},
    "CameraSemseg": {"semseg": (jt.UInt8, "batch t height width"), "timestamps": TIMES},
    "IMUData": {
        "acc": (jt.Float32, "batch t 3"),
        "rot": (jt.Float32, "batch t 3"),
        "avel": (jt.Float32, "batch t 3"),
        "timestamps": TIMES,
    },
    "Pose": {
        "pos": (jt.Float32, "batch t 3"),
        "vel": (jt.Float32, "batch t 3"),
        "acc": (jt.Float32, "batch t 3"),
        "rot": (jt.Float32, "batch t 3 3"),
        "timestamps": TIMES,
    },
}
NUMPY_TYPES = {
    jt.Int16: "i2",
    jt.UInt8: "u1",
    jt.UInt16: "u2",
    jt.Float32: "f4",
    jt.Float64: "f8",
    jt.Float: "f8",
    jt.Complex64: "c8",
    jt.Integer: "i8",
}
SIZES = {"slow": 3, "tx": 4, "rx": 5, "fast": 6, "beam": 7, "time": 8, "n": 9}


def example(name: str, batch: int = 2, t: int = 3) -> Any:
    """A sample of which every axis of another name has another length."""
    sizes = dict(SIZES, batch=batch, t=t)
    values: dict[str, Any] = {}
    for number, (field, kind) in enumerate(SPECIFIED[name].items()):
        if kind is str:
            values[field] = "/somewhere/lidar.json"
            continue
        dtype, axes = kind
        words = [axis.lstrip("#") for axis in axes.split()]
        shape = [int(word) if word.isdigit() else sizes.get(word, len(word)) for word in words]
        values[field] = np.full(shape, number, NUMPY_TYPES[dtype])
    return getattr(types, name)(**values)


every_type = pytest.mark.parametrize("name", SPECIFIED)


@every_type
def test_fields_are_those_of_the_specification(name: str):
    kind = getattr(types, name)
    fields = [field.name for field in dataclasses.fields(kind)]
    assert sorted(fields) == sorted(SPECIFIED[name])
    hints = get_type_hints(kind)
    for field, expected in SPECIFIED[name].items():
        hint = hints[field]
        if expected is str:
            assert hint is str
        else:
            assert (hint.dtype, hint.dim_str) == expected


@every_type
def test_types_are_generic_over_their_arrays(name: str):
    kind = getattr(types, name)
    assert kind.__parameters__ == (types.TArray,)
    assert kind[np.ndarray].__origin__ is kind


@every_type
def test_a_sample_holds_what_its_annotations_say(name: str):
    check_sample(example(name))


@every_type
def test_the_check_of_annotations_finds_other_shapes_and_types(name: str):
    good = example(name)
    for change in (
        {"timestamps": good.timestamps[:, :-1]},
        {"timestamps": good.timestamps.astype(np.float32)},
    ):
        with pytest.raises(jt.TypeCheckError):
            check_sample(dataclasses.replace(good, **change))


@every_type
def test_tree_map_reaches_every_array(name: str):
    sample = example(name)
    doubled = optree.tree_map(lambda leaf: leaf * 2, sample)
    assert type(doubled) is type(sample)
    for field in dataclasses.fields(sample):
        before, after = getattr(sample, field.name), getattr(doubled, field.name)
        assert np.array_equal(after, before * 2)


@every_type
def test_samples_collate_along_the_batch_axis(name: str):
    arrays = [
        optree.tree_map(lambda leaf: leaf if isinstance(leaf, np.ndarray) else np.array([0]), one)
        for one in (example(name, batch=1), example(name, batch=1))
    ]
    together = optree.tree_map(lambda *leaves: np.concatenate(leaves), *arrays)
    assert together.timestamps.shape == (2, 3)


@every_type
def test_samples_pickle(name: str):
    sample = example(name)
    again = pickle.loads(pickle.dumps(sample))  # noqa: S301
    assert type(again) is type(sample)
    assert np.array_equal(again.timestamps, sample.timestamps)
