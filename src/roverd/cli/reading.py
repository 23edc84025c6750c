"""What commands have in common that read traces from anywhere."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Optional

from roverd.cli.arguments import NO_DEFAULT, text, value


def _size(word: str) -> int:
    from roverd.storage.cache.sizes import parse_size

    return parse_size(word)


_FLAGS = {
    "cache": Annotated[Optional[str], text("FOLDER"), NO_DEFAULT],
    "cache_size": Annotated[Optional[int], value("SIZE", _size), NO_DEFAULT],
}
_DESCRIPTIONS = """
        cache: keep what is read from URLs in this folder; off for none. Else as the environment
            variable ROVERD_CACHE says.
        cache_size: bytes that it may have, such as 200GB; else as ROVERD_CACHE_SIZE says, or 20 GB.
    """


def with_cache(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the flags `--cache` and `--cache-size`.

    Args:
        command: what it does; the last part of its docstring describes its arguments.

    Returns:
        The same with two more arguments, which are described, too.
    """

    @functools.wraps(command)
    def cached(
        *positional: object,
        cache: str | None = None,
        cache_size: int | None = None,
        **named: object,
    ) -> int:
        if cache is not None or cache_size is not None:
            from roverd.storage.cache import settings

            settings.cache(settings.cache_folder() if cache is None else cache, cache_size)
        return command(*positional, **named)

    signature = inspect.signature(command)
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=type_)
        for name, type_ in _FLAGS.items()
    ]
    vars(cached)["__signature__"] = signature.replace(
        parameters=[*signature.parameters.values(), *flags]
    )
    cached.__annotations__ = {**command.__annotations__, **_FLAGS}
    cached.__doc__ = (command.__doc__ or "").rstrip() + _DESCRIPTIONS
    return cached
