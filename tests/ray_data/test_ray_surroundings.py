"""What processes of a cluster must know of the one that gives them work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import roverd.ray
from roverd.channels import CHANNEL_TYPES
from roverd.ops import transcode, validate
from roverd.ops.engines import RayEngine
from support.ray_work import NegativeChannel
from support.stores import S3
from support.traces import record, record_trace, ticks

pytestmark = pytest.mark.slow


@pytest.fixture
def negative() -> Iterator[str]:
    CHANNEL_TYPES["negative"] = NegativeChannel
    yield "negative"
    del CHANNEL_TYPES["negative"]


def test_formats_of_ones_own_go_along(ray_cluster: str, tmp_path: Path, negative: str) -> None:
    frames = np.arange(24, dtype="<i4").reshape(6, 4)
    made = record(tmp_path / "trace" / "radar", ticks(6, 20), {"iq": ("raw", frames)})
    made.meta["iq"]["format"] = negative
    (made.path / "iq").unlink()
    (made.path / "iq").mkdir()
    for number, frame in enumerate(frames):
        np.save(made.path / "iq" / f"{number:06d}.npy", -frame)
    made.write_meta()
    (tmp_path / "trace" / "config.yaml").write_text("{}")
    report = transcode(
        tmp_path / "trace", tmp_path / "new", {"radar/iq": "raw"}, engine=RayEngine(ray_cluster)
    )
    assert [trace.state for trace in report.traces] == ["made"]
    stored = np.fromfile(tmp_path / "new" / "radar" / "iq", "<i4").reshape(6, 4)
    assert np.array_equal(stored, frames)


@pytest.fixture
def stored(s3_server: S3, tmp_path: Path) -> tuple[str, dict[str, Any], np.ndarray]:
    """A trace in a store, how that is reached, and the frames of a channel."""
    sensors = record_trace(tmp_path / "trace", 1.0)
    url = s3_server.upload(tmp_path / "trace", "ray/trace")
    return url, s3_server.options, sensors["lidar"].frames["rng"]


def test_options_of_stores_go_along(
    ray_cluster: str, stored: tuple[str, dict[str, Any], np.ndarray]
) -> None:
    url, options, frames = stored
    rows = roverd.ray.read(url, columns=["lidar/rng"], storage_options=options).take_all()
    assert {row["path"] for row in rows} == {url}
    rows.sort(key=lambda row: row["sample"])
    assert np.array_equal(np.concatenate([row["lidar/rng"] for row in rows]), frames)
    # Where the store is, is known by now.
    report = validate(url, deep=True, engine=RayEngine(ray_cluster))
    assert [trace.path for trace in report.traces] == [url]
    assert not report.broken
