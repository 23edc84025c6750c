"""What this process knows about objects: their sizes and versions, and what folders hold.

So that a read is one request. It stays until somebody asks to look again, or a store contradicts.
"""

import threading
from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MOST_OBJECTS = 1 << 20
_MOST_FOLDERS = 1 << 14

# What tells contents apart, the best first, as fsspec's file systems call it.
_TAGS = ("ETag", "etag", "generation", "content_hash", "md5Hash", "sha", "checksum")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


@dataclass(frozen=True, slots=True)
class Known:
    """An object.

    Attributes:
        size: its bytes.
        tag: of the content, as the store gives it (an ETag); `None` where it gives none.
        time: when it was last changed, in the store's own form.
    """

    size: int
    tag: str | None = None
    time: str | None = None

    @property
    def version(self) -> Hashable:
        """Equal only for the same content, as far as the store can tell."""
        # Listings and answers write times in different ways.
        return (self.size, self.tag or self.time)

    @classmethod
    def of_info(cls, info: Mapping[str, Any]) -> "Known":
        """What fsspec's `info` or `ls` say of an object."""
        tag = next((str(info[key]) for key in _TAGS if info.get(key)), None)
        time = next((str(info[key]) for key in _TIMES if info.get(key)), None)
        return cls(int(info["size"]), tag.strip('"') if tag else None, time)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder holds under a name.

    Attributes:
        name: of it.
        known: of an object, as far as the listing tells; `None` for folders.
        is_folder: whether it is a folder.
    """

    name: str
    known: Known | None
    is_folder: bool


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What a folder held when it was listed; each one is its own version."""

    names: Sequence[str]
    folders: frozenset[str]

    def __contains__(self, name: str) -> bool:
        place = bisect_left(self.names, name)
        return place < len(self.names) and self.names[place] == name


class Memory:
    """What is known, by URL."""

    def __init__(self) -> None:
        self.renew()
        self._objects: dict[str, Known] = {}
        self._listings: dict[str, Listing] = {}

    def renew(self) -> None:
        """To be called in a forked child, where another thread's lock would stay locked."""
        self._lock = threading.Lock()

    def get(self, url: str) -> Known | None:
        """What is known of an object."""
        return self._objects.get(url)

    def keep(self, url: str, known: Known) -> None:
        """Know this of an object."""
        with self._lock:
            self._objects[url] = known
            while len(self._objects) > _MOST_OBJECTS:
                del self._objects[next(iter(self._objects))]

    def listing(self, url: str) -> Listing | None:
        """What a folder holds, if it was listed."""
        return self._listings.get(url)

    def keep_listing(self, url: str, entries: Sequence[Entry]) -> Listing:
        """Know this of a folder, and of what is in it."""
        names = sorted(entry.name for entry in entries)
        folders = frozenset(entry.name for entry in entries if entry.is_folder)
        listing = Listing(names, folders)
        for entry in entries:
            if entry.known is not None:
                self.keep(f"{url}/{entry.name}", entry.known)
        with self._lock:
            self._listings[url] = listing
            while len(self._listings) > _MOST_FOLDERS:
                del self._listings[next(iter(self._listings))]
        return listing

    def is_missing(self, url: str) -> bool:
        """Whether the folder that an object would be in was listed, and it was not there."""
        folder, _, name = url.rpartition("/")
        listing = self._listings.get(folder)
        return listing is not None and url not in self._objects and name not in listing

    def drop(self, url: str) -> None:
        """Know nothing any more of one object, nor what the folder that it is in holds."""
        with self._lock:
            self._objects.pop(url, None)
            self._listings.pop(url.rpartition("/")[0], None)

    def forget(self, url: str) -> None:
        """Know nothing any more of a URL, what is below it, and the folder that it is in."""
        below = url + "/"
        with self._lock:
            for known in (self._objects, self._listings):
                for key in [key for key in known if key == url or key.startswith(below)]:
                    del known[key]
            self._listings.pop(url.rpartition("/")[0], None)
