"""A picture of how the sensors of a trace lie in time."""

# matplotlib annotates its **kwargs without a type, so every one of its methods counts as unknown.
# pyright: reportUnknownMemberType=false

import io
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from roverd.storage import storage_for
from roverd.sync import Alignment, SensorReport, SyncReport
from roverd.sync.report import gaps_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RECORDED, _GAP, _KEPT, _DROPPED = "#7fb3d5", "#f7d9a8", "#2e8b57", "#c0392b"
_FRAME = "#1f4e79"
_COLUMNS = 1200  # of the picture that marks can be told apart by
_MOST_TICKS = 300  # frames of a sensor that are drawn one by one
_UNITS = ((3 * 3600.0, 3600.0, "h"), (600.0, 60.0, "min"), (0.0, 1.0, "s"))


def draw_timeline(alignment: Alignment, name: str, path: str) -> None:
    """Draw a PNG: a row for the samples, and one for each sensor.

    A sensor's row shows when it recorded, where its gaps are, and below it at which times a sample
    was dropped because of it.

    Needs matplotlib (`pip install 'roverd[plot]'`).

    Args:
        alignment: what a synchronisation made of the sensors; no copy from a pickle.
        name: of the trace.
        path: of the PNG; its folder exists.
    """
    # The object interface, without pyplot: no display, no state shared with the caller's figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    report = alignment.report()
    figure = Figure(figsize=(14, 1.9 + 0.62 * (len(report.sensors) + 1)), dpi=100)
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    start, end = _span(report)
    length = max(end - start, 1e-3)
    scale, unit = next((scale, unit) for least, scale, unit in _UNITS if length >= least)
    labels = [f"samples: {report.samples} of {report.candidates}"]
    _mark(axes, 0, (-0.4, 0.4), (alignment.times - start) / scale, length / scale, _KEPT)
    lost = [times for times in alignment.dropped.values() if len(times)]
    if lost:
        times = (np.unique(np.concatenate(lost)) - start) / scale
        _mark(axes, 0, (-0.4, 0.4), times, length / scale, _DROPPED)
    for row, sensor in enumerate(report.sensors, 1):
        _draw_frames(axes, row, alignment.timestamps[sensor.name], start, scale)
        times = (alignment.dropped[sensor.name] - start) / scale
        _mark(axes, row, (0.22, 0.42), times, length / scale, _DROPPED)
        labels.append(_label(sensor))
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    margin = 0.01 * length / scale
    axes.set_xlim(-margin, length / scale + margin)
    axes.set_xlabel(f"Time ({unit}) since {start:.3f} s")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(f"{name}: samples by {report.reference}", fontweight="bold")
    colours = {"recording": _RECORDED, "gap": _GAP, "sample": _KEPT, "dropped": _DROPPED}
    patches = [Patch(color=colour, label=label) for label, colour in colours.items()]
    figure.legend(handles=patches, loc="outside lower right", ncols=4, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    storage_for(path).write(path, file.getvalue())


def _span(report: SyncReport) -> tuple[float, float]:
    """From the earliest frame or possible sample to the latest."""
    ends = [(sensor.start, sensor.end) for sensor in report.sensors]
    begins = [begin for begin, _ in [*ends, (report.start, report.end)] if begin is not None]
    stops = [stop for _, stop in [*ends, (report.start, report.end)] if stop is not None]
    return min(begins, default=0.0), max(stops, default=0.0)


def _label(sensor: SensorReport) -> str:
    if not sensor.frames:
        return f"{sensor.name}: no frames"
    return f"{sensor.name}: {sensor.frames} at {sensor.rate:.4g} Hz"


def _draw_frames(
    axes: "Axes", row: int, stamps: Float64[np.ndarray, " n"], start: float, scale: float
) -> None:
    if not len(stamps):
        return
    seconds = (stamps - start) / scale
    gaps = gaps_of(stamps)
    begins = seconds[np.concatenate([[0], gaps + 1])]
    ends = seconds[np.concatenate([gaps, [len(seconds) - 1]])]
    axes.broken_barh(
        list(zip(begins, ends - begins, strict=True)),
        (row - 0.3, 0.5),
        facecolors=_RECORDED,
        edgecolors=_RECORDED,
        linewidth=0.8,
    )
    axes.broken_barh(
        list(zip(seconds[gaps], seconds[gaps + 1] - seconds[gaps], strict=True)),
        (row - 0.3, 0.5),
        facecolors=_GAP,
        edgecolors=_GAP,
        linewidth=0.8,
    )
    if len(seconds) <= _MOST_TICKS:
        axes.vlines(seconds, row - 0.3, row + 0.2, colors=_FRAME, linewidth=0.8)


def _mark(
    axes: "Axes",
    row: int,
    edges: tuple[float, float],
    times: Float64[np.ndarray, " n"],
    length: float,
    colour: str,
) -> None:
    """A line at each time, where they can be told apart."""
    columns = np.unique(np.round(times * (_COLUMNS / length)))
    axes.vlines(
        columns * (length / _COLUMNS), row + edges[0], row + edges[1], colors=colour, linewidth=1.0
    )
