"""How long an answer is waited for; one that comes in pages is waited for anew with each."""

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TypeVar

_Result = TypeVar("_Result")

LISTING = 3600.0
"""Seconds that a library may take which lists everything in one go."""

_waiting: "ContextVar[tuple[asyncio.Timeout, float]]" = ContextVar("roverd_waiting")


async def patiently(work: Awaitable[_Result], seconds: float) -> _Result:
    """The result of work that gives a sign at least once in so many seconds; see `goes_on`.

    Raises:
        TimeoutError: it did not.
    """
    async with asyncio.timeout(seconds) as limit:
        token = _waiting.set((limit, seconds))
        try:
            return await work
        finally:
            _waiting.reset(token)


def goes_on(seconds: float | None = None) -> None:
    """Say that a part of the answer came, and that the next one is waited for.

    Args:
        seconds: how long; as long as for the first one, if `None`.
    """
    limit, patience = _waiting.get()
    seconds = patience if seconds is None else seconds
    now, end = asyncio.get_running_loop().time(), limit.when()
    # Not with each of a million objects.
    if end is not None and end - now < 0.9 * seconds and not limit.expired():
        limit.reschedule(now + seconds)
