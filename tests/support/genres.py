"""The genre tree read downwards, to compare with: the product reads it upwards only."""

from __future__ import annotations

from functools import cache

from common.catalogue.genres import tree


@cache
def with_descendants(genre: str) -> frozenset[str]:
    """The genre and all below it; an unknown one stands for itself."""
    found = {genre}
    for node in tree().values():  # parents come first
        if node.parent in found:
            found.add(node.genre)
    return frozenset(found)
