"""When a request that failed is sent again."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["passing", "missing", "refused", "replaced", "lasting"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with a request.

    Attributes:
        kind: `passing` may be well the next time (a time-out, a lost connection, a busy server, a
            body that was cut short); the others will not.
        message: in the store's own words.
        retry_after: seconds that the store asked to wait; `None` if it did not.
    """

    kind: Kind
    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long.

    Attributes:
        attempts: requests at most, the first one included.
        first: seconds before the second one, about; each further wait is twice as long.
        longest: seconds of a wait at most, unless the store asks for more.
        total: seconds of all waits together at most.
        patience: seconds without an answer after which a request is given up, and sent again.
        slowest: bytes a second that are expected in any case; large answers may take longer.
    """

    attempts: int = 6
    first: float = 0.1
    longest: float = 10.0
    total: float = 60.0
    patience: float = 60.0
    slowest: float = 100_000.0


POLICY = Policy()

_PASSING = frozenset([408, 425, 429, 500, 502, 503, 504])
_KINDS: dict[int, Kind] = {401: "refused", 403: "refused", 404: "missing", 410: "missing"}


def kind_of_status(status: int) -> Kind:
    """What an HTTP status means for a request that reads or replaces."""
    if status in _PASSING:
        return "passing"
    return "replaced" if status == 412 else _KINDS.get(status, "lasting")


def wait_before_next(
    fault: Fault, attempts: int, waited: float, chance: float, policy: Policy = POLICY
) -> float | None:
    """How long to wait before a request is sent again.

    Args:
        fault: what went wrong.
        attempts: how often it was sent.
        waited: seconds that were waited before.
        chance: a random number from 0 to 1, so that those who failed together do not come back
            together.
        policy: how often and how long.

    Returns:
        Seconds; `None` to give up.
    """
    if fault.kind != "passing" or attempts >= policy.attempts:
        return None
    wait = min(policy.first * 2 ** (attempts - 1), policy.longest) * (0.5 + chance / 2)
    if fault.retry_after is not None:
        wait = max(wait, fault.retry_after)
    return wait if waited + wait <= policy.total else None
