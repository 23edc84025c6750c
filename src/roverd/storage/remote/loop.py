"""The thread in which this process talks to stores: an event loop for all requests.

Each process has its own. A forked child inherits the objects of its parent's, but no thread that
would serve them; it must not even close them, since it shares the sockets. It begins anew.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_Result = TypeVar("_Result")

IN_FLIGHT = 64
"""Requests of this process at a time."""

_SYNCHRONOUS = 16  # threads for file systems that know no event loop
_GOODBYE = 2.0  # seconds that connections may take to be closed at exit


class IOLoop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.in_flight = asyncio.Semaphore(IN_FLIGHT)
        self.threads = ThreadPoolExecutor(_SYNCHRONOUS, thread_name_prefix="roverd-store")
        self.closing: list[Callable[[], Awaitable[object]]] = []
        self._thread = threading.Thread(target=self._serve, name="roverd-io", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def begin(self, work: Coroutine[Any, Any, _Result]) -> "Future[_Result]":
        """Have something done; it goes on while the caller does."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """Close all connections, and end the thread."""

        async def close_all() -> None:
            own = asyncio.current_task()
            for task in asyncio.all_tasks():
                if task is not own:
                    task.cancel()
            await asyncio.gather(*(close() for close in self.closing), return_exceptions=True)
            # What they closed says so in the loop's next turns.
            await asyncio.sleep(0)

        try:
            self.begin(close_all()).result(_GOODBYE)
        except Exception:  # noqa: BLE001 - the process ends, whatever a store's library thinks of it
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_GOODBYE)
        if not self._thread.is_alive():
            self.loop.close()
        self.threads.shutdown(wait=False)


_lock = threading.Lock()
_current: IOLoop | None = None
# Kept, so that nothing of it is closed.
_inherited: list[IOLoop] = []
_when_forked: list[Callable[[], object]] = []


def io_loop() -> IOLoop:
    """The event loop of this process."""
    global _current
    if _current is None:
        with _lock:
            if _current is None:
                _current = IOLoop()
    return _current


def when_forked(forget: Callable[[], object]) -> None:
    """Have a function called in forked children, to forget what belongs to the parent."""
    _when_forked.append(forget)


def _forget() -> None:
    global _current, _lock
    _lock = threading.Lock()
    if _current is not None:
        _inherited.append(_current)
        _current = None
    for forget in _when_forked:
        forget()


def _close_at_exit() -> None:
    if _current is not None:
        _current.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(_close_at_exit)
