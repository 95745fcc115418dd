"""One spelling for comparing: no case, no accents, every script in Latin letters, words apart by one space."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

NOT_WORD: Final = re.compile(r"[^a-z0-9]+")
LONGEST_SLUG: Final = 60


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """`"Fẹlá Kútì"` and `"FELA KUTI"` are both `"fela kuti"`; `"अरिजीत"` is `"arijit"`."""
    from anyascii import anyascii

    # An apostrophe is no border between words: "D'Souza" is one.
    return NOT_WORD.sub(" ", anyascii(text).casefold().replace("'", "")).strip()


def slug(text: str) -> str:
    """The text as part of an address: `"night-at-the-mill"`, cut after whole words."""
    words = fold(text).replace(" ", "-")
    return words if len(words) <= LONGEST_SLUG else words[: LONGEST_SLUG + 1].rpartition("-")[0] or words[:LONGEST_SLUG]
