"""`roverd cache`."""

from typing import TYPE_CHECKING, Annotated, Literal, Optional, get_args

import tyro

from roverd.cli.arguments import NO_DEFAULT, Json, one_of, text
from roverd.cli.text import bytes_text, json_text, moment_text, printable

if TYPE_CHECKING:
    from roverd.ops import CacheInfo

_Action = Literal["info", "clear"]


def cache(
    action: Annotated[_Action, tyro.conf.Positional, one_of(*get_args(_Action))],
    folder: Annotated[
        Optional[str], text("FOLDER"), NO_DEFAULT, tyro.conf.arg(name="cache")
    ] = None,
    as_json: Json = False,
) -> int:
    """Show what is in the cache of what was read from URLs, or empty it.

    Programs that use it go on. Other files in its folder stay. Example: `roverd cache info --cache
    /data/recordings`.

    Args:
        action: info shows how much there is; clear removes it.
        folder: the cache's folder; else the one that the environment variable ROVERD_CACHE names.
        as_json: print one JSON object instead.
    """
    from roverd import ops

    found = ops.cache_info(folder) if action == "info" else ops.clear_cache(folder)
    if as_json:
        print(json_text(found.to_dict()))
    elif action == "info":
        print(_text(found))
    else:
        print(f"{printable(found.path)}: {_amount(found)} removed")
    return 0


def _text(found: "CacheInfo") -> str:
    lines = [
        f"cache  {printable(found.path)}",
        f"size   {_amount(found)}, of {bytes_text(found.limit)}",
    ]
    if found.oldest is not None and found.newest is not None:
        lines.append(f"used   {moment_text(found.oldest)} to {moment_text(found.newest)}")
    return "\n".join(lines)


def _amount(found: "CacheInfo") -> str:
    return f"{bytes_text(found.size)} in {found.blocks} block{'' if found.blocks == 1 else 's'}"
