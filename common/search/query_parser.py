"""A query in somebody's own words becomes filters and the words that are left.

The words are read from left to right. At each place the first of these that fits takes its words: the name of an
artist or venue (which stays text, so that "Bombay Syllable" is nobody's city), an age, a price, a time, free,
available, "near" with a place, a genre, a mood, a city, "in" with a place, a filler such as "events". What nobody takes
is text. Fillers are text when nothing else was said. A genre that is said beats those that a mood stands for. Misspelt
genres and cities are taken when no event has the word as it was typed: one letter off from five letters on, two from
eight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from common.search import query_amounts, query_dates
from common.search.query_amounts import Bounds
from common.search.query_words import LONGEST_PHRASE, as_typed, length, vocabulary, words_of
from common.search.schemas import Interpretation, Place
from common.search.spelling import most_alike

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from common.geo import Point
    from common.search.query_dates import When
    from common.search.query_words import Phrase

# A name of two words is a name when it is whole; one of more also when it goes on.
WHOLE_NAME: Final = 2
LONGEST_NAME: Final = 6
NEAR_ME_KM: Final = 10.0


class City(NamedTuple):
    """A city by the name it is shown under; its time zone, where there are events."""

    name: str
    timezone: str | None


class Gazetteer(Protocol):
    """What a parser asks of the listed events; words are folded."""

    def city(self, words: Phrase) -> City | None: ...
    def cities(self) -> tuple[str, ...]: ...
    def place(self, words: Phrase, city: str | None) -> Place | None: ...
    def is_name(self, words: Phrase, whole: bool) -> bool: ...
    def knows(self, word: str) -> bool: ...


@dataclass
class _Said:
    """What was understood so far."""

    text: list[str] = field(default_factory=list)
    fillers: list[str] = field(default_factory=list)
    city: City | None = None
    near: Phrase = ()
    near_me: bool = False
    whens: list[When] = field(default_factory=list)
    when_words: list[str] = field(default_factory=list)
    genres: list[str] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    price: Bounds | None = None
    age: Bounds | None = None
    free: bool = False
    available: bool = False


def parse(query: str, now: datetime, timezone: str, gazetteer: Gazetteer, here: Point | None = None) -> Interpretation:
    """How the query is understood at this moment; the time zone holds where the query names no city with its own."""
    words = words_of(query)
    reader = _Reader(gazetteer)
    while words:
        words = words[reader.read(words) :]
    city = reader.said.city
    zone = (city and city.timezone) or timezone
    window = query_dates.windowed(reader.said.whens, now.astimezone(ZoneInfo(zone)))
    understood = Interpretation(
        timezone=zone,
        city=city.name if city else None,
        near=_near(reader.said, gazetteer, here),
        when=" ".join(reader.said.when_words) or None,
        from_=window.start if window else None,
        to=window.end if window else None,
        running=window is not None,
        **_plain(reader.said),
    )
    is_silent = understood == Interpretation(timezone=zone)
    return understood.model_copy(update={"text": " ".join(reader.said.fillers)}) if is_silent else understood


class _Reader:
    """Takes words from the front of a query."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self.said = _Said()
        self._gazetteer = gazetteer
        self._known = vocabulary()
        self._takers: tuple[Callable[[Phrase], int], ...] = (
            *(self._name, self._age, self._price, self._when, self._free, self._available, self._near),
            *(self._genre, self._mood, self._city, self._within, self._misspelt, self._filler),
        )

    def read(self, words: Phrase) -> int:
        """Understand the first words; how many of them that took."""
        for take in self._takers:
            if taken := take(words):
                return taken
        self.said.text.append(words[0])
        return 1

    def _name(self, words: Phrase) -> int:
        for count in range(min(LONGEST_NAME, len(words)), WHOLE_NAME - 1, -1):
            if self._gazetteer.is_name(words[:count], whole=count == WHOLE_NAME):
                self.said.text += words[:count]
                return count
        return 0

    def _age(self, words: Phrase) -> int:
        taken, self.said.age = query_amounts.age(words) or (0, self.said.age)
        return taken

    def _price(self, words: Phrase) -> int:
        taken, self.said.price = query_amounts.price(words) or (0, self.said.price)
        return taken

    def _when(self, words: Phrase) -> int:
        found = query_dates.recognise(words)
        if found is None:
            return 0
        taken, when = found
        self.said.whens.append(when)
        self.said.when_words += map(as_typed, words[:taken])
        return taken

    def _free(self, words: Phrase) -> int:
        taken = self._known.length("free", words)
        self.said.free |= bool(taken)
        return taken

    def _available(self, words: Phrase) -> int:
        taken = self._known.length("available", words)
        self.said.available |= bool(taken)
        return taken

    def _near(self, words: Phrase) -> int:
        if taken := self._place(words, self._known.length("near", words)):
            return taken
        taken = self._known.length("nearMe", words)
        self.said.near_me |= bool(taken)
        return taken

    def _within(self, words: Phrase) -> int:
        return self._place(words, self._known.length("within", words))

    def _place(self, words: Phrase, before: int) -> int:
        following = words[before:] if before else ()
        for count in range(min(LONGEST_PHRASE, len(following)), 0, -1):
            if self._gazetteer.place(following[:count], None):
                self.said.near = following[:count]
                return before + count
        return 0

    def _genre(self, words: Phrase) -> int:
        if taken := length(self._known.genres, words):
            self.said.genres.append(self._known.genres[words[:taken]])
        return taken

    def _mood(self, words: Phrase) -> int:
        if taken := length(self._known.moods, words):
            self.said.moods.append(self._known.moods[words[:taken]])
        return taken

    def _city(self, words: Phrase) -> int:
        before = self._known.length("within", words)
        for count in range(min(LONGEST_PHRASE, len(words) - before), 0, -1):
            phrase = words[before : before + count]
            name = self._known.city(phrase)
            found = self._gazetteer.city(phrase)
            if found or name:
                self.said.city = City(name, found and found.timezone) if name else found
                return before + count
        return 0

    def _misspelt(self, words: Phrase) -> int:
        word = words[0]
        if self._gazetteer.knows(word) or (word,) in self._known.phrases["fillers"]:
            return 0
        genres = {phrase[0]: genre for phrase, genre in self._known.genres.items() if len(phrase) == 1}
        if genre := most_alike(word, genres):
            self.said.genres.append(genres[genre])
            return 1
        spellings = (*self._gazetteer.cities(), *(" ".join(phrase) for phrase in self._known.cities))
        city = most_alike(word, spellings)
        return self._city(tuple(city.split())) and 1 if city else 0

    def _filler(self, words: Phrase) -> int:
        taken = self._known.length("fillers", words)
        self.said.fillers += words[:taken]
        return taken


def _near(said: _Said, gazetteer: Gazetteer, here: Point | None) -> Place | None:
    if said.near:
        return gazetteer.place(said.near, said.city.name if said.city else None)
    if said.near_me and here:
        return Place(name="", latitude=here.latitude, longitude=here.longitude, radius_km=NEAR_ME_KM)
    return None


def _plain(said: _Said) -> dict[str, Any]:
    """What needs neither time nor place."""
    genres = said.genres or [genre for mood in said.moods for genre in vocabulary().mood_genres[mood]]
    price, age = said.price or Bounds(), said.age or Bounds()
    return {
        "text": " ".join(said.text),
        "genres": tuple(dict.fromkeys(genres)),
        "mood": said.moods[0] if said.moods else None,
        "min_price_minor": price.lowest,
        "max_price_minor": 0 if said.free else price.highest,
        "currency": price.currency,
        "min_age": age.lowest,
        "max_age": age.highest,
        "available": said.available,
    }
