"""Everything that touches bytes at rest."""

from functools import cache
from typing import TYPE_CHECKING

from roverd.storage.abstract import Appender, Fetching, File, Storage, is_fetching
from roverd.storage.local import LocalStorage
from roverd.storage.paths import as_path, is_url

if TYPE_CHECKING:
    from roverd.storage.remote import RemoteStorage

__all__ = [
    "Appender",
    "Fetching",
    "File",
    "LocalStorage",
    "Storage",
    "as_path",
    "is_fetching",
    "is_url",
    "remote_storage",
    "storage_for",
]

_LOCAL = LocalStorage()


def storage_for(path: str) -> Storage:
    """The storage that holds `path`."""
    return remote_storage() if is_url(path) else _LOCAL


@cache
def remote_storage() -> "RemoteStorage":
    """The storage of all URLs. It has no state of its own."""
    from roverd.storage.remote import RemoteStorage

    return RemoteStorage()
