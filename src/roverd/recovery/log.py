"""Whether a recording was ended, as the recorder's log says."""

import json
import os
from typing import Any, cast

from roverd.storage import storage_for

FOLDER = "_recorder"
"""Name of the folder in a trace that is the recorder's own."""

NAME = "log.jsonl"
"""Name of the log in that folder."""

_LONGEST_LINE = 1 << 20


def ended(trace: str) -> bool | None:
    """Whether what recorded a trace came to its end.

    Args:
        trace: the trace's folder.

    Returns:
        `True` where the last line of `_recorder/log.jsonl` says so; `False` where it does not, so
        that the recorder died; `None` where there is no log.
    """
    path = os.path.join(trace, FOLDER, NAME)
    try:
        file = storage_for(path).open(path, keep=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    tail = file.read(max(0, file.size - _LONGEST_LINE), _LONGEST_LINE)
    try:
        last: Any = json.loads(tail.rstrip(b"\n").rsplit(b"\n", 1)[-1])
    except (ValueError, RecursionError):
        return False
    return isinstance(last, dict) and cast(dict[str, Any], last).get("event") == "close"
