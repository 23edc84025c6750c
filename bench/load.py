"""Records the rig of docs/format.md in real time: does this machine keep up, and at what cost?

Radar, lidar, camera and IMU are recorded by one `roverd.Recorder`, each given its frames at its
rate by a thread of the same process. `--search` finds the highest multiple of real time that is
held: nothing dropped, no frame given late, none written later than is promised.
"""

import argparse
import json
import lzma
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import data
from bench.timing import keep_memory, seconds_text
from roverd import Recorder
from roverd.sensors import DynamicSensor

_HERE = os.path.dirname(os.path.abspath(__file__))
_OUT = os.path.join(_HERE, "out")
_LIDAR = os.path.join(_HERE, os.pardir, "tests", "data", "traces", "short", "lidar")
_START = 1.7279e9  # seconds since the epoch
_LIDAR_COLUMNS = 1024
_CAMERA_FRAMES = 30  # kept uncompressed, 6 MB each
_SEARCH_SECONDS = 12.0
_SEARCH_STEP = 0.05
_FLUSH_INTERVAL = 0.25  # the recorder's default

_HEAD = (
    "sensor",
    "Hz",
    "reached",
    "frames",
    "dropped",
    "MB/s in",
    "on disk",
    "encoding",
    "own thread",
    "write",
    "99 %",
    "worst",
    "longest lag",
)

Array = NDArray[Any]


@dataclass(frozen=True)
class _Sensor:
    """A sensor of the rig.

    Attributes:
        name: of the sensor.
        rate: frames per second.
        channels: descriptions, as `Recorder.sensor` takes them.
        frames: what is recorded, again and again: a frame of each channel.
    """

    name: str
    rate: float
    channels: dict[str, dict[str, Any]]
    frames: list[dict[str, Array]]

    @property
    def frame_bytes(self) -> int:
        """Uncompressed bytes of one frame of all channels."""
        return sum(frame.nbytes for frame in self.frames[0].values())


@dataclass
class _Outcome:
    """What came of the recording of a sensor.

    Attributes:
        sensor: which.
        target: frames per second that were given.
        promised: seconds within which frames are to be written.
        latencies: seconds that each call of `write` took.
        late: by how many seconds frames were given too late, at most.
        finished: seconds from the first frame to the last.
        dropped: frames that there was no room for.
        thread_seconds: processor time of the sensor's own thread.
        encode_seconds: processor time of encoding, whichever thread did it.
        lag: longest time from a frame's coming to its being written, in seconds.
        unsynced: longest time that a frame was written and not synced, in seconds.
        size: bytes on disk.
        count: frames on disk.
    """

    sensor: _Sensor
    target: float
    promised: float
    latencies: list[float] = field(default_factory=list[float])
    late: float = 0.0
    finished: float = 0.0
    dropped: int = 0
    thread_seconds: float = 0.0
    encode_seconds: float = 0.0
    lag: float = 0.0
    unsynced: float = 0.0
    size: int = 0
    count: int = 0

    @property
    def holds(self) -> bool:
        """Whether all was recorded in time."""
        return not self.dropped and max(self.late, self.lag) < self.promised


@dataclass
class _Run:
    """A recording.

    Attributes:
        outcomes: of each sensor.
        seconds: how long it took, without opening and closing.
        processor_seconds: of the whole process meanwhile.
        given_seconds: of these, what the threads took that gave the frames, `write` included.
        close_seconds: how long closing took.
        load: of the machine before and after, over the last minute.
    """

    outcomes: list[_Outcome]
    seconds: float
    processor_seconds: float
    given_seconds: float
    close_seconds: float
    load: tuple[float, float]

    @property
    def holds(self) -> bool:
        """Whether all was recorded in time."""
        return all(outcome.holds for outcome in self.outcomes)


