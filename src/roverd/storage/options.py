"""How stores are reached: options of fsspec's file systems, by the URL that they are for.

They hold secrets. So they are kept here, and nowhere that is shown.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

PRIVATE_QUERY = "roverd query"
"""Key of what a signed URL had after `?`."""

PRIVATE_USER = "roverd user"
"""Key of what a URL had before `@`."""

Options = Mapping[str, Any]

_remembered: dict[str, dict[str, Any]] = {}
_interned: list[dict[str, Any]] = []

# The offsets and check sums of a channel lie beside it.
_COMPANIONS = ("_i", "_x")

# Options that say where and how, not who.
_HARMLESS = frozenset(
    [
        "endpoint_url",
        "region_name",
        "profile",
        "addressing_style",
        "signature_version",
        "protocol",
        "account_name",
        "project",
        "default_cache_type",
        "verify",
    ]
)
_AZURE_SECRETS = ("AccountKey", "SharedAccessSignature")
_SECRET_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_SECRET",
)
_SHORTEST_SECRET = 4
_REMOVED = "[removed]"

# Name that they have among the attributes of what is pickled.
_PICKLED = "_options"
# The query of a URL may be its signature.
_URL_SECRETS = (
    (re.compile(r"(://)[^/@\s'\"]*@"), rf"\1{_REMOVED}@"),
    (re.compile(r"(://[^\s'\"?]*\?)[^\s'\"]+"), rf"\1{_REMOVED}"),
)


def remember(url: str, options: Options) -> None:
    """Have options used for a URL and all below it, in this process.

    Args:
        url: the URL.
        options: what fsspec calls `storage_options`. They replace those that were given for the
            same URL before, but for what the URL itself had.
    """
    before = _remembered.get(url, {})
    kept = {key: before[key] for key in (PRIVATE_QUERY, PRIVATE_USER) if key in before}
    given = _copied(options)
    merged = {**kept, **given} if _is_public(options) else {**before, **given}
    if url not in _remembered or merged != before:
        # Equal ones are one object: a thousand traces share a connection, and a pickle has it once.
        same = next((known for known in _interned if known == merged), None)
        if same is None:
            _interned.append(merged)
        _remembered[url] = merged if same is None else same


def _copied(options: Any) -> Any:
    """Options that stay as they are when whoever gave them changes his."""
    if isinstance(options, Mapping):
        return {key: _copied(value) for key, value in options.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(options, list):
        return [_copied(value) for value in options]  # pyright: ignore[reportUnknownVariableType]
    return options


def remembered() -> dict[str, Options]:
    """All options of this process by URL, for `remember` in another one. They hold secrets."""
    return dict(_remembered)


def _is_public(options: Options) -> bool:
    return not set(options) & {PRIVATE_QUERY, PRIVATE_USER}


def options_for(url: str) -> tuple[str, Options] | None:
    """The options for a URL: those of the longest URL above it that has some.

    Returns:
        Which URL that is, and its options; `None` if there are none.
    """
    if not _remembered:
        return None
    here = url
    if url.endswith(_COMPANIONS) and url[:-2] in _remembered:
        here = url[:-2]
    while True:
        if here in _remembered:
            return here, _remembered[here]
        here = here.rpartition("/")[0]
        if "://" not in here:
            return None


def redacted(text: str, url: str) -> str:
    """A text without the secrets of the URL that it is about."""
    found = options_for(url)
    secrets = set(_secrets({} if found is None else found[1])) | set(_secrets(_surroundings()))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _REMOVED)
    for pattern, replacement in _URL_SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _surroundings() -> dict[str, Any]:
    """What was said without us: in fsspec's configuration, and in the environment."""
    said = {name: os.environ[name] for name in _SECRET_VARIABLES if name in os.environ}
    if (text := os.environ.get("AZURE_STORAGE_CONNECTION_STRING")) is not None:
        said["connection_string"] = text
    # It was loaded before anything could be asked of a store.
    configuration = sys.modules.get("fsspec.config")
    return {**said, "fsspec": getattr(configuration, "conf", {})}


def _secrets(options: Any, key: str = "") -> Iterator[str]:
    if isinstance(options, Mapping):
        for name, value in options.items():  # pyright: ignore[reportUnknownVariableType]
            if name not in _HARMLESS:
                yield from _secrets(value, str(name))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(options, str | bytes):
        text = options.decode("latin1") if isinstance(options, bytes) else options
        parts = [text]
        if key == PRIVATE_USER:
            parts = [text, *text.split(":")]
        elif key == PRIVATE_QUERY:
            parts = [text, *(part.partition("=")[2] for part in text.split("&"))]
        elif key == "connection_string":
            fields = (part.partition("=") for part in text.split(";"))
            parts = [text, *(value for name, _, value in fields if name in _AZURE_SECRETS)]
        yield from (part for part in parts if len(part) >= _SHORTEST_SECRET)
    elif isinstance(options, list | tuple):
        # An object of aiohttp's for user and password is a tuple, too.
        for value in options:  # pyright: ignore[reportUnknownVariableType]
            yield from _secrets(value, key)  # pyright: ignore[reportUnknownArgumentType]


def state_to_pickle(path: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """What is pickled of an object that reads `path`: a worker has to reach the store, too.

    Args:
        path: what it reads.
        state: its attributes.
    """
    options = options_for(path)
    return dict(state) if options is None else {**state, _PICKLED: options}


def state_from_pickle(pickled: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that were pickled; the options beside them are remembered."""
    state = dict(pickled)
    if (options := state.pop(_PICKLED, None)) is not None:
        remember(*options)
    return state
