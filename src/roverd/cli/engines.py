"""The flags `--engine` and `--address`, for commands that work on many traces."""

import io
import os
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Literal, Optional

from roverd.cli.arguments import NO_DEFAULT, one_of, text
from roverd.cli.usage import UsageError

if TYPE_CHECKING:
    from roverd.ops.engines import Engine

EngineName = Annotated[Optional[Literal["local", "ray"]], one_of("local", "ray"), NO_DEFAULT]
Address = Annotated[Optional[str], text("HOST:PORT"), NO_DEFAULT]


@contextmanager
def chosen_engine(
    name: str | None, address: str | None, width: int | None = None
) -> Generator["Engine | None"]:
    """The engine that the flags say; with Ray, nothing is printed to stdout meanwhile.

    Args:
        name: what `--engine` says.
        address: what `--address` says.
        width: how many traces are worked on side by side, if that was said.

    Yields:
        The engine; `None` for what the operation does by itself.

    Raises:
        UsageError: the flags do not go together.
    """
    if name != "ray":
        if address is not None:
            raise UsageError("--address: is of a Ray cluster; add --engine ray")
        yield None
        return
    from roverd.ops.engines import RayEngine

    # Ray prints to stdout that a process died, some of it when the program ends.
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    with redirect_stdout(io.StringIO()), RayEngine(address, width) as engine:
        yield engine