def _rig(made: data.Data, lidar_format: str) -> list[_Sensor]:
    trace = made.trace
    height, width = made.size.camera
    radar = np.fromfile(f"{trace}/radar/iq", "<i2").reshape(-1, *made.size.radar)
    valid = np.ones((), "u1")
    lidar_types = {"rng": "u2", "nir": "u2", "rfl": "u1"}
    lidar = {name: _lidar(name, dtype, made.size.lidar) for name, dtype in lidar_types.items()}
    jpegs = data.jpegs(f"{trace}/camera/video.avi")[:_CAMERA_FRAMES]
    pictures = [
        np.ascontiguousarray(cv2.imdecode(np.frombuffer(jpeg, "u1"), cv2.IMREAD_COLOR)[..., ::-1])
        for jpeg in jpegs
    ]
    imu = {
        name: np.fromfile(f"{trace}/imu/{name}", "<f4").reshape(-1, 3)
        for name in ("acc", "avel", "rot")
    }

    def raw(dtype: str, shape: Sequence[int]) -> dict[str, Any]:
        return {"format": "raw", "type": dtype, "shape": list(shape)}

    return [
        _Sensor(
            "radar",
            20,
            {"iq": raw("i2", made.size.radar), "valid": raw("u1", ())},
            [{"iq": frame, "valid": valid} for frame in radar],
        ),
        _Sensor(
            "lidar",
            10,
            {
                name: {"format": lidar_format, "type": dtype, "shape": list(made.size.lidar)}
                for name, dtype in lidar_types.items()
            },
            [
                dict(zip(lidar_types, frames, strict=True))
                for frames in zip(*lidar.values(), strict=True)
            ],
        ),
        _Sensor(
            "camera",
            30,
            {"video.avi": {"format": "mjpg", "type": "u1", "shape": [height, width, 3]}},
            [{"video.avi": picture} for picture in pictures],
        ),
        _Sensor(
            "imu",
            100,
            {name: raw("f4", (3,)) for name in imu},
            [dict(zip(imu, frames, strict=True)) for frames in zip(*imu.values(), strict=True)],
        ),
    ]


def _lidar(name: str, dtype: str, shape: tuple[int, int]) -> list[Array]:
    """A real lidar's frames, of which two side by side have the columns of the rig's.

    How long a frame takes to compress depends on its noise: made-up frames would say little. One
    of the two is turned round, or the second half would be compressed as a repetition.
    """
    streams = data.xz_streams(f"{_LIDAR}/{name}")
    halves = [
        np.frombuffer(lzma.decompress(stream), f"<{dtype}").reshape(-1, _LIDAR_COLUMNS)
        for stream in streams
    ]
    return [
        np.ascontiguousarray(np.concatenate([half, other[:, ::-1]], axis=1)[: shape[0], : shape[1]])
        for half, other in zip(halves, [*halves[1:], halves[0]], strict=True)
    ]


def _give(outcome: _Outcome, write: Callable[..., bool], seconds: float, begin: float) -> float:
    """Give a sensor's frames in time; the processor time that took."""
    sensor, clock = outcome.sensor, threading.Event()
    count = round(seconds * outcome.target)
    for i in range(count):
        due = begin + i / outcome.target
        clock.wait(max(0.0, due - time.perf_counter()))
        before = time.perf_counter()
        write(_START + i / outcome.target, sensor.frames[i % len(sensor.frames)])
        after = time.perf_counter()
        outcome.latencies.append(after - before)
        outcome.late = max(outcome.late, before - due)
    outcome.finished = time.perf_counter() - begin
    return time.thread_time()


