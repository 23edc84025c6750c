"""The CSV of checksums: a line `file,md5`, then one for each file."""

import csv
import io
import os
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from roverd.errors import CorruptFileError
from roverd.ops.checksums.digests import ALGORITHMS, DIGITS, Algorithm
from roverd.ops.checksums.lines import text_lines
from roverd.storage import storage_for

_HEXADECIMAL = frozenset(string.hexdigits)
_BATCH = 1 << 20  # characters


@dataclass
class Table:
    """Checksums as a CSV has them.

    Attributes:
        algorithm: what they are.
        digests: hexadecimal digits by name, a path with `/` between its parts.
    """

    algorithm: Algorithm
    digests: dict[str, str]


def read_table(path: str) -> Table:
    """Read a CSV of checksums.

    Args:
        path: the CSV: UTF-8, with quotes where names need them, and ends of lines as on any
            system. Digits may be capitals.

    Raises:
        CorruptFileError: it is not such a CSV; the message has the number of the line.
    """
    rows = _rows(path)
    _, header = next(rows, (1, list[str]()))
    algorithm = _column(path, header)
    digests: dict[str, str] = {}
    for number, row in rows:
        problem = _problem(row, algorithm, digests)
        if problem:
            raise CorruptFileError(f"{path}: line {number}: {problem}")
        digests[row[0]] = row[1].lower()
    return Table(algorithm, digests)


def _rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each with the number of its first line."""
    reader = csv.reader(text_lines(path), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CorruptFileError(f"{path}: line {number}: not CSV ({error})") from error
        if row:
            yield number, row


def _column(path: str, row: list[str]) -> Algorithm:
    for algorithm in ALGORITHMS:
        if row == ["file", algorithm]:
            return algorithm
    expected = ", ".join(f"file,{algorithm}" for algorithm in ALGORITHMS)
    raise CorruptFileError(
        f"{path}: line 1: expected the header of a CSV of checksums (one of {expected}), "
        f"found {','.join(row)!r:.80}"
    )


def _problem(row: list[str], algorithm: Algorithm, before: Mapping[str, str]) -> str:
    if len(row) != 2:
        return f"expected a file and its {algorithm}, found {len(row)} fields"
    name, digest = row
    # Nothing is opened by these names, but none but an attacker would write one that leads out.
    if os.path.isabs(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
        return f"expected a path relative to the folder, without '.' or '..', found {name!r:.200}"
    if name in before:
        return f"{name!r:.200} is there for the second time"
    if len(digest) != DIGITS[algorithm] or not _HEXADECIMAL.issuperset(digest):
        return f"expected {DIGITS[algorithm]} hexadecimal digits, found {digest!r:.80}"
    return ""


def write_table(path: str, table: Table) -> None:
    """Write a CSV of checksums, sorted by name, that appears when it is complete.

    Args:
        path: the CSV; one that is there is replaced.
        table: what to write.
    """
    with storage_for(path).replacing(path) as file:
        text = io.StringIO()
        plain = csv.writer(text, lineterminator="\n")
        # Python before 3.13 writes a carriage return without quotes, and then reads two lines.
        quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(["file", table.algorithm])
        for name in sorted(table.digests):
            (quoted if "\r" in name else plain).writerow([name, table.digests[name]])
            if text.tell() > _BATCH:
                file.append(text.getvalue().encode("utf-8", "surrogateescape"))
                text.seek(0)
                text.truncate()
        file.append(text.getvalue().encode("utf-8", "surrogateescape"))
