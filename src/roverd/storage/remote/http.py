"""Plain HTTP servers: through the session of fsspec's HTTP file system."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Self
from urllib.parse import quote, unquote

from roverd.errors import UnsupportedError
from roverd.storage.remote.faults import AnswerError, ReplacedError
from roverd.storage.remote.objects import Entry, Known
from roverd.storage.remote.patience import goes_on
from roverd.storage.remote.stores import Store

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_LINK = re.compile(rb"""<a\s[^>]*?href=(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE)
_NO_LISTING = (403, 404, 405)
_SAFE = "/:@!$&'()*+,;=~%"


class HTTPStore(Store):
    """Files of an HTTP server. Nothing needs a listing but what is about folders.

    Args:
        filesystem: of fsspec.
        query: what is added to every URL, after `?`: a signature.
    """

    lists = False
    is_writable = False

    def __init__(self, filesystem: Any, query: str = "") -> None:
        super().__init__(filesystem)
        self.query = query

    @classmethod
    async def opened(cls, filesystem: Any) -> Self:
        """The store, with a session."""
        await filesystem.set_session()
        return cls(filesystem)

    async def close(self) -> None:
        """Close the session's connections."""
        if self.fs._session is not None:
            await self.fs._session.close()

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], size: int | None = None
    ) -> tuple[Any, bytes]:
        """Send a request; the answer's headers, and its body if its status is one of success.

        Of a body of more than `size` bytes, only one more than these is read.
        """
        session = await self.fs.set_session()
        options: dict[str, Any] = {"allow_redirects": True, **self.fs.kwargs}
        # Compressed on the way, ranges would mean something else.
        options["headers"] = {
            **options.get("headers", {}),
            "Accept-Encoding": "identity",
            **headers,
        }
        target = url if self.fs.encoded else quote(url, safe=_SAFE)
        if self.query:
            target = f"{target}?{self.query}"
        # Encoded once, here.
        from yarl import URL

        async with session.request(method, URL(target, encoded=True), **options) as answer:
            if answer.status >= 400:
                text = (await answer.content.read(200)).decode("latin1")
                said = f"{answer.reason or ''} {' '.join(text.split())}".strip()
                raise AnswerError(answer.status, said, answer.headers)
            if method == "HEAD":
                return answer, b""
            if size is None:
                return answer, await answer.read()
            try:
                return answer, await answer.content.readexactly(size + 1)
            except asyncio.IncompleteReadError as error:
                return answer, error.partial

    async def info(self, url: str) -> Known:
        """Look at a file; see `Store.info`."""
        answer, _ = await self._ask("HEAD", url, {})
        if answer.headers.get("Content-Length") is None:
            raise AnswerError(501, "the server does not say how many bytes it has")
        return _known(answer, int(answer.headers["Content-Length"]))

    async def fetch(self, url: str, offset: int, size: int, known: Known) -> bytes:
        """Bytes of exactly this version; see `Store.fetch`."""
        headers = {"Range": f"bytes={offset}-{offset + size - 1}", **_condition(known)}
        answer, data = await self._ask("GET", url, headers, size)
        if answer.status == 200:
            # The server took no notice of the range, and sends all there is.
            if (offset, size) != (0, len(data)):
                raise UnsupportedError(
                    "the server sends no ranges of files, which reading frames needs"
                )
            _check_same(known, _known(answer, len(data)))
            return data
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or (int(found[1]), int(found[2])) != (offset, offset + size - 1):
            said = answer.headers.get("Content-Range")
            raise AnswerError(0, f"it answered with the range {said!r}")
        total = known.size if found[3] == "*" else int(found[3])
        _check_same(known, _known(answer, total))
        return data

    async def whole(self, url: str, known: Known | None) -> tuple[bytes, Known]:
        """All bytes; see `Store.whole`."""
        answer, data = await self._ask("GET", url, {} if known is None else _condition(known))
        found = _known(answer, len(data))
        promised = answer.headers.get("Content-Length")
        if promised is not None and int(promised) != len(data):
            raise AnswerError(0, f"{len(data)} bytes came of {promised}")
        if known is not None:
            _check_same(known, found)
        return data, found

    async def entries(self, url: str) -> list[Entry]:
        """What the server's page about a folder links to; see `Store.entries`."""
        try:
            _, page = await self._ask("GET", url + "/", {})
        except AnswerError as error:
            if error.status in _NO_LISTING:
                raise _no_listing() from None
            raise
        # Pages are read as fsspec reads them; links that only sort them lead nowhere below.
        found: dict[str, Entry] = {}
        for links in _LINK.findall(page):
            link = b"".join(links)  # of which all but one are empty
            target = unquote(link.decode("latin1").partition("?")[0].partition("#")[0])
            path = url.partition("://")[2].partition("/")[2]
            for top in (f"{url}/", f"/{path}/", "./"):
                target = target.removeprefix(top)
            name = target.rstrip("/")
            if name and "/" not in name and name not in (".", ".."):
                found[name] = Entry(name, None, target.endswith("/"))
        if not found:
            raise _no_listing()
        return list(found.values())

    async def walk(self, url: str) -> AsyncIterator[Entry]:
        """All files below a folder, page by page; see `Store.walk`."""
        pending = [""]
        while pending:
            here = pending.pop()
            try:
                entries = await self.entries(f"{url}/{here}".rstrip("/"))
            except UnsupportedError:
                if not here:
                    raise
                continue  # an empty folder looks the same
            goes_on()
            for entry in entries:
                if entry.is_folder:
                    pending.append(f"{here}{entry.name}/")
                else:
                    yield Entry(f"{here}{entry.name}", None, False)

    async def put(self, url: str, data: bytes) -> None:
        """Refuse: servers differ in whether and how they take files."""
        del url, data
        raise UnsupportedError("HTTP servers are only read from; write to a local path or a store")

    async def remove(self, url: str) -> None:
        """Refuse; see `put`."""
        await self.put(url, b"")


def _no_listing() -> UnsupportedError:
    return UnsupportedError(
        "the server does not list its folders; name what is there: the sensors with sensors=, the "
        "number of frames of a channel of single files with its argument length"
    )


def _condition(known: Known) -> dict[str, str]:
    # Weak tags never match here (RFC 9110, 13.1.1); the answer's is compared in any case.
    strong = known.tag is not None and not known.tag.startswith("W/")
    return {"If-Match": f'"{known.tag}"'} if strong else {}


def _known(answer: Any, size: int) -> Known:
    tag = answer.headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):
        tag = tag.strip('"')
    return Known(size, tag, answer.headers.get("Last-Modified"))


def _check_same(known: Known, found: Known) -> None:
    if known.version != found.version:
        raise ReplacedError(f"expected version {known.version}, got {found.version}")
