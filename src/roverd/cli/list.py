"""`roverd list`."""

import os
import warnings

from roverd.cli.arguments import Flag, TracePath
from roverd.cli.messages import print_errors
from roverd.errors import RoverdWarning


def list_traces(path: TracePath, follow_symlinks: Flag = False) -> int:
    """Print the path of every trace below a folder, one a line, relative to the folder.

    A trace is a folder that holds a config.yaml. Example: `roverd list /data/recordings`.

    Args:
        path: where to look, at any depth.
        follow_symlinks: look into folders that are links, too.
    """
    from roverd.storage.traces import find_traces

    with warnings.catch_warnings(record=True) as problems:
        warnings.simplefilter("always", RoverdWarning)
        traces = find_traces([path], follow_symlinks=follow_symlinks)
    for trace in sorted(os.path.relpath(trace, path) for trace in traces):
        print(trace)
    print_errors(str(problem.message) for problem in problems)
    return 1 if problems else 0
