"""A store with a recording in it, for all tests of this folder."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.azure_server import serving_azure, why_not_azure
from support.served_folder import serving_folder
from support.stores import S3, ObjectServer, Proxy, serving_s3
from support.traces import Recorded, record_poses, record_trace

SERVERS = ("s3", "azure", "http")
MISSING = [name for name in ("s3fs", "moto") if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)} (pip install 'roverd[dev]')")
    with serving_s3() as server:
        yield server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[ObjectServer]:
    if reason := why_not_azure():
        pytest.skip(reason)
    with serving_azure() as server:
        yield server


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with serving_folder(tmp_path_factory.mktemp("served")) as server:
        yield server


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
