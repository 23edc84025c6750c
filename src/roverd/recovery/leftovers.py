"""What a program leaves behind in a folder when it dies while it writes.

Files are made under a hidden name and moved into place when they are complete; blobs are made in a
hidden folder, and those that they replace wait in another one (`channels/abstract/blob.py`).
"""

import re

from roverd.channels.abstract import BlobChannel
from roverd.recovery.rescue import Rescue
from roverd.storage import storage_for

_HIDDEN = re.compile(r"\.(.+\.)?[0-9a-f]{8}\.(tmp|old)")

Blobs = dict[int, list[str]]
"""Names of the files of each frame."""


def leftovers(folder: str) -> list[str]:
    """Names in a folder that only unfinished work has, sorted."""
    return [name for name in storage_for(folder).names(folder) if _HIDDEN.fullmatch(name)]


def clear(folder: str, names: list[str], rescue: Rescue) -> None:
    """Move leftovers to the rescue folder; empty folders just go."""
    storage = storage_for(folder)
    # Those of replaced files first: as long as new ones wait, the replacement is known to be
    # incomplete.
    for name in sorted(names, key=lambda name: (name.endswith(".tmp"), name)):
        path = f"{folder}/{name}"
        if storage.folder_version(path) is not None and not storage.names(path):
            storage.remove_folder(path)
        else:
            rescue.move(path)


class InterruptedBlobs:
    """The files of a blob channel, and what is to be done about unfinished work among them.

    Where the replacement of all frames was interrupted before the last new one was in its place,
    the old ones are to come back; otherwise the new ones stay.

    Args:
        channel: the channel.
    """

    def __init__(self, channel: BlobChannel) -> None:
        self._channel = channel
        self._storage = storage_for(channel.path)
        self.left = leftovers(channel.path)
        self.after = _blobs(channel)
        self._leaving: list[str] = []
        self._returning: list[tuple[str, str]] = []  # folder, name
        for name in self.left:
            if name.endswith(".old"):
                self._judge(name)

    @property
    def restores(self) -> bool:
        """Whether frames that were to be replaced come back."""
        return bool(self._returning)

    @property
    def whole(self) -> int:
        """Frames before the first gap, once this is done."""
        count = 0
        while count in self.after:
            count += 1
        return count

    def beyond(self, count: int) -> list[str]:
        """Names of the files of all frames but the first, once this is done."""
        return [
            name for index, names in sorted(self.after.items()) if index >= count for name in names
        ]

    def _judge(self, name: str) -> None:
        folder, waiting = f"{self._channel.path}/{name}", f"{self._channel.path}/{name[:-4]}.tmp"
        old = _blobs(self._channel.open_like(folder))
        if not old or not _blobs(self._channel.open_like(waiting)):
            return
        # The last frame goes first. Once the first one is gone, what has a number is new.
        new = [index for index in self.after if 0 in old or index in old]
        for index in sorted(new, reverse=True):
            self._leaving += self.after.pop(index)
        for index in sorted(old):
            # In this order, the first one back says that all that has a number is old again.
            self._returning += [(folder, file) for file in old[index]]
            self.after[index] = old[index]

    def carry_out(self, rescue: Rescue) -> None:
        """Bring things in order. Interrupted anywhere, it can be done again."""
        path = self._channel.path
        for file in self._leaving:
            rescue.move(f"{path}/{file}")
        for folder, file in self._returning:
            self._storage.move(f"{folder}/{file}", f"{path}/{file}")
        clear(path, self.left, rescue)


def _blobs(channel: BlobChannel) -> Blobs:
    return channel._blobs()  # pyright: ignore[reportPrivateUsage]
