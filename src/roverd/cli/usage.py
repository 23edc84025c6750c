"""From words to the call of a command, or to what is wrong with the words."""

import ast
import contextlib
import functools
import inspect
import io
import itertools
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

_BOX = re.compile("[─│╭╮╰╯]+")
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_EDGES = " │"

_Result = TypeVar("_Result")


class UsageError(Exception):
    """The words are no command: one of them is none that can be, or they do not go together.

    What depends on what the words name, such as whether a file is there, is another error.
    """


def required(name: str, words: Sequence[str]) -> None:
    """Refuse no words where some are needed.

    Raises:
        UsageError: there are none.
    """
    if not words:
        raise UsageError(f"{name} is missing")


def parse(
    function: Callable[..., int], program: str, words: Sequence[str]
) -> Callable[[], int] | None:
    """The call of a command that the words stand for.

    Args:
        function: the command.
        program: what it is called, such as `roverd info`.
        words: those after it.

    Returns:
        The call, or `None` when help was asked for, which has been printed.

    Raises:
        UsageError: the words are no command.
    """
    import tyro

    def later(*positional: object, **named: object) -> Callable[[], int]:
        return functools.partial(function, *positional, **named)

    call = described(later, function)
    page = _Page()
    try:
        with contextlib.redirect_stdout(page), contextlib.redirect_stderr(io.StringIO()):
            return tyro.cli(call, prog=program, args=words)
    except SystemExit as end:
        if end.code in (0, None):
            print(_wrapped(page.getvalue(), shutil.get_terminal_size().columns), end="")
            return None
    # Once more, with each thing that the parser says on a line of its own, and without colours.
    said = io.StringIO()
    with (
        _columns(1_000_000),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
        contextlib.suppress(SystemExit),
    ):
        tyro.cli(call, prog=program, args=words)
    raise UsageError(reason(said.getvalue()) or _BOX.sub(" ", said.getvalue()))


def described(call: Callable[..., _Result], function: Callable[..., int]) -> Callable[..., _Result]:
    """A function that takes what another one takes, for the parser of the command line.

    Its docstring is that of the other one, with each paragraph and each description of a parameter
    on a single line: the parser breaks some of them in the middle of a sentence.

    Args:
        call: what the new function does.
        function: whose parameters and descriptions it has.

    Returns:
        The new function.
    """

    @functools.wraps(function)
    def command(*positional: object, **named: object) -> _Result:
        return call(*positional, **named)

    paragraphs = re.sub(r"(?<=\S)\n(?=\S)", " ", inspect.getdoc(function) or "")
    command.__doc__ = re.sub(r"\n {8,}(?=\S)", " ", paragraphs)
    # The parser looks into what is wrapped.
    vars(command)["__signature__"] = inspect.signature(function)
    del vars(command)["__wrapped__"]
    return command


def reason(said: str) -> str | None:
    """What is wrong with the words, in short.

    Args:
        said: what the parser says, not wrapped: a title, and lines in a box.

    Returns:
        A few words, or `None` where the parser said something unknown.
    """
    lines = [line.strip(_EDGES) for line in said.splitlines()]
    for line in lines:
        if match := re.fullmatch(r"Error parsing (\S+): (.+)", line):
            return f"{match[1]}: {match[2]}"
        if match := re.fullmatch(r"Missing value for argument '(.+)'\. Expected .*", line):
            name = match[1]
            return f"{name}: expected a value" if name[0] == "-" else f"{name.upper()} is missing"
        if match := re.fullmatch(
            r"invalid choice '(.*)' for argument '(.+)'\. Expected one of (\(.+\))\.", line
        ):
            choices = sorted(ast.literal_eval(match[3]))
            return f"{match[2]}: expected {_listed(choices, 'or')}, got {match[1]!r}"
        if match := re.fullmatch(r"Unrecognized options: (.+)", line):
            return _unknown(match[1], lines)
    if any(re.fullmatch(r"Missing from .+:", line) for line in lines):
        # Names are set in by four columns, what they mean by eight.
        missing = re.findall(r"^(?:│ |  ) {4}(\S[^│\n]*?) *│?$", said, re.MULTILINE)
        names = [name for name in missing if not name.endswith(" --help")]
        if names:
            return f"{_listed(names, 'and')} {'is' if len(names) == 1 else 'are'} missing"
    return None


def _unknown(words: str, lines: Sequence[str]) -> str:
    flags = [word for word in words.split(", ") if word.startswith("-")]
    if not flags:
        return f"unexpected {words!r}"
    text = f"unknown option{'s' if len(flags) > 1 else ''} {_listed(flags, 'and')}"
    for line, following in itertools.pairwise(lines):
        if line == "Perhaps you meant:" and following.startswith("--"):
            return f"{text}, perhaps {following.split()[0].rstrip(',')}"
    return text


def _listed(names: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


class _Page(io.StringIO):
    """Text for stdout, with colours where that is a terminal, and lines where it has them."""

    def isatty(self) -> bool:
        # Lines that are not drawn cannot be told from text once there are colours.
        return sys.__stdout__ is not None and sys.__stdout__.isatty() and self.encoding == "utf-8"

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return sys.__stdout__.encoding if sys.__stdout__ else "utf-8"


def _wrapped(page: str, width: int) -> str:
    """A page of help in which no line is longer than the terminal is wide.

    The parser wraps what is in its boxes.
    """
    lines: list[str] = []
    for line in page.splitlines():
        if _BOX.search(line):
            lines.append(line)
            continue
        plain = _COLOUR.sub("", line)
        # What is between brackets stays together.
        whole = re.sub(r"\[[^]]*\]", lambda match: match[0].replace(" ", "\0"), plain)
        indent = " " * len("usage: ") if plain.startswith("usage: ") else ""
        lines += textwrap.wrap(
            whole,
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines).replace("\0", " ") + "\n"


@contextlib.contextmanager
def _columns(width: int) -> Generator[None]:
    """Let this be the width of the terminal."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
