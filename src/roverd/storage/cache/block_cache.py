"""Blocks of remote files on a local disk."""

import contextlib
import errno
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from roverd.errors import RoverdWarning
from roverd.storage.abstract import BytesLike
from roverd.storage.cache.block_file import DamagedBlockError, file_size, read_part
from roverd.storage.cache.eviction import make_room, spare
from roverd.storage.cache.flights import Flight, Flights
from roverd.storage.cache.folder import CacheFolder, remove
from roverd.storage.cache.names import BlockName, object_digest
from roverd.storage.cache.usage import Usage
from roverd.storage.ranges import Merging, Span, spans

DEFAULT_BLOCK_SIZE = 1 << 20
"""Two or three frames. To fetch it takes about as long as a store takes to begin to answer."""

Fetch = Callable[[int, int], BytesLike]
_Part = bytes | memoryview

_TOUCHED = 60.0  # seconds in which a block's last use is noted once at most
_PAUSE = 60.0  # seconds without writing after that has failed


class _Block(NamedTuple):
    """A block that is wanted.

    Attributes:
        name: whose file it is.
        offset: where it begins in the object.
        length: bytes of it.
        begin: first of its bytes that is wanted.
        end: behind the last of them.
    """

    name: BlockName
    offset: int
    length: int
    begin: int
    end: int


