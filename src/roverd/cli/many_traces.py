"""What commands say about many traces that they have made."""

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from roverd.cli.messages import print_errors
from roverd.cli.text import json_text, printable, table

if TYPE_CHECKING:
    from roverd.ops import MadeTraces

_STATES = {"made": "made", "there": "there already", "failed": "failed"}


def holds_traces(folder: str) -> bool:
    """Whether a folder is no trace itself, but has some below."""
    from roverd.ops import traces

    return traces.holds_traces(folder)


def show_made(found: "MadeTraces[Any]", what: str, as_json: bool) -> int:
    """Print what became of traces.

    Args:
        found: that.
        what: begins the last line.
        as_json: whether to print one JSON object instead.

    Returns:
        The exit status of the command.
    """
    print(json_text(found.to_dict()) if as_json else _text(found, what))
    print_errors(trace.problem for trace in found.traces if trace.problem is not None)
    print_errors(found.not_searched)
    return 0 if found.ok else 1


def _text(found: "MadeTraces[Any]", what: str) -> str:
    rows = [["trace", ""]]
    rows += [
        [printable(os.path.relpath(trace.path, found.path)), _STATES[trace.state]]
        for trace in found.traces
    ]
    counts = Counter(trace.state for trace in found.traces)
    names = ", ".join(f"{counts[state]} {text}" for state, text in _STATES.items() if counts[state])
    return "\n".join(
        [f"traces  {printable(found.path)}", "", *table(rows), "", f"{what}: {names}."]
    )
