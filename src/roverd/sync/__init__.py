"""Synchronisation: which frames of which sensor belong to one sample.

A `Synchronization` is given what the samples are counted by, and a rule for each sensor. It works
wherever `abstract_dataloader`'s do; in a `roverd.Trace`, samples can hold windows in time and
interpolated values as well.
"""

from roverd.sync.alignment import Alignment
from roverd.sync.order import Unordered
from roverd.sync.parts import FramePairs, FrameWindows
from roverd.sync.report import Gap, Offsets, SensorReport, SyncReport
from roverd.sync.rules import Interpolate, Match, Nearest, Next, Previous, Reason, Rule, Window
from roverd.sync.synchronization import Synchronization

__all__ = [
    "Alignment",
    "FramePairs",
    "FrameWindows",
    "Gap",
    "Interpolate",
    "Match",
    "Nearest",
    "Next",
    "Offsets",
    "Previous",
    "Reason",
    "Rule",
    "SensorReport",
    "SyncReport",
    "Synchronization",
    "Unordered",
    "Window",
]
