"""One line per sensor on a terminal, drawn again and again in the same place."""

import os
import sys
import unicodedata
from collections.abc import Mapping
from typing import TextIO

from roverd.recorder.statistics import SensorStats

_UP = "\x1b[{}F"
_CLEAR_LINE = "\x1b[2K"
_CLEAR_BELOW = "\x1b[J"


class Display:
    """Shows how a recording goes; shows nothing where `stream` is no terminal.

    Args:
        stream: where to; standard error if `None`.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._drawn = 0
        self._on = bool(self._stream) and self._stream.isatty()

    def draw(self, stats: Mapping[str, SensorStats]) -> None:
        """Show the state of each sensor, in place of what was shown before."""
        if not self._on or not stats:
            return
        try:
            size = os.get_terminal_size(self._stream.fileno())
            longest = max(map(len, stats))
            lines = [line(name, found, longest) for name, found in stats.items()]
            # What has left the top of a terminal cannot be drawn again.
            rows = max(1, (size.lines or 24) - 1)
            if len(lines) > rows:
                lines[rows - 1 :] = [f"and {len(lines) - rows + 1} more sensors"]
            lines = [_cut(shown, (size.columns or 80) - 1) for shown in lines]
            up = _UP.format(self._drawn) if self._drawn else ""
            text = "".join(f"{_CLEAR_LINE}{shown}\n" for shown in lines)
            self._stream.write(f"{up}{text}{_CLEAR_BELOW}")
            self._stream.flush()
            self._drawn = len(lines)
        except (OSError, ValueError):  # the terminal is gone, which is no reason not to record
            self._on = False


def _cut(text: str, width: int) -> str:
    """What there is room for, without what would move the cursor."""
    shown, used = "", 0
    for character in text:
        character = character if character.isprintable() else "?"
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width:
            break
        shown += character
    return shown


def line(name: str, stats: SensorStats, longest: int) -> str:
    """What is shown of a sensor.

    Args:
        name: of the sensor.
        stats: how it goes.
        longest: characters in the longest name.
    """
    if stats.error is not None:
        return f"{name:{longest}}  {stats.error}"
    target = "" if stats.target is None else f"/{stats.target:g}"
    return (
        f"{name:{longest}}  {stats.rate:6.1f}{target} Hz  lag {stats.lag:5.3f} s  "
        f"{stats.dropped} dropped  {stats.bytes_per_second / 1e6:7.2f} MB/s  "
        f"{stats.frames} frames"
    )
