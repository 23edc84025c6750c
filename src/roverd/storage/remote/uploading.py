"""Files of this machine as objects: each appears whole or not at all, in bounded memory."""

import contextlib
import hashlib
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from roverd.errors import CorruptFileError, MissingFileError, RoverdError, StoreError
from roverd.parallel import SIDE_BY_SIDE, for_each
from roverd.storage.remote.loop import when_forked
from roverd.storage.remote.objects import Known
from roverd.storage.remote.requests import MEMORY, ask, begin, begin_fetch, wait_for
from roverd.storage.remote.stores import Store

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

PART = 16 << 20
"""Bytes of a part, unless more are needed; files up to this size are sent with one request."""

MOST_PARTS = 10_000
"""Parts that an object may be sent in, as S3 has it."""

_SHARING = 8  # parts that share a link, so that each takes so much longer
_IN_MEMORY = _SHARING * PART  # of all files that this process sends at a time
_MEGABYTE = 1 << 20

# Read back for comparison: bytes of a request, and how many are underway.
_FETCHED = 8 << 20
_AHEAD = 2

Sent = Callable[[int], None]
"""Called with the number of bytes that were sent since the last time."""


class StoppedError(Exception):
    """The work is not wanted any more."""


class Stop:
    """Work that several threads do for one caller, and that all of them give up together.

    Attributes:
        reason: why it is given up; `None` as long as it is not.
    """

    def __init__(self) -> None:
        self.reason: BaseException | None = None
        self._lock = threading.Lock()
        self._awaited: set[Future[Any]] = set()

    def set(self, reason: BaseException) -> None:
        """Give it up: whoever waits for a request does so no longer. The first reason counts."""
        with self._lock:
            self.reason = self.reason or reason
            awaited = list(self._awaited)
        for future in awaited:
            future.cancel()

    def check(self) -> None:
        """Raise `StoppedError` if it was given up."""
        if self.reason is not None:
            raise StoppedError

    def wait(self, future: "Future[_Result]") -> _Result:
        """The result of a request.

        Raises:
            StoppedError: the work was given up before it came.
        """
        self.follow(future)
        try:
            return wait_for(future)
        except CancelledError:
            raise StoppedError from None

    def follow(self, future: "Future[Any]") -> None:
        """Have a request given up together with the work."""
        with self._lock:
            wanted = self.reason is None
            if wanted:
                self._awaited.add(future)
        if wanted:
            future.add_done_callback(self._forget)
        else:
            future.cancel()

    def _forget(self, future: "Future[Any]") -> None:
        with self._lock:
            self._awaited.discard(future)


class _Room:
    """Bytes that may be in memory at a time; whoever needs more waits, unless there are none."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Nothing is in memory, and nobody waits."""
        self._used = 0
        self._freed = threading.Condition()

    def take(self, size: int) -> None:
        with self._freed:
            self._freed.wait_for(lambda: not self._used or self._used + size <= _IN_MEMORY)
            self._used += size

    def give(self, size: int) -> None:
        with self._freed:
            self._used -= size
            self._freed.notify_all()


_ROOM = _Room()
when_forked(_ROOM.renew)


