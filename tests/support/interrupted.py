"""Commands that are ended in the middle of a request."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from support.command_line import ENTRY_POINT


class Gate:
    """Holds back the first request of a kind; to be `interposed` in a proxy.

    Args:
        kind: whether a request is of it.
        fails: whether it is then answered with an error, rather than by the server.

    Attributes:
        reached: set when such a request has come.
    """

    def __init__(self, kind: Callable[[Any], bool], fails: bool = True) -> None:
        self.reached = threading.Event()
        self._kind = kind
        self._fails = fails
        self._opened = threading.Event()

    def __call__(self, handler: Any, body: bytes) -> tuple[int, str] | None:
        """Wait, if it is such a request."""
        if not self._kind(handler) or self._opened.is_set() or self.reached.is_set():
            return None
        self.reached.set()
        self._opened.wait(60)
        return (400, "<Error><Message>held back</Message></Error>") if self._fails else None

    def open(self) -> None:
        """Let everything pass."""
        self._opened.set()


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run `roverd` beside the test; it is killed in the end if it has not ended by then."""
    command = [sys.executable, "-c", ENTRY_POINT, *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
