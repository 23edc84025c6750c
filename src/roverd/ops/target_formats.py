"""The formats that channels are brought to: named with their arguments, or chosen by a preset."""

import inspect
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from roverd.channels import CHANNEL_TYPES, Channel, NPZBlobChannel, from_config
from roverd.errors import MetadataError
from roverd.sensors.meta import constructor_arguments

Preset = Literal["fast", "small", "compatible"]

SPECIFIED = ("raw", "lzma", "lzmaf", "mjpg", "npz", "jpg")
"""The formats that every reader of such recordings knows."""

_FROM_CHANNEL = ("self", "path", "dtype", "shape", "length")
_FROM_WRITE = ("self", "data", "append")
_FOR_WRITING = ("workers", "compress", "quality")
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Format:
    """A format of channels, as `meta.json` names it.

    Attributes:
        name: one of `channels.CHANNEL_TYPES`.
        args: arguments of its constructor, such as `filter`, and of its `write`, such as `preset`.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def read(cls, text: str) -> "Format":
        """The format that a text stands for: `NAME[,KEY=VALUE...]`, such as `lzmaf,preset=9`.

        Raises:
            ValueError: there is no such format, or it does not take these arguments.
        """
        name, *words = text.split(",")
        args: dict[str, Any] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not key or not equals:
                raise ValueError(f"expected KEY=VALUE after a format, got {word!r}")
            args[key] = _value(value)
        found = cls(name, args)
        found.check()
        return found

    def __str__(self) -> str:
        return ",".join([self.name, *(f"{key}={_text(v)}" for key, v in self.args.items())])

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: there is no such format, or it does not take these arguments.
        """
        if self.name not in CHANNEL_TYPES:
            known = ", ".join(sorted(CHANNEL_TYPES))
            raise ValueError(f"unknown format {self.name!r}; the known ones are {known}")
        known = {*self._of_constructor(), *self._of_write()}
        if unknown := [key for key in self.args if key not in known]:
            takes = ", ".join(sorted(known)) or "none"
            raise ValueError(
                f"format {self.name!r} does not take {', '.join(unknown)}; it takes {takes}"
            )

    def _of_constructor(self) -> list[str]:
        return _parameters(CHANNEL_TYPES[self.name].__init__, _FROM_CHANNEL)

    def _of_write(self) -> list[str]:
        return _parameters(CHANNEL_TYPES[self.name].write, _FROM_WRITE)

    @property
    def kept_args(self) -> dict[str, Any]:
        """The arguments that every reader of the channel has to know."""
        return {key: self.args[key] for key in self._given() if key not in _FOR_WRITING}

    @property
    def writing_args(self) -> dict[str, Any]:
        """The arguments of the constructor that only a writer needs."""
        return {key: self.args[key] for key in self._given() if key in _FOR_WRITING}

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `write`."""
        taken = self._of_constructor()
        return {key: value for key, value in self.args.items() if key not in taken}

    def _given(self) -> list[str]:
        return [key for key in self.args if key in self._of_constructor()]


def _parameters(function: Any, but: tuple[str, ...]) -> list[str]:
    found = inspect.signature(function).parameters.values()
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [p.name for p in found if p.name not in but and p.kind not in variadic]


def _value(word: str) -> Any:
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# ── presets ──────────────────────────────────────────────────────────────────────────────────────

# For each preset, by type or kind of the values (`""` for all others): the best format first. The
# first one is taken that there is, and that takes this type.
# The figures are in docs/formats-for-speed.md.
_FAST = {
    "i4": ("pcof", "zstdf"),
    "i8": ("pcof", "zstdf"),
    "f": ("pcof", "zstdf"),
    "c": ("pcof", "zstdf"),
    "": ("zstdf",),
}
_SMALLEST = {
    "f": ("pcof,level=12", "zstdf,level=19", "lzmaf,preset=9"),
    "c": ("pcof,level=12", "zstdf,level=19", "lzmaf,preset=9"),
    "": ("zstdf,level=19", "lzmaf,preset=9"),
}
# Frames of fewer bytes than this take more for themselves than all of them together.
_TINY = 256
_TINY_FAST, _TINY_SMALLEST = "raw", "lzma"


def preset_format(preset: Preset, entry: Mapping[str, Any], channel: Channel) -> Format | None:
    """The format that a preset has for a channel.

    Args:
        preset: the preset.
        entry: description of the channel.
        channel: the channel as it is.

    Returns:
        The format; `None` if the channel is to stay as it is.
    """
    now = entry["format"]
    tiny = channel.size < _TINY
    match preset:
        case "compatible":
            wanted = None if now in SPECIFIED else Format("lzmaf")
        case "fast":
            if now not in ("lzma", "lzmaf") and not _is_deflated(channel):
                return None
            wanted = Format(_TINY_FAST) if tiny else _first(_FAST, entry, channel)
        case "small":
            if now not in ("raw", "lzma", "lzmaf", "npz"):
                return None
            wanted = Format(_TINY_SMALLEST) if tiny else _first(_SMALLEST, entry, channel)
    # What is in this format is not tried again with other arguments.
    return None if wanted is None or wanted.name == now else wanted


def _first(
    table: Mapping[str, tuple[str, ...]], entry: Mapping[str, Any], channel: Channel
) -> Format | None:
    kind = channel.type.str[1:]
    for text in _candidates(table, kind):
        if text.partition(",")[0] not in CHANNEL_TYPES:
            continue
        wanted = Format.read(text)
        try:
            open_as(channel, entry, wanted)
        except MetadataError:
            continue  # it does not take this type
        return wanted
    return None


def _candidates(table: Mapping[str, tuple[str, ...]], kind: str) -> Iterator[str]:
    for key in (kind, kind[0], ""):
        if key in table:
            yield from table[key]
            return


def open_as(channel: Channel, entry: Mapping[str, Any], wanted: Format) -> Channel:
    """A channel of another format, of the same frames, for a check of its arguments.

    Raises:
        MetadataError: the format has no such type or shape, or does not take such arguments.
    """
    arguments: dict[str, Any] = constructor_arguments({**entry, "format": wanted.name})
    arguments["args"] = {**wanted.kept_args, **wanted.writing_args}
    try:
        return from_config(channel.path, **arguments)
    except MetadataError:
        raise
    except ValueError as error:
        raise MetadataError(str(error)) from error


def _is_deflated(channel: Channel) -> bool:
    """Whether the first file of an `npz` channel is; one that is damaged counts as if it were not.

    That it is damaged will be found when it is read.
    """
    if not isinstance(channel, NPZBlobChannel) or not len(channel):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(next(iter(channel.encoded(0, 1))))) as archive:
            return any(e.compress_type != zipfile.ZIP_STORED for e in archive.infolist())
    except zipfile.BadZipFile:
        return False


def as_format(value: Format | str) -> Format:
    """A format given as such or as text.

    Raises:
        ValueError: there is no such format, or it does not take these arguments.
    """
    if isinstance(value, str):
        return Format.read(value)
    value.check()
    return value
