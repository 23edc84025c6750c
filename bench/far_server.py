"""A server of files that is far away: each answer comes so many seconds after its request.

It speaks as much HTTP, and as much S3, as reading takes, and takes so little of the processor that
it can be on the machine that is measured. `python -m bench.far_server FOLDER DELAY` prints its port
and serves until its input is closed.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from urllib.parse import parse_qs, unquote, urlsplit

_LONGEST_REQUEST = 1 << 16


class _Connection(asyncio.Protocol):
    """Answers the requests of a client, one after the other."""

    def __init__(self, root: str, delay: float) -> None:
        self._root = root
        self._delay = delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(1 << 30)  # what is on its way does not wait
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            answer = self._answer(head.decode("latin1"))
            asyncio.get_running_loop().call_later(self._delay, self._send, answer)
        if len(self._received) > _LONGEST_REQUEST:
            self._transport.close()

    def _send(self, answer: list[bytes]) -> None:
        if not self._transport.is_closing():
            self._transport.writelines(answer)

    def _answer(self, head: str) -> list[bytes]:
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        url = urlsplit(target)
        query = parse_qs(url.query)
        if "list-type" in query:
            page = _listing(self._root, unquote(url.path).strip("/"), query)
            return _message(200, page, {"Content-Type": "application/xml"})
        path = os.path.normpath(f"{self._root}/{unquote(url.path).lstrip('/')}")
        if not path.startswith(self._root) or not os.path.isfile(path):
            return _message(404, b"")
        return _file(path, method, headers)


def _file(path: str, method: str, headers: dict[str, str]) -> list[bytes]:
    stat = os.stat(path)
    size, tag = stat.st_size, _tag(stat)
    if headers.get("if-match", tag) != tag:
        return _message(412, b"")
    told = {"ETag": tag, "Last-Modified": "Mon, 23 Nov 2026 00:00:00 GMT"}
    if method == "HEAD":
        return _message(200, b"", told | {"Content-Length": str(size)})
    first, last, status = 0, size - 1, 200
    if asked := headers.get("range"):
        begin, _, end = asked.removeprefix("bytes=").partition("-")
        first, last, status = int(begin), min(int(end), last), 206
        told["Content-Range"] = f"bytes {first}-{last}/{size}"
    with open(path, "rb") as file:
        return _message(status, os.pread(file.fileno(), last + 1 - first, first), told)


def _tag(stat: os.stat_result) -> str:
    return f'"{hashlib.md5(f"{stat.st_mtime_ns}-{stat.st_size}".encode()).hexdigest()}"'


def _message(status: int, body: bytes, headers: dict[str, str] | None = None) -> list[bytes]:
    told = {"Content-Length": str(len(body)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return [f"HTTP/1.1 {status} .\r\n{lines}\r\n".encode(), body]


def _listing(root: str, bucket: str, query: dict[str, list[str]]) -> bytes:
    """What S3 says to `ListObjectsV2` of a folder."""
    prefix = query.get("prefix", [""])[0]
    folder = f"{root}/{bucket}/{prefix}"
    found: list[str] = []
    if query.get("delimiter") == ["/"] and os.path.isdir(folder):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            key = escape(f"{prefix}{entry.name}")
            if entry.is_dir():
                found.append(f"<CommonPrefixes><Prefix>{key}/</Prefix></CommonPrefixes>")
            else:
                found.append(_object(key, entry.stat()))
    elif "delimiter" not in query:
        for here, _, names in os.walk(folder, followlinks=True):
            for name in names:
                path = os.path.join(here, name)
                key = os.path.relpath(path, f"{root}/{bucket}")
                found.append(_object(escape(key), os.stat(path)))
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>"
    ).encode()


def _object(key: str, stat: os.stat_result) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2026-11-23T00:00:00.000Z</LastModified>"
        f"<ETag>{escape(_tag(stat))}</ETag><Size>{stat.st_size}</Size></Contents>"
    )


@contextmanager
def far_server(folder: str, delay: float) -> Iterator[str]:
    """A server of the files below a folder, in a process of its own; gives its `host:port`.

    Args:
        folder: what is served; buckets of S3 are the folders in it.
        delay: seconds between a request and its answer.
    """
    command = [sys.executable, "-m", "bench.far_server", folder, str(delay)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


async def _serve(folder: str, delay: float) -> None:
    loop = asyncio.get_running_loop()
    root = os.path.abspath(folder)
    server = await loop.create_server(lambda: _Connection(root, delay), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2])))
