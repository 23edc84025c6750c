"""`roverd demo`: simulate a rig, record it, load it again, and draw what is in it."""

from roverd.ops.demo.load import Rate
from roverd.ops.demo.run import LIMITS, Demo, demo

__all__ = ["LIMITS", "Demo", "Rate", "demo"]
