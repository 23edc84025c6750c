"""Traces to a store, byte for byte."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from roverd.errors import MissingFileError, UnsupportedError
from roverd.ops.progress import Progress, Tally
from roverd.ops.traces import problem_text, traces_below
from roverd.ops.unfinished import is_temporary
from roverd.ops.uploading_trace import TraceFiles, UploadedTrace, files_of, upload_trace
from roverd.storage import as_path, is_url, remote_storage
from roverd.storage.options import remember
from roverd.storage.paths import basename, expect_local
from roverd.storage.traces import CONFIG

Path = str | os.PathLike[str]


@dataclass
class Uploaded:
    """What became of traces.

    Attributes:
        path: the URL that they were to come to, or below.
        traces: what became of each, sorted by path.
        not_searched: folders in which traces could be, and why nobody could look.
        dry_run: whether nothing was sent, and all this says what would be.
    """

    path: str
    traces: list[UploadedTrace]
    not_searched: list[str] = field(default_factory=list[str])
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether all traces are there, or would be."""
        failed = any(trace.state == "failed" for trace in self.traces)
        return not failed and not self.not_searched

    def to_dict(self) -> dict[str, Any]:
        """The same as plain strings, numbers, lists and dictionaries."""
        return {"ok": self.ok, **asdict(self)}


def upload(
    sources: Path | Iterable[Path],
    target: str,
    overwrite: bool = False,
    verify: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Uploaded:
    """Bring traces to a store: their files as they are, an object for each.

    An object appears when all of it was sent. The `config.yaml` of a trace comes last, so that
    nobody finds half a trace there. What is there already and equal is not sent again: a run that
    was interrupted goes on. Whether it is equal is told by its size and its tag, which in S3 is the
    MD5 of what was sent; where it is not, the object is read back and compared.

    Left out are hidden files, `_scratch`, and the lock of a recorder that died. Links are followed.

    Args:
        sources: folder of a trace, or of traces at any depth, or several such. One takes the place
            of `target`, with traces at the same places below; several come below it, each under
            its own name.
        target: URL.
        overwrite: whether to replace objects that differ; otherwise nothing of the trace is sent.
        verify: whether to read back everything, also what was there, and compare it.
        dry_run: whether to send nothing, and say what would be sent. It looks at what is there.
        progress: told the bytes that are there, and those to be; with `verify`, those that were
            compared as well.
        storage_options: how the store is reached, as fsspec has it; see `Trace.from_config`.

    Returns:
        What became of each trace.

    Raises:
        UnsupportedError: `target` is no URL or one that cannot be written to, or a source is one.
        ValueError: no source, or two with the same name.
        MissingFileError: there is no trace.
        Exception: where the only source is a trace, whatever `upload_trace` raises.
    """
    folders = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    url = as_path(target)
    if not is_url(url):
        raise UnsupportedError(
            f"{url}: expected the URL of a store, such as s3://bucket/traces, got a local path; "
            f"copy to it with the system's own means"
        )
    if storage_options is not None:
        remember(url, storage_options)
    places, not_searched = _places([as_path(folder) for folder in folders], url)
    remote_storage().expect_writable(url)
    found = [(_files(path, places), place) for path, place in places]
    total = sum(files.size for files, _ in found)
    tally = Tally(total * (1 + verify), progress)
    single = len(folders) == 1 and places[0][1] == url and len(places) == 1
    traces: list[UploadedTrace] = []
    for files, place in found:
        try:
            made = upload_trace(files, place, overwrite, verify, dry_run, tally)
        except (OSError, ValueError, LookupError) as error:
            if single:
                raise
            problem = problem_text(error, files.source)
            made = UploadedTrace(files.source, place, "failed", problem=problem)
        traces.append(made)
    return Uploaded(url, traces, not_searched, dry_run)


def _places(folders: list[str], url: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Each trace and the URL that it comes to; and folders that could not be looked into."""
    if not folders:
        raise ValueError(f"{url}: expected traces to upload, got none")
    for folder in folders:
        expect_local(folder, "only what is on this machine is uploaded")
    tops = [url]
    if len(folders) > 1:
        names = [basename(folder) for folder in folders]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"{url}: several sources are called {', '.join(doubled)}; upload them one by one"
            )
        tops = [f"{url}/{name}" for name in names]
    places: list[tuple[str, str]] = []
    not_searched: list[str] = []
    for folder, top in zip(folders, tops, strict=True):
        found, unseen = traces_below([folder])
        not_searched += unseen
        before = len(places)
        for path in found:
            name = os.path.relpath(path, folder)
            if not any(map(is_temporary, name.split(os.sep))):
                below = "" if name == os.curdir else f"/{name.replace(os.sep, '/')}"
                places.append((path, top + below))
        if len(places) == before:
            why = f" ({'; '.join(unseen)})" if unseen else ""
            raise MissingFileError(f"{folder}: no trace found; one has a {CONFIG}{why}")
    return places, not_searched


def _files(path: str, places: list[tuple[str, str]]) -> TraceFiles:
    inner = [os.path.relpath(other, path) for other, _ in places if other.startswith(f"{path}/")]
    return files_of(path, [name.replace(os.sep, "/") for name in inner])
