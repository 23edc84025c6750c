"""`roverd blobify` and `roverd unblobify`."""

from typing import TYPE_CHECKING, Annotated, Literal, Optional, get_args

import tyro

from roverd.cli.arguments import NO_DEFAULT, Json, NewTrace, TracePath, number, one_of, whole
from roverd.cli.engines import Address, EngineName, chosen_engine
from roverd.cli.many_traces import holds_traces, show_made
from roverd.cli.progress import progress_bar
from roverd.cli.text import json_text, printable, table

if TYPE_CHECKING:
    from roverd.ops import Converted

_Source = Annotated[TracePath, tyro.conf.arg(metavar="SRC")]
_Format = Literal["raw", "lzma", "lzmaf", "pcof", "zstdf"]


def blobify(
    src: _Source,
    dst: NewTrace,
    workers: Annotated[int, whole("N", 1)] = 8,
    as_json: Json = False,
    engine: EngineName = None,
    address: Address = None,
) -> int:
    """Make the same trace, or all traces below a folder, with a file for each frame.

    mjpg becomes jpg, its JPEGs as they are; raw with frames of more than 4 KiB becomes stored npz;
    lzma, lzmaf, pcof and zstdf become deflated npz. Small raw channels, such as timestamps, stay as
    they are. The new trace appears when it is complete. Of several traces, those that are there
    already stay.

    Example: `roverd blobify /data/recordings/walk /tmp/walk-blobs`.

    Args:
        src: the trace's folder, or a folder with traces at any depth.
        dst: the new trace's folder; there must be none. Or the folder of the new traces.
        workers: how many files to write at a time.
        as_json: print one JSON object instead.
        engine: where the work is done: local, or in a Ray cluster; local by default.
        address: of the Ray cluster; else RAY_ADDRESS, one on this machine, or one that is started.
    """
    from roverd import ops

    with (
        chosen_engine(engine, address) as chosen,
        progress_bar("converting") as progress,
    ):
        if chosen is not None or holds_traces(src):
            found = ops.blobify_all(src, dst, workers, progress, chosen)
        else:
            found = ops.blobify(src, dst, workers, progress)
    if isinstance(found, ops.MadeTraces):
        return show_made(found, "Blobify", as_json)
    print(json_text(found.to_dict()) if as_json else _text(found))
    return 0


def unblobify(
    src: _Source,
    dst: NewTrace,
    format: Annotated[
        Optional[_Format], one_of(*get_args(_Format), metavar="FORMAT"), NO_DEFAULT
    ] = None,
    fps: Annotated[Optional[float], number("RATE", above=0), NO_DEFAULT] = None,
    as_json: Json = False,
) -> int:
    """Make the same trace without files for single frames: the way back from blobify.

    jpg becomes an AVI of the same JPEGs, npz the format asked for. The new trace appears when it
    is complete.

    Example: `roverd unblobify /tmp/walk-blobs /tmp/walk --format lzmaf`.

    Args:
        src: the trace's folder.
        dst: the new trace's folder; there must be none.
        format: what npz becomes: raw, lzma, lzmaf, pcof or zstdf; by default what it was before
            blobify, otherwise raw.
        fps: frames per second of AVIs; by default what they had before blobify, otherwise the
            sensor's mean rate.
        as_json: print one JSON object instead.
    """
    from roverd import ops

    with progress_bar("converting") as progress:
        found = ops.unblobify(src, dst, format, fps, progress)
    print(json_text(found.to_dict()) if as_json else _text(found))
    return 0


def _text(found: "Converted") -> str:
    rows = [["channel", "was", "is", "frames"]]
    rows += [[c.name, c.before, c.after, str(c.frames)] for c in found.channels]
    return "\n".join([f"trace  {printable(found.path)}", "", *table(rows, right=(3,))])
