"""Ranges of a file that are wanted together: which of them to read in one go."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Merging:
    """When reading more than is wanted is cheaper than reading twice.

    Attributes:
        gap: bytes between two ranges that are read along, at most.
        most: bytes that ranges are merged to, at most. A single range may be larger.
    """

    gap: int
    most: int


@dataclass(frozen=True, slots=True)
class Span:
    """What is read in one go.

    Attributes:
        offset: where it begins.
        size: how many bytes it is.
        ranges: which of the ranges lie in it, in ascending order of where they begin.
    """

    offset: int
    size: int
    ranges: Sequence[int]


def spans(ranges: Sequence[tuple[int, int]], merging: Merging) -> list[Span]:
    """Merge neighbours.

    Every range lies in exactly one span. Ranges that are the same lie in the same one. No span
    begins or ends with a byte that no range has.

    Args:
        ranges: offset and size of each, in any order; they may overlap.
        merging: when two of them are read in one go.

    Returns:
        The spans, by offset.
    """
    made: list[Span] = []
    members: list[int] = []
    begin = end = 0
    for number in sorted(range(len(ranges)), key=ranges.__getitem__):
        offset, size = ranges[number]
        reached = max(end, offset + size)
        if members:
            same = ranges[members[-1]] == (offset, size)
            near = offset - end <= merging.gap and reached - begin <= merging.most
            if same or near:
                members.append(number)
                end = reached
                continue
            made.append(Span(begin, end - begin, members))
        begin, end, members = offset, offset + size, [number]
    if members:
        made.append(Span(begin, end - begin, members))
    return made
