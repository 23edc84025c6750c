"""Google's cloud storage, as much of its JSON API as objects need, kept in memory.

Objects get there by Python, never through roverd.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from support.stores import Handler, Proxy, proxy_of, serving

_BUCKET = "bucket"


class GCS:
    """A server, behind a proxy. Each object that is made has a generation of its own."""

    secrets = ()

    def __init__(self) -> None:
        self.proxy = Proxy("")
        self.page = 1000
        self._stored: dict[str, tuple[int, bytes]] = {}
        self._made = 0

    @property
    def options(self) -> dict[str, Any]:
        """What fsspec needs to get there, through the proxy."""
        return {"token": "anon", "endpoint_url": f"http://{self.proxy.address}"}

    def url(self, key: str) -> str:
        """The URL of an object."""
        return f"gs://{_BUCKET}/{key}"

    def put(self, key: str, data: bytes) -> None:
        """Make an object."""
        self._made += 1
        self._stored[key] = (self._made, data)

    def objects(self, key: str) -> dict[str, bytes]:
        """All objects whose keys begin so."""
        names = sorted(name for name in self._stored if name.startswith(key))
        return {name: self._stored[name][1] for name in names}

    def about(self, key: str) -> dict[str, str]:
        """What listings say of an object."""
        generation, data = self._stored[key]
        return {"name": key, "size": str(len(data)), "generation": str(generation)}

    def stored(self, key: str) -> tuple[int, bytes] | None:
        """Generation and bytes of an object."""
        return self._stored.get(key)

    def listing(self, prefix: str, delimiter: str, start: str) -> dict[str, Any]:
        """A page of a listing."""
        names: dict[str, bool] = {}
        for name in sorted(self._stored):
            if name.startswith(prefix):
                head, found, _ = name[len(prefix) :].partition(delimiter or "\0")
                names[prefix + head + found if found else name] = bool(found)
        wanted = [name for name in names if name > start]
        page = {
            "prefixes": [name for name in wanted[: self.page] if names[name]],
            "items": [self.about(name) for name in wanted[: self.page] if not names[name]],
        }
        if len(wanted) > self.page:
            return {**page, "nextPageToken": wanted[self.page - 1]}
        return page

    def remove(self, key: str) -> None:
        """Remove an object."""
        del self._stored[key]


def _handler(store: GCS) -> type[Handler]:
    class Api(Handler):
        def do_GET(self) -> None:
            parts, query = self._parts()
            if parts[-1] == "o":
                names = (query.get(name, "") for name in ("prefix", "delimiter", "pageToken"))
                self._answer(200, json.dumps(store.listing(*names)).encode())
                return
            stored = store.stored(parts[-1])
            if stored is None:
                self._refuse(404, "No such object")
            elif "alt" not in query:
                self._answer(200, json.dumps(store.about(parts[-1])).encode())
            elif query.get("ifGenerationMatch") not in (None, str(stored[0])):
                self._refuse(412, "At least one of the pre-conditions you specified did not hold.")
            else:
                self._answer_media(*stored)

        def do_POST(self) -> None:
            _, query = self._parts()
            store.put(query["name"], self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(200, b"{}")

        def do_DELETE(self) -> None:
            parts, _ = self._parts()
            if store.stored(parts[-1]) is None:
                self._refuse(404, "No such object")
                return
            store.remove(parts[-1])
            self._answer(204, b"")

        def _parts(self) -> tuple[list[str], dict[str, str]]:
            url = urlsplit(self.path)
            query = {name: found[0] for name, found in parse_qs(url.query).items()}
            return [unquote(part) for part in url.path.split("/")], query

        def _answer_media(self, generation: int, data: bytes) -> None:
            headers = {
                "X-Goog-Generation": str(generation),
                "X-Goog-Stored-Content-Length": str(len(data)),
            }
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked is None:
                self._answer(200, data, headers)
                return
            first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._answer(206, data[first : last + 1], headers)

        def _refuse(self, status: int, message: str) -> None:
            self._answer(status, json.dumps({"error": {"message": message}}).encode())

        def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Api


@contextlib.contextmanager
def serving_gcs() -> Iterator[GCS]:
    """A server, for as long as the context lasts."""
    store = GCS()
    with serving(_handler(store)) as address, proxy_of(address) as proxy:
        store.proxy = proxy
        yield store
