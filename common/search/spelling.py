"""Which known words may have been meant by one that is misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# Words shorter than this are as they are typed: too many others are one letter away.
SHORTEST: Final = 4
SHORTEST_FOR_TWO: Final = 8


def allowed(word: str) -> int:
    """How many letters may be wrong, missing, added or swapped with their neighbour."""
    return 0 if len(word) < SHORTEST or word.isdigit() else 1 if len(word) < SHORTEST_FOR_TWO else 2


def alike(word: str, known: Collection[str]) -> Iterator[tuple[int, str]]:
    """The known words that near the one that was typed, each with its distance."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract_iter

    most = allowed(word)
    if most:
        for found, distance, _ in extract_iter(word, list(known), scorer=OSA.distance, score_cutoff=most):
            yield int(distance), found


def most_alike(word: str, known: Collection[str]) -> str | None:
    """The nearest of a few known names, none for a short word; of two as near, the first in the alphabet."""
    found = sorted(alike(word, known)) if len(word) > SHORTEST else []
    return found[0][1] if found else None
