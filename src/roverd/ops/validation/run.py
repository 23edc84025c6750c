"""Finds traces and checks them, in this process or in others."""

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from roverd.ops.engines import Died, Engine, ProcessEngine, ThreadEngine
from roverd.ops.progress import Progress, Shares, Tally
from roverd.ops.traces import trace_size, traces_below
from roverd.ops.validation.options import Options
from roverd.ops.validation.report import Findings, TraceReport, ValidationReport
from roverd.ops.validation.schema import DEFAULT_SCHEMA, Schema, check_schema, read_schema
from roverd.ops.validation.trace import check_trace
from roverd.parallel import thread_count
from roverd.storage import is_url
from roverd.storage.paths import expect_local

Path = str | os.PathLike[str]


def validate(
    paths: Iterable[Path] | Path,
    schema: Schema | Path | None = None,
    fix_errors: bool = False,
    deep: bool = False,
    workers: int | None = 1,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> ValidationReport:
    """Check traces: files there, readable, of matching lengths, timestamps ascending.

    By default only structure is looked at (sizes, indexes, headers, the first and the last frame),
    which takes about as long for a large trace as for a small one. A trace that is broken, however
    badly, does not keep the others from being checked.

    Args:
        paths: traces, or folders with traces at any depth. A folder with sensors, but without the
            `config.yaml` that makes it a trace, is taken for one where it is named itself.
        schema: channels that each trace must have, by sensor, and under `_` files (paths relative
            to the trace); or a YAML file that says so. Every sensor that it names must be there. An
            empty one asks for nothing; `None` stands for `DEFAULT_SCHEMA`.
        fix_errors: whether to drop the entries of channels without data from `meta.json`. Nothing
            else is ever changed.
        deep: whether to read everything: every frame, all check sums, all indexes against the data.
        workers: how many processes check traces side by side; 1 for this one, `None` for as many as
            there are cores. With more than one, the calling program is imported by them: it needs
            `if __name__ == "__main__":` around what it does.
        progress: told the bytes that were read and those to be read where `deep`, and otherwise
            the traces.
        engine: where they are checked instead of in `workers` processes, such as
            `roverd.ops.engines.RayEngine()`.

    Returns:
        A report for each trace, sorted by path; none where no trace was found.

    Raises:
        MissingFileError: one of `paths`, or the schema, is not there.
        MetadataError: the schema is none.
        ValueError: `workers` is below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    wanted = _schema(schema)
    folders = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    traces, not_searched = traces_below(folders)
    for path in traces if fix_errors else ():
        expect_local(path, "errors are fixed in local files only")
    processes = min(thread_count() if workers is None else workers, len(traces))
    if any(map(is_url, traces)):
        processes = 1  # others would not know how to reach the store
    sizes = [trace_size(path) if deep and progress else 1 for path in traces]
    options = Options(wanted, fix_errors, deep, wide=engine is not None or processes <= 1)
    if engine is None:
        # One trace at a time has all threads of this process.
        engine = ThreadEngine(1) if processes <= 1 else ProcessEngine(processes)
    found = engine.run(
        partial(_check, options),
        list(zip(traces, sizes, strict=True)),
        Shares(sizes, progress).tell,
    )
    reports = [
        _died(path) if isinstance(report, Died) else report
        for path, report in zip(traces, found, strict=True)
    ]
    return ValidationReport(reports, not_searched, deep)


def _check(options: Options, item: tuple[str, int], progress: Progress) -> TraceReport:
    path, size = item
    return check_trace(path, replace(options, tally=Tally(size, progress)))


def _died(path: str) -> TraceReport:
    findings = Findings(path)
    findings.add("worker-died", path, Died.describe("checks this trace"))
    return TraceReport(path, findings.problems)


def _schema(schema: Schema | Path | None) -> Schema:
    if schema is None:
        return DEFAULT_SCHEMA
    if isinstance(schema, str | os.PathLike):
        return read_schema(schema)
    return check_schema(schema, "schema")
