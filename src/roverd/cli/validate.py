"""`roverd validate`."""

import sys
from typing import TYPE_CHECKING, Annotated, Optional

import tyro

from roverd.cli.arguments import Flag
from roverd.cli.progress import progress_bar
from roverd.cli.text import error_text, json_text, printable

if TYPE_CHECKING:
    from roverd.ops.validate import TraceReport, ValidationReport


def validate(
    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PATH...")],
    schema: Annotated[Optional[str], tyro.conf.arg(metavar="F.yaml")] = None,
    fix_errors: Flag = False,
    deep: Flag = False,
    as_json: Annotated[Flag, tyro.conf.arg(name="json")] = False,
    workers: Annotated[Optional[int], tyro.conf.arg(metavar="N")] = None,
) -> int:
    """Check traces: files there, readable, of matching lengths, timestamps ascending.

    Looks at sizes, indexes, headers, and the first and last frame. Exit status 1 when a trace has
    errors, or none was found. Example: `roverd validate /data/recordings --deep`.

    Args:
        paths: traces, or folders with traces at any depth.
        schema: YAML file with the channels that each trace must have, by sensor, and files under
            `_`; by default lidar with ts, rfl, nir and rng, radar with ts, iq and valid, camera
            with ts and video.avi, imu with ts, rot, acc and avel.
        fix_errors: drop the entries of channels without data from meta.json.
        deep: read everything: every frame, all check sums.
        as_json: print one JSON object instead.
        workers: processes that check traces side by side; else as many as there are cores.
    """
    from roverd import ops
    from roverd.cli.main import USAGE

    if not paths:
        print(error_text("roverd validate: the following is required: PATH"), file=sys.stderr)
        return USAGE
    wanted = None if schema is None else ops.read_schema(schema)
    with progress_bar("validating", "B" if deep else "traces") as progress:
        report = ops.validate(paths, wanted, fix_errors, deep, workers, progress)
    if as_json:
        print(json_text(report.to_dict()))
    else:
        print(validation_text(report))
    for folder in report.not_searched:
        print(error_text(folder), file=sys.stderr)
    if not report.traces:
        where = printable(", ".join(paths))
        print(error_text(f"{where}: no trace found; one has a config.yaml"), file=sys.stderr)
    return 0 if report.ok else 1


def validation_text(report: "ValidationReport") -> str:
    """What `roverd validate` prints."""
    lines = [line for trace in report.traces if trace.problems for line in _trace_lines(trace)]
    counts = f"{len(report.traces)} traces with {report.broken} containing errors."
    return "\n".join([*lines, f"Validate: {counts}"])


def _trace_lines(trace: "TraceReport") -> list[str]:
    width = max(len(problem.severity) for problem in trace.problems)
    return [
        printable(trace.path),
        *(
            printable(f"  {problem.severity:{width}}  {problem.file}: {problem.message}")
            + f" [{problem.kind}]"
            for problem in trace.problems
        ),
    ]
