"""One picture of what a trace holds: every sensor at one instant, and all of them in time."""

# matplotlib annotates its **kwargs without a type, so every one of its methods counts as unknown.
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt16

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#d1495b", "#2e8b57", "#3066be")
SENSOR_COLOURS = ("#6a4c93", "#1982c4", "#e08e00", "#4f772d")


@dataclass(frozen=True)
class Overview:
    """What the picture shows.

    Attributes:
        title: of the whole picture.
        image: camera frame, RGB.
        range_image: destaggered lidar ranges in mm, 0 without an echo.
        azimuth: of the left edge of the range image, degrees; positive is left of straight ahead.
        elevation: of the first and the last row, degrees.
        range_doppler: power in dB, as `radar.range_doppler` returns it.
        range_resolution: metres per column of `range_doppler`.
        doppler_resolution: m/s per row of `range_doppler`.
        acc: specific force, m/s².
        avel: angular velocity, rad/s.
        rot: roll, pitch, yaw in radians.
        timestamps: of each sensor, seconds since the epoch; `imu`: of the curves.
        shown: for each sensor, the time of the sample that is drawn.
    """

    title: str
    image: UInt8[np.ndarray, "height width 3"]
    range_image: UInt16[np.ndarray, "beam column"]
    azimuth: float
    elevation: tuple[float, float]
    range_doppler: Float32[np.ndarray, "doppler fast"]
    range_resolution: float
    doppler_resolution: float
    acc: Float32[np.ndarray, "n 3"]
    avel: Float32[np.ndarray, "n 3"]
    rot: Float32[np.ndarray, "n 3"]
    timestamps: dict[str, Float64[np.ndarray, " _"]]
    shown: dict[str, float]


def draw(overview: Overview, path: str) -> None:
    """Draw the picture as a PNG of 1600 x 1200 pixels.

    Needs matplotlib (`pip install 'roverd[plot]'`).

    Args:
        overview: what to show.
        path: of the PNG; its folder exists.
    """
    # The object interface, without pyplot: no display, no state shared with the caller's figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, 0.98))
    figure = Figure(figsize=(16, 12), dpi=100, layout=layout)
    FigureCanvasAgg(figure)
    figure.suptitle(overview.title, fontsize=17, fontweight="bold")
    # One letter per panel, a row of the picture per line.
    axes = figure.subplot_mosaic("CCCRRR\nLLLLLL\nAAGGOO\nTTTTTT", height_ratios=(4.2, 2, 2, 2.1))
    start = min(float(stamps[0]) for stamps in overview.timestamps.values())
    _draw_camera(axes["C"], overview)
    _draw_range_doppler(axes["R"], overview)
    _draw_range_image(axes["L"], overview)
    now = overview.shown["imu"] - start
    seconds = overview.timestamps["imu"] - start
    _draw_curves(axes["A"], "Specific force (m/s²)", "xyz", seconds, overview.acc, now)
    _draw_curves(axes["G"], "Angular velocity (rad/s)", "xyz", seconds, overview.avel, now)
    names = ("roll", "pitch", "yaw")
    _draw_curves(axes["O"], "Attitude (degrees)", names, seconds, np.degrees(overview.rot), now)
    _draw_timeline(axes["T"], overview, start)
    figure.savefig(path)


def _draw_camera(axes: "Axes", overview: Overview) -> None:
    height, width, _ = overview.image.shape
    axes.imshow(overview.image)
    axes.set_title(f"Camera ({width} x {height} pixels)")
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_range_doppler(axes: "Axes", overview: Overview) -> None:
    power = overview.range_doppler
    rows, columns = power.shape
    # Bin centres lie on whole multiples of the resolution, the edges half a bin outside.
    slowest = (-(rows // 2) - 0.5) * overview.doppler_resolution
    fastest = slowest + rows * overview.doppler_resolution
    nearest = -0.5 * overview.range_resolution
    farthest = nearest + columns * overview.range_resolution
    floor = float(np.median(power))
    image = axes.imshow(
        power,
        origin="lower",
        aspect="auto",
        extent=(nearest, farthest, slowest, fastest),
        cmap="magma",
        vmin=floor - 3,
        vmax=float(power.max()),
        interpolation="nearest",
    )
    axes.set_title("Radar: range-Doppler map")
    axes.set_xlabel("Range (m)")
    axes.set_ylabel("Radial speed (m/s), receding > 0")
    axes.figure.colorbar(image, ax=axes, label="Power (dB)", pad=0.02)


def _draw_range_image(axes: "Axes", overview: Overview) -> None:
    metres = np.ma.masked_equal(overview.range_image, 0) / 1000
    axes.set_facecolor("black")
    top, bottom = overview.elevation
    image = axes.imshow(
        metres,
        aspect="auto",
        extent=(overview.azimuth, overview.azimuth - 360, bottom, top),
        cmap="turbo_r",
        interpolation="nearest",
    )
    axes.set_title("Lidar: range, destaggered")
    axes.set_xlabel("Azimuth (degrees), left of ahead > 0")
    axes.set_ylabel("Elevation (degrees)")
    axes.set_xticks(np.arange(180, -181, -30))
    axes.set_xlim(overview.azimuth, overview.azimuth - 360)
    axes.figure.colorbar(image, ax=axes, label="Range (m)", pad=0.01)


def _draw_curves(
    axes: "Axes",
    title: str,
    names: Sequence[str],
    seconds: Float64[np.ndarray, " n"],
    values: Float32[np.ndarray, "n 3"],
    now: float,
) -> None:
    for name, colour, curve in zip(names, COLOURS, values.T, strict=True):
        axes.plot(seconds, curve, color=colour, label=name, linewidth=1)
    axes.axvline(now, color="black", linestyle=":", linewidth=1)
    # Room above the curves for the legend.
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) + 1e-6
    axes.set_ylim(low - margin, high + 5 * margin)
    axes.set_xlim(seconds[0], seconds[-1])
    axes.set_title(f"IMU: {title}")
    axes.set_xlabel("Time (s)")
    axes.grid(alpha=0.3)
    axes.legend(ncols=3, loc="upper center", framealpha=1, edgecolor="none")


def _draw_timeline(axes: "Axes", overview: Overview, start: float) -> None:
    labels: list[str] = []
    for row, (name, stamps) in enumerate(overview.timestamps.items()):
        colour = SENSOR_COLOURS[row % len(SENSOR_COLOURS)]
        axes.eventplot(
            stamps - start, lineoffsets=row, linelengths=0.7, colors=colour, linewidths=1
        )
        now = overview.shown[name] - start
        axes.plot([now], [row], marker="v", color="black", markersize=7, markeredgecolor="white")
        span = float(stamps[-1] - stamps[0])
        rate = (len(stamps) - 1) / span if span > 0 else 0.0
        labels.append(f"{name}: {len(stamps)} at {rate:.1f} Hz")
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(-0.02, max(float(x[-1]) for x in overview.timestamps.values()) - start + 0.02)
    axes.set_title("Timeline: one line per sample; triangles mark the samples shown")
    axes.set_xlabel(f"Time (s) since {_utc(start)}")


def _utc(seconds: float) -> str:
    """Date and time to the millisecond, of seconds since the epoch."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00") + " UTC"
