"""Stores that the tests start: S3 by moto, files by HTTP, and a proxy that counts and disturbs.

Objects get there with boto3, files with plain Python, never through roverd.
"""

import contextlib
import hashlib
import http.client
import http.server
import operator
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

KEY, SECRET = "theaccesskey", "thesecretkey"
BUCKET = "bucket"
_SMALL = 1 << 20


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has hung up is none."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@contextlib.contextmanager
def serving(handler: type[Handler]) -> Iterator[str]:
    """A server for as long as the context lasts; gives its `host:port`."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ── a server of files ────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def serving_files(root: Path, lists: bool = False, ranges: bool = True) -> Iterator[str]:
    """Serve the files below a folder, in ranges, with ETags; gives `host:port`."""

    class Files(Handler):
        def do_GET(self) -> None:
            path = root / unquote(urlsplit(self.path).path).lstrip("/")
            if path.is_dir():
                self._answer_folder(path)
            elif not path.is_file():
                self._answer(404, b"nothing here")
            else:
                self._answer_file(path)

        do_HEAD = do_GET  # noqa: N815

        def _answer_folder(self, path: Path) -> None:
            if not lists:
                self._answer(403, b"no listing")
                return
            names = sorted(f"{p.name}/" if p.is_dir() else p.name for p in path.iterdir())
            links = "".join(f'<a href="{quote(name)}">{name}</a>' for name in ["../", *names])
            self._answer(200, links.encode(), {"Content-Type": "text/html"})

        def _answer_file(self, path: Path) -> None:
            stat = path.stat()
            tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
            if stat.st_size < _SMALL:  # may be replaced within a tick of the file system's clock
                tag = f'"{hashlib.md5(path.read_bytes()).hexdigest()}"'
            if self.headers.get("If-Match") not in (None, tag):
                self._answer(412, b"another version")
                return
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked is None or not ranges:
                self._answer(200, path.read_bytes(), {"ETag": tag})
                return
            first, last = int(asked[1]), min(int(asked[2]), stat.st_size - 1)
            if first > last:
                self._answer(416, b"")
                return
            headers = {"ETag": tag, "Content-Range": f"bytes {first}-{last}/{stat.st_size}"}
            with path.open("rb") as file:
                file.seek(first)
                self._answer(206, file.read(last + 1 - first), headers)

        def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    with serving(Files) as address:
        yield address


# ── a proxy ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Request:
    """A request that went through the proxy."""

    method: str
    path: str
    range: str | None
    size: int
    status: int
    authorization: str = ""

    @property
    def is_data(self) -> bool:
        """Whether it is one for bytes of an object."""
        # Of S3, of Azure, of Google's storage, of web servers.
        about = ("list-type=", "comp=list", "fields=")
        listing = self.path.endswith("/") or any(part in self.path for part in about)
        return self.method == "GET" and not listing


Fault = Callable[[int, http.client.HTTPResponse, bytes], tuple[int, dict[str, str], bytes] | None]
"""Number of the request, the true answer and its body → what is answered; `None` hangs up."""


Interposed = Callable[[Handler, bytes], tuple[int, str] | None]
"""A request and its body, before it is forwarded → what is answered in place of the server."""


@dataclass
class Proxy:
    """What goes between a client and a server, counted.

    Attributes:
        address: where it listens.
        requests: those that were answered.
        latency: seconds that each one takes longer.
        added: what is added to the query of requests for listings.
        fault: changes answers; requests are counted from 0 while it is there.
        disturbed: which requests `fault` is for.
        interposed: sees requests before the server does.
        most: requests that were underway at once.
    """

    upstream: str
    address: str = ""
    requests: list[Request] = field(default_factory=list)
    latency: float = 0.0
    added: str = ""
    fault: Fault | None = None
    disturbed: Callable[[Request], bool] = operator.attrgetter("is_data")
    interposed: Interposed | None = None
    most: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._underway = 0
        self._numbered = 0

    @property
    def data(self) -> list[Request]:
        """Requests for bytes of objects."""
        return [request for request in self.requests if request.is_data]

    @property
    def received(self) -> int:
        """Bytes of objects that came."""
        return sum(request.size for request in self.data)

    def clear(self) -> None:
        """Count from 0."""
        self.requests, self.most, self._numbered, self.fault = [], 0, 0, None
        self.disturbed, self.interposed = operator.attrgetter("is_data"), None

    def faults(self, *faults: Fault) -> None:
        """Disturb the requests for data that come first, one after the other."""
        self.clear()

        def first_ones(number: int, answer: http.client.HTTPResponse, body: bytes) -> Any:
            if number < len(faults):
                return faults[number](number, answer, body)
            return answer.status, dict(answer.getheaders()), body

        self.fault = first_ones

    def answer(self, handler: Handler) -> None:
        """Forward a request."""
        with self._lock:
            self._underway += 1
            self.most = max(self.most, self._underway)
        try:
            if self.latency:
                threading.Event().wait(self.latency)
            self._forward(handler)
        finally:
            with self._lock:
                self._underway -= 1

    def _say(self, handler: Handler, status: int, text: str) -> None:
        asked = handler.headers.get("Range")
        self.requests.append(Request(handler.command, handler.path, asked, len(text), status))
        handler.send_response_only(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(text.encode())

    def _forward(self, handler: Handler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        sent = handler.rfile.read(length)
        if len(sent) < length:  # the client has given up; its server would wait for the rest
            handler.close_connection = True
            return
        if self.interposed is not None and (said := self.interposed(handler, sent)) is not None:
            self._say(handler, *said)
            return
        added = self.added if "list-type=" in handler.path else ""
        headers = dict(handler.headers.items())
        with contextlib.closing(http.client.HTTPConnection(self.upstream, timeout=30)) as upstream:
            upstream.request(handler.command, handler.path + added, sent, headers)
            answer = upstream.getresponse()
            body = answer.read()
        status, headers = answer.status, dict(answer.getheaders())
        asked = handler.headers.get("Range") or handler.headers.get("x-ms-range")
        who = handler.headers.get("Authorization", "")
        request = Request(handler.command, handler.path, asked, len(body), status, who)
        if self.fault is not None and self.disturbed(request):
            with self._lock:
                number = self._numbered
                self._numbered += 1
            changed = self.fault(number, answer, body)
            if changed is None:
                handler.close_connection = True
                handler.connection.close()
                return
            status, headers, body = changed
        self.requests.append(request)
        handler.send_response_only(status)
        dropped = {"transfer-encoding", "connection", "content-length"}
        for name, value in headers.items():
            if name.lower() not in dropped:
                handler.send_header(name, value)
        named = {name.lower(): value for name, value in headers.items()}
        sized = named.get("content-length", str(len(body)))
        handler.send_header("Content-Length", sized)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)
            # Shorter than was said: the client can only notice when the connection ends.
            if int(sized) != len(body):
                handler.close_connection = True


@contextlib.contextmanager
def proxy_of(upstream: str) -> Iterator[Proxy]:
    """A proxy before a server."""
    proxy = Proxy(upstream)

    class Forwarding(Handler):
        def handle_any(self) -> None:
            proxy.answer(self)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    with serving(Forwarding) as address:
        proxy.address = address
        yield proxy


def hang_up(number: int, answer: Any, body: bytes) -> None:
    """Close the connection without an answer."""


def refuse(status: int, text: str = "", **headers: str) -> Fault:
    """Answer with an error."""

    def answer(number: int, answer: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return status, named, text.encode()

    return answer


@contextlib.contextmanager
def silence() -> Iterator[Fault]:
    """A fault: no answer, for as long as the context lasts."""
    over = threading.Event()

    def no_answer(number: int, answer: Any, body: bytes) -> None:
        over.wait(60)

    try:
        yield no_answer
    finally:
        over.set()


def cut_short(number: int, answer: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Promise all bytes, send half of them."""
    return answer.status, dict(answer.getheaders()), body[: len(body) // 2]


def shorter(number: int, answer: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send, and promise, a byte less than was asked for."""
    headers = {k: v for k, v in answer.getheaders() if k.lower() != "content-length"}
    return answer.status, headers, body[:-1]


def longer(number: int, answer: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send, and promise, a byte more than was asked for."""
    headers = {k: v for k, v in answer.getheaders() if k.lower() != "content-length"}
    return answer.status, headers, body + b"!"


# ── all of them ──────────────────────────────────────────────────────────────────────────────────


class ObjectServer(Protocol):
    """A server of objects that tests start, behind a proxy."""

    proxy: Proxy
    secrets: tuple[str, ...]

    @property
    def options(self) -> dict[str, Any]:
        """What fsspec needs to get there, through the proxy."""
        ...

    def url(self, key: str) -> str:
        """The URL of an object."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Make an object, without roverd."""
        ...

    def objects(self, key: str) -> dict[str, bytes]:
        """All objects whose keys begin so."""
        ...


def upload(server: ObjectServer, folder: Path, key: str) -> str:
    """Upload all files below a folder; gives its URL."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            server.put(f"{key}/{path.relative_to(folder)}", path.read_bytes())
    return server.url(key)


# ── S3 ───────────────────────────────────────────────────────────────────────────────────────────


class S3:
    """An S3 server by moto, path-style as Ceph has it, behind a proxy."""

    secrets = (KEY, SECRET)

    def __init__(self, proxy: Proxy, direct: str) -> None:
        self.proxy = proxy
        self.direct = direct
        self.client = self._client(direct)
        self.client.create_bucket(Bucket=BUCKET)

    def _client(self, address: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=f"http://{address}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    @property
    def options(self) -> dict[str, Any]:
        """What fsspec needs to get there, through the proxy."""
        return self.options_at(self.proxy.address)

    def options_at(self, address: str) -> dict[str, Any]:
        """What fsspec needs to get to an address."""
        return {
            "key": KEY,
            "secret": SECRET,
            "client_kwargs": {"endpoint_url": f"http://{address}", "region_name": "us-east-1"},
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }

    def url(self, key: str) -> str:
        """The URL of an object."""
        return f"s3://{BUCKET}/{key}"

    def put(self, key: str, data: bytes) -> None:
        """Make an object."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def upload(self, folder: Path, key: str) -> str:
        """Upload all files below a folder; gives its URL."""
        return upload(self, folder, key)

    def remove(self, key: str) -> None:
        """Remove all objects whose keys begin so."""
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", [])
        if listed:
            names = [{"Key": entry["Key"]} for entry in listed]
            self.client.delete_objects(Bucket=BUCKET, Delete={"Objects": names})

    def unfinished(self, key: str) -> list[str]:
        """Objects begun in parts, and neither completed nor given up, whose keys begin so."""
        listed = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [entry["Key"] for entry in listed if entry["Key"].startswith(key)]

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to get there, through the proxy."""
        return {
            "FSSPEC_S3_ENDPOINT_URL": f"http://{self.proxy.address}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def objects(self, key: str) -> dict[str, bytes]:
        """All objects whose keys begin so."""
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", [])
        return {
            entry["Key"]: self.client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
            for entry in listed
        }


@contextlib.contextmanager
def serving_s3() -> Iterator[S3]:
    """An S3 server, for as long as the context lasts."""
    import logging

    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with proxy_of(f"{host}:{port}") as proxy:
            yield S3(proxy, f"{host}:{port}")
    finally:
        server.stop()


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether something becomes so."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.01)
    return condition()


def clean_environment() -> dict[str, str]:
    """The environment, with the tests' modules, without what says how to reach a store."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    tests = str(Path(__file__).parents[1])
    return {**kept, "PYTHONPATH": os.pathsep.join([tests, kept.get("PYTHONPATH", "")])}
