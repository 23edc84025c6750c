"""Recordings of many sensors at once: record, read, train.

Names load when they are first used, so that `import roverd` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roverd import channels, sensors, timestamps, types
    from roverd import sync as sync
    from roverd.parallel import set_threads
    from roverd.recorder import Recorder
    from roverd.storage.cache import cache
    from roverd.trace import Dataset, Trace, split

__all__ = [
    "channels",
    "sensors",
    "timestamps",
    "types",
    "Trace",
    "Dataset",
    "split",
    "Recorder",
    "cache",
    "set_threads",
]
__version__ = "0.1.0"

_HOMES = {
    "Trace": "roverd.trace",
    "Dataset": "roverd.trace",
    "split": "roverd.trace",
    "Recorder": "roverd.recorder",
    "cache": "roverd.storage.cache",
    "set_threads": "roverd.parallel",
}
_MODULES = ("channels", "sensors", "sync", "timestamps", "types")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"roverd.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'roverd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
