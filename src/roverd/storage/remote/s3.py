"""Amazon S3, and whatever speaks its language (Ceph, MinIO): through s3fs."""

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

from roverd.storage.remote.faults import AnswerError, ReplacedError
from roverd.storage.remote.objects import Entry, Known
from roverd.storage.remote.patience import goes_on
from roverd.storage.remote.s3_signed import SignedReads
from roverd.storage.remote.stores import Store, entry_of, expect_range


class S3Store(Store):
    """A store of s3fs. Requests go through its client, so that they can name a version.

    What is sent has its MD5 with it, which all such servers know: they refuse other bytes.

    Args:
        filesystem: of s3fs, connected.
    """

    takes_parts = True

    def __init__(self, filesystem: Any) -> None:
        super().__init__(filesystem)
        self._signed = SignedReads(filesystem)

    @classmethod
    async def opened(cls, filesystem: Any) -> Self:
        """The store, connected."""
        filesystem.retries = 1  # the retries are ours
        await filesystem.set_session()
        return cls(filesystem)

    async def close(self) -> None:
        """Close the client's connections."""
        creator = getattr(self.fs, "_s3creator", None)
        if creator is not None:
            await creator.__aexit__(None, None, None)

    async def _get(
        self, url: str, known: Known | None, **asked: str
    ) -> tuple[dict[str, Any], bytes]:
        """What the store answers, as its client has it, and bytes of exactly this version."""
        if known is not None and known.tag:
            asked["IfMatch"] = f'"{known.tag}"'
        bucket, key, _ = self.fs.split_path(self.path(url))
        got = await self._signed.get(bucket, key, asked)
        if got is None:
            fixed = self.fs.req_kw
            answer = await self.fs._call_s3("get_object", Bucket=bucket, Key=key, **asked, **fixed)
            async with answer["Body"] as body:
                got = answer, await body.read()
            self._signed.answered_otherwise()
        # Not all that speak this language, or stand before those that do, heed the condition.
        if "IfMatch" in asked and (found := _tag(got[0])) not in (None, known and known.tag):
            raise ReplacedError(f"its tag is {found} now")
        return got

    async def info(self, url: str) -> Known:
        """Look at an object with one request; s3fs would list the folder where it is missing."""
        bucket, key, _ = self.fs.split_path(self.path(url))
        if not key:
            raise FileNotFoundError("a bucket")
        return _known(
            await self.fs._call_s3("head_object", Bucket=bucket, Key=key, **self.fs.req_kw)
        )

    async def fetch(self, url: str, offset: int, size: int, known: Known) -> bytes:
        """Bytes of exactly this version; see `Store.fetch`."""
        byte_range = f"bytes={offset}-{offset + size - 1}"
        answer, data = await self._get(url, known, Range=byte_range)
        expect_range(answer.get("ContentRange"), offset, size, known)
        return data

    async def whole(self, url: str, known: Known | None) -> tuple[bytes, Known]:
        """All bytes; see `Store.whole`."""
        answer, data = await self._get(url, known)
        found = _known(answer)
        if len(data) != found.size:
            raise AnswerError(0, f"{len(data)} bytes came of {found.size}")
        return data, found

    async def _send(self, method: str, url: str, **arguments: Any) -> dict[str, Any]:
        bucket, key, _ = self.fs.split_path(self.path(url))
        if data := arguments.get("Body"):
            digest = hashlib.md5(data, usedforsecurity=False).digest()
            arguments["ContentMD5"] = base64.b64encode(digest).decode()
        return await self.fs._call_s3(method, Bucket=bucket, Key=key, **arguments, **self.fs.req_kw)

    async def put(self, url: str, data: bytes) -> str | None:
        """Make an object with one request; see `Store.put`."""
        return _tag(await self._send("put_object", url, Body=data))

    async def begin_parts(self, url: str) -> str:
        """Begin to make an object of parts; see `Store.begin_parts`."""
        return str((await self._send("create_multipart_upload", url))["UploadId"])

    async def put_part(self, url: str, upload: str, number: int, data: bytes) -> str:
        """Send a part; see `Store.put_part`."""
        answer = await self._send("upload_part", url, UploadId=upload, PartNumber=number, Body=data)
        return str(answer["ETag"])

    async def complete_parts(self, url: str, upload: str, tags: Sequence[str]) -> str | None:
        """Make one object of the parts; see `Store.complete_parts`."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        answer = await self._send(
            "complete_multipart_upload", url, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        return _tag(answer)

    async def abort_parts(self, url: str, upload: str) -> None:
        """Forget the parts; see `Store.abort_parts`."""
        await self._send("abort_multipart_upload", url, UploadId=upload)

    async def entries(self, url: str) -> list[Entry]:
        """What a folder holds, by one request for each thousand; see `Store.entries`."""
        bucket, key, _ = self.fs.split_path(self.path(url))
        prefix = f"{key}/" if key else ""
        found: list[Entry] = []
        async for info in self.fs._iterdir(bucket, delimiter="/", prefix=prefix):
            goes_on()
            if info["Key"] != f"{bucket}/{prefix}":  # what some tools put in the place of a folder
                found.append(entry_of(info))
        if not found:
            raise FileNotFoundError("no object has a name that begins so")
        return found

    async def walk(self, url: str) -> AsyncIterator[Entry]:
        """All objects below a folder, page by page; see `Store.walk`."""
        bucket, key, _ = self.fs.split_path(self.path(url))
        prefix = f"{key}/" if key else ""
        start = len(f"{bucket}/{prefix}")
        async for info in self.fs._iterdir(bucket, delimiter="", prefix=prefix):
            goes_on()
            yield Entry(str(info["name"])[start:], entry_of(info).known, False)


def _known(answer: dict[str, Any]) -> Known:
    time = answer.get("LastModified")
    return Known(int(answer["ContentLength"]), _tag(answer), str(time) if time else None)


def _tag(answer: dict[str, Any]) -> str | None:
    tag = answer.get("ETag")
    return tag.strip('"') if tag else None
