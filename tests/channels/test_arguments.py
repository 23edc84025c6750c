"""Arguments that make no sense are refused before anything is touched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.channels import (
    JPEGBlobChannel,
    LzmaFrameChannel,
    NPZBlobChannel,
    RawChannel,
    VideoChannel,
)
from roverd.errors import MetadataError

IMAGES = np.zeros((3, 32, 48, 3), np.uint8)


@pytest.mark.parametrize("kind", [VideoChannel, JPEGBlobChannel])
@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": 0},
        {"quality": 101},
        {"interp": "best"},
        {"resolution": (0, 4)},
        {"resolution": (4,)},
        {"resolution": (float("nan"), 4)},
        {"resolution": 4},
    ],
    ids=str,
)
def test_image_channels(kind: Any, wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="name.*" + next(iter(wrong))):
        kind(tmp_path / "name", "u1", (32, 48, 3), **wrong)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"length": -1}], ids=str)
def test_blob_channels(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name.*" + next(iter(wrong))):
        NPZBlobChannel(tmp_path / "name", "u1", (2,), **wrong)


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"fps": -1.0}, {"fps": float("nan")}], ids=str)
@pytest.mark.parametrize("way", ["write", "consume"])
def test_video_keeps_its_frames(way: str, wrong: dict[str, Any], tmp_path: Path) -> None:
    channel = VideoChannel(tmp_path / "video.avi", "u1", (32, 48, 3))
    channel.write(IMAGES)
    before = (tmp_path / "video.avi").read_bytes()
    with pytest.raises(ValueError, match=r"video\.avi: .*frame rate"):
        getattr(channel, way)(IMAGES[:1], **wrong)
    assert (tmp_path / "video.avi").read_bytes() == before


@pytest.mark.parametrize(
    ("way", "wrong"),
    [
        ("write", {"preset": 10}),
        ("consume", {"preset": 10}),
        ("consume", {"preset": -1}),
        ("consume", {"batch": -1}),
    ],
    ids=str,
)
def test_lzmaf_keeps_its_frames(way: str, wrong: dict[str, Any], tmp_path: Path) -> None:
    channel = LzmaFrameChannel(tmp_path / "name", "u1", (4,))
    channel.write(np.arange(12, dtype="u1").reshape(3, 4))
    with pytest.raises(ValueError, match=next(iter(wrong))):
        getattr(channel, way)(np.zeros((1, 4), "u1"), **wrong)
    assert channel.read().ravel().tolist() == list(range(12))


@pytest.mark.parametrize("nothing", [None, 3])
def test_only_iterables_and_queues_are_consumed(nothing: Any, tmp_path: Path) -> None:
    channel = RawChannel(tmp_path / "name", "u1", ())
    with pytest.raises(TypeError, match="iterable"):
        channel.consume(nothing)
    assert not channel.exists()
