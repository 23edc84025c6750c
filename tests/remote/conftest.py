"""A store with a recording in it, for all tests of this folder."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.stores import S3, Proxy, serving_s3
from support.traces import Recorded, record_poses, record_trace

MISSING = [name for name in ("s3fs", "moto") if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)} (pip install 'roverd[dev]')")
    with serving_s3() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3) -> S3:
    """The server, undisturbed, with nothing counted."""
    s3_server.proxy.clear()
    s3_server.proxy.latency = 0.0
    return s3_server


@pytest.fixture
def proxy(s3: S3) -> Proxy:
    return s3.proxy


@dataclass
class Uploaded:
    """A trace, here and in the store."""

    local: Path
    url: str
    sensors: dict[str, Recorded]


@pytest.fixture(scope="session")
def uploaded(s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> Uploaded:
    local = tmp_path_factory.mktemp("uploaded") / "trace"
    sensors = record_trace(local, 4.0)
    record_poses(local, 80)
    return Uploaded(local, s3_server.upload(local, "data/trace"), sensors)
