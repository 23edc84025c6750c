"""What is said when a sensor can not be recorded any more."""

import errno
import os
import shutil

from roverd.errors import RecordingError
from roverd.recorder.writers import ChannelError

_NO_SPACE = {getattr(errno, name) for name in ("ENOSPC", "EFBIG", "EDQUOT") if hasattr(errno, name)}


def explained(path: str, error: BaseException, count: int, lost: int) -> RecordingError:
    """The error that a program gets to see.

    Args:
        path: of the sensor.
        error: what went wrong.
        count: frames that the sensor has.
        lost: frames that were taken, and could not be written.

    Returns:
        The error, with what went wrong as its cause.
    """
    where = path
    cause = error
    if isinstance(error, ChannelError) and error.__cause__ is not None:
        where, cause = f"{path}: channel {error.channel!r}", error.__cause__
    reason = f"{type(cause).__name__}: {cause}" if not isinstance(cause, OSError) else str(cause)
    if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
        reason = f"{reason}; {_free(path)}"
    waiting = f", {lost} more that waited are lost" if lost else ""
    made = RecordingError(
        f"{where}: {reason}. The sensor is not recorded any more; it has {count} frames{waiting}"
    )
    made.__cause__ = cause
    return made


def _free(path: str) -> str:
    """How much room is left on a disk, in words."""
    there = os.path.abspath(path)
    while not os.path.exists(there):
        there = os.path.dirname(there)
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        return "how much room is left there is not known"
    return f"{free / 1e6:.1f} MB are free there"
