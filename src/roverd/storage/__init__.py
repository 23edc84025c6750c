"""Everything that touches bytes at rest."""

from roverd.storage.abstract import Appender, File, Storage
from roverd.storage.local import LocalStorage

__all__ = ["Appender", "File", "LocalStorage", "Storage", "storage_for"]

_LOCAL = LocalStorage()


def storage_for(path: str) -> Storage:
    """The storage that holds `path`."""
    del path  # Every path is a local one until object stores are in.
    return _LOCAL
