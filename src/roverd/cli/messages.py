"""What is said on stderr: errors and warnings, a line each."""

import sys
from collections.abc import Iterable

from roverd.cli.text import printable
from roverd.errors import RoverdWarning

# Held back until it is known whether an error says the same.
_warnings: list[str] = []


def warn(message: str, label: str = "warning") -> None:
    """Print a warning, when the command ends or has errors to print.

    Args:
        message: the warning, which names the file.
        label: what kind it is of.
    """
    _warnings.append(f"roverd: {label}: {_line(message)}")


def show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """What `warnings.showwarning` is while a command runs."""
    warn(str(message), "warning" if issubclass(category, RoverdWarning) else category.__name__)


def print_errors(errors: Iterable[BaseException | str]) -> None:
    """Print errors, and before them the warnings that none of them repeats."""
    texts = [error_text(error) for error in errors]
    if texts:
        print_warnings(texts)
    for text in texts:
        print(f"roverd: error: {text}", file=sys.stderr)


def print_warnings(but: Iterable[str] = ()) -> None:
    """Print the warnings that were held back.

    Args:
        but: those that say one of these are dropped.
    """
    shown = [warning for warning in _warnings if not any(text in warning for text in but)]
    _warnings.clear()
    for warning in dict.fromkeys(shown):
        print(printable(warning), file=sys.stderr)


def error_text(error: BaseException | str) -> str:
    """An error's message: one line, with the name of the file first."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        reason = error.strerror[0].lower() + error.strerror[1:]
        names = [_name(file) for file in (error.filename, error.filename2) if file is not None]
        text = f"{' and '.join(names)}: {reason}" if names else reason
    return _line(text)


def _name(file: object) -> str:
    return file.decode(errors="surrogateescape") if isinstance(file, bytes) else str(file)


def _line(text: str) -> str:
    return printable(" ".join(text.split()))
