"""Loading the recorded trace, as a training program does: how fast, and what is in a sample."""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from abstract_dataloader import generic

from roverd.ops.demo.picture import Overview
from roverd.ops.demo.radar import range_doppler
from roverd.ops.demo.rig import CLOCKS
from roverd.trace import Dataset, Trace
from roverd.transforms.ouster import destagger

Samples = Dataset[dict[str, Any]]
"""A dataset whose samples hold, by name, those of each sensor."""


@dataclass(frozen=True)
class Rate:
    """How fast random samples load.

    Attributes:
        name: of the sensor, or `trace` for synchronised samples of all sensors.
        samples: loaded per second.
        bytes: of decoded arrays per second.
    """

    name: str
    samples: float
    bytes: float


def open_dataset(path: str) -> Samples:
    """Open a trace with its sensors typed, one sample for each lidar frame.

    Args:
        path: of the trace.
    """
    return Samples.from_config(
        [path], sync=generic.Nearest("lidar", tol=0.1), sensors=dict.fromkeys(CLOCKS, "auto")
    )


def measure(dataset: Samples, generator: np.random.Generator, budget: float) -> list[Rate]:
    """Load random samples, of each sensor by itself and then synchronised ones of all.

    Args:
        dataset: of one trace.
        generator: chooses the samples.
        budget: seconds to spend on each.
    """
    trace = cast(Trace[Any], dataset.traces[0])
    rates = [
        _rate(name, sensor.__getitem__, len(sensor), generator, budget)
        for name, sensor in trace.sensors.items()
    ]
    return [*rates, _rate("trace", dataset.__getitem__, len(dataset), generator, budget)]


def _rate(
    name: str,
    load: Callable[[int], Any],
    length: int,
    generator: np.random.Generator,
    budget: float,
) -> Rate:
    # The first sample opens files and starts the thread pool, which happens once per process.
    load(0)
    samples = size = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < budget:
        size += _size(load(int(generator.integers(length))))
        samples += 1
    return Rate(name, samples / elapsed, size / elapsed)


def _size(sample: Any) -> int:
    """Bytes of all arrays in a sample."""
    if isinstance(sample, np.ndarray):
        return sample.nbytes
    if isinstance(sample, dict):
        return sum(map(_size, cast(dict[str, Any], sample).values()))
    if dataclasses.is_dataclass(sample):
        return sum(_size(getattr(sample, field.name)) for field in dataclasses.fields(sample))
    return 0


def overview(dataset: Samples, title: str) -> Overview:
    """What the picture shows: the sample in the middle of the trace.

    Args:
        dataset: of one trace.
        title: of the picture.
    """
    trace = cast(Trace[Any], dataset.traces[0])
    sample = dataset[len(dataset) // 2]
    radar, lidar, camera = sample["radar"], sample["lidar"], sample["camera"]
    with open(lidar.intrinsics, encoding="utf-8") as file:
        intrinsics = json.load(file)
    beams = intrinsics["beam_intrinsics"]
    altitudes = beams["beam_altitude_angles"]
    shifts = np.array(intrinsics["lidar_data_format"]["pixel_shift_by_row"], np.int64)
    range_image = destagger(lidar.rng[0, 0], shifts)
    # Column 0 looks backwards, at 180 degrees, less the beam's own offset and plus its shift.
    offsets = np.array(beams["beam_azimuth_angles"], np.float64)
    turned = 360 / range_image.shape[1] * float(shifts.mean()) - float(offsets.mean())
    imu = trace["imu"]
    return Overview(
        title=title,
        image=camera.image[0, 0],
        range_image=range_image,
        azimuth=180 + turned,
        elevation=(altitudes[0], altitudes[-1]),
        range_doppler=range_doppler(radar.iq[0, 0]),
        range_resolution=float(radar.range_resolution[0]),
        doppler_resolution=float(radar.doppler_resolution[0]),
        acc=imu["acc"].read(),
        avel=imu["avel"].read(),
        rot=imu["rot"].read(),
        timestamps={name: trace[name].metadata.timestamps for name in CLOCKS},
        shown={name: float(sample[name].timestamps[0, 0]) for name in CLOCKS},
    )
