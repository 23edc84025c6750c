"""Lines of text files that others wrote."""

from collections.abc import Iterator

from roverd.errors import CorruptFileError

# A path has 4096 bytes at most on Linux. A recording given by mistake may be one line of 20 GB.
_LONGEST = 1 << 16


def text_lines(path: str) -> Iterator[str]:
    """Lines of a text file, with the ends that they have there.

    Bytes that are no UTF-8 come as `surrogateescape` has them, as in names of files. A byte order
    mark is left out.

    Raises:
        CorruptFileError: it is not a text file.
    """
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        number = 1
        while line := file.readline(_LONGEST):
            if len(line) == _LONGEST or "\0" in line:
                raise CorruptFileError(
                    f"{path}: line {number}: expected text, found "
                    f"{'a zero byte' if chr(0) in line else 'more than a path can be long'}"
                )
            yield line
            number += 1
