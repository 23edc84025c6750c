"""A Ray cluster of two cores on this machine, for as long as tests need it."""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def why_not_ray() -> str | None:
    """Why there can be no cluster; `None` if there can."""
    if importlib.util.find_spec("ray") is None:
        return "not installed: ray (pip install 'roverd[dev]')"
    return None


@contextmanager
def serving_ray() -> Iterator[str]:
    """A cluster; gives its address, to which this process is connected."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["RAY_DEDUP_LOGS"] = "0"
    import ray

    # Its processes find what this one does.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = ":".join(path for path in sys.path if path)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=150 << 20,
    )
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()
