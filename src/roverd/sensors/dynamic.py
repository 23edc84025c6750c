"""A sensor of any kind: its samples are its channels' arrays."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from roverd.channels import Channel
from roverd.channels.batch import Batch
from roverd.errors import AlreadyExistsError, ChannelNotFoundError, MetadataError
from roverd.sensors.generic import Correction, Sensor
from roverd.sensors.meta import (
    META,
    RESERVED,
    TIMESTAMPS,
    TIMESTAMPS_ENTRY,
    check_entry,
    read_meta,
    write_meta,
)
from roverd.sensors.windows import Frames
from roverd.storage import storage_for

__all__ = ["DynamicSensor", "Metadata"]

_NO_ARGS: Mapping[str, Mapping[str, Any]] = {}


@dataclass
class Metadata:
    """What is known of all frames of a sensor.

    Attributes:
        timestamps: time of each frame, in seconds.
    """

    timestamps: Float64[np.ndarray, " n"]


class DynamicSensor(Sensor[dict[str, NDArray[Any]], Metadata]):
    """A sensor of any kind, to record or to read.

    Its samples are dictionaries of arrays `(window, *shape)` by channel name.

    Args:
        path: the sensor's folder.
        create: whether to make the sensor: its folder, a `meta.json` and an empty `ts` channel.
        exist_ok: whether `create` may find the sensor there already; it is then opened as it is.
        subset: channels that samples have; all of them if `None`.
        correction: what is done to the timestamps; see `Sensor`.
        past: frames before the current one in a sample.
        future: frames after the current one in a sample.
        args: further constructor arguments, by channel name.

    Raises:
        AlreadyExistsError: the sensor to be made is there already.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        create: bool = False,
        exist_ok: bool = False,
        subset: Iterable[str] | None = None,
        correction: str | Correction | None = None,
        past: int = 0,
        future: int = 0,
        args: Mapping[str, Mapping[str, Any]] = _NO_ARGS,
    ) -> None:
        if create:
            _create(os.fspath(path), exist_ok)
        self.subset = None if subset is None else list(subset)
        super().__init__(path, correction, past, future, args)

    def _open(self) -> None:
        super()._open()
        if self.subset is not None:
            missing = [name for name in self.subset if name not in self.channels]
            if missing:
                raise ChannelNotFoundError(
                    f"{self.path}: no channel {', '.join(missing)}; meta.json names "
                    f"{', '.join(self.channels)}"
                )

    @property
    def metadata(self) -> Metadata:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Timestamps of all frames."""
        return Metadata(self.timestamps)

    def _sample(self, frames: Frames, batch: Batch) -> dict[str, NDArray[Any]]:
        names = list(self.channels) if self.subset is None else self.subset
        return dict(zip(names, self._read(names, frames, batch), strict=True))

    def create(
        self,
        channel: str,
        meta: Mapping[str, Any],
        args: Mapping[str, Any] = {},
    ) -> Channel:
        """Add a channel.

        Args:
            channel: its name: one path component, not `ts` or `meta.json`.
            meta: its `format`, `type`, `shape`, and a `desc`; constructor arguments that every
                reader shall use go under `args`. Other keys are kept.
            args: further constructor arguments for the channel that is returned; not stored.

        Returns:
            The channel, to be written to.

        Raises:
            MetadataError: the name is not usable or taken, or there is no such format, type or
                shape. `meta.json` is as it was then.
        """
        where = f"{self.path}/{META}"
        storage = storage_for(self.path)
        # Another program, or another object in this one, may have added channels meanwhile.
        entries = read_meta(storage, self.path)
        if channel in RESERVED:
            raise MetadataError(
                f"{where}: the name {channel!r} is reserved; "
                f"a sensor's timestamps are in its channel {TIMESTAMPS!r} from the beginning"
            )
        if channel in entries:
            raise MetadataError(
                f"{where}: there is a channel {channel!r} already; sensor[{channel!r}] is it"
            )
        if not isinstance(meta, Mapping):
            raise MetadataError(f"{where}: channel {channel!r}: expected a mapping, got {meta!r}")
        entry = dict(meta)
        check_entry(where, channel, entry)
        made = self._make_channel(channel, entry, args)
        # As JSON has them, so that `config` is what `meta.json` says.
        entry["shape"] = list(made.shape)
        for name, other in entries.items():
            if made.files & self._make_channel(name, other).files:
                raise MetadataError(
                    f"{where}: {channel!r} cannot be added: its files {sorted(made.files)} would "
                    f"be those of channel {name!r}"
                )
        entries[channel] = entry
        write_meta(storage, self.path, entries)
        self._open()
        self.channels[channel] = made
        return made


def _create(path: str, exist_ok: bool) -> None:
    storage = storage_for(path)
    if storage.size(f"{path}/{META}") is not None:
        if not exist_ok:
            raise AlreadyExistsError(
                f"{path}/{META}: the sensor is there already; exist_ok=True opens it as it is"
            )
        return
    storage.make_folder(path)
    storage.append_to(f"{path}/{TIMESTAMPS}").close()
    write_meta(storage, path, {TIMESTAMPS: TIMESTAMPS_ENTRY})
