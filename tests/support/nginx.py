"""nginx, started by the tests where it is installed: a server that is used in earnest."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

_PATIENCE = 200  # tries, a twentieth of a second apart


def nginx() -> str | None:
    """The program; `None` without it."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def serving_by_nginx(root: Path) -> Iterator[str]:
    """Serve the files below a folder, with pages of links; gives `host:port`."""
    program = nginx()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="roverd-nginx-") as folder:
        port = _free_port()
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(_configuration(root, folder, port))
        command = [program, "-p", folder, "-c", str(configuration), "-e", f"{folder}/errors"]
        with subprocess.Popen(command) as server:
            try:
                _wait_for(server, port, f"{folder}/errors")
                yield f"127.0.0.1:{port}"
            finally:
                server.terminate()


def _configuration(root: Path, folder: str, port: int) -> str:
    # Started by root, its workers would be somebody else, who may not read the tests' folders.
    user = "user root;" if hasattr(os, "getuid") and os.getuid() == 0 else ""
    own = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{name}_temp_path {folder}/{name};" for name in own)
    return (
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; events {{}}"
        f"http {{ access_log off; {places} types {{}} default_type application/octet-stream;"
        f"server {{ listen 127.0.0.1:{port}; root {root}; autoindex on; }} }}"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: "subprocess.Popen[bytes]", port: int, errors: str) -> None:
    for _ in range(_PATIENCE):
        assert server.poll() is None, Path(errors).read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"nginx does not answer: {Path(errors).read_text()}")
