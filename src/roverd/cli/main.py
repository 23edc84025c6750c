"""Entry point: finds the command, and turns errors into one line and an exit status."""

import codecs
import contextlib
import functools
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from types import FrameType

from roverd import __version__
from roverd.cli.commands import COMMANDS
from roverd.cli.text import error_text, printable
from roverd.errors import RoverdWarning

USAGE = 2
INTERRUPTED = 128 + signal.SIGINT  # as shells have it
TERMINATED = 128 + signal.SIGTERM
_ENDING = ("SIGTERM", "SIGHUP")

_DESCRIPTION = "Recordings of many sensors at once: record, read, train."
_BOX = re.compile("[─│╭╮╰╯]+")


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
    codecs.register_error("roverd", _encode_anyway)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="roverd")
    # What is being made is removed before the program ends.
    if threading.current_thread() is threading.main_thread():
        for name in _ENDING:
            number = getattr(signal, name, None)  # Windows lacks one
            # Programs that nohup has started go on when the terminal is closed.
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _terminate)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _run(list(arguments))
    except BrokenPipeError:
        # Whoever read our output has enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OSError, ValueError, LookupError, ImportError) as error:
        print(error_text(error), file=sys.stderr)
        return 1


def _run(words: list[str]) -> int:
    match words:
        case [] | ["-h" | "--help"]:
            print(_help(), file=sys.stdout if words else sys.stderr)
            return 0 if words else USAGE
        case ["--version"]:
            print(f"roverd {__version__}")
            return 0
        case [name, *rest] if name in COMMANDS:
            call = _parsed(COMMANDS[name].load(), f"roverd {name}", rest)
            return call() if callable(call) else call
        case [flag, *_] if flag.startswith("--tyro-"):
            return _completion(words)
        case _:
            known = ", ".join(COMMANDS)
            message = f"no command {words[0]!r}; there are {known} (see roverd --help)"
            print(error_text(message), file=sys.stderr)
            return USAGE


def _help() -> str:
    # Written here, so that it needs none of what the commands need.
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: roverd COMMAND ...",
            "",
            _DESCRIPTION,
            "",
            "commands:",
            *(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()),
            "",
            "options:",
            f"  {'--help':<{width}}  show this, or with a command what that does",
            f"  {'--version':<{width}}  show the version",
        ]
    )


def _parsed(
    function: Callable[..., int], program: str, words: list[str]
) -> Callable[[], int] | int:
    """The call that the words stand for, or the exit status where they stand for none."""
    import tyro

    @functools.wraps(function)
    def call(*positional: object, **named: object) -> Callable[[], int]:
        return functools.partial(function, *positional, **named)

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(call, prog=program, args=words)
    except SystemExit as end:
        if end.code in (0, None):
            return 0
        # The parser draws a box around what it has to say.
        print(error_text(_BOX.sub(" ", said.getvalue())), file=sys.stderr)
        return USAGE


def _completion(words: list[str]) -> int:
    """Scripts for shells: `--tyro-print-completion bash`, `--tyro-write-completion zsh FILE`."""
    from tyro.extras import SubcommandApp

    commands = SubcommandApp()
    for name, command in COMMANDS.items():
        commands.command(name=name)(command.load())
    commands.cli(prog="roverd", description=_DESCRIPTION, args=words)
    return 0


def _encode_anyway(error: UnicodeError) -> tuple[str | bytes, int]:
    """Names that are no text keep their bytes; what a terminal lacks becomes a question mark."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("replace")(error)


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + signal_number)


def _show_warning(
    message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    label = "warning" if issubclass(category, RoverdWarning) else category.__name__
    print(printable(f"roverd: {label}: {message}"), file=sys.stderr)
