"""Every error roverd raises on purpose.

Each one is also the built-in exception that a caller would catch anyway, so
`except IndexError` works without knowing this module. `except RoverdError`
catches them all.
"""


class RoverdError(Exception):
    """Base of all errors that roverd raises on purpose."""


class OutOfRangeError(RoverdError, IndexError):
    """A frame, sample or window was asked for that the recording does not have."""


class InvalidDataError(RoverdError, ValueError):
    """Data given to be written does not fit the channel; nothing of it was written."""


class CorruptFileError(RoverdError, ValueError):
    """Bytes on disk are not what the format promises."""


class MetadataError(RoverdError, ValueError):
    """`meta.json`, or a description like those it holds, is not usable."""


class UnsupportedError(RoverdError, ValueError):
    """The file is sound, but this operation does not exist for it."""


class MissingFileError(RoverdError, FileNotFoundError):
    """A file that a recording should have is not there."""


class AlreadyExistsError(RoverdError, FileExistsError):
    """The place for something new is taken; what is there was not touched."""


class RecordingError(RoverdError, RuntimeError):
    """A sensor is not recorded any more; what was written before is kept."""


class ChannelNotFoundError(RoverdError, KeyError):
    """A sensor has no channel, or a trace no sensor, of that name."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, quotes included; ours is a sentence.
        return str(self.args[0]) if self.args else ""


class RoverdWarning(UserWarning):
    """Something in a recording is odd but readable; the message says what and where."""


class StoreError(RoverdError, OSError):
    """An object store did not give or take what it was asked for, or could not be reached."""


class StoreAccessError(StoreError, PermissionError):
    """An object store refused: no credentials, wrong ones, or ones that have expired."""


class ObjectReplacedError(StoreError):
    """An object is not the one any more that was read before; reading again sees the new one."""


class SynchronizationError(RoverdError, ValueError):
    """Timestamps from which no samples can be made; the message names the sensor and the place."""
