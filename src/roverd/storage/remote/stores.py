"""What is asked of a store: through fsspec's file systems, one class for all of them.

`s3.py` and `http.py` know better ways for theirs: they have the store itself refuse to mix two
versions of an object.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Self

from roverd.storage.remote.faults import AnswerError, ReplacedError
from roverd.storage.remote.loop import io_loop
from roverd.storage.remote.objects import Entry, Known
from roverd.storage.remote.patience import LISTING, goes_on


class Store:
    """Objects of any of fsspec's file systems. Its methods run in the process's event loop.

    Args:
        filesystem: of fsspec, made for that event loop where it knows of such.
    """

    lists = True
    """Whether it says what is in a folder, with the sizes of all that is there."""

    cheap_info = False
    """Whether looking at an object costs nothing, so that it is done with every read."""

    is_writable = True
    """Whether objects can be made."""

    takes_parts = False
    """Whether an object may be sent in parts: `begin_parts` and what follows it are there."""

    def __init__(self, filesystem: Any) -> None:
        self.fs = filesystem
        self._making_folders = asyncio.Lock()
        self.cheap_info = self._protocols() <= {"memory", "file", "local"}

    def _protocols(self) -> set[str]:
        protocol = self.fs.protocol
        return {protocol} if isinstance(protocol, str) else set(protocol)

    @classmethod
    async def opened(cls, filesystem: Any) -> Self:
        """The store, ready to be asked."""
        return cls(filesystem)

    async def close(self) -> None:
        """Close its connections."""

    def path(self, url: str) -> str:
        """A URL as the file system has it."""
        return self.fs._strip_protocol(url)

    async def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the file system: in the loop if it has one for it, or in a thread."""
        if getattr(self.fs, "async_impl", False) and getattr(self.fs, "asynchronous", False):
            method: Any = getattr(self.fs, f"_{name}", None)
            if inspect.iscoroutinefunction(method):
                return await method(*arguments, **options)
        call = partial(getattr(self.fs, name), *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(io_loop().threads, call)

    async def info(self, url: str) -> Known:
        """Look at an object.

        Raises:
            FileNotFoundError: there is none.
        """
        info = await self._call("info", self.path(url))
        if info.get("type") == "directory":
            raise FileNotFoundError("a folder")
        if info.get("size") is None:
            raise AnswerError(501, "the server does not say how many bytes it has")
        return Known.of_info(info)

    async def fetch(self, url: str, offset: int, size: int, known: Known) -> bytes:
        """Bytes of an object.

        Args:
            url: of the object.
            offset: where they begin.
            size: how many; all of them are there, as far as is known.
            known: the object that they are to be of.

        Raises:
            ReplacedError: it is another one now.
            AnswerError: other bytes than those came.
        """
        data = await self._call("cat_file", self.path(url), start=offset, end=offset + size)
        if self.cheap_info and (await self.info(url)).version != known.version:
            raise ReplacedError("it has another size or time now")
        return bytes(data)

    async def whole(self, url: str, known: Known | None) -> tuple[bytes, Known]:
        """All bytes of an object, and what it is known by."""
        data = bytes(await self._call("cat_file", self.path(url)))
        if known is not None and len(data) != known.size:
            raise AnswerError(0, f"{len(data)} bytes came of {known.size}")
        if self.cheap_info:
            known = await self.info(url)
        return data, known or Known(len(data))

    async def entries(self, url: str) -> list[Entry]:
        """What a folder holds.

        Raises:
            FileNotFoundError: there is no such folder.
        """
        found: list[Entry] = []
        path = self.path(url)
        goes_on(LISTING)
        for info in await self._call("ls", path, detail=True):
            entry = entry_of(info)
            if info["name"].strip("/") != path.strip("/"):  # an object may have a folder's name
                found.append(entry)
            elif not entry.is_folder and info.get("size"):
                raise FileNotFoundError("an object, not a folder")
        return found

    async def walk(self, url: str) -> AsyncIterator[Entry]:
        """All objects below a folder, their names relative to it."""
        top = self.path(url).strip("/")
        goes_on(LISTING)
        for path, info in (await self._call("find", self.path(url), detail=True)).items():
            name = path.strip("/")
            if name.startswith(top + "/") or not top:
                yield Entry(name[len(top) :].lstrip("/"), entry_of(info).known, False)

    async def put(self, url: str, data: bytes) -> str | None:
        """Make an object, which appears whole or not at all.

        Returns:
            The tag that it was given, where the store's answer has it.
        """
        path = self.path(url)
        try:
            await self._call("pipe_file", path, data)
        except FileNotFoundError:
            # Some have folders, which have to be there; two that make the same one may disturb
            # each other.
            async with self._making_folders:
                await self._call("makedirs", path.rpartition("/")[0], exist_ok=True)
            await self._call("pipe_file", path, data)
        return None

    async def put_file(self, url: str, local: str) -> None:
        """Make an object of a file of this machine, as the store's library does it."""
        if not self.cheap_info:
            await self._call("put_file", local, self.path(url))
            return
        # In memory, a file that is written piece by piece is seen from the first one on.
        with open(local, "rb") as file:
            await self.put(url, file.read())

    async def begin_parts(self, url: str) -> str:
        """Begin to make an object of parts; gives what they are sent under."""
        raise NotImplementedError(url)

    async def put_part(self, url: str, upload: str, number: int, data: bytes) -> str:
        """Send a part, numbered from 1; gives its tag."""
        raise NotImplementedError(url, upload, number, len(data))

    async def complete_parts(self, url: str, upload: str, tags: Sequence[str]) -> str | None:
        """Make one object of parts with these tags; gives the tag that it has."""
        raise NotImplementedError(url, upload, tags)

    async def abort_parts(self, url: str, upload: str) -> None:
        """Forget the parts that were sent."""
        raise NotImplementedError(url, upload)

    async def remove(self, url: str) -> None:
        """Remove an object.

        Raises:
            FileNotFoundError: there is none.
        """
        await self._call("rm_file", self.path(url))


def expect_range(found: str | None, offset: int, size: int, known: Known) -> None:
    """Refuse an answer that has other bytes than those that were asked for.

    Args:
        found: its `Content-Range`; only an answer that has all bytes of the object needs none.
        offset: where the bytes begin that were asked for.
        size: how many.
        known: the object.

    Raises:
        AnswerError: it has others.
    """
    expected = f"bytes {offset}-{offset + size - 1}/{known.size}"
    if found != expected and (found is not None or size != known.size):
        said = found or "bytes that it does not name"
        raise AnswerError(0, f"it answered with {said} instead of {expected}")


def entry_of(info: dict[str, Any]) -> Entry:
    """One of what fsspec's `ls` found."""
    name = str(info["name"]).rstrip("/").rsplit("/", 1)[-1]
    is_folder = info.get("type") == "directory"
    known = None if is_folder or info.get("size") is None else Known.of_info(info)
    return Entry(name, known, is_folder)