def _thread_seconds(name: str) -> float:
    """Processor time that a thread of this process has taken."""
    (thread,) = (thread for thread in threading.enumerate() if thread.name == name)
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def _record(
    rig: list[_Sensor], path: str, seconds: float, factor: float, settings: Mapping[str, Any]
) -> _Run:
    shutil.rmtree(path, ignore_errors=True)
    load = os.getloadavg()[0]
    promised = settings["flush_interval"]
    outcomes = [_Outcome(sensor, sensor.rate * factor, promised) for sensor in rig]
    recorder = Recorder(path, {"rig": "bench"}, **settings)
    writes = [
        recorder.sensor(o.sensor.name, o.sensor.channels, rate=o.target).write for o in outcomes
    ]
    begin, processor = time.perf_counter() + 0.05, time.process_time()
    given: list[float] = []

    def give(place: int) -> None:
        given.append(_give(outcomes[place], writes[place], seconds, begin))

    threads = [threading.Thread(target=give, args=(i,)) for i in range(len(rig))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, processor = time.perf_counter() - begin, time.process_time() - processor
    for outcome in outcomes:
        outcome.thread_seconds = _thread_seconds(f"roverd-{outcome.sensor.name}")
    for name, stats in recorder.stats().items():
        outcome = next(o for o in outcomes if o.sensor.name == name)
        outcome.dropped, outcome.encode_seconds = stats.dropped, stats.encode_seconds
    closing = time.perf_counter()
    recorder.close()
    closed = time.perf_counter() - closing
    _read_back(path, outcomes)
    return _Run(outcomes, took, processor, sum(given), closed, (load, os.getloadavg()[0]))


def _read_back(path: str, outcomes: list[_Outcome]) -> None:
    """Fill in what the trace itself says."""
    by_name = {outcome.sensor.name: outcome for outcome in outcomes}
    for name, outcome in by_name.items():
        sensor = DynamicSensor(f"{path}/{name}")
        outcome.count, outcome.size = len(sensor), sensor.filesize
        assert outcome.count == len(outcome.latencies) - outcome.dropped
    with open(f"{path}/_recorder/log.jsonl", encoding="utf-8") as file:
        for event in map(json.loads, file):
            if event["event"] == "stats":
                outcome = by_name[event["sensor"]]
                outcome.lag = max(outcome.lag, event["lag"])
                outcome.unsynced = max(outcome.unsynced, event["unsynced"])


def _table(run: _Run) -> str:
    rows = [_HEAD, tuple("-" * len(name) for name in _HEAD)]
    for outcome in run.outcomes:
        sensor, latencies = outcome.sensor, np.array(outcome.latencies)
        rows.append(
            (
                sensor.name,
                f"{outcome.target:g}",
                f"{(len(latencies) - outcome.dropped) / run.seconds:.1f}",
                str(outcome.count),
                str(outcome.dropped),
                f"{sensor.frame_bytes * outcome.target / 1e6:.1f}",
                f"{outcome.size / run.seconds / 1e6:.1f}",
                f"{outcome.encode_seconds / run.seconds:.0%}",
                f"{outcome.thread_seconds / run.seconds:.0%}",
                seconds_text(float(np.median(latencies))),
                seconds_text(float(np.quantile(latencies, 0.99))),
                seconds_text(float(latencies.max())),
                seconds_text(outcome.lag),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in rows
    ]
    return "\n".join(lines)


def _summary(run: _Run) -> str:
    unsynced = max(outcome.unsynced for outcome in run.outcomes)
    late = max(outcome.late for outcome in run.outcomes)
    return (
        f"{run.seconds:.1f} s; the process took {run.processor_seconds / run.seconds:.0%} of a "
        f"core, of which the threads that give the frames {run.given_seconds / run.seconds:.0%} "
        f"(write copies the frame there); {os.cpu_count()} cores, machine's load "
        f"{run.load[0]:.1f} before, {run.load[1]:.1f} after. Longest unsynced "
        f"{seconds_text(unsynced)}; frames were given {seconds_text(late)} late at most; closing "
        f"took {seconds_text(run.close_seconds)}. {'Held.' if run.holds else 'NOT held.'}\n"
        f"`encoding` and `own thread` are shares of one core; a sensor's thread encodes, too, as "
        f"the shared ones do."
    )


def _search(
    rig: list[_Sensor], path: str, seconds: float, settings: Mapping[str, Any]
) -> tuple[float, _Run | None]:
    """The highest multiple of real time that is held, in steps; and the recording of that."""
    held, best = 0.0, None
    factor, failures = 1.0, 0
    while factor > _SEARCH_STEP and failures < 2:  # one may be the machine's fault
        run = _record(rig, path, seconds, factor, settings)
        print(f"{factor:.2f} × real time: {'held' if run.holds else 'not held'}", file=sys.stderr)
        if run.holds:
            held, best, failures = factor, run, 0
            if factor < 1:  # coming from above
                break
            factor += _SEARCH_STEP
        else:
            failures += 1
            if failures == 2 and not held:
                factor, failures = factor - _SEARCH_STEP, 1
    return held, best


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, and print what came of it; 1 if frames were dropped."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="to record")
    parser.add_argument("--factor", type=float, default=1.0, help="multiple of real time")
    parser.add_argument(
        "--lidar", choices=("lzmaf", "zstdf", "raw"), default="lzmaf", help="its format"
    )
    parser.add_argument("--overflow", choices=("block", "drop"), default="block")
    parser.add_argument("--flush-interval", type=float, default=_FLUSH_INTERVAL)
    parser.add_argument("--search", action="store_true", help="find the highest multiple, too")
    parser.add_argument("--quick", action="store_true", help="small data, to see that it runs")
    parser.add_argument("--out", default=_OUT, help="folder for the data and the recording")
    options = parser.parse_args(arguments)
    settings = {"overflow": options.overflow, "flush_interval": options.flush_interval}
    keep_memory()
    made = data.provide(options.out, data.QUICK if options.quick else data.FULL)
    rig = _rig(made, options.lidar)
    path = os.path.join(options.out, "load")
    try:
        run = _record(rig, path, options.seconds, options.factor, settings)
        print(f"{options.factor:g} × real time, lidar {options.lidar}, {settings}\n")
        print(f"{_table(run)}\n\n{_summary(run)}", flush=True)
        if options.search:
            held, best = _search(rig, path, min(options.seconds, _SEARCH_SECONDS), settings)
            print(f"\nHighest multiple of real time that is held: {held:.2f}")
            if best is not None:
                print(f"\n{_table(best)}\n\n{_summary(best)}")
    finally:
        shutil.rmtree(path, ignore_errors=True)
    return 1 if any(outcome.dropped for outcome in run.outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
