"""What is a URL, and what is a path of this machine."""

import os
import re
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from roverd.errors import UnsupportedError
from roverd.storage.options import PRIVATE_QUERY, PRIVATE_USER, remember

# Two letters at least: one is a drive of Windows. Chains, as fsspec has them, are separated by ::
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*::)*([A-Za-z][A-Za-z0-9+.-]+)://")
_USER = re.compile(r"(://)([^/@]*)@")
# As in abfs://container@account.dfs.core.windows.net/folder.
_CONTAINER_FIRST = ("abfs", "abfss", "az")


def is_url(path: str) -> bool:
    """Whether a path is a URL, such as `s3://bucket/key`."""
    return _URL.match(path) is not None


def protocol_of(url: str) -> str:
    """The protocol of a URL, and what it is chained with before: `s3`, `simplecache::s3`."""
    return url[: url.index("://")].lower()


def as_path(path: str | os.PathLike[str]) -> str:
    """A path as everything below has it.

    `file://` becomes a path of this machine. What is secret in other URLs (a user and password, the
    query of a signed URL) is remembered for all that is below, and left out of the path: paths are
    shown in messages.
    """
    text = os.fspath(path)
    if not isinstance(text, str) or not is_url(text):
        return text
    if text.lower().startswith("file://"):
        return unquote(urlsplit(text).path)
    private: dict[str, str] = {}
    if protocol_of(text) not in _CONTAINER_FIRST and (match := _USER.search(text)):
        private[PRIVATE_USER] = match[2]
        text = text[: match.start(2)] + text[match.end() :]
    if protocol_of(text) in ("http", "https"):
        text, _, query = text.partition("?")
        if query:
            private[PRIVATE_QUERY] = query
    start = text.index("://") + 3
    text = text[:start] + text[start:].rstrip("/")
    if private:
        remember(text, private)
    return text


def basename(path: str) -> str:
    """The last part of a path or URL."""
    if is_url(path):
        return path.rstrip("/").rsplit("/", 1)[-1]
    return os.path.basename(os.path.abspath(path))


def parent(path: str) -> str:
    """What a path or URL is in."""
    return path.rsplit("/", 1)[0] if is_url(path) else os.path.dirname(os.path.normpath(path))


def join(folder: str, name: str) -> str:
    """The path of what is called so in a folder."""
    return f"{folder}/{name}" if is_url(folder) else os.path.join(folder, name)


def expect_local(path: str, what: str) -> None:
    """Refuse a URL.

    Args:
        path: a path.
        what: why it cannot be a URL, such as `recordings are made on a local disk`.

    Raises:
        UnsupportedError: it is a URL.
    """
    if is_url(path):
        raise UnsupportedError(
            f"{path}: {what}; give a local path, and upload what is complete (roverd upload)"
        )


def refuse_growing(path: str) -> NoReturn:
    """Refuse to write to a URL what is not written whole.

    Raises:
        UnsupportedError: always.
    """
    raise UnsupportedError(
        f"{path}: objects in a store are written whole and do not grow, which this format needs; "
        f"write frames as the formats npz or jpg, which have an object for each, or write to a "
        f"local path and upload what is complete (roverd upload)"
    )
