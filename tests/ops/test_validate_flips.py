"""Flipped bits: `ops.validate(deep=True)` finds all that a format can tell."""

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from roverd import channels, ops
from support.channels import INDEXED, avi_chunks
from support.damage import deflate, flip
from support.traces import numbered, pictures, record, ticks

COUNT = 5
FRAMES = numbered(COUNT, (4, 6), "u2")
JPEGS = pictures(COUNT, 24, 32)


def make(root: Path, kind: str) -> Path:
    """A trace with one sensor `s` with one channel `x`; gives the path of the channel."""
    frames = JPEGS if kind in ("jpg", "mjpg") else FRAMES
    record(root / "s", ticks(COUNT, 10), {"x": (kind, frames)})
    (root / "config.yaml").write_text("")
    return root / "s" / "x"


def errors(root: Path) -> list[str]:
    (trace,) = ops.validate(root, {}, deep=True).traces
    kinds = [problem.kind for problem in trace.errors]
    assert "unexpected" not in kinds
    return kinds


def read(path: Path) -> Any:
    """All frames, as a reader gets them."""
    entry = json.loads((path.parent / "meta.json").read_text())["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return channels.from_config(path, **entry).read()


def flips(path: Path, step: int) -> Iterator[int]:
    """Turn over one byte after the other, each alone; yields its position."""
    good = path.read_bytes()
    for position in range(0, len(good), step):
        flip(path, position, 1 << position % 8)
        yield position
        path.write_bytes(good)


@pytest.mark.parametrize(
    "kind, name",
    [("lzma", "x"), ("lzmaf", "x"), ("zstdf", "x"), *((kind, "x_i") for kind in INDEXED)],
)
def test_any_flip_in_a_file_with_check_sums_or_an_index_is_found(
    tmp_path: Path, kind: str, name: str
):
    make(tmp_path, kind)
    for position in flips(tmp_path / "s" / name, 3 if name == "x" else 1):
        assert errors(tmp_path), position


@pytest.mark.parametrize("compressed", [False, True], ids=["stored", "deflated"])
def test_any_flip_in_an_npz_that_could_change_the_frame_is_found(tmp_path: Path, compressed: bool):
    path = make(tmp_path, "npz")
    blob = path / "000002.npz"
    if compressed:
        deflate(blob)
    found = 0
    for position in flips(blob, 2):
        if errors(tmp_path):
            found += 1
        else:  # in dates, attributes and the like, which nobody reads
            np.testing.assert_array_equal(read(path), FRAMES, err_msg=f"byte {position}")
    assert found > 50


def test_a_flip_in_stored_data_is_not_seen_by_readers_and_found_by_deep(tmp_path: Path):
    path = make(tmp_path, "npz")
    at = (path / "000001.npz").read_bytes().index(FRAMES[1].tobytes())
    flip(path / "000001.npz", at + 5)
    assert not np.array_equal(read(path), FRAMES)
    assert ops.validate(tmp_path, {}).ok
    assert errors(tmp_path) == ["bad-frames"]


def test_what_no_check_sum_covers_cannot_be_seen(tmp_path: Path):
    path = make(tmp_path, "raw")
    flip(path, 50)
    assert errors(tmp_path) == []


@given(cut=st.integers(2, min(map(len, JPEGS)) - 1), number=st.integers(0, COUNT - 1))
@settings(max_examples=25)
@pytest.mark.parametrize("kind", ["jpg", "mjpg"])
def test_a_jpeg_whose_end_is_lost_is_found(
    tmp_path_factory: pytest.TempPathFactory, kind: str, cut: int, number: int
):
    root = tmp_path_factory.mktemp("trace")
    path = make(root, kind)
    if kind == "jpg":
        blob = path / f"{number:06d}.jpg"
        blob.write_bytes(blob.read_bytes()[:-cut])
    else:
        data = bytearray(path.read_bytes())
        offset, size = avi_chunks(bytes(data))[number]
        data[offset + size - cut : offset + size] = bytes(cut)
        path.write_bytes(data)
    assert errors(root) == ["bad-frames"]


def test_a_flip_in_a_jpeg_is_found_where_pillow_refuses_the_image(tmp_path: Path):
    # Most flips in a JPEG make another picture, which nothing can tell from what was meant.
    path = make(tmp_path, "jpg")
    blob = path / "000002.jpg"
    refused = 0
    for position in flips(blob, 5):
        try:
            shape = np.asarray(Image.open(io.BytesIO(blob.read_bytes())).convert("RGB")).shape
        except (OSError, SyntaxError, ValueError):
            shape = None
        if shape != (24, 32, 3):
            refused += 1
            assert errors(tmp_path) == ["bad-frames"], position
    assert refused > 10


def test_any_flip_in_the_head_of_a_chunk_of_an_avi_is_found(tmp_path: Path):
    path = make(tmp_path, "mjpg")
    good = path.read_bytes()
    for offset, _ in avi_chunks(good):
        for position in range(offset - 8, offset):
            flip(path, position)
            assert errors(tmp_path), position
            path.write_bytes(good)


def test_any_flip_in_an_entry_of_an_avi_index_is_found_or_harmless(tmp_path: Path):
    path = make(tmp_path, "mjpg")
    frames = read(path)
    good = path.read_bytes()
    for position in range(good.index(b"idx1"), len(good)):
        flip(path, position)
        if not errors(tmp_path):
            np.testing.assert_array_equal(read(path), frames)
        path.write_bytes(good)
