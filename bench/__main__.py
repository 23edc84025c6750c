"""Prints the table "What fast means" of the design, with the ratios reached."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench import data
from bench.jobs import JOBS
from bench.timing import Job, Result, keep_memory, measure, seconds_text

_OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "out")
_HEAD = (
    "job",
    "limit (ratio 1.0)",
    "its time",
    "ours",
    "ratio",
    "measured (quartiles)",
    "target",
    "",
)
_SLACK = 0.1
_SECONDS, _LEAST_ROUNDS = 6.0, 15
_QUICK_SECONDS, _QUICK_LEAST_ROUNDS = 0.05, 3


@dataclass(frozen=True)
class _Outcome:
    """A row of the table."""

    cells: tuple[str, ...]
    failed: bool = False
    missed: bool = False  # by more than the slack


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all jobs; the exit status is 1 where a target is missed by more than a tenth."""
    options = _options(arguments)
    keep_memory()
    size = data.QUICK if options.quick else data.FULL
    print("making data …", file=sys.stderr, flush=True)
    made = data.provide(options.out, size)
    outcomes: list[_Outcome] = []
    for job in JOBS:
        if options.only not in job.name:
            continue
        print(f"{job.name} …", file=sys.stderr, flush=True)
        outcomes.append(_run(job, made, options.quick))
    text = _table([outcome.cells for outcome in outcomes])
    if options.quick:
        text += "\n\nOf small data, in little time: these figures say nothing about speed.\n"
    print(text)
    if not options.only:
        name = "results-quick.md" if options.quick else "results.md"
        with open(os.path.join(options.out, name), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    failed = any(outcome.failed for outcome in outcomes)
    missed = not options.quick and any(outcome.missed for outcome in outcomes)
    return 1 if failed or missed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data, to see that it runs")
    parser.add_argument("--only", default="", metavar="TEXT", help="jobs with this in their name")
    parser.add_argument("--out", default=_OUT, help="folder for the data and results.md")
    return parser.parse_args(arguments)


def _run(job: Job, made: data.Data, quick: bool) -> _Outcome:
    seconds, least = (_QUICK_SECONDS, _QUICK_LEAST_ROUNDS) if quick else (_SECONDS, _LEAST_ROUNDS)
    try:
        with job.prepare(made) as pair:
            result = measure(pair, seconds, least)
    except Exception:  # noqa: BLE001 - the other rows are of interest all the same
        traceback.print_exc()
        return _Outcome((job.name, job.limit, "", "", "", "", str(job.target), "FAILED"), True)
    return _outcome(job, result)


def _outcome(job: Job, result: Result) -> _Outcome:
    measured, text = job.target.measured(result.ours, result.limit), job.target.text
    missed = job.target.missed(measured.value)
    return _Outcome(
        (
            job.name,
            job.limit,
            seconds_text(float(np.median(result.limit))),
            seconds_text(float(np.median(result.ours))),
            f"{result.ratio:.2f}",
            f"{text(measured.value)} ({text(measured.low)} – {text(measured.high)})",
            str(job.target),
            "" if str(job.target) == "–" else "missed" if missed else "ok",
        ),
        missed=job.target.missed(measured.value, _SLACK),
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, aligned for the eye."""
    lines = [_HEAD, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    rule = tuple("-" * width for width in widths)

    def text(line: Sequence[str]) -> str:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        return f"| {' | '.join(cells)} |"

    return "\n".join(text(line) for line in (_HEAD, rule, *rows))


if __name__ == "__main__":
    sys.exit(main())
