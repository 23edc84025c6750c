"""Connecting to a Ray cluster."""

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

NOT_INSTALLED = "Ray is not installed; pip install 'roverd[ray]'"

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
_SECONDS = 5.0


def connect(address: str | None) -> tuple[Any, bool]:
    """Connect to a cluster, unless this program is connected to one.

    Args:
        address: of the cluster, as `ray.init` takes it; see `RayEngine`.

    Returns:
        The module `ray`, and whether this has connected.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: the cluster cannot be reached.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise ImportError(NOT_INSTALLED) from error
    if ray.is_initialized():
        return ray, False
    wanted = address or os.environ.get("RAY_ADDRESS")
    _expect_reachable(wanted)
    # A cluster that is started here tells nobody about it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _own_signal_handlers(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about graphics cards, in some versions
        try:
            ray.init(
                address=wanted,
                logging_level=logging.ERROR,
                log_to_driver=False,
                include_dashboard=False if wanted is None else None,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _unreachable(wanted, " ".join(str(error).split())) from None
    return ray, True


def _expect_reachable(address: str | None) -> None:
    """Find out in seconds what Ray finds out in minutes."""
    if address is None or address in ("auto", "local"):
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise ValueError(
            f"address of the Ray cluster: expected host:port, ray://host:port or auto, got "
            f"{address!r}"
        )
    try:
        socket.create_connection((host, port), _SECONDS).close()
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from None


def _unreachable(address: str | None, why: str) -> ConnectionError:
    return ConnectionError(f"Ray cluster {address or 'on this machine'}: not reached ({why})")


@contextmanager
def _own_signal_handlers() -> Generator[None]:
    """Keep the program's own handlers: Ray sets some that end it with another exit status."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)
