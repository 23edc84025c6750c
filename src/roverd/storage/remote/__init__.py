"""Files in object stores and on servers, under URLs. Loads fsspec when one is first asked for."""

from roverd.storage.remote.storage import RemoteStorage

__all__ = ["RemoteStorage"]
