"""Arguments that several commands take, and what their words may be.

A parameter's words are turned into a value by a `value`, also where `None` is its default: the
parser would take the word `None` for it.
"""

import math
from collections.abc import Callable
from typing import Annotated, Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec

NO_DEFAULT = tyro.conf.arg(help_behavior_hint="")
"""For a parameter whose description says what happens without it."""

TracePath = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
"""A folder, given first and without a flag."""

NewTrace = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DST")]
"""The folder of a trace that is to be made, given second."""

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff, NO_DEFAULT]
"""A switch that is off unless named."""

Json = Annotated[Flag, tyro.conf.arg(name="json")]
"""The switch `--json`, for parameters with a name that hides no module."""


def value(
    metavar: str, parse: Callable[[str], Any], choices: tuple[str, ...] | None = None
) -> PrimitiveConstructorSpec[Any]:
    """What is made of the one word after a flag.

    Args:
        metavar: stands for the word in `--help`.
        parse: makes the value; a ValueError says what was expected and got.
        choices: all words that there are, for completion.

    Returns:
        A mark for an annotation.
    """
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: parse(words[0]),
        is_instance=lambda _: True,
        str_from_instance=lambda instance: [str(instance)],
        choices=choices,
    )


def text(metavar: str) -> PrimitiveConstructorSpec[Any]:
    """Any word, such as the name of a file."""
    return value(metavar, str)


class Words(tuple[str, ...]):
    """Any number of words. The parser loads much to look at a tuple that is not of a class."""


def texts(metavar: str) -> PrimitiveConstructorSpec[Any]:
    """All the words up to the next flag; maybe none."""
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar=metavar,
        instance_from_str=Words,
        is_instance=lambda _: True,
        str_from_instance=lambda instance: [*(instance or ())],
    )


TracePaths = Annotated[
    Words,
    tyro.conf.Positional,
    texts("PATH..."),
    tyro.conf.arg(metavar="PATH...", help_behavior_hint="(required)"),
]
"""Folders, given first and without a flag. The parser lets none pass: see `usage.required`."""


def one_of(*choices: str, metavar: str | None = None) -> PrimitiveConstructorSpec[Any]:
    """One of these words; `metavar` stands for them where they are long."""
    return value(metavar or f"{{{','.join(choices)}}}", str, choices)


def whole(metavar: str, least: int) -> PrimitiveConstructorSpec[Any]:
    """A whole number that is not less than `least`."""

    def parse(word: str) -> int:
        try:
            number = int(word)
        except ValueError:
            number = None
        if number is None or number < least:
            raise ValueError(f"expected a whole number from {least} on, got {word!r}")
        return number

    return value(metavar, parse)


def number(
    metavar: str, least: float = -math.inf, above: float = -math.inf
) -> PrimitiveConstructorSpec[Any]:
    """A finite number that is not less than `least`, and more than `above`."""

    def parse(word: str) -> float:
        number = float_or_none(word)
        if number is None or not math.isfinite(number):
            raise ValueError(f"expected a number, got {word!r}")
        if number < least or number <= above:
            bound = f"from {least:g} on" if number < least else f"above {above:g}"
            raise ValueError(f"expected a number {bound}, got {word!r}")
        return number

    return value(metavar, parse)


def float_or_none(word: str) -> float | None:
    """The number that a word is, if it is one."""
    try:
        return float(word)
    except ValueError:
        return None
