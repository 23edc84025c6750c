"""Azure's blob storage by azurite, started by the tests where it is installed.

Blobs get there with Azure's own client, never through roverd.
"""

import base64
import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.stores import Proxy, proxy_of

ACCOUNT = "theaccount"
ACCOUNT_KEY = base64.b64encode(b"the secret key of the account").decode()
CONTAINER = "container"
_LISTENING = re.compile(r"listens on http://([\d.]+:\d+)")


def azurite() -> str | None:
    """The program, as `make` has installed it or as it is on the path; `None` without it."""
    own = Path(sys.prefix, "azurite", "node_modules", ".bin", "azurite-blob")
    return str(own) if own.exists() else shutil.which("azurite-blob")


def why_not_azure() -> str | None:
    """Why there can be no such server here; `None` if there can."""
    import importlib.util

    if importlib.util.find_spec("adlfs") is None:
        return "not installed: adlfs (pip install 'roverd[dev]')"
    if shutil.which("node") is None or azurite() is None:
        return "not installed: azurite, which needs node (make installs it where npm is there)"
    return None


class Azure:
    """A server by azurite, behind a proxy."""

    def __init__(self, proxy: Proxy, direct: str) -> None:
        from azure.storage.blob import BlobServiceClient

        self.proxy = proxy
        self.client = BlobServiceClient.from_connection_string(self._connection(direct))
        self.container = self.client.create_container(CONTAINER)

    def _connection(self, address: str) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint=http://{address}/{ACCOUNT};"
        )

    secrets = (ACCOUNT_KEY,)

    @property
    def options(self) -> dict[str, Any]:
        """What fsspec needs to get there, through the proxy."""
        return {"connection_string": self._connection(self.proxy.address)}

    def url(self, key: str) -> str:
        """The URL of an object."""
        return f"az://{CONTAINER}/{key}"

    def put(self, key: str, data: bytes) -> None:
        """Make a blob."""
        self.container.upload_blob(key, data, overwrite=True)

    def objects(self, key: str) -> dict[str, bytes]:
        """All blobs whose names begin so."""
        names = [blob.name for blob in self.container.list_blobs(key)]
        return {name: self.container.download_blob(name).readall() for name in names}


@contextlib.contextmanager
def serving_azure() -> Iterator[Azure]:
    """A server that keeps all in memory, for as long as the context lasts."""
    program = azurite()
    assert program is not None
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]
    command += ["--disableTelemetry", "--disableProductStyleUrl", "--skipApiVersionCheck"]
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"},
    )
    assert server.stdout is not None
    try:
        said = ""
        while (found := _LISTENING.search(said)) is None:
            line = server.stdout.readline()
            assert line, f"azurite did not start: {said}"
            said += line
        with proxy_of(found[1]) as proxy:
            azure = Azure(proxy, found[1])
            yield azure
            azure.client.close()
    finally:
        server.terminate()
        server.communicate()
