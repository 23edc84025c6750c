"""Checks of one trace."""

import warnings

from roverd.errors import RoverdWarning
from roverd.ops.validation.extras import check_poses
from roverd.ops.validation.options import Options
from roverd.ops.validation.report import Findings, SensorStatistics, TraceReport
from roverd.ops.validation.schema import FILES
from roverd.ops.validation.sensor import check_sensor
from roverd.ops.validation.structure import check_temporaries
from roverd.sensors.meta import META, TIMESTAMPS
from roverd.storage import storage_for
from roverd.storage.traces import CONFIG


def check_trace(path: str, options: Options) -> TraceReport:
    """Check a trace.

    Args:
        path: its folder.
        options: what is asked.

    Returns:
        What was found; whatever goes wrong is in it.
    """
    findings = Findings(path)
    sensors: list[SensorStatistics] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RoverdWarning)  # what it says is found here, too
        try:
            _check(path, sensors, findings, options)
        except OSError as error:
            findings.add_failure(path, error)
        except Exception as error:  # noqa: BLE001 - a broken trace does not stop the others
            findings.add("unexpected", path, f"the check failed: {type(error).__name__}: {error}")
    return TraceReport(path, findings.problems, sensors)


def _check(
    path: str, sensors: list[SensorStatistics], findings: Findings, options: Options
) -> None:
    if storage_for(path).size(f"{path}/{CONFIG}") is None:
        findings.add(
            "missing-config",
            f"{path}/{CONFIG}",
            "expected the file that makes a folder a trace, found no such file",
        )
    check_temporaries(path, findings)
    known: set[str] = set()
    names = storage_for(path).names(path)
    for name in names:
        try:
            if _is_sensor(path, name, known, findings):
                found = check_sensor(path, name, findings, options)
                sensors += [found] if found else []
        except OSError as error:
            known.add(name)
            findings.add_failure(f"{path}/{name}", error)
    for name in names:
        if name.startswith("_"):
            check_poses(path, name[1:], sensors, findings)
    _check_schema(path, known, findings, options)
    _check_overlap(path, sensors, findings)


def _is_sensor(path: str, name: str, known: set[str], findings: Findings) -> bool:
    """Whether a name in the trace is that of a sensor; those that are or should be are noted."""
    storage = storage_for(path)
    folder = f"{path}/{name}"
    if name.startswith(".") or storage.folder_version(folder) is None:
        return False
    if storage.size(f"{folder}/{META}") is not None:
        known.add(name)
        return True
    if not name.startswith("_") and TIMESTAMPS in storage.names(folder):
        known.add(name)
        findings.add(
            "missing-file",
            f"{folder}/{META}",
            "expected the description of a sensor's channels, found timestamps and no such file",
        )
    return False


def _check_schema(path: str, known: set[str], findings: Findings, options: Options) -> None:
    """Check what the schema asks of the trace itself; each sensor is asked for its channels."""
    for name, wanted in options.schema.items():
        if name == FILES:
            for file in wanted:
                if not _is_there(f"{path}/{file}"):
                    findings.add_missing(f"{path}/{file}", "a file that the schema asks for")
        elif name not in known:
            findings.add(
                "missing-sensor",
                f"{path}/{name}",
                f"expected a sensor with the channels {', '.join(wanted) or TIMESTAMPS}, as the "
                f"schema asks for, found none",
            )


def _is_there(path: str) -> bool:
    storage = storage_for(path)
    return storage.size(path) is not None or storage.folder_version(path) is not None


def _check_overlap(path: str, sensors: list[SensorStatistics], findings: Findings) -> None:
    # Timestamps that are out of order may end before they begin.
    spans = [
        (min(sensor.start, sensor.end), max(sensor.start, sensor.end), sensor.name)
        for sensor in sensors
        if sensor.start is not None and sensor.end is not None
    ]
    if not spans:
        return
    start, _, last = max(spans)
    end, first = min((end, name) for _, end, name in spans)
    if start > end:
        findings.add(
            "no-overlap",
            path,
            f"expected a time that all sensors share, found that {last} begins {start - end:.6g} s "
            f"after {first} ended",
        )
