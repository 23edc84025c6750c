"""What a process must know of the one that gives it work."""

import os
from dataclasses import dataclass

from roverd.channels import CHANNEL_TYPES, Channel
from roverd.storage.cache.settings import FOLDER_VARIABLE, SIZE_VARIABLE
from roverd.storage.options import Options, remember, remembered

_VARIABLES = (FOLDER_VARIABLE, SIZE_VARIABLE)


@dataclass(frozen=True)
class Surroundings:
    """What the work of a process depends on, other than its arguments.

    Attributes:
        formats: formats that the user has registered.
        options: how stores are reached, by URL. They hold secrets.
        folder: where relative paths begin; empty where that is gone.
        variables: of the environment: which cache is used, if that was said.
    """

    formats: dict[str, type[Channel]]
    options: dict[str, Options]
    folder: str
    variables: dict[str, str]

    def __repr__(self) -> str:
        return f"Surroundings({self.folder!r})"

    def take_up(self) -> None:
        """Make this process one with these surroundings.

        Raises:
            OSError: there is no such folder on this machine.
        """
        CHANNEL_TYPES.update(self.formats)
        for url, options in self.options.items():
            remember(url, options)
        os.environ.update(self.variables)
        if self.folder and _folder() != self.folder:
            os.chdir(self.folder)


def surroundings() -> Surroundings:
    """The surroundings of this process."""
    own = "roverd."
    formats = {
        name: kind for name, kind in CHANNEL_TYPES.items() if not kind.__module__.startswith(own)
    }
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return Surroundings(formats, remembered(), _folder(), variables)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
