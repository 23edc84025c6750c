"""From whatever a store's library raises to what went wrong, and to an error of ours."""

import contextlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from roverd.errors import (
    MissingFileError,
    ObjectReplacedError,
    StoreAccessError,
    StoreError,
    UnsupportedError,
)
from roverd.storage.options import redacted
from roverd.storage.remote.retry import Fault, Kind, kind_of_status

# Of codes that say more than their HTTP status.
_CODES: dict[str, Kind] = {
    "SlowDown": "passing",
    "RequestTimeout": "passing",
    "InternalError": "passing",
    "Throttling": "passing",
    "BadDigest": "passing",
    "IncompleteBody": "passing",
    "ExpiredToken": "refused",
    "RequestExpired": "refused",
    "InvalidAccessKeyId": "refused",
    "PreconditionFailed": "replaced",
    "NoSuchKey": "missing",
    "NoSuchBucket": "missing",
}
# Libraries whose errors, where they are not the answer of a server, are those of a connection.
_NETWORK = ("aiohttp", "aiobotocore", "botocore", "urllib3", "requests", "httpx", "azure", "google")
_CREDENTIALS = ("Credential", "Profile", "TokenRetrieval", "SSO", "Authentication")
_LONGEST_MESSAGE = 300


class AnswerError(Exception):
    """A server's answer is not the one that was asked for.

    Args:
        status: of HTTP; 0 where that was as expected, but not what came.
        message: what it said, or what is wrong.
        headers: of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class ReplacedError(Exception):
    """What came is not of the object that was asked for."""


def fault_of(error: BaseException) -> Fault:
    """What went wrong."""
    if isinstance(error, ReplacedError):
        return Fault("replaced", str(error))
    if isinstance(error, AnswerError):
        kind: Kind = kind_of_status(error.status) if error.status else "passing"
        said = f"HTTP {error.status} {error}" if error.status else str(error)
        return Fault(kind, said, _retry_after(error.headers))
    # s3fs makes errors of Python of those of botocore, which know more.
    for candidate in (error, error.__cause__, error.__context__):
        if candidate is not None and isinstance(getattr(candidate, "response", None), dict):
            return _fault_of_response(candidate)
    if isinstance(error, UnsupportedError):
        return Fault("lasting", str(error))
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return Fault("missing", "no such object")
    name, module = type(error).__name__, type(error).__module__.partition(".")[0]
    message = f"{name}: {error}"[:_LONGEST_MESSAGE] if str(error) else name
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        headers: Any = getattr(error, "headers", None)
        return Fault(kind_of_status(status), f"HTTP {status} {message}", _retry_after(headers))
    if isinstance(error, PermissionError) or any(part in name for part in _CREDENTIALS):
        return Fault("refused", message)
    if isinstance(error, TimeoutError | ConnectionError | EOFError) or module in _NETWORK:
        return Fault("passing", message)
    return Fault("lasting", message)


def _fault_of_response(error: Any) -> Fault:
    """Of botocore's `ClientError`."""
    response: dict[str, Any] = error.response
    told: dict[str, Any] = response.get("Error", {})
    metadata: dict[str, Any] = response.get("ResponseMetadata", {})
    code, status = str(told.get("Code", "")), metadata.get("HTTPStatusCode", 0)
    kind = _CODES.get(code) or (kind_of_status(status) if status else "lasting")
    message = f"HTTP {status} {code}: {told.get('Message', '')}"[:_LONGEST_MESSAGE]
    return Fault(kind, message, _retry_after(metadata.get("HTTPHeaders")))


def _retry_after(headers: Any) -> float | None:
    """Seconds that an answer asks to wait: a number, or a date."""
    value = None
    with contextlib.suppress(AttributeError, TypeError):
        value = headers.get("Retry-After") or headers.get("retry-after")
    if not isinstance(value, str):
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        from datetime import UTC, datetime

        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def error_for(fault: Fault, url: str, what: str) -> Exception:
    """The error that a caller gets.

    Args:
        fault: what went wrong.
        url: what it was about.
        what: what was to be done, such as `bytes 0 to 99`.
    """
    said = redacted(fault.message, url)
    match fault.kind:
        case "missing":
            return MissingFileError(f"{url}: no such object ({what}; {said})")
        case "refused":
            return StoreAccessError(
                f"{url}: refused ({what}; {said}); give credentials that are valid with "
                f"storage_options=, a profile or the environment"
            )
        case "replaced":
            return ObjectReplacedError(
                f"{url}: replaced by another object since it was first looked at ({what}; {said}); "
                f"nothing of the two was mixed. refresh() the sensor, or read again, to see the new"
            )
        case "passing":
            return StoreError(f"{url}: failed several times ({what}; {said})")
        case "lasting":
            return StoreError(f"{url}: failed ({what}; {said})")
