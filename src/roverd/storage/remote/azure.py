"""Azure's blob storage: through the clients that adlfs makes."""

import contextlib
import io
import re
import secrets
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from typing import Any, Self

from roverd.storage.remote.faults import AnswerError
from roverd.storage.remote.finalizers import without_finalizers
from roverd.storage.remote.objects import Entry, Known
from roverd.storage.remote.patience import goes_on
from roverd.storage.remote.stores import Store, expect_range

# The retries are ours: a policy, in one place, for all stores.
_ONCE = {"retry_total": 0}
PAGE = 5000
"""Blobs that a listing has in one answer: as many as Azure sends."""

# What accounts with a hierarchical namespace list for a folder.
_FOLDER = "hdi_isfolder"
# Of an error in XML; further lines have the number and time of the request.
_MESSAGE = re.compile(rb"<Message>([^<\n]*)")


class AzureStore(Store):
    """A store of adlfs.

    Bytes are asked for with requests of ours, sent through the client's pipeline, which signs them:
    the client's own downloads come in several requests, and are sent again by a policy of its own.
    """

    takes_parts = True

    @classmethod
    async def opened(cls, filesystem: Any) -> Self:
        """The store, which `close` closes."""
        without_finalizers(filesystem)
        return cls(filesystem)

    async def close(self) -> None:
        """Close the client's connections."""
        await self.fs.service_client.close()
        for credential in (self.fs.credential, self.fs.sync_credential):
            if hasattr(credential, "close"):
                closing = credential.close()
                if hasattr(closing, "__await__"):
                    await closing

    @property
    def _options(self) -> dict[str, Any]:
        patience = ("connection_timeout", "read_timeout")
        said = self.fs._timeout_kwargs
        return {**_ONCE, **{key: said[key] for key in patience if key in said}}

    @property
    def _listed(self) -> dict[str, Any]:
        return {"include": ["metadata"], "results_per_page": PAGE, **self._options}

    def _place(self, url: str) -> tuple[str, str]:
        container, _, name = self.path(url).partition("/")
        return container, name

    def _blob(self, url: str) -> Any:
        container, name = self._place(url)
        if not name:
            raise FileNotFoundError("a container")
        return self.fs.service_client.get_blob_client(container, name)

    async def _get(self, url: str, headers: dict[str, str]) -> tuple[Mapping[str, str], bytes]:
        """Ask for bytes of a blob with one request; the headers of the answer, and its body."""
        from azure.core.rest import HttpRequest

        blob = self._blob(url)
        headers = {"x-ms-version": blob.api_version, "Accept": "application/xml", **headers}
        request: Any = HttpRequest("GET", blob.url, headers=headers)
        sent = await blob._pipeline.run(request, stream=True, **self._options)
        answer: Any = sent.http_response
        async with answer:
            # As they are: ranges are those of what is stored, even if that is compressed.
            data = b"".join([part async for part in answer.iter_raw()])
        if answer.status_code not in (200, 206):
            code = answer.headers.get("x-ms-error-code") or answer.reason or ""
            found = _MESSAGE.search(data)
            said = (found[1] if found else data[:200]).decode("utf-8", "replace")
            raise AnswerError(answer.status_code, f"{code}: {said}", answer.headers)
        return answer.headers, data

    async def info(self, url: str) -> Known:
        """Look at a blob with one request; adlfs would list the folder where it is missing."""
        with _said():
            found = await self._blob(url).get_blob_properties(**self._options)
        if _is_folder(found):
            raise FileNotFoundError("a folder")
        return _known(found)

    async def fetch(self, url: str, offset: int, size: int, known: Known) -> bytes:
        """Bytes of exactly this version; see `Store.fetch`."""
        byte_range = f"bytes={offset}-{offset + size - 1}"
        # The client's signatures leave `Range` out.
        answer, data = await self._get(url, {"x-ms-range": byte_range, **_condition(known)})
        expect_range(answer.get("Content-Range"), offset, size, known)
        return data

    async def whole(self, url: str, known: Known | None) -> tuple[bytes, Known]:
        """All bytes; see `Store.whole`."""
        answer, data = await self._get(url, {} if known is None else _condition(known))
        tag = answer.get("ETag")
        found = Known(
            int(answer["Content-Length"]), tag.strip('"') if tag else None, answer["Last-Modified"]
        )
        if len(data) != found.size:
            raise AnswerError(0, f"{len(data)} bytes came of {found.size}")
        return data, found

    async def entries(self, url: str) -> list[Entry]:
        """What a folder holds, by one request for each five thousand; see `Store.entries`."""
        container, name = self._place(url)
        prefix = f"{name}/" if name else ""
        client = self.fs.service_client.get_container_client(container)
        found: dict[str, Entry] = {}
        with _said():
            async for item in client.walk_blobs(prefix, delimiter="/", **self._listed):
                goes_on()
                below = item.name[len(prefix) :].rstrip("/")
                # Folders of hierarchical accounts are listed as blobs, too.
                if below and not (below in found and found[below].is_folder):
                    found[below] = _entry(below, item)
        if not found:
            raise FileNotFoundError("no blob has a name that begins so")
        return list(found.values())

    async def walk(self, url: str) -> AsyncIterator[Entry]:
        """All blobs below a folder, page by page; see `Store.walk`."""
        container, name = self._place(url)
        prefix = f"{name}/" if name else ""
        client = self.fs.service_client.get_container_client(container)
        with _said():
            async for item in client.list_blobs(prefix, **self._listed):
                goes_on()
                entry = _entry(item.name[len(prefix) :], item)
                if not entry.is_folder:
                    yield entry

    async def put(self, url: str, data: bytes) -> None:
        """Make a blob; see `Store.put`."""
        with _said():
            await self._blob(url).upload_blob(data, overwrite=True, **self._options)

    async def begin_parts(self, url: str) -> str:
        """Nothing: blocks are put together by their names. Those are all of one length."""
        del url
        return secrets.token_hex(4)

    async def put_part(self, url: str, upload: str, number: int, data: bytes) -> str:
        """Send a block; see `Store.put_part`."""
        name = f"{upload}-{number:05}"
        with _said():
            await self._blob(url).stage_block(
                name, io.BytesIO(data), length=len(data), validate_content=True, **self._options
            )
        return name

    async def complete_parts(self, url: str, upload: str, tags: Sequence[str]) -> None:
        """Make one blob of the blocks; see `Store.complete_parts`."""
        from azure.storage.blob import BlobBlock

        del upload
        with _said():
            await self._blob(url).commit_block_list(
                [BlobBlock(tag) for tag in tags], **self._options
            )

    async def abort_parts(self, url: str, upload: str) -> None:
        """Nothing: Azure removes blocks of which no blob was made, after a week."""
        del url, upload

    async def remove(self, url: str) -> None:
        """Remove a blob; see `Store.remove`."""
        with _said():
            await self._blob(url).delete_blob(**self._options)


def _condition(known: Known) -> dict[str, str]:
    return {"If-Match": f'"{known.tag}"'} if known.tag else {}


def _is_folder(properties: Any) -> bool:
    metadata: dict[str, str] | None = properties.metadata
    return metadata is not None and metadata.get(_FOLDER) == "true"


def _known(properties: Any) -> Known:
    tag, time = properties.etag, properties.last_modified
    return Known(properties.size, tag.strip('"') if tag else None, str(time) if time else None)


def _entry(name: str, item: Any) -> Entry:
    """One of what the client listed: a blob, or what the names of several begin with."""
    is_blob = getattr(item, "size", None) is not None
    if not is_blob or _is_folder(item):
        return Entry(name, None, True)
    return Entry(name, _known(item), False)


@contextlib.contextmanager
def _said() -> Generator[None]:
    """Of the client's errors, what the store said: its code and first line."""
    from azure.core.exceptions import HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        if error.status_code is None:
            raise
        code = getattr(error, "error_code", None) or ""
        answer: Any = error.response
        headers = None if answer is None else answer.headers
        first = str(error.message).partition("\n")[0]
        raise AnswerError(error.status_code, f"{code}: {first}", headers) from None
