"""A program that prints which modules are loaded by recording, for the first time, a frame.

`python loading_program.py FORMAT TRACE`
"""

import sys

import numpy as np

from roverd import Recorder

SHAPES = {"jpg": (16, 24, 3), "mjpg": (16, 24, 3)}


def run(format: str, trace: str) -> None:
    with Recorder(trace) as recorder:
        shape = SHAPES.get(format, (4,))
        sensor = recorder.sensor("s", {"value": {"format": format, "type": "u1", "shape": shape}})
        before = set(sys.modules)
        sensor.write(0.0, value=np.ones(shape, "u1"))
    print(*sorted(set(sys.modules) - before))


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
