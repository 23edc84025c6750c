"""Google's cloud storage: its JSON API, with the session and credentials of gcsfs."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self
from urllib.parse import quote

from roverd.storage.remote.faults import AnswerError
from roverd.storage.remote.finalizers import without_finalizers
from roverd.storage.remote.objects import Entry, Known
from roverd.storage.remote.patience import goes_on
from roverd.storage.remote.stores import Store, expect_range

_FIELDS = "name,size,generation,updated"


class GCSStore(Store):
    """A store of gcsfs.

    The requests are ours: those of gcsfs name no generation of an object, and are sent again by a
    policy of their own.
    """

    @classmethod
    async def opened(cls, filesystem: Any) -> Self:
        """The store, with a session."""
        await filesystem._set_session()
        without_finalizers(filesystem)
        return cls(filesystem)

    async def close(self) -> None:
        """Close the session's connections."""
        await self.fs._session.close()

    def _place(self, url: str) -> tuple[str, str]:
        bucket, _, name = self.path(url).partition("/")
        return bucket, name

    def _object(self, url: str) -> str:
        bucket, name = self._place(url)
        if not name:
            raise FileNotFoundError("a bucket")
        return f"{self.fs.base}b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"

    async def _ask(
        self,
        method: str,
        address: str,
        query: Mapping[str, str | None],
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> tuple[Mapping[str, str], bytes]:
        """Send a request; the headers of the answer, and its body."""
        from yarl import URL

        options: dict[str, Any] = {
            "params": self.fs._get_params(dict(query)),
            "headers": self.fs._get_headers({"Accept-Encoding": "identity", **(headers or {})}),
        }
        if self.fs.requests_timeout is not None:
            options["timeout"] = self.fs.requests_timeout
        # The names in it are encoded already.
        target = URL(address, encoded=True)
        async with self.fs._session.request(method, target, data=data, **options) as answer:
            body = await answer.read()
            if answer.status >= 400:
                raise AnswerError(answer.status, _said(body, answer.reason), answer.headers)
            return answer.headers, body

    async def info(self, url: str) -> Known:
        """Look at an object; see `Store.info`."""
        _, body = await self._ask("GET", self._object(url), {"fields": _FIELDS})
        return _known(json.loads(body))

    async def fetch(self, url: str, offset: int, size: int, known: Known) -> bytes:
        """Bytes of exactly this version; see `Store.fetch`."""
        headers = {"Range": f"bytes={offset}-{offset + size - 1}"}
        answer, data = await self._ask("GET", self._object(url), _media(known), headers)
        expect_range(answer.get("Content-Range"), offset, size, known)
        return data

    async def whole(self, url: str, known: Known | None) -> tuple[bytes, Known]:
        """All bytes; see `Store.whole`."""
        answer, data = await self._ask("GET", self._object(url), _media(known))
        found = Known(
            int(answer.get("X-Goog-Stored-Content-Length", len(data))),
            answer.get("X-Goog-Generation"),
            answer.get("Last-Modified"),
        )
        if len(data) != found.size:
            raise AnswerError(0, f"{len(data)} bytes came of {found.size}")
        return data, found

    async def _pages(self, url: str, delimiter: str | None) -> AsyncIterator[dict[str, Any]]:
        """What a folder holds, a thousand objects at a time."""
        bucket, name = self._place(url)
        address = f"{self.fs.base}b/{quote(bucket, safe='')}/o"
        query = {
            "prefix": f"{name}/" if name else None,
            "delimiter": delimiter,
            "fields": f"prefixes,nextPageToken,items({_FIELDS})",
        }
        token: str | None = None
        while True:
            _, body = await self._ask("GET", address, {**query, "pageToken": token})
            page: dict[str, Any] = json.loads(body)
            goes_on()
            yield page
            token = page.get("nextPageToken")
            if token is None:
                return

    async def entries(self, url: str) -> list[Entry]:
        """What a folder holds; see `Store.entries`."""
        folder = self._place(url)[1]
        start = len(f"{folder}/") if folder else 0
        found: list[Entry] = []
        async for page in self._pages(url, "/"):
            prefixes: list[str] = page.get("prefixes", [])
            found.extend(Entry(prefix[start:].rstrip("/"), None, True) for prefix in prefixes)
            items: list[dict[str, Any]] = page.get("items", [])
            # Some tools put an object in the place of a folder.
            named = ((item["name"][start:], item) for item in items)
            found.extend(Entry(name, _known(item), False) for name, item in named if name)
        if not found:
            raise FileNotFoundError("no object has a name that begins so")
        return found

    async def walk(self, url: str) -> AsyncIterator[Entry]:
        """All objects below a folder, page by page; see `Store.walk`."""
        name = self._place(url)[1]
        start = len(f"{name}/") if name else 0
        async for page in self._pages(url, None):
            for item in page.get("items", []):
                yield Entry(item["name"][start:], _known(item), False)

    async def put(self, url: str, data: bytes) -> None:
        """Make an object; see `Store.put`."""
        bucket, name = self._place(url)
        address = f"{self.fs._location}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        await self._ask("POST", address, {"uploadType": "media", "name": name}, data=data)

    async def remove(self, url: str) -> None:
        """Remove an object; see `Store.remove`."""
        await self._ask("DELETE", self._object(url), {})


def _media(known: Known | None) -> dict[str, str | None]:
    return {"alt": "media", "ifGenerationMatch": None if known is None else known.tag}


def _known(item: Mapping[str, Any]) -> Known:
    return Known(int(item["size"]), item.get("generation"), item.get("updated"))


def _said(body: bytes, reason: str | None) -> str:
    """The message of an error, which is JSON, or text where bytes were asked for."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return " ".join(body[:200].decode("utf-8", "replace").split()) or reason or ""
