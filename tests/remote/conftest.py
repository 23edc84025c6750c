"""A store with a recording in it, for all tests of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from roverd.storage.options import remember
from support.stores import S3, ObjectServer, Proxy
from support.traces import Recorded, record_poses, record_trace

SERVERS = ("s3", "azure", "gcs", "http")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> ObjectServer:
    """One of the servers, undisturbed; a test that wants this one runs with each of them."""
    server = request.getfixturevalue(f"{request.param}_server")
    server.proxy.clear()
    server.proxy.latency, server.proxy.added = 0.0, ""
    return server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "server" in metafunc.fixturenames and not any("server" in names for names in own):
        metafunc.parametrize("server", SERVERS, indirect=True)


@pytest.fixture
def s3(s3_server: S3) -> S3:
    """The server, undisturbed, with nothing counted."""
    s3_server.proxy.clear()
    s3_server.proxy.latency, s3_server.proxy.added = 0.0, ""
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


@pytest.fixture
def url(s3: S3, request: pytest.FixtureRequest) -> Iterator[str]:
    """A place of its own in the store, in which there is nothing before and nothing after."""
    key = f"{request.module.__name__.rpartition('.')[2]}/{request.node.originalname}"
    remember(f"s3://bucket/{key}", s3.options)
    yield f"s3://bucket/{key}"
    s3.proxy.clear()
    s3.remove(key)
