"""Files of a folder on a plain HTTP server, behind a proxy."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.nginx import nginx, serving_by_nginx
from support.stores import Proxy, proxy_of, serving_files


class Files:
    """A plain HTTP server with ranges and pages of links, behind a proxy."""

    secrets = ()

    def __init__(self, proxy: Proxy, root: Path) -> None:
        self.proxy = proxy
        self.root = root
        self.options: dict[str, Any] = {}
        self._seconds = itertools.count(1_700_000_000)

    def url(self, key: str) -> str:
        """The URL of a file."""
        return f"http://{self.proxy.address}/{key}"

    def put(self, key: str, data: bytes) -> None:
        """Make a file."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        # nginx tells versions by whole seconds.
        second = next(self._seconds)
        os.utime(path, (second, second))

    def objects(self, key: str) -> dict[str, bytes]:
        """All files whose paths begin so."""
        files = (path for path in sorted(self.root.rglob("*")) if path.is_file())
        named = ((str(path.relative_to(self.root)), path) for path in files)
        return {name: path.read_bytes() for name, path in named if name.startswith(key)}


@contextlib.contextmanager
def serving_folder(root: Path) -> Iterator[Files]:
    """An HTTP server, for as long as the context lasts: nginx where it is there."""
    serving = serving_by_nginx(root) if nginx() else serving_files(root, lists=True)
    with serving as address, proxy_of(address) as proxy:
        yield Files(proxy, root)
