"""The words that queries are made of: phrases with a meaning, from query_words.json, and a query cut into words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

from common.catalogue import genres
from common.text import fold

if TYPE_CHECKING:
    from collections.abc import Container

# More words than anybody means: the rest is not looked at.
MOST_WORDS: Final = 16
LONGEST_PHRASE: Final = 4
THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{2,3}(?!\d))")
IN_THOUSANDS: Final = re.compile(r"\b(\d{1,3})(?:\.(\d{1,2}))?k\b", re.IGNORECASE)
ISO_DATE: Final = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
SHORT_DATE: Final = re.compile(r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}))?(?![\d/])")
DATE_WORD: Final = re.compile(r"date(\d{8})")
RANGE: Final = re.compile(r"(?<=\d)\s*[-\u2013]\s*(?=\d)")
AGE: Final = re.compile(r"\b(\d{1,2})\s*\+")
RUPEES: Final = re.compile(r"\brs\.?\s*(?=\d)", re.IGNORECASE)
PICTURES: Final = {"So", "Sk", "Cn", "Co", "Cs"}
NO_YEAR: Final = 4  # a leap year long ago: a date of every year

Phrase = tuple[str, ...]
PhraseTable = dict[Phrase, str]
# The parts of the file that are no list of phrases with one meaning.
TABLES: Final = {"cities", "genres", "moods", "moodWords", "weekdays", "months", "holidays", "currencies"}


@dataclass(frozen=True)
class Vocabulary:
    """`phrases` has the phrases of each meaning; the tables lead from a phrase to what it names."""

    phrases: dict[str, frozenset[Phrase]]
    genres: PhraseTable
    moods: PhraseTable
    mood_genres: dict[str, tuple[str, ...]]
    cities: PhraseTable
    currencies: PhraseTable
    weekdays: PhraseTable
    months: PhraseTable
    holidays: dict[Phrase, tuple[int, int]]

    def length(self, meaning: str, words: Phrase) -> int:
        """How many words at the beginning are a phrase of this meaning; 0 for none."""
        return length(self.phrases[meaning], words)

    def city(self, words: Phrase) -> str | None:
        """The one name of a city that has several, such as "Mumbai" for "bombay"."""
        return self.cities.get(words)

    def spellings(self, city: str) -> tuple[str, ...]:
        """All names of a city, folded: organizers write one or the other."""
        words = _phrase(city)
        one = self.cities.get(words)
        return tuple(" ".join(each) for each in self.cities if self.cities[each] == one) if one else (" ".join(words),)


def length(known: Container[Phrase], words: Phrase) -> int:
    """How many words at the beginning are one of these phrases, the longest first; 0 for none."""
    return next((count for count in range(min(LONGEST_PHRASE, len(words)), 0, -1) if words[:count] in known), 0)


@cache
def vocabulary() -> Vocabulary:
    """What query_words.json says, folded like the queries themselves."""
    said, known = _said(), genres.tree()
    lists = {name: phrases for name, phrases in said.items() if name not in TABLES}
    return Vocabulary(
        phrases={name: frozenset(map(_phrase, phrases)) for name, phrases in lists.items()},
        genres=_table(said["genres"]) | {_phrase(genre): genre for genre in known},
        moods=_table(said["moodWords"]) | {_phrase(mood): mood for mood in said["moods"]},
        mood_genres={mood: tuple(each for each in named if each in known) for mood, named in said["moods"].items()},
        cities=_table(said["cities"]) | {_phrase(city): city for city in said["cities"]},
        currencies=_table(said["currencies"]),
        weekdays=_table({str(day): names for day, names in enumerate(said["weekdays"])}),
        months=_table({str(month): names for month, names in enumerate(said["months"], 1)}),
        holidays={_phrase(name): (month, day) for name, (month, day) in said["holidays"].items()},
    )


def words_of(query: str) -> tuple[str, ...]:
    """The folded words; amounts, dates, ages and currencies survive the folding as words of their own."""
    text = THOUSANDS.sub("", query.replace("/-", " "))
    text = IN_THOUSANDS.sub(lambda found: str(int(float(f"{found[1]}.{found[2] or 0}") * 1000)), text)
    text = ISO_DATE.sub(lambda found: _date_word(int(found[1]), int(found[2]), int(found[3]), found[0]), text)
    text = SHORT_DATE.sub(
        lambda found: _date_word(int(found[3] or NO_YEAR), int(found[2]), int(found[1]), found[0]), text
    )
    text = AGE.sub(r"\1plus ", RANGE.sub(" to ", RUPEES.sub("inr ", text)))
    for symbol, code in _symbols().items():
        text = text.replace(symbol, f" {code} ")
    return tuple(fold("".join(map(_without_picture, text))).split()[:MOST_WORDS])


def _without_picture(character: str) -> str:
    """Folding would spell an emoji out: nobody who sends one looks for its name."""
    return " " if category(character) in PICTURES else character


def as_typed(word: str) -> str:
    """A word for people to read: dates have their signs again."""
    if not DATE_WORD.fullmatch(word):
        return word
    year, month, day = int(word[4:8]), int(word[8:10]), int(word[10:])
    return f"{day}/{month}" if year == NO_YEAR else f"{year}-{month:02}-{day:02}"


def _date_word(year: int, month: int, day: int, written: str) -> str:
    try:
        date(year, month, day)
    except ValueError:
        return written
    return f" date{year:04}{month:02}{day:02} "


@cache
def _said() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(Path(__file__).with_name("query_words.json").read_bytes())
    return said


@cache
def _symbols() -> dict[str, str]:
    return {name: code for code, names in _said()["currencies"].items() for name in names if not name[0].isalnum()}


def _table(said: dict[str, list[str]]) -> PhraseTable:
    return {words: meaning for meaning, phrases in said.items() for phrase in phrases if (words := _phrase(phrase))}


def _phrase(text: str) -> Phrase:
    return tuple(fold(text).split())
