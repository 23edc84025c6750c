"""Random permutations that are computed, not stored."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["key_of", "permute"]

Words = NDArray[np.uint64]

_ROUNDS = 16  # with fewer, permutations of ten and fewer are visibly not equally likely
_GOLDEN = np.array(0x9E3779B97F4A7C15, np.uint64)
_HALF = np.uint64(32)


def key_of(*parts: "int | NDArray[Any]") -> Words:
    """Hash numbers to keys: a chain of SplitMix64's mixing functions.

    Args:
        parts: numbers of 0 to 2**64 - 1, or arrays of such, which are broadcast.

    Returns:
        UInt64[n] of the common shape; UInt64[1] of numbers alone.
    """
    key = np.zeros(1, np.uint64)
    for part in parts:
        key = _mix((key ^ np.asarray(part).astype(np.uint64)) + _GOLDEN)
    return key


def permute(position: NDArray[Any], size: "int | NDArray[Any]", key: Words) -> NDArray[np.int64]:
    """Where positions go in a random permutation of `range(size)`.

    No table is made: time and memory go by the number of positions that are asked for. It is
    integer arithmetic alone, so that it is the same everywhere and with every version of NumPy.

    A position is written as two digits, of bases about `sqrt(size)`, each of which is moved on in
    turn by a hash of the other one: a Feistel network, which is a permutation whatever the hash.
    The bases' product may be a little more than `size`; what goes there is sent on until it comes
    back. Both: J. Black, P. Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002.

    Args:
        position: Integer[n], from 0 to below `size`.
        size: how many positions there are, from 1 to 2**62; one number, or Integer[n] where
            positions belong to several permutations.
        key: UInt64[1] or UInt64[n]: which permutation; see `key_of`.

    Returns:
        Int64[n]: different numbers of `range(size)` for different positions.
    """
    sizes = np.asarray(size).astype(np.uint64)
    places = np.asarray(position).astype(np.uint64)
    left_base = np.ceil(np.sqrt(sizes.astype(np.float64))).astype(np.uint64)
    right_base = (sizes + left_base - np.uint64(1)) // left_base
    bases = left_base, right_base
    places = _rounds(places, bases, key)
    while (outside := np.flatnonzero(places >= sizes)).size:
        there = tuple(_pick(base, outside) for base in bases)
        places[outside] = _rounds(places[outside], (there[0], there[1]), _pick(key, outside))
    return places.astype(np.int64)


def _pick(values: Words, where: NDArray[np.intp]) -> Words:
    return values if values.size == 1 else values[where]


def _rounds(places: Words, bases: tuple[Words, Words], key: Words) -> Words:
    digits = list(np.divmod(places, bases[1]))
    for number in range(_ROUNDS):
        mine = number % 2
        word = _mix(digits[1 - mine] + key_of(number) ^ key)
        # The upper half of the word times the base, divided by 2**32: nearly uniform below it.
        moved = digits[mine] + ((word >> _HALF) * bases[mine] >> _HALF)
        digits[mine] = np.where(moved >= bases[mine], moved - bases[mine], moved)
    return digits[0] * bases[1] + digits[1]


def _mix(words: Words) -> Words:
    """SplitMix64's mixing function (Steele, Lea, Flood, OOPSLA 2014; Stafford's variant 13)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
