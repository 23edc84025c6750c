"""Reads from S3 that are signed ahead: a signature for an object, not one for each read of it.

By way of the client, a request takes 3 ms of the processor, nearly all of it for what is the same
in all reads of an object; with an address that is signed already (`aws s3 presign` makes such), it
takes a quarter of that. That decides how many frames a second can be decoded beside.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from roverd.storage.remote.faults import AnswerError, ReplacedError

_LIFETIME = 3600  # seconds that an address is good for
_RENEWED = 2700  # seconds after which there is a new one
_YOUNG = 60  # seconds in which the keys that signed an address have hardly expired
_MOST_ADDRESSES = 1 << 16
_LONGEST_MESSAGE = 300

# What the client could do no better about: nothing is there, or the store is in trouble.
_FINAL = frozenset([404, 408, 425, 429, 500, 502, 503, 504])

# What the client calls what HTTP calls so.
_HEADERS = {"Range": "Range", "IfMatch": "If-Match"}
_ANSWERED = {
    "ContentLength": "content-length",
    "ContentRange": "content-range",
    "ETag": "etag",
    "LastModified": "last-modified",
}

_QUERY = re.compile(r"\?[^\s\"']*")
_SAID = re.compile(r"<(Code|Message)>([^<]*)<")


class SignedReads:
    """Reads objects of a store by addresses that are signed ahead.

    Args:
        filesystem: of s3fs, connected.
    """

    def __init__(self, filesystem: Any) -> None:
        self._fs = filesystem
        self._addresses: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()
        # What requests carry beyond the object's name would have to be signed, too.
        self._works = not filesystem.req_kw
        self._refused = False

    async def get(
        self, bucket: str, key: str, asked: Mapping[str, str]
    ) -> tuple[dict[str, Any], bytes] | None:
        """Bytes of an object.

        Args:
            bucket: that it is in.
            key: its name there.
            asked: `Range` and `IfMatch`, as the client has them.

        Returns:
            What the client would say of it, as far as that is asked for here, and the bytes; `None`
            where the client is to be asked, which knows more ways, and better words for what is
            wrong.

        Raises:
            ReplacedError: the object is of another version.
            AnswerError: there is no such object; or the store, or the way to it, is in trouble.
        """
        if not self._works:
            return None
        address, age = await self._address(bucket, key)
        headers = {_HEADERS[name]: value for name, value in asked.items()}
        status, told, data = await self._send(address, headers)
        if status in (200, 206):
            said = {name: told[key] for name, key in _ANSWERED.items() if key in told}
            return {"ContentLength": len(data), **said}, data
        words = " ".join(text for _, text in _SAID.findall(data.decode("utf-8", "replace")))
        if status == 412:
            raise ReplacedError(words or "another version")
        if status in _FINAL:
            raise AnswerError(status, words[:_LONGEST_MESSAGE], told)
        self._addresses.pop((bucket, key), None)
        self._refused = status in (400, 401, 403) and age < _YOUNG
        return None

    def answered_otherwise(self) -> None:
        """Be told that the client got what was refused here: such a store is not asked again."""
        self._works = self._works and not self._refused

    async def _address(self, bucket: str, key: str) -> tuple[str, float]:
        now = time.monotonic()
        known = self._addresses.get((bucket, key))
        if known is not None and now - known[1] < _RENEWED:
            return known[0], now - known[1]
        asked = {"Bucket": bucket, "Key": key}
        address = await self._fs.s3.generate_presigned_url(
            "get_object", Params=asked, ExpiresIn=_LIFETIME
        )
        self._addresses[bucket, key] = (address, now)
        while len(self._addresses) > _MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return address, 0.0

    async def _send(
        self, address: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        from botocore.awsrequest import AWSPreparedRequest, HeadersDict

        # That of the client, with its proxies, certificates and time-outs.
        session = self._fs.s3._endpoint.http_session
        request = AWSPreparedRequest("GET", address, HeadersDict(headers), None, True)
        try:
            answer = await session.send(request)
            return answer.status_code, dict(answer.headers), await answer.content
        except Exception as error:  # noqa: BLE001 - of several libraries
            # They quote the address, whose query is as good as a key.
            said = _QUERY.sub("", f"{type(error).__name__}: {error}")
            failure = AnswerError(0, said[:_LONGEST_MESSAGE])
        raise failure
