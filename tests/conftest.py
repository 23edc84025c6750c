"""Settings and fixtures of all tests."""

import importlib.util
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.azure_server import serving_azure, why_not_azure
from support.gcs_server import serving_gcs
from support.ray_cluster import serving_ray, why_not_ray
from support.served_folder import serving_folder
from support.stores import S3, ObjectServer, serving_s3

# Started in the background of a script, we ignore Ctrl-C, and so would the programs under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run: a failure in CI is a failure everywhere. No deadline, since a
# slow machine is no error; pytest's own time limit catches what hangs.
settings.register_profile(
    "roverd",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("roverd")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    missing = [name for name in ("s3fs", "moto") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (pip install 'roverd[dev]')")
    with serving_s3() as server:
        yield server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[ObjectServer]:
    if reason := why_not_azure():
        pytest.skip(reason)
    with serving_azure() as server:
        yield server


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[ObjectServer]:
    if importlib.util.find_spec("gcsfs") is None:
        pytest.skip("not installed: gcsfs (pip install 'roverd[dev]')")
    with serving_gcs() as server:
        yield server


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with serving_folder(tmp_path_factory.mktemp("served")) as server:
        yield server


# Not for longer than a module: its threads are none that processes should be forked beside.
@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[str]:
    if reason := why_not_ray():
        pytest.skip(reason)
    with serving_ray() as address:
        yield address
