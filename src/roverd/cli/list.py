"""`roverd list`."""

import os
import sys
import warnings

from roverd.cli.arguments import Flag, TracePath
from roverd.cli.text import error_text
from roverd.errors import RoverdWarning


def list_traces(path: TracePath, follow_symlinks: Flag = False) -> int:
    """Print the path of every trace below a folder, one a line, relative to the folder.

    A trace is a folder that holds a config.yaml. Example: `roverd list /data/recordings`.

    Args:
        path: where to look, at any depth.
        follow_symlinks: look into folders that are links, too.
    """
    from roverd.trace import Dataset

    with warnings.catch_warnings(record=True) as problems:
        warnings.simplefilter("always", RoverdWarning)
        traces = Dataset.find_traces(path, follow_symlinks=follow_symlinks)
    for trace in sorted(os.path.relpath(trace, path) for trace in traces):
        print(trace)
    for problem in problems:
        print(error_text(str(problem.message)), file=sys.stderr)
    return 1 if problems else 0
