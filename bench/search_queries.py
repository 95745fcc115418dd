"""Queries with the artist that somebody meant, written right, begun, misspelt or with accents; and everyday ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from common.text import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.listings.schemas import Listing

TABLE: Final = Path(__file__).parents[1] / "tests" / "discovery" / "queries.json"
ACCENTS: Final = {"a": "á", "e": "ẹ", "i": "ì", "o": "ọ́", "u": "ú", "s": "ṣ"}
LETTERS: Final = "abcdefghijklmnoprstuvy"
SHORTEST: Final = 5


class Meant(NamedTuple):
    """What is typed, the artist that is meant, and in which way it is typed."""

    typed: str
    artist: str
    way: str


def everyday() -> list[str]:
    """The queries of the parser's table."""
    return [row["q"] for row in json.loads(TABLE.read_text())]


def meant(listings: Sequence[Listing], count: int) -> list[Meant]:
    """So many of each way, for artists drawn from all events."""
    chance = random.Random("search bench")
    names = sorted({name for each in listings for name in each.artists if len(_words(name)) >= 2})
    drawn = [chance.choice(names) for _ in range(count)]
    ways: dict[str, Callable[[str], str]] = {
        "whole": fold,
        "begun": _begun,
        "misspelt": lambda name: _misspelt(name, chance),
        "accents": _accented,
    }
    return [Meant(write(name), name, way) for way, write in ways.items() for name in drawn]


def _words(name: str) -> list[str]:
    return [word for word in fold(name).split() if len(word) >= SHORTEST]


def _begun(name: str) -> str:
    """All but the end of the last word."""
    words = fold(name).split()
    return " ".join([*words[:-1], words[-1][: max(2, len(words[-1]) - 2)]])


def _misspelt(name: str, chance: random.Random) -> str:
    """One letter of one longer word is wrong, missing, added or swapped."""
    words = fold(name).split()
    place = chance.choice([index for index, word in enumerate(words) if len(word) >= SHORTEST])
    word = words[place]
    at = chance.randrange(1, len(word) - 1)
    other = chance.choice(LETTERS)
    words[place] = chance.choice(
        [
            word[:at] + other + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + other + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )
    return " ".join(words)


def _accented(name: str) -> str:
    return "".join(ACCENTS.get(letter, letter) for letter in fold(name))
