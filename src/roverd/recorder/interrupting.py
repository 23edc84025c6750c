"""Calls of a recorder that a signal handler interrupts.

A handler runs in the main thread, between any two steps of what that is doing. A call that it
interrupts may hold a lock, and goes on only when the handler has returned: waiting in the handler
for threads that need the lock would never end.
"""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_put_off: list[Callable[[], None]] = []


def interruptible(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Make up, at the end of a call, for what was put off because it interrupted the call."""

    @functools.wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        finally:
            if _put_off and threading.current_thread() is threading.main_thread():
                _make_up()

    return call


def put_off(function: Callable[[], None]) -> bool:
    """Call an interruptible function later if the present call of it interrupts another one.

    Returns:
        Whether that is so; there is then nothing to do but to return.
    """
    # Its own is one.
    if _depth() < 2:
        return False
    _put_off.append(function)
    return True


def _make_up() -> None:
    # Of the frames that are there, one is the call that ends.
    while _put_off and _depth() < 2:
        _put_off.pop(0)()


def _depth() -> int:
    """How many interruptible calls this thread is in."""
    # A count that is kept would be wrong as soon as a handler raises at the wrong moment.
    count, frame = 0, inspect.currentframe()
    while frame is not None:
        count += frame.f_code.co_name == "call" and frame.f_globals is globals()
        frame = frame.f_back
    return count
