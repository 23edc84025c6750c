"""`roverd validate`."""

from typing import TYPE_CHECKING, Annotated, Optional

from roverd.cli.arguments import NO_DEFAULT, Flag, Json, TracePaths, text, whole
from roverd.cli.engines import Address, EngineName, chosen_engine
from roverd.cli.messages import print_errors
from roverd.cli.progress import progress_bar
from roverd.cli.reading import with_cache
from roverd.cli.text import json_text, printable
from roverd.cli.usage import required

if TYPE_CHECKING:
    from roverd.ops.validation import TraceReport, ValidationReport


@with_cache
def validate(
    paths: TracePaths,
    schema: Annotated[Optional[str], text("F.yaml"), NO_DEFAULT] = None,
    fix_errors: Flag = False,
    deep: Flag = False,
    as_json: Json = False,
    workers: Annotated[Optional[int], whole("N", 1), NO_DEFAULT] = None,
    engine: EngineName = None,
    address: Address = None,
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
        engine: where the work is done: local, or in a Ray cluster; local by default.
        address: of the Ray cluster; else RAY_ADDRESS, one on this machine, or one that is started.
    """
    required("PATH", paths)
    from roverd import ops

    wanted = None if schema is None else ops.read_schema(schema)
    with (
        chosen_engine(engine, address, workers) as chosen,
        progress_bar("validating", "B" if deep else "traces") as progress,
    ):
        report = ops.validate(paths, wanted, fix_errors, deep, workers, progress, chosen)
    if as_json:
        print(json_text(report.to_dict()))
    else:
        print(validation_text(report))
    print_errors(report.not_searched)
    if not report.traces:
        print_errors([f"{', '.join(paths)}: no trace found; one has a config.yaml"])
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
