"""Object stores, as channels and sensors see them."""

from collections.abc import Hashable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, suppress

from roverd.errors import MissingFileError, UnsupportedError
from roverd.storage.abstract import Appender, BytesLike
from roverd.storage.paths import parent, refuse_growing
from roverd.storage.remote.cached import begin_cached_whole
from roverd.storage.remote.file import RemoteFile
from roverd.storage.remote.loop import when_forked
from roverd.storage.remote.objects import Known, Listing
from roverd.storage.remote.requests import MEMORY, ask, begin, wait_for
from roverd.storage.remote.stores import Store

_looking: "dict[str, Future[None]]" = {}  # folders that are being listed
when_forked(_looking.clear)


class RemoteStorage:
    """Objects under URLs; see `Storage`.

    What is known of an object is kept until `forget`: reading costs one request, not two. There
    are no folders: one is there as long as something is in it.
    """

    def open(self, path: str, keep: bool = True) -> RemoteFile:
        """Open an object for reading; one request if it is not known."""
        del keep
        return RemoteFile(path, self._known(path))

    def _known(self, path: str) -> Known:
        if looking := _looking.get(parent(path)):
            wait([looking])
        known = MEMORY.get(path)
        if known is not None:
            return known
        if MEMORY.is_missing(path):
            raise MissingFileError(f"{path}: no such object")

        async def look(store: Store) -> Known:
            return await store.info(path)

        known = ask(path, "its size", look)
        MEMORY.keep(path, known)
        return known

    def size(self, path: str) -> int | None:
        """Bytes in an object, `None` if there is none."""
        try:
            return self._known(path).size
        except FileNotFoundError:
            return None

    def _listing(self, path: str) -> Listing | None:
        listing = MEMORY.listing(path)
        if listing is not None:
            return listing

        async def look(store: Store) -> Listing:
            return MEMORY.keep_listing(path, await store.entries(path))

        try:
            return ask(path, "what is in it", look)
        except FileNotFoundError:
            return None

    def look_around(self, path: str) -> None:
        """List a folder, if the store does that with one request; see `Storage.look_around`."""

        async def look(store: Store) -> None:
            if store.lists:
                MEMORY.keep_listing(path, await store.entries(path))

        looking = begin(path, "what is in it", look)
        _looking[path] = looking
        try:
            with suppress(OSError):
                wait_for(looking)
        finally:
            _looking.pop(path, None)

    def folder_version(self, path: str) -> Hashable | None:
        """Changes whenever a folder is listed anew; `None` if there is nothing in it."""
        name = path.rpartition("/")[2]
        above = MEMORY.listing(path.rpartition("/")[0])
        if above is not None and name not in above.folders:
            return None  # whoever lists the one above has listed all of it
        return self._listing(path)

    def names(self, path: str) -> list[str]:
        """Names of what is in a folder, sorted; none if there is no such folder."""
        listing = self._listing(path)
        return [] if listing is None else list(listing.names)

    def walk(self, path: str) -> list[tuple[str, int | None]]:
        """All objects below a folder; in pages, as the store has them.

        Returns:
            The name of each, relative to the folder, and its bytes as far as the listing tells.
        """

        async def look(store: Store) -> list[tuple[str, int | None]]:
            return [
                (entry.name, None if entry.known is None else entry.known.size)
                async for entry in store.walk(path)
            ]

        try:
            return ask(path, "what is below it", look)
        except FileNotFoundError:
            return []

    def read(self, path: str) -> bytes:
        """All bytes of an object, with one request."""
        return wait_for(self.begin_read(path))

    def begin_read(self, path: str) -> "Future[bytes]":
        """Begin to read all bytes of an object."""
        return begin_cached_whole(path)

    def forget(self, path: str) -> None:
        """Know nothing any more of an object, or a folder and all that is in it."""
        MEMORY.forget(path)

    def make_folder(self, path: str, durable: bool = False) -> None:
        """Nothing: there are no folders."""

    def write(self, path: str, data: BytesLike, durable: bool = False) -> None:
        """Put `data` under a URL; a reader sees the old or the new, whole. It is durable."""
        del durable
        content = bytes(data)

        async def put(store: Store) -> str | None:
            return await store.put(path, content)

        try:
            wait_for(begin(path, f"writing its {len(content)} bytes", put, len(content)))
        finally:
            MEMORY.drop(path)

    def expect_writable(self, path: str) -> None:
        """Refuse a URL under which no object can be made.

        Raises:
            UnsupportedError: there can be none.
        """

        async def is_writable(store: Store) -> bool:
            return store.is_writable

        if not ask(path, "whether it is written to", is_writable):
            raise UnsupportedError(
                f"{path}: HTTP servers are only read from; write to a local path or an object store"
            )

    def objects(self, path: str) -> dict[str, Known]:
        """All objects below a folder, as the store has them now, by their names relative to it."""

        async def look(store: Store) -> dict[str, Known]:
            return {
                entry.name: entry.known or Known(-1)
                async for entry in store.walk(path)
                if not entry.is_folder
            }

        MEMORY.forget(path)
        try:
            return ask(path, "what is below it", look)
        except FileNotFoundError:
            return {}

    def sync(self, path: str) -> None:
        """Nothing: what a store has taken is safe."""

    def append_to(self, path: str) -> Appender:
        """Refuse: objects do not grow."""
        refuse_growing(path)

    def replacing(self, path: str) -> AbstractContextManager[Appender]:
        """Refuse: what is written here piece by piece grows."""
        refuse_growing(path)

    def remove(self, path: str) -> None:
        """Remove an object if it is there."""

        async def take_away(store: Store) -> None:
            await store.remove(path)

        try:
            ask(path, "removing it", take_away)
        except FileNotFoundError:
            return
        finally:
            MEMORY.drop(path)

    def remove_folder(self, path: str) -> None:
        """Remove all objects below a folder."""
        for name, _ in self.walk(path):
            self.remove(f"{path}/{name}")
        MEMORY.forget(path)

    def move(self, source: str, target: str) -> None:
        """Give an object another name: a copy, since stores know nothing else."""
        self.write(target, self.read(source))
        self.remove(source)
