"""Recorders that are open when their program ends, or is asked to."""

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import Protocol

from roverd.errors import RoverdError


class Closable(Protocol):
    """What is to be closed before the program ends."""

    def close(self) -> None:
        """Close it; closing it again does nothing."""
        ...


_open: list[Closable] = []
_finalized_process: int | None = None
_closing = 0  # how many are being closed
_asked_meanwhile = False  # to end, while one was being closed


def opened(recorder: Closable) -> None:
    """Close a recorder when the interpreter exits, and exit on SIGTERM if that would kill it."""
    _open.append(recorder)
    # Registered last, it is called first: before what the recorder depends on is torn down.
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    # A worker of `multiprocessing` leaves without calling what `atexit` knows.
    global _finalized_process
    if "multiprocessing.util" in sys.modules and _finalized_process != os.getpid():
        from multiprocessing import util

        util.Finalize(None, _close_all, exitpriority=100)
        _finalized_process = os.getpid()
    if _in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def closing() -> None:
    """A recorder is going to be closed: SIGTERM waits until it is."""
    global _closing
    _closing += 1


def closing_ended() -> None:
    """It is closed, or will not be."""
    global _closing, _asked_meanwhile
    _closing -= 1
    if _asked_meanwhile and not _closing:
        _asked_meanwhile = False
        os.kill(os.getpid(), signal.SIGTERM)


def closed(recorder: Closable) -> None:
    """A recorder was closed: leave the program's end, and SIGTERM, as they were."""
    if recorder in _open:
        _open.remove(recorder)
    if not _open:
        _restore()


def _restore() -> None:
    # From another thread that is not possible; the handler then knows that nothing is open.
    if _in_main_thread() and signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _terminate(number: int, frame: FrameType | None) -> None:
    """Unwind the program, so that what is open is closed."""
    if _open and _closing:
        global _asked_meanwhile
        _asked_meanwhile = True
        return
    if _open and not _at_end(frame):
        raise SystemExit(128 + number)
    _close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _at_end(frame: FrameType | None) -> bool:
    """Whether the program has ended but for threads that it waits for: it takes no exception."""
    while frame is not None:
        if frame.f_code.co_name == "_shutdown" and frame.f_globals.get("__name__") == "threading":
            return True
        frame = frame.f_back
    return False


def _close_all() -> None:
    for recorder in [*_open]:  # each leaves the list
        try:
            recorder.close()
        except RoverdError as error:
            print(f"roverd: {error}", file=sys.stderr)


# Forking

_mask = threading.local()


def _before_fork() -> None:
    # Python drops what a child is sent before it is ready to call handlers: SIGTERM has to wait.
    if signal.getsignal(signal.SIGTERM) is _terminate:
        _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _after_fork() -> None:
    before = _mask.__dict__.pop("before", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _after_fork_in_child() -> None:
    # A child must leave alone what its parent goes on writing.
    global _closing, _asked_meanwhile
    _open.clear()
    _closing, _asked_meanwhile = 0, False
    _restore()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork,
        after_in_child=_after_fork_in_child,
    )
