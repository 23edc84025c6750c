"""Engines: where the work of a command on many traces is done.

By default that is this process, or several on this machine; with Ray it is any number of machines.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from roverd.ops.engines.abstract import Died, Engine, ItemProgress
from roverd.ops.engines.threads import ThreadEngine

if TYPE_CHECKING:
    from roverd.ops.engines.processes import ProcessEngine
    from roverd.ops.engines.ray_tasks import RayEngine

__all__ = ["Died", "Engine", "ItemProgress", "ProcessEngine", "RayEngine", "ThreadEngine"]

_HOMES = {"ProcessEngine": "processes", "RayEngine": "ray_tasks"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'roverd.ops.engines' has no attribute {name!r}")
    return getattr(import_module(f"roverd.ops.engines.{_HOMES[name]}"), name)
