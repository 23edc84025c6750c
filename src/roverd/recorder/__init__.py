"""Recording: programs that have sensors hand over frames, which are encoded and written beside."""

from roverd.recorder.recorder import Recorder
from roverd.recorder.sensor import RecordedSensor
from roverd.recorder.statistics import SensorStats

__all__ = ["RecordedSensor", "Recorder", "SensorStats"]
