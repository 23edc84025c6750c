"""A new trace under a URL: made on this machine a channel at a time, and uploaded."""

import contextlib
import json
import os
import platform
import secrets
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, cast

from roverd.errors import AlreadyExistsError, RoverdError
from roverd.ops.new_trace import already_there, raise_named
from roverd.ops.unfinished import is_living, remove_dead, temporary_name, unfinished
from roverd.storage import remote_storage, storage_for
from roverd.storage.paths import basename
from roverd.storage.remote.uploading import Stop, at_once, put_file
from roverd.storage.traces import CONFIG

MARKER = ".roverd-unfinished"
"""Name of the object that says that a trace is being made, or was by a process that died."""


def is_taken_in_store(url: str) -> bool:
    """See `is_taken`."""
    storage = remote_storage()
    storage.expect_writable(url)
    storage.forget(url)
    if storage.size(url) is not None:
        return True
    names = storage.names(url)
    return bool(names) and MARKER not in names


@contextmanager
def new_trace_in_store(url: str, source: str) -> Generator["_InStore"]:
    """See `new_trace`."""
    if is_taken_in_store(url):
        raise already_there(url)
    name, token = f"roverd-{basename(url)}", secrets.token_hex(4)
    # What is left of a dead process takes space that may be needed.
    remove_dead(os.path.join(tempfile.gettempdir(), name))
    folder = os.path.join(tempfile.gettempdir(), temporary_name(name, token))
    made = _InStore(url, folder, token)
    try:
        # Others who use this machine have no business there.
        os.mkdir(folder, 0o700)
        with unfinished(folder):
            made.claim(source)
            yield made
            made.release()
    except BaseException as error:
        made.remove_all()
        what = f"while a part of it was made in {folder} (TMPDIR names another place)"
        raise_named(error, folder, url, what)
        raise
    finally:
        storage_for(folder).remove_folder(folder)
        remote_storage().forget(url)


class _InStore:
    """A trace that is uploaded piece by piece; see `NewTrace`.

    The first object is a marker, which goes when the last one is there. By it, leftovers of a
    process that died are told from what belongs to somebody.

    Args:
        url: where it is to be.
        folder: where its files are made.
        token: tells it from all others.
    """

    uploads = True

    def __init__(self, url: str, folder: str, token: str) -> None:
        self.folder = folder
        self._url = url
        self._token = token
        self._marker = f"{url}/{MARKER}"
        self._claimed = False
        self._sent: list[str] = []

    def claim(self, source: str) -> None:
        """Mark the place as one where a trace is made, and remove what a dead process has left.

        Raises:
            AlreadyExistsError: a living one makes it, or what is to be read lies in it.
        """
        storage = remote_storage()
        left = storage.objects(self._url)
        if MARKER in left:
            if f"{source}/".startswith(f"{self._url}/"):
                raise AlreadyExistsError(
                    f"{self._url}: {source}, which is to be read, lies in it; name another place"
                )
            self._expect_dead()
            self._expect_no_traces_in(left)
        self._claimed = True
        text = {"host": platform.node(), "folder": self.folder, "token": self._token}
        storage.write(self._marker, json.dumps(text).encode())
        self._remove([name for name in left if name != MARKER])

    def _expect_no_traces_in(self, left: Iterable[str]) -> None:
        """Refuse a place below which there is more than the leftovers of one trace."""
        others = [name for name in left if name.endswith((f"/{CONFIG}", f"/{MARKER}"))]
        if others:
            folder = min(others).rpartition("/")[0]
            raise AlreadyExistsError(
                f"{self._url}: has leftovers of a process that died, but {folder} in it is another "
                f"trace; nothing was removed. Name another place, or remove {self._marker} and "
                f"what else is left"
            )

    def _expect_dead(self) -> None:
        marker = self._read_marker()
        folder = marker.get("folder")
        same_machine = marker.get("host") == platform.node()
        if same_machine and isinstance(folder, str) and is_living(folder):
            raise AlreadyExistsError(
                f"{self._url}: is being made by another process; wait for it, or name another place"
            )

    def _read_marker(self) -> dict[str, Any]:
        storage = remote_storage()
        storage.forget(self._marker)
        try:
            found = json.loads(storage.read(self._marker))
        except (FileNotFoundError, ValueError):
            return {}
        return cast(dict[str, Any], found) if isinstance(found, dict) else {}

    def _is_ours(self) -> bool:
        return self._read_marker().get("token") == self._token

    def keep(
        self, paths: Sequence[str], uploaded: Callable[[float], None] = lambda _: None
    ) -> None:
        """Upload files, and remove them here; see `NewTrace.keep`."""
        files = [file for path in paths for file in _files_of(path)]
        if not files:
            return
        if not self._is_ours():
            raise AlreadyExistsError(
                f"{self._url}: another process has begun to make it, or removed what was there; "
                f"what is there now was left as it is"
            )
        total = sum(os.path.getsize(file) for file in files)
        objects = {
            file: f"{self._url}/{os.path.relpath(file, self.folder).replace(os.sep, '/')}"
            for file in files
        }
        self._sent += objects.values()

        def send(file: str, stop: Stop) -> None:
            put_file(file, objects[file], lambda count: uploaded(count / max(total, 1)), stop)

        at_once(send, files)
        for path in paths:
            if os.path.isdir(path):
                storage_for(path).remove_folder(path)
            else:
                storage_for(path).remove(path)

    def release(self) -> None:
        """Say that it is complete."""
        remote_storage().remove(self._marker)

    def remove_all(self) -> None:
        """Remove what was uploaded, as far as the store lets us, unless others have begun there."""
        prefix = f"{self._url}/"
        # What cannot be removed is known for what it is as long as the marker is there.
        with contextlib.suppress(RoverdError):
            if self._claimed and self._is_ours():
                self._remove([url.removeprefix(prefix) for url in self._sent])
                remote_storage().remove(self._marker)

    def _remove(self, names: Sequence[str]) -> None:
        """Remove objects; `config.yaml` first, so that what is left is no trace."""
        if CONFIG in names:
            remote_storage().remove(f"{self._url}/{CONFIG}")

        def remove(name: str, stop: Stop) -> None:
            stop.check()
            remote_storage().remove(f"{self._url}/{name}")

        at_once(remove, [name for name in names if name != CONFIG])


def _files_of(path: str) -> list[str]:
    """A file, or those in a folder; none if it is not there."""
    if not os.path.isdir(path):
        return [path] if os.path.exists(path) else []
    return sorted(os.path.join(here, name) for here, _, names in os.walk(path) for name in names)
