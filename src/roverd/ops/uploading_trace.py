"""One trace to a store, byte for byte."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from roverd.errors import AlreadyExistsError, MissingFileError, StoreError, UnsupportedError
from roverd.ops.checksums.listing import list_files
from roverd.ops.new_trace_in_store import MARKER
from roverd.ops.progress import Tally
from roverd.recorder.claim import is_claimed
from roverd.storage import remote_storage
from roverd.storage.remote.objects import Known
from roverd.storage.remote.uploading import Stop, at_once, is_equal, look, put_file
from roverd.storage.traces import CONFIG, META

State = Literal["uploaded", "there", "planned", "failed"]

# Of no use to others: anything, and what keeps two recorders apart.
_LEFT_OUT = ("_scratch/", "_recorder/lock")


@dataclass
class UploadedTrace:
    """What became of a trace.

    Attributes:
        source: its folder.
        path: its URL.
        state: `uploaded`; `there` already, all of it; `planned` in a dry run; `failed`.
        files: how many it has.
        size: their bytes.
        sent_files: how many were sent, or would be; the others were there.
        sent: their bytes.
        left_out: names of files that are not uploaded: hidden ones, `_scratch`, a recorder's lock.
        problem: why it failed, in a line that names the file or the URL.
    """

    source: str
    path: str
    state: State
    files: int = 0
    size: int = 0
    sent_files: int = 0
    sent: int = 0
    left_out: list[str] = field(default_factory=list[str])
    problem: str | None = None


@dataclass
class TraceFiles:
    """The files of a trace.

    Attributes:
        source: its folder.
        sizes: bytes of each, by its path relative to the folder, with `/` between its parts.
        left_out: the names of those that are not uploaded.
        unreadable: why by name, of what is no file that can be read.
    """

    source: str
    sizes: Mapping[str, int]
    left_out: list[str]
    unreadable: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(self.sizes.values())


def files_of(source: str, within: Sequence[str] = ()) -> TraceFiles:
    """Find the files of a trace. Links are followed.

    Args:
        source: its folder.
        within: folders of traces that lie in it, relative to it; what is in them is theirs.
    """
    left_out: list[str] = []
    others = tuple(f"{name}/" for name in within)

    def belongs(name: str) -> bool:
        hidden = any(part.startswith(".") for part in name.split("/"))
        return not hidden and not f"{name}/".startswith(_LEFT_OUT)

    def select(name: str) -> bool:
        if name.startswith(others):
            return False
        if not belongs(name):
            left_out.append(name)
            return False
        return True

    found = list_files(source, select)
    unreadable = {
        name: why
        for name, why in found.unreadable.items()
        if belongs(name) and not f"{name}/".startswith(others)
    }
    sizes = {file.name: file.size for file in found.files}
    return TraceFiles(source, sizes, sorted(left_out), unreadable)


def upload_trace(
    files: TraceFiles, target: str, overwrite: bool, verify: bool, dry_run: bool, tally: Tally
) -> UploadedTrace:
    """Bring one trace to a store; see `upload`.

    Args:
        files: those of the trace.
        target: its URL.
        overwrite: whether to replace objects that differ.
        verify: whether to read everything back and compare it.
        dry_run: whether to change nothing.
        tally: counts the bytes that are there, and with `verify` those that were compared as well.

    Raises:
        UnsupportedError: the trace is being recorded.
        MissingFileError: a file cannot be read, or there is no `config.yaml`.
        AlreadyExistsError: there is something else where it is to be.
        CorruptFileError: a file changed while it was sent.
        StoreError: the store did not take it, or gives back something else.
    """
    run = _Upload(files, target, verify, tally)
    run.check()
    objects = remote_storage().objects(target)
    if MARKER in objects:
        raise AlreadyExistsError(
            f"{target}: another command makes a trace there, or died in doing so; wait for it, "
            f"start it again, or name another place"
        )
    there, different = run.compare(objects)
    _expect_no_others(files, target, objects)
    if different and not overwrite:
        name = min(different)
        sizes = f"{files.sizes[name]} bytes in {files.source}, {objects[name].size} there"
        raise AlreadyExistsError(
            f"{target}/{name}: is there and differs ({sizes}), and so do {len(different) - 1} "
            f"others; nothing was sent. Name another place, or overwrite them (--overwrite)"
        )
    missing = [name for name in files.sizes if name not in there]
    state: State = "planned" if dry_run else "uploaded"
    if missing and not dry_run:
        if different and CONFIG in objects:
            # No trace, as long as there is something of both. It comes again in the end.
            remote_storage().remove(f"{target}/{CONFIG}")
            missing = sorted({*missing, CONFIG})
        run.send(missing)
    return UploadedTrace(
        source=files.source,
        path=target,
        state=state if missing else "there",
        files=len(files.sizes),
        size=files.size,
        sent_files=len(missing),
        sent=sum(files.sizes[name] for name in missing),
        left_out=files.left_out,
    )


def _expect_no_others(files: TraceFiles, target: str, objects: Mapping[str, Known]) -> None:
    """Refuse sensors that would have files of another recording, too, such as more frames."""
    sensors = tuple(f"{name.removesuffix(META)}" for name in files.sizes if _is_sensors(name))
    others = [
        name
        for name in objects
        if name.startswith(sensors) and name not in files.sizes and not name.endswith("/")
    ]
    if others:
        raise AlreadyExistsError(
            f"{target}/{min(others)}: is there, but not in {files.source}, and so are "
            f"{len(others) - 1} others; nothing was sent. Remove them, or name another place"
        )


def _is_sensors(name: str) -> bool:
    """Whether this is the description of a sensor."""
    return name.count("/") == 1 and name.endswith(f"/{META}")


class _Upload:
    """A trace that is brought to a store."""

    def __init__(self, files: TraceFiles, target: str, verify: bool, tally: Tally) -> None:
        self._files = files
        self._target = target
        self._verify = verify
        self._tally = tally

    def _local(self, name: str) -> str:
        return os.path.join(self._files.source, *name.split("/"))

    def check(self) -> None:
        """Refuse a trace that cannot be uploaded, or not yet."""
        files = self._files
        if is_claimed(files.source):
            raise UnsupportedError(
                f"{files.source}: is being recorded; upload it when its recorder is closed"
            )
        for name, why in files.unreadable.items():
            raise MissingFileError(
                f"{self._local(name)}: expected a file that can be read, found: {why}"
            )
        if CONFIG not in files.sizes:
            raise MissingFileError(
                f"{files.source}: expected a {CONFIG}, which makes it a trace, found none; make "
                f"one, which may be empty"
            )

    def compare(self, objects: Mapping[str, Known]) -> tuple[set[str], set[str]]:
        """The names of those files that are there already, and of those that differ."""
        there: set[str] = set()
        different: set[str] = set()

        def look_at(name: str, stop: Stop) -> None:
            url, known = f"{self._target}/{name}", objects[name]
            if is_equal(self._local(name), url, known, stop, self._verify):
                there.add(name)
                self._tally.add(self._files.sizes[name] * (1 + self._verify))
            else:
                different.add(name)

        at_once(look_at, [name for name in self._files.sizes if name in objects])
        return there, different

    def send(self, names: Sequence[str]) -> None:
        """Send files: descriptions of sensors after their channels, `config.yaml` at the end."""
        descriptions = [name for name in names if _is_sensors(name)]
        last = [name for name in names if name == CONFIG]
        at_once(self._send, [name for name in names if name not in (*descriptions, *last)])
        at_once(self._send, descriptions)
        self.check()
        at_once(self._send, last)

    def _send(self, name: str, stop: Stop) -> None:
        local, url = self._local(name), f"{self._target}/{name}"
        put_file(local, url, self._tally.add, stop)
        if not self._verify:
            return
        if not is_equal(local, url, look(url), stop, thoroughly=True):
            remote_storage().remove(url)
            raise StoreError(
                f"{url}: read back, it is not what was sent of {local}; the object was removed. "
                f"Upload it again"
            )
        self._tally.add(self._files.sizes[name])