class BlockCache:
    """A cache of parts of objects in a folder, for all processes of a machine.

    Objects are cut into blocks of one size, each of which is a file: written under another name and
    renamed when complete, with check sums, so that a file that is not the block it should be is
    noticed, removed, and fetched again. Nothing waits for another process. A process may be killed
    at any moment. Blocks that were not used for the longest time (to the minute) are removed when
    all together would be larger than `size`.

    Where the cache cannot be written to, `read` goes on without: a warning says so once. It may be
    shared by threads, and goes on in forked processes.

    Attributes:
        path: the folder.
        size: bytes that the files of all blocks may have together.
        block_size: bytes of a block.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: int,
        block_size: int = DEFAULT_BLOCK_SIZE,
    ) -> None:
        """Use a folder as a cache. It is made when there is something to keep.

        Args:
            path: the folder; others may be using it as a cache.
            size: bytes that the files of all blocks may have together.
            block_size: bytes of a block. Caches with other blocks in the same folder do not see
                them, but remove them when there are too many.

        Raises:
            ValueError: `size` or `block_size` is less than 1.
        """
        if size < 1 or block_size < 1:
            raise ValueError(
                f"{os.fspath(path)}: expected a cache of at least 1 byte, with blocks of at least "
                f"1 byte, got {size} and {block_size}"
            )
        self.path = os.path.abspath(os.path.expanduser(path))
        self.size = size
        self.block_size = block_size
        self._folder = CacheFolder(self.path)
        self._usage = Usage(self._folder.usage)
        self._flights = Flights()
        self._prepared = False
        self._unchecked = 0  # bytes written since all was counted
        self._paused_until = 0.0
        self._warned = False

    def read(
        self, key: str, version: str, size: int, offset: int, length: int, fetch: Fetch
    ) -> bytes:
        """Bytes of an object: what is not in the cache is fetched, and kept.

        Args:
            key: which object it is, such as its URL without secrets. Only a digest is kept.
            version: changes whenever the object's bytes do, such as its ETag.
            size: bytes of the object.
            offset: where to begin.
            length: how many bytes; fewer are returned only at the end of the object.
            fetch: gets bytes from the store, given an offset and a length. It is called with whole
                blocks, once for all that lie together or have one block between them. It must raise
                when the object has not this version any more.

        Returns:
            The bytes.

        Raises:
            OSError: `fetch` returned another number of bytes than it was asked for.
            BaseException: what `fetch` raised.
        """
        blocks = self._blocks(key, version, size, offset, length)
        found: list[_Part | None] = [self._load(block) for block in blocks]
        missing = [number for number, part in enumerate(found) if part is None]
        if missing:
            fetched = self._fetch([blocks[number] for number in missing], key, fetch)
            for number, part in zip(missing, fetched, strict=True):
                found[number] = part
        parts = [part for part in found if part is not None]
        if len(parts) == 1:
            return bytes(parts[0])  # which copies no `bytes`
        return b"".join(parts)

    def _blocks(
        self, key: str, version: str, size: int, offset: int, length: int
    ) -> Sequence[_Block]:
        """The blocks that have these bytes."""
        if offset < 0:
            raise ValueError(f"{key}: expected an offset from 0 on, got {offset}")
        end = min(size, offset + length)
        if end <= offset:
            return ()
        whole = self.block_size
        digest = object_digest(key, version, size, whole)
        blocks: list[_Block] = []
        for number in range(offset // whole, -(-end // whole)):
            place = number * whole
            begin, stop = max(0, offset - place), min(whole, end - place)
            blocks.append(_Block((digest, number), place, min(whole, size - place), begin, stop))
        return blocks

    def _load(self, block: _Block) -> bytes | None:
        """What is wanted of a block, if it is in the cache."""
        path = self._folder.block_path(block.name)
        try:
            part, used = read_part(path, block.name, block.length, block.begin, block.end)
        except DamagedBlockError:
            remove(path)
            return None
        except OSError:
            return None  # most likely not there
        if abs(time.time() - used) > _TOUCHED:
            with contextlib.suppress(OSError):  # removed, or not ours to change
                os.utime(path)
        return part

    def _fetch(self, blocks: Sequence[_Block], key: str, fetch: Fetch) -> list[_Part]:
        """What is wanted of blocks that were not in the cache."""
        mine, others = self._flights.join(block.name for block in blocks)
        try:
            here = [block for block in blocks if block.name in mine]
            got = self._load_or_fetch(here, key, fetch, mine)
        finally:
            self._flights.leave(mine)
        for block in blocks:
            if block.name in others:
                whole = others[block.name].wait()
                if whole is not None:
                    got[block.name] = whole[block.begin : block.end]
        # Whoever had these to fetch found them in the cache, or failed with an error of his own.
        rest = [block for block in blocks if block.name not in got]
        got |= self._load_or_fetch(rest, key, fetch, {})
        return [got[block.name] for block in blocks]

    def _load_or_fetch(
        self, blocks: Sequence[_Block], key: str, fetch: Fetch, flights: dict[BlockName, Flight]
    ) -> dict[BlockName, _Part]:
        """What is wanted of blocks, by their names. Those who wait for fetched ones get them."""
        got: dict[BlockName, _Part] = {}
        missing: list[_Block] = []
        for block in blocks:
            # It may have come since.
            part = self._load(block)
            if part is None:
                missing.append(block)
            else:
                got[block.name] = part
        # A request takes longer than a block does; so one between two others is fetched again.
        merging = Merging(gap=self.block_size, most=sys.maxsize)
        for span in spans([(block.offset, block.length) for block in missing], merging):
            data = _call(fetch, span, key)
            for number in span.ranges:
                block = missing[number]
                place = block.offset - span.offset
                whole = data[place : place + block.length]
                got[block.name] = whole[block.begin : block.end]
                if block.name in flights:
                    flights[block.name].block = whole
                self._keep(block.name, whole)
        return got

    def _keep(self, name: BlockName, whole: memoryview) -> None:
        """Put a block into the cache, if that is possible."""
        size = file_size(len(whole))
        if size > self.size or time.monotonic() < self._paused_until:
            return
        try:
            self._store(name, whole, size)
        except OSError as error:
            # Programs that remove the whole folder are no reason to complain.
            self._prepared = False
            if error.errno != errno.ENOENT:
                self._pause(error)

    def _store(self, name: BlockName, whole: memoryview, size: int) -> None:
        if not self._prepared:
            self._folder.prepare()
            self._folder.clean()
            self._prepared = True
        temporary = self._folder.write_temporary(name, whole)
        try:
            if self._has_room(size):
                self._folder.publish(temporary, name)
        finally:
            remove(temporary)

    def _has_room(self, size: int) -> bool:
        """Whether a file that was written may stay, after removing others where need be."""
        before, after = self._usage.add(size)
        self._unchecked += size
        # Somebody may have damaged the estimate.
        if before > 0 and after <= self.size and self._unchecked <= spare(self.size):
            return True
        if not make_room(self._folder, self._usage, self.size):
            return False
        self._unchecked = 0
        return True

    def _pause(self, error: OSError) -> None:
        self._paused_until = time.monotonic() + _PAUSE
        if not self._warned:
            self._warned = True
            reason = error.strerror or str(error)
            warnings.warn(
                f"{self.path}: what is read is not kept in this cache ({reason})",
                RoverdWarning,
                stacklevel=2,
            )


def _call(fetch: Fetch, span: Span, key: str) -> memoryview:
    data = memoryview(fetch(span.offset, span.size)).cast("B")
    if len(data) != span.size:
        raise OSError(
            errno.EIO, f"expected {span.size} bytes from {span.offset} on, got {len(data)}", key
        )
    return data
