"""Samples as the sensors return them.

Each type is a dataclass, generic over its arrays (`np.ndarray`,
`torch.Tensor`, `jax.Array`), and known to `optree`: collation and other tree
functions of `abstract_dataloader` work on it. Leading axes: `batch`, and `t`
for the frames of a window. Timestamps are in seconds since the epoch.
"""

from typing import Generic

from abstract_dataloader.ext.types import (
    TArray,
    dataclass,  # pyright: ignore[reportUnknownVariableType]
)
from jaxtyping import Complex64, Float, Float32, Float64, Int16, Integer, UInt8, UInt16

__all__ = [
    "CameraData",
    "CameraSemseg",
    "Depth",
    "IMUData",
    "OSData",
    "OSDepth",
    "PointCloud",
    "Pose",
    "TArray",
    "XWR4DSpectrum",
    "XWRRadarIQ",
]


@dataclass
class XWRRadarIQ(Generic[TArray]):
    """Raw I/Q of a TI AWR or IWR radar.

    Attributes:
        iq: I/Q samples by chirp loop (slow time), transmitter, receiver and fast time.
        timestamps: time of each frame, in seconds.
        range_resolution: metres per range bin.
        doppler_resolution: metres per second per Doppler bin.
        valid: 1 where the frame is complete (no zero-filled gaps).
    """

    iq: Int16[TArray, "batch t slow tx rx fast"]
    timestamps: Float64[TArray, "batch t"]
    range_resolution: Float[TArray, "#batch"]
    doppler_resolution: Float[TArray, "#batch"]
    valid: UInt8[TArray, "batch t"]


@dataclass
class XWR4DSpectrum(Generic[TArray]):
    """Radar spectrum in Doppler, elevation, azimuth and range.

    Attributes:
        spectrum: complex amplitudes.
        timestamps: time of each frame, in seconds.
        range_resolution: metres per range bin.
        doppler_resolution: metres per second per Doppler bin.
    """

    spectrum: Complex64[TArray, "batch t doppler elevation azimuth range"]
    timestamps: Float64[TArray, "batch t"]
    range_resolution: Float[TArray, "#batch"]
    doppler_resolution: Float[TArray, "#batch"]


@dataclass
class Depth(Generic[TArray]):
    """Range image, destaggered: columns are azimuths.

    Attributes:
        rng: range, in millimetres; 0 where nothing came back.
        timestamps: time of each frame, in seconds.
    """

    rng: UInt16[TArray, "batch t beam time"]
    timestamps: Float64[TArray, "batch t"]


@dataclass
class PointCloud(Generic[TArray]):
    """Points in the sensor's frame, zero-padded to the longest cloud.

    Attributes:
        xyz: coordinates, in metres.
        length: number of points in each frame; what follows is padding.
        timestamps: time of each frame, in seconds.
    """

    xyz: Float32[TArray, "batch t n 3"]
    length: Integer[TArray, "#batch #t"]
    timestamps: Float64[TArray, "batch t"]


@dataclass
class OSDepth(Generic[TArray]):
    """Range image of an Ouster lidar, staggered as the sensor sends it.

    Attributes:
        rng: range, in millimetres; 0 where nothing came back.
        timestamps: time of each frame, in seconds.
        intrinsics: path of the sensor's `lidar.json`; empty where there is none.
    """

    rng: UInt16[TArray, "batch t beam time"]
    timestamps: Float64[TArray, "batch t"]
    intrinsics: str


@dataclass
class OSData(Generic[TArray]):
    """All images of an Ouster lidar, staggered as the sensor sends them.

    Attributes:
        rng: range, in millimetres; 0 where nothing came back.
        rfl: reflectivity.
        nir: near-infrared ambient light, in photons.
        timestamps: time of each frame, in seconds.
        intrinsics: path of the sensor's `lidar.json`; empty where there is none.
    """

    rng: UInt16[TArray, "batch t beam time"]
    rfl: UInt8[TArray, "batch t beam time"]
    nir: UInt16[TArray, "batch t beam time"]
    timestamps: Float64[TArray, "batch t"]
    intrinsics: str


@dataclass
class CameraData(Generic[TArray]):
    """Camera frames.

    Attributes:
        image: RGB.
        timestamps: time of each frame, in seconds.
    """

    image: UInt8[TArray, "batch t height width 3"]
    timestamps: Float64[TArray, "batch t"]


@dataclass
class CameraSemseg(Generic[TArray]):
    """Semantic segmentation of camera frames.

    Attributes:
        semseg: class of each pixel.
        timestamps: time of each frame, in seconds.
    """

    semseg: UInt8[TArray, "batch t height width"]
    timestamps: Float64[TArray, "batch t"]


@dataclass
class IMUData(Generic[TArray]):
    """Inertial measurements.

    Attributes:
        acc: linear acceleration, in m/s².
        rot: orientation, as Euler angles.
        avel: angular velocity.
        timestamps: time of each frame, in seconds.
    """

    acc: Float32[TArray, "batch t 3"]
    rot: Float32[TArray, "batch t 3"]
    avel: Float32[TArray, "batch t 3"]
    timestamps: Float64[TArray, "batch t"]


@dataclass
class Pose(Generic[TArray]):
    """Pose of the rig.

    Attributes:
        pos: position, in metres.
        vel: velocity, in m/s.
        acc: acceleration, in m/s².
        rot: rotation matrix.
        timestamps: time of each pose, in seconds.
    """

    pos: Float32[TArray, "batch t 3"]
    vel: Float32[TArray, "batch t 3"]
    acc: Float32[TArray, "batch t 3"]
    rot: Float32[TArray, "batch t 3 3"]
    timestamps: Float64[TArray, "batch t"]
