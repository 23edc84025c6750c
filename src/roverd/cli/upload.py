"""`roverd upload`."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import tyro

from roverd.cli.arguments import Flag, Json, Words, texts
from roverd.cli.messages import print_errors
from roverd.cli.progress import progress_bar
from roverd.cli.text import bytes_text, json_text, printable, table
from roverd.cli.usage import UsageError, required

if TYPE_CHECKING:
    from roverd.ops import Uploaded, UploadedTrace

_STATES = {
    "uploaded": "uploaded",
    "there": "there already",
    "planned": "to be uploaded",
    "failed": "failed",
}

_Places = Annotated[
    Words,
    tyro.conf.Positional,
    texts("SOURCE... TARGET"),
    tyro.conf.arg(metavar="SOURCE... TARGET", help_behavior_hint="(required)"),
]


def upload(
    places: _Places,
    overwrite: Flag = False,
    verify: Flag = False,
    dry_run: Flag = False,
    as_json: Json = False,
) -> int:
    """Bring traces to an object store, byte for byte.

    SOURCE is a trace, or a folder with traces at any depth; TARGET is a URL. One SOURCE takes the
    place of TARGET, several come below it, each under its own name. A trace appears when it is
    complete. Started again, the command goes on with what is missing. Exit status 1: a trace could
    not be uploaded, or something else is there; the others are uploaded all the same.

    Example: `roverd upload /data/recordings s3://bucket/recordings --verify`.

    Args:
        places: the traces, or folders with traces, and at the end the URL.
        overwrite: replace objects that are there and differ.
        verify: read back everything, also what was there already, and compare it.
        dry_run: say what would be sent, and send nothing.
        as_json: print one JSON object instead.
    """
    required("SOURCE", places)
    required("TARGET", places[1:])
    *sources, target = places
    from roverd.storage import as_path, is_url

    if not is_url(as_path(target)):
        raise UsageError(f"TARGET: expected a URL, such as s3://bucket/traces, got {target!r}")
    from roverd import ops

    with progress_bar("uploading") as progress:
        found = ops.upload(sources, target, overwrite, verify, dry_run, progress)
    print(json_text(found.to_dict()) if as_json else _text(found))
    print_errors(trace.problem for trace in found.traces if trace.problem is not None)
    print_errors(found.not_searched)
    return 0 if found.ok else 1


def _text(found: "Uploaded") -> str:
    rows = [["trace", "files", "size", "sent", ""]]
    rows += [_row(found, trace) for trace in found.traces]
    counts = Counter(trace.state for trace in found.traces)
    names = ", ".join(f"{counts[state]} {text}" for state, text in _STATES.items() if counts[state])
    dry = " Nothing was sent (dry run)." if found.dry_run else ""
    sent = sum(trace.sent for trace in found.traces)
    verb = "to be sent" if found.dry_run else "sent"
    lines = [f"to  {printable(found.path)}", "", *table(rows, right=(1, 2, 3)), ""]
    return "\n".join([*lines, f"Upload: {names}; {bytes_text(sent)} {verb}.{dry}"])


def _row(found: "Uploaded", trace: "UploadedTrace") -> list[str]:
    name = trace.path.removeprefix(found.path).lstrip("/") or trace.path.rpartition("/")[2]
    if trace.state == "failed":
        return [printable(name), "", "", "", _STATES[trace.state]]
    numbers = [str(trace.files), bytes_text(trace.size), bytes_text(trace.sent)]
    return [printable(name), *numbers, _STATES[trace.state]]
