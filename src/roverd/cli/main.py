"""Entry point: finds the command, and turns errors into one line and an exit status."""

import codecs
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from types import FrameType

from roverd import __version__
from roverd.cli.commands import COMMANDS
from roverd.cli.messages import print_errors, print_warnings, show_warning
from roverd.cli.usage import UsageError, parse

USAGE = 2
INTERRUPTED = 128 + signal.SIGINT  # as shells have it
TERMINATED = 128 + signal.SIGTERM
_ENDING = ("SIGTERM", "SIGHUP")

_DESCRIPTION = "Recordings of many sensors at once: record, read, train."


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
            warnings.showwarning = show_warning
            status = _run(list(arguments))
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # Whoever read our output has enough.
        _forget_output()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except UsageError as error:
        print_errors([str(error)])
        return USAGE
    except (OSError, ValueError, LookupError, ImportError) as error:
        if isinstance(error, OSError) and error.filename is None and _output_is_full():
            error.filename = "standard output"
        print_errors([error])
        return 1
    finally:
        print_warnings()


def _run(words: list[str]) -> int:
    match words:
        case [] | ["-h" | "--help"]:
            print(_help(), file=sys.stdout if words else sys.stderr)
            return 0 if words else USAGE
        case ["--version"]:
            print(f"roverd {__version__}")
            return 0
        case [name, *rest] if name in COMMANDS:
            try:
                call = parse(COMMANDS[name].load(), f"roverd {name}", rest)
                return 0 if call is None else call()
            except UsageError as error:
                program = f"roverd {name}"
                raise UsageError(f"{program}: {error}; see {program} --help") from None
        case [flag, *rest] if flag.startswith("--tyro-"):
            from roverd.cli.completion import write_completion

            write_completion(flag, rest)
            return 0
        case _:
            known = ", ".join(COMMANDS)
            raise UsageError(f"no command {words[0]!r}; there are {known}; see roverd --help")


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


def _output_is_full() -> bool:
    """Whether it is stdout that cannot be written to; then no more is."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()
        return True
    return False


def _forget_output() -> None:
    """Keep Python from complaining when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encode_anyway(error: UnicodeError) -> tuple[str | bytes, int]:
    """Names that are no text keep their bytes; what a terminal lacks becomes a question mark."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("replace")(error)


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + signal_number)
