"""Entry point: finds the command, and turns errors into one line and an exit status."""

import io
import os
import sys
import warnings
from collections.abc import Sequence

import tyro

from roverd import __version__
from roverd.cli.demo import demo
from roverd.cli.info import info
from roverd.cli.list import list_traces
from roverd.cli.text import error_text
from roverd.errors import RoverdWarning

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its status: 0 only when all is well."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: the words after `roverd`.

    Returns:
        The exit status: 0 when all is well, 1 when not, 2 for words that are no command.
    """
    # A terminal that has no line characters gets question marks, not an error.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if list(arguments) == ["--version"]:
        print(f"roverd {__version__}")
        return 0
    commands = tyro.extras.SubcommandApp()
    commands.command(name="info")(info)
    commands.command(name="list")(list_traces)
    commands.command(name="demo")(demo)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return commands.cli(
                prog="roverd",
                description="Recordings of many sensors at once: record, read, train.",
                args=list(arguments),
            )
    except BrokenPipeError:
        # Whoever read our output has enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OSError, ValueError, LookupError) as error:
        print(error_text(error), file=sys.stderr)
        return 1


def _show_warning(
    message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    label = "warning" if issubclass(category, RoverdWarning) else category.__name__
    print(f"roverd: {label}: {message}", file=sys.stderr)
