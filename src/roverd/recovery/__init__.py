"""Bringing what was being recorded when something died to a sound state."""

from roverd.recovery.report import ChannelRepair, SensorRepair
from roverd.recovery.rescue import Rescue
from roverd.recovery.sensor import mend_sensor

__all__ = ["ChannelRepair", "Rescue", "SensorRepair", "mend_sensor"]