def part_size(size: int) -> int:
    """Bytes of each part but the last of an object: 16 MiB, or so many MiB that 10,000 suffice."""
    least = -(-size // MOST_PARTS)
    return max(PART, -(-least // _MEGABYTE) * _MEGABYTE)


def put_file(
    local: str,
    url: str,
    sent: Sent = lambda _: None,
    stop: Stop | None = None,
) -> None:
    """Make an object of a file. It appears when all of it was sent, or not at all.

    What the store says of the object is compared with what was sent: its MD5, or its size where
    the store gives no MD5.

    Args:
        local: path of the file.
        url: of the object, which is replaced if it is there.
        sent: told of bytes.
        stop: by which it can be given up.

    Raises:
        StoreError: the store did not take it. What was sent of it is gone.
        CorruptFileError: the file changed meanwhile.
        StoppedError: it was given up.
        OSError: the file cannot be read.
    """
    stop = stop or Stop()
    with open(local, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        size = before.st_size

        def check() -> None:
            now = os.fstat(file.fileno())
            if (now.st_size, now.st_mtime_ns) != (size, before.st_mtime_ns):
                raise CorruptFileError(
                    f"{local}: expected a file that stays as it is while it is uploaded, but it "
                    f"changed; upload it when it is complete"
                )

        stop.check()
        try:
            if size <= PART:
                expected, given = _put_whole(file, size, url, check, sent, stop)
            elif ask(url, "whether it takes parts", _takes_parts):
                expected, given = _put_parts(file, size, url, check, sent, stop)
            else:
                expected, given = None, None
                stop.wait(begin(url, "writing it", lambda s: s.put_file(url, local), size))
                check()
                sent(size)
        finally:
            MEMORY.drop(url)
    if expected is not None and given == expected:
        MEMORY.keep(url, Known(size, given))
        return
    found = look(url).size
    if found != size:
        _remove(url)
        raise StoreError(
            f"{url}: expected the store to have {size} bytes after they were sent, but it says "
            f"{found}; the object was removed. Upload it again"
        )


async def _takes_parts(store: Store) -> bool:
    return store.takes_parts


def look(url: str) -> Known:
    """What a store says of an object now.

    Raises:
        MissingFileError: there is none.
    """
    return ask(url, "its size", lambda store: store.info(url))


def _remove(url: str) -> None:
    with contextlib.suppress(RoverdError):
        ask(url, "removing it", lambda store: store.remove(url))


def _put_whole(
    file: io.FileIO, size: int, url: str, check: Callable[[], None], sent: Sent, stop: Stop
) -> tuple[str, str | None]:
    """Send a file with one request; its MD5, and the tag that it was given."""
    _ROOM.take(size)
    try:
        data = _read(file, 0, size, check)
        check()
        what = f"writing its {size} bytes"
        given = stop.wait(begin(url, what, lambda s: s.put(url, data), size * _SHARING))
    finally:
        _ROOM.give(size)
    sent(size)
    return hashlib.md5(data, usedforsecurity=False).hexdigest(), given


def _read(file: io.FileIO, offset: int, size: int, check: Callable[[], None]) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        check()
        raise CorruptFileError(f"{file.name}: {len(data)} bytes came of {size} at {offset}")
    return data


def _put_parts(
    file: io.FileIO,
    size: int,
    url: str,
    check: Callable[[], None],
    sent: Sent,
    stop: Stop,
) -> tuple[str, str | None]:
    """Send a file in parts, several at a time; see `_put_whole`."""
    part = part_size(size)
    digests: list[bytes] = []
    tags: list[str] = []
    underway: deque[tuple[int, Future[str]]] = deque()
    opening = begin(url, "beginning to write it in parts", lambda s: s.begin_parts(url))
    try:
        upload = opening.result()

        def finish_first() -> None:
            count, future = underway[0]
            tags.append(stop.wait(future))
            underway.popleft()
            sent(count)

        for number, offset in enumerate(range(0, size, part), 1):
            stop.check()
            while underway and underway[0][1].done():
                finish_first()
            count = min(part, size - offset)
            future, digest = _begin_part(file, offset, count, url, upload, number, check)
            # The next one may have to wait for room, until these are over.
            stop.follow(future)
            underway.append((count, future))
            digests.append(digest)
        while underway:
            finish_first()
        check()
        expected = _tag_of_parts(digests)
        return expected, _complete(url, upload, tags, size, expected, stop)
    except BaseException:
        for _, future in underway:
            future.cancel()
        _abort(url, opening)
        raise


def _begin_part(
    file: io.FileIO,
    offset: int,
    size: int,
    url: str,
    upload: str,
    number: int,
    check: Callable[[], None],
) -> tuple["Future[str]", bytes]:
    """Begin to send a part: what becomes of it, and its MD5."""
    _ROOM.take(size)
    try:
        data = _read(file, offset, size, check)
        what = f"writing bytes {offset} to {offset + size - 1}"
        future = begin(url, what, lambda s: s.put_part(url, upload, number, data), size * _SHARING)
    except BaseException:
        _ROOM.give(size)
        raise
    future.add_done_callback(lambda _: _ROOM.give(size))
    return future, hashlib.md5(data, usedforsecurity=False).digest()


def _complete(
    url: str, upload: str, tags: Sequence[str], size: int, expected: str, stop: Stop
) -> str | None:
    """Make one object of the parts; gives its tag."""
    done = begin(
        url, "putting its parts together", lambda s: s.complete_parts(url, upload, tags), size
    )
    try:
        return stop.wait(done)
    except (MissingFileError, StoreError) as error:
        # Where an answer was lost, or late, it was asked again, and there are no parts any more.
        with contextlib.suppress(RoverdError):
            known = look(url)
            if (known.size, known.tag) == (size, expected):
                return expected
        raise error


def _abort(url: str, opening: "Future[str]") -> None:
    """Have the store forget the parts that it has."""
    # A request that was interrupted may have had its effect.
    with contextlib.suppress(RoverdError):
        upload = opening.result()
        ask(url, "removing its parts", lambda store: store.abort_parts(url, upload))


def _tag_of_parts(digests: Sequence[bytes]) -> str:
    """What S3 calls an object that was sent in parts of these MD5s."""
    joined = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f"{joined}-{len(digests)}"


def is_equal(local: str, url: str, known: Known, stop: Stop, thoroughly: bool) -> bool:
    """Whether an object has the bytes of a file.

    Args:
        local: path of the file.
        url: of the object.
        known: what the store says of it.
        stop: by which it can be given up.
        thoroughly: whether to read it back in any case; otherwise that is done only where the
            object's tag is not the MD5 of the file, or of its parts as they would be sent.

    Raises:
        StoppedError: it was given up.
    """
    with open(local, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size != known.size:
            return False
        tag = None if thoroughly else known.tag
        if tag is not None and tag == _expected_tag(file, known.size, tag, stop):
            return True
        # Of what has no tag, a listing may say other things than the store does when it is read.
        return _is_same(file, url, known if known.tag else look(url), stop)


def _expected_tag(file: io.FileIO, size: int, tag: str, stop: Stop) -> str | None:
    """The tag that an object of the file would have, of the kind of the one that there is.

    `None` where it was sent in parts of another size.
    """
    _, in_parts, count = tag.partition("-")
    part = part_size(size) if in_parts else max(size, 1)
    if in_parts and count != str(-(-size // part)):
        return None
    states = [hashlib.md5(usedforsecurity=False) for _ in range(0, max(size, 1), part)]
    file.seek(0)
    # Pieces are of a MiB, and so are parts.
    for offset in range(0, size, _MEGABYTE):
        stop.check()
        states[offset // part].update(file.read(min(_MEGABYTE, size - offset)))
    if in_parts:
        return _tag_of_parts([state.digest() for state in states])
    return states[0].hexdigest()


def _is_same(file: io.FileIO, url: str, known: Known, stop: Stop) -> bool:
    """Read an object back, past any cache, and compare it with a file."""
    starts = range(0, known.size, _FETCHED)
    ahead: deque[Future[bytes]] = deque()
    file.seek(0)
    try:
        for position, start in enumerate(starts):
            stop.check()
            for later in starts[position + len(ahead) : position + _AHEAD]:
                ahead.append(begin_fetch(url, later, min(_FETCHED, known.size - later), known))
            there = stop.wait(ahead.popleft())
            if there != _read(file, start, len(there), lambda: None):
                return False
        return True
    finally:
        for future in ahead:
            future.cancel()


def at_once(work: Callable[[_Item, Stop], None], items: Sequence[_Item]) -> None:
    """Do work that waits for a store, for several items at a time.

    Args:
        work: called with each item, and with what says when to give up.
        items: what to call it with.

    Raises:
        BaseException: the first that `work` raised, or Ctrl-C. Nothing is underway then.
    """
    stop = Stop()
    working = 0
    changed = threading.Condition()

    def one(item: _Item) -> None:
        nonlocal working
        with changed:
            stop.check()
            working += 1
        try:
            work(item, stop)
        except BaseException as error:
            stop.set(error)
            raise
        finally:
            with changed:
                working -= 1
                changed.notify_all()

    try:
        for_each(one, items, SIDE_BY_SIDE)
    except BaseException as error:  # noqa: BLE001 - raised below
        stop.set(error)
        with changed:
            changed.wait_for(lambda: not working)
        raise (stop.reason or error) from None
