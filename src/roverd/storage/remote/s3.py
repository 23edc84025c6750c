"""Amazon S3, and whatever speaks its language (Ceph, MinIO): through s3fs."""

from collections.abc import AsyncIterator
from typing import Any, Self

from roverd.storage.remote.faults import AnswerError
from roverd.storage.remote.objects import Entry, Known
from roverd.storage.remote.s3_signed import SignedReads
from roverd.storage.remote.stores import Store, entry_of


class S3Store(Store):
    """A store of s3fs. Requests go through its client, so that they can name a version.

    Args:
        filesystem: of s3fs, connected.
    """

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
        signed = await self._signed.get(bucket, key, asked)
        if signed is not None:
            return signed
        fixed = self.fs.req_kw
        answer = await self.fs._call_s3("get_object", Bucket=bucket, Key=key, **asked, **fixed)
        async with answer["Body"] as body:
            data = await body.read()
        self._signed.answered_otherwise()
        return answer, data

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
        expected = f"bytes {offset}-{offset + size - 1}/{known.size}"
        if (found := answer.get("ContentRange")) not in (None, expected):
            raise AnswerError(0, f"it answered with {found} instead of {expected}")
        return data

    async def whole(self, url: str, known: Known | None) -> tuple[bytes, Known]:
        """All bytes; see `Store.whole`."""
        answer, data = await self._get(url, known)
        found = _known(answer)
        if len(data) != found.size:
            raise AnswerError(0, f"{len(data)} bytes came of {found.size}")
        return data, found

    async def entries(self, url: str) -> list[Entry]:
        """What a folder holds, by one request for each thousand; see `Store.entries`."""
        bucket, key, _ = self.fs.split_path(self.path(url))
        prefix = f"{key}/" if key else ""
        found = [
            entry_of(info)
            async for info in self.fs._iterdir(bucket, delimiter="/", prefix=prefix)
            if info["Key"] != f"{bucket}/{prefix}"  # what some tools put in the place of a folder
        ]
        if not found:
            raise FileNotFoundError("no object has a name that begins so")
        return found

    async def walk(self, url: str) -> AsyncIterator[Entry]:
        """All objects below a folder, page by page; see `Store.walk`."""
        bucket, key, _ = self.fs.split_path(self.path(url))
        prefix = f"{key}/" if key else ""
        start = len(f"{bucket}/{prefix}")
        async for info in self.fs._iterdir(bucket, delimiter="", prefix=prefix):
            yield Entry(str(info["name"])[start:], entry_of(info).known, False)


def _known(answer: dict[str, Any]) -> Known:
    tag = answer.get("ETag")
    time = answer.get("LastModified")
    return Known(
        int(answer["ContentLength"]), tag.strip('"') if tag else None, str(time) if time else None
    )
