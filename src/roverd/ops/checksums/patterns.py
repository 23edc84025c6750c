"""Which files: glob patterns on relative paths."""

import fnmatch
import re

from roverd.errors import InvalidDataError
from roverd.ops.checksums.lines import text_lines

# What `fnmatch` puts around a pattern's translation: it differs between versions of Python.
_BEFORE, _AFTER = fnmatch.translate("x").split("x")
_ANY_FOLDERS = re.compile(r"(?:(?<=/)|^)(?:\*\*/)+")
_WILDCARDS = re.compile(r"[*?[]")


class Patterns:
    """Patterns that select files by their relative path.

    A pattern is compared with the whole path, case and all, as by `fnmatch.fnmatchcase`, `find
    -path` and the filters of `aws s3`: `*` stands for any characters, `/` too, `?` for any one,
    `[ab]` and `[!ab]` for one of some. So `*.json` is every JSON file at any depth, and
    `*/radar/*` all that is in any folder `radar` below another. `**` is `*`, and `**/` also stands
    for no folder at all: `**/radar/*` includes `radar/iq`. A line that is a path itself selects
    it, with brackets or stars in its name, too: lists of files serve as patterns.

    Args:
        path: a text file with a pattern on each line. White space around a pattern, empty lines
            and lines that begin with `#` are ignored.

    Raises:
        InvalidDataError: there is no pattern in it.
        CorruptFileError: it is not a text file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        lines = [line.strip() for line in text_lines(path)]
        patterns = list(dict.fromkeys(line for line in lines if line and line[0] != "#"))
        if not patterns:
            raise InvalidDataError(f"{path}: expected a glob pattern on each line, found none")
        # A list of a million files is looked up in, not tried one by one.
        self._names = frozenset(patterns)
        self._globs = {text: _translate(text) for text in patterns if _WILDCARDS.search(text)}
        self._unmatched = dict.fromkeys(patterns)

    def select(self, name: str) -> bool:
        """Whether a relative path, with `/` between its parts, is selected."""
        matching = [text for text, glob in self._globs.items() if glob.match(name)]
        if name in self._names:
            matching.append(name)
        for text in matching:
            self._unmatched.pop(text, None)
        return bool(matching)

    @property
    def unmatched(self) -> list[str]:
        """Patterns that have selected nothing up to now, in the order of the file."""
        return list(self._unmatched)


def _translate(pattern: str) -> re.Pattern[str]:
    pieces = [fnmatch.translate(piece) for piece in _ANY_FOLDERS.split(pattern)]
    bodies = [piece[len(_BEFORE) : len(piece) - len(_AFTER)] for piece in pieces]
    return re.compile(_BEFORE + "(?:.*/)?".join(bodies) + _AFTER)
