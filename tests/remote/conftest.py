"""A store with a recording in it, for all tests of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'roverd[s3]'")
pytest.importorskip("moto", reason="moto is not installed: pip install 'moto[server]'")

from support.stores import S3, Proxy, serving_s3
from support.traces import Recorded, record_poses, record_trace


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
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
