"""Finds traces and checks them, in this process or in several."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from roverd.channels import CHANNEL_TYPES, Channel
from roverd.ops.progress import Progress, Tally
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
    sizes = {path: trace_size(path) for path in traces} if deep and progress else {}
    tally = Tally(sum(sizes.values()) if deep else len(traces), progress)
    options = Options(wanted, fix_errors, deep, wide=processes <= 1)
    if processes <= 1:
        options = replace(options, tally=tally)
        reports: dict[str, TraceReport] = {}
        for path in traces:
            reports[path] = check_trace(path, options)
            tally.add(0 if deep else 1)
    else:
        reports = _Processes(
            options, processes, lambda path: tally.add(sizes.get(path, 0) if deep else 1)
        ).check(traces)
    return ValidationReport([reports[path] for path in traces], not_searched, deep)


def _schema(schema: Schema | Path | None) -> Schema:
    if schema is None:
        return DEFAULT_SCHEMA
    if isinstance(schema, str | os.PathLike):
        return read_schema(schema)
    return check_schema(schema, "schema")


class _Processes:
    """Checks traces in processes of their own, whatever happens to those.

    Args:
        options: what is asked.
        width: how many processes.
        done: called with each trace that was checked.
    """

    def __init__(self, options: Options, width: int, done: Callable[[str], None]) -> None:
        self._options = options
        self._width = width
        self._done = done
        self._reports: dict[str, TraceReport] = {}

    def check(self, traces: Iterable[str]) -> dict[str, TraceReport]:
        """Check traces; gives a report for each."""
        waiting = deque(traces)
        while waiting:
            # When a process dies, all of its pool fail: the trace that kills it is found out by
            # checking those that were being checked one by one.
            for suspect in self._work(waiting, self._width):
                if self._work(deque([suspect]), 1):
                    findings = Findings(suspect)
                    findings.add(
                        "worker-died",
                        suspect,
                        "expected the process that checks this trace to finish, found it dead "
                        "(killed, out of memory, or crashed)",
                    )
                    self._finish(suspect, TraceReport(suspect, findings.problems))
        return self._reports

    def _finish(self, path: str, report: TraceReport) -> None:
        self._reports[path] = report
        self._done(path)

    def _work(self, waiting: deque[str], width: int) -> list[str]:
        """Check those that wait; gives those that were being checked when a process died."""
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(
            width, multiprocessing.get_context("spawn"), _prepare, (_own_formats(),)
        )
        running: dict[Future[TraceReport], str] = {}
        try:
            while waiting or running:
                while waiting and len(running) < width:
                    running[pool.submit(check_trace, waiting[0], self._options)] = waiting[0]
                    waiting.popleft()
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    report = future.result()
                    self._finish(running.pop(future), report)
        except BrokenProcessPool:
            return list(running.values())
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return []


def _own_formats() -> dict[str, type[Channel]]:
    """Formats that the user has registered."""
    own = "roverd."
    return {
        name: kind for name, kind in CHANNEL_TYPES.items() if not kind.__module__.startswith(own)
    }


def _prepare(formats: dict[str, type[Channel]]) -> None:
    """Make a process ready: it knows the user's formats, and dies of Ctrl-C without a word.

    It ends when the process that asks for its work has been killed: nobody else would end it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    CHANNEL_TYPES.update(formats)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
