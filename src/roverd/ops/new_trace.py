"""Where a new trace is made: in a folder beside its place, or in a store, a channel at a time.

Nobody finds half of one: a folder gets its name when it is complete, and under a URL `config.yaml`,
which makes it a trace, comes last.
"""

import os
import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

from roverd.errors import AlreadyExistsError
from roverd.ops.unfinished import temporary_name, unfinished
from roverd.storage import is_url, storage_for

Uploaded = Callable[[float], None]
"""Called with the share, of all that is to be uploaded, that was since the last time."""


class NewTrace(Protocol):
    """A trace while it is made.

    Attributes:
        folder: where its files are made, on this machine.
        uploads: whether they have to be brought somewhere else.
    """

    folder: str
    uploads: bool

    def keep(self, paths: Sequence[str], uploaded: Uploaded = lambda _: None) -> None:
        """Keep files, or folders of files, that are complete. They may be gone from `folder` then.

        Args:
            paths: of them, in `folder`; those that are not there do not count.
            uploaded: told how far it is.
        """
        ...


class _InFolder:
    """A trace that is made where it stays."""

    uploads = False

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def keep(self, paths: Sequence[str], uploaded: Uploaded = lambda _: None) -> None:
        """Nothing: see `NewTrace.keep`."""


def is_taken(path: str) -> bool:
    """Whether there is something where a trace is to be, other than leftovers of a dead process.

    Raises:
        UnsupportedError: there can be none.
    """
    if is_url(path):
        from roverd.ops.new_trace_in_store import is_taken_in_store

        return is_taken_in_store(path)
    # An empty path is the current folder.
    return os.path.lexists(path or os.curdir)


@contextmanager
def new_trace(path: str, source: str) -> Generator[NewTrace]:
    """A place to make a trace, which is called `path` when the context is left.

    Nothing is left of it when that is by an error, Ctrl-C included.

    Args:
        path: folder or URL where it is to be; there must be nothing.
        source: what it is made from.

    Raises:
        AlreadyExistsError: there is something already.
        OSError: it cannot be made; this and every ValueError names `path`, not the folder
            meanwhile.
    """
    if is_url(path):
        from roverd.ops.new_trace_in_store import new_trace_in_store

        with new_trace_in_store(path, source) as made:
            yield made
    else:
        with new_folder(path) as folder:
            yield _InFolder(folder)


@contextmanager
def new_folder(path: str) -> Generator[str]:
    """A folder to build something in, which is called `path` when the context is left.

    Nothing is left of it when that is by an error, Ctrl-C included.

    Args:
        path: where it is to be.

    Yields:
        Path of the folder meanwhile, beside `path`.

    Raises:
        AlreadyExistsError: there is something already.
        OSError: it cannot be made; this and every ValueError names `path`, not the folder
            meanwhile.
    """
    _check_free(path)
    storage = storage_for(path)
    parent, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(parent, temporary_name(name, secrets.token_hex(4)))
    try:
        storage.make_folder(temporary)
        with unfinished(temporary):
            yield temporary
        # Somebody else may have made it meanwhile.
        _check_free(path)
        storage.move(temporary, path)
    except BaseException as error:
        storage.remove_folder(temporary)
        raise_named(error, temporary, path, "while it was made")
        raise


def _check_free(path: str) -> None:
    if is_taken(path):
        raise already_there(path)


def already_there(path: str) -> AlreadyExistsError:
    """The error for a place that is taken."""
    return AlreadyExistsError(f"{path}: exists already, and stays as it is; name another folder")


def raise_named(error: BaseException, temporary: str, path: str, what: str) -> None:
    """Raise an error that names a temporary folder as one that names what is made there.

    Args:
        error: nothing happens if it is about something else.
        temporary: the folder.
        path: what is made there.
        what: was going on.
    """
    if isinstance(error, OSError) and _is_of(error, temporary):
        raise OSError(error.errno, f"{error.strerror}, {what}", path) from error
    if isinstance(error, ValueError) and temporary in str(error) and len(error.args) == 1:
        raise type(error)(str(error).replace(temporary, path)) from error


def _is_of(error: OSError, temporary: str) -> bool:
    """Whether an error names a temporary folder, or (as those of a full disk) nothing at all."""
    if error.errno is None:
        return False
    return error.filename is None or str(error.filename).startswith(temporary)
