"""Real captures of Ouster lidars, with what the manufacturer's SDK makes of them."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.types import OSDepth

DATA = Path(__file__).parents[1] / "data" / "ouster"
WHOLE = DATA.parents[3] / "shared" / "data" / "ouster"
METADATA = sorted([*DATA.glob("metadata/*.json"), *DATA.glob("*/lidar*.json")])
NAMES = sorted(path.parent.name for path in DATA.glob("*/scans.npz"))
LIDAR_JSON = DATA / "os1-128_v2.3.0_1024x10_3frames" / "lidar.json"

assert len(METADATA) == 20 and len(NAMES) == 5

every_capture = pytest.mark.parametrize(
    ("folder", "schema"),
    [
        pytest.param(root / name, schema, id=f"{label}-{name.partition('_')[0]}-{schema}")
        for (root, label), name, schema in itertools.product(
            ((DATA, "cut"), (WHOLE, "whole")), NAMES, ("lidar.json", "lidar.sdk1.0.1.json")
        )
    ],
)


def scans_of(folder: Path) -> dict[str, np.ndarray]:
    """All arrays of a capture, with an axis of 1 after the first: each frame a batch of its own."""
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine; a cut of it is tested everywhere")
    with np.load(folder / "scans.npz") as scans:
        return {name: scans[name][:, None] for name in scans.files if name[-5:] != "_last"}


def sample(rng: np.ndarray, intrinsics: Any) -> OSDepth[np.ndarray]:
    """As a sensor yields it; every frame has its own time."""
    frames = rng.shape[:-2]
    stamps = np.arange(np.prod(frames, dtype=int), dtype=np.float64).reshape(frames)
    return OSDepth(rng=rng, timestamps=stamps, intrinsics=intrinsics)
