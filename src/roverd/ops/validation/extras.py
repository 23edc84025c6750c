"""Checks of what a sensor's folder holds beside its channels: intrinsics, poses, other files."""

import json
from typing import Any, cast

import numpy as np

from roverd.ops.validation.report import Findings, SensorStatistics
from roverd.ops.validation.structure import check_temporaries
from roverd.sensors import Pose
from roverd.sensors.meta import META
from roverd.storage import storage_for

_INTRINSICS = ("radar", "lidar")
_RESOLUTIONS = ("range_resolution", "doppler_resolution")
# Files that people put beside channels.
_BESIDE = (".json", ".yaml", ".yml", ".txt", ".md", "pose.npz")


def check_intrinsics(path: str, name: str, findings: Findings) -> None:
    """Check `radar.json` and `lidar.json` where they are.

    Args:
        path: of the sensor.
        name: of the sensor; one called `radar` or `lidar` should have them.
        findings: takes the problems.
    """
    storage = storage_for(path)
    for kind in _INTRINSICS:
        file = f"{path}/{kind}.json"
        try:
            text = storage.read(file)
        except (FileNotFoundError, NotADirectoryError):
            if name == kind:
                findings.add(
                    "missing-intrinsics",
                    file,
                    f"expected the intrinsics of a {kind}, found no such file",
                )
            continue
        except OSError as error:
            findings.add_failure(file, error)
            continue
        if problem := _intrinsics_problem(text, _RESOLUTIONS if kind == "radar" else ()):
            findings.add("bad-intrinsics", file, problem)


def _intrinsics_problem(text: bytes, numbers: tuple[str, ...]) -> str:
    """What is wrong with intrinsics; nothing where all is well."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"expected a JSON object, found something else ({error})"
    if not isinstance(found, dict):
        return f"expected a JSON object, found {text[:40]!r}"
    values = cast(dict[str, Any], found)
    for key in numbers:
        value = values.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e308:
            return f"expected a number as {key}, found {value!r:.40}"
    return ""


def check_other_files(path: str, name: str, known: set[str], findings: Findings) -> None:
    """Look for files that no channel has, and for what was left behind.

    Args:
        path: of the sensor.
        name: of the sensor; in virtual ones, anything may be.
        known: names of its channels' files.
        findings: takes the problems.
    """
    check_temporaries(path, findings)
    if name.startswith("_"):
        return
    for file in storage_for(path).names(path):
        if (
            file not in known
            and file != META
            and not file.startswith(".")
            and not file.endswith(_BESIDE)
        ):
            findings.add(
                "extra-file",
                f"{path}/{file}",
                "expected files of channels that meta.json names, found another one",
            )


def check_poses(
    folder: str, reference: str, sensors: list[SensorStatistics], findings: Findings
) -> None:
    """Check `_{reference}/pose.npz` where it is.

    Args:
        folder: of the trace.
        reference: sensor whose timestamps the poses are for.
        sensors: numbers of the trace's sensors.
        findings: takes the problems.
    """
    pose = Pose(f"{folder}/pose", reference=reference)
    try:
        if storage_for(pose.filename).size(pose.filename) is None:
            return
        times = pose.timestamps
    except (ValueError, OSError) as error:
        findings.add_failure(pose.filename, error, "bad-poses")
        return
    with np.errstate(invalid="ignore", over="ignore"):
        ascending = bool(np.all(np.diff(times) > 0)) and bool(np.isfinite(times).all())
    if not ascending:
        findings.add("bad-poses", pose.filename, "expected finite, ascending times t, found others")
    for sensor in sensors:
        if sensor.name == reference and sensor.frames.get("ts") not in (None, len(times)):
            findings.add(
                "pose-length",
                pose.filename,
                f"expected poses at the {sensor.frames['ts']} timestamps of {reference}, found "
                f"{len(times)}",
            )
