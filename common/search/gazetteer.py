"""Cities, places and names as the listed events have them: nobody keeps a list of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from common.geo import Point, distance_km
from common.search.query_parser import City
from common.search.query_words import vocabulary
from common.search.schemas import Place
from common.text import fold

if TYPE_CHECKING:
    import sqlite3

    from common.search.query_words import Phrase

NEAREST_KM: Final = 5.0
FARTHEST_KM: Final = 15.0
CITY_KM: Final = 30.0
# Around the venues that have the place in their name or address there is more of it.
MARGIN_KM: Final = 2.0
NOWHERE: Final = "UTC"


class ListingGazetteer:
    """Answers from the tables of the index, for one request; of places with one name it prefers the one near `here`."""

    def __init__(self, db: sqlite3.Connection, here: Point | None = None) -> None:
        self._db = db
        self._here = here

    @cached_property
    def _cities(self) -> dict[str, City]:
        rows = self._db.execute(
            "SELECT city_key, MIN(city), timezone, SUM(upcoming) AS events FROM venues"
            " GROUP BY city_key, timezone ORDER BY events, timezone"
        )
        return {key: City(name, timezone) for key, name, timezone, _ in rows}  # the last one has the most events

    def timezone(self, city: str | None) -> str:
        """That of the city, of the venue nearest to here, or of most events."""
        if city and (found := self.city(tuple(fold(city).split()))):
            return found.timezone or NOWHERE
        if self._here:
            zones = self._db.execute("SELECT timezone, AVG(latitude), AVG(longitude) FROM venues GROUP BY city_key")
            here = self._here
            found_zones = [(distance_km(here, Point(*where)), zone) for zone, *where in zones]
            return min(found_zones)[1] if found_zones else NOWHERE
        most = "SELECT timezone FROM venues GROUP BY timezone ORDER BY SUM(upcoming) DESC, timezone LIMIT 1"
        row = self._db.execute(most).fetchone()
        return str(row[0]) if row else NOWHERE

    def city(self, words: Phrase) -> City | None:
        """The city of this name, or of another name that it has."""
        spellings = vocabulary().spellings(" ".join(words))
        return next((self._cities[each] for each in spellings if each in self._cities), None)

    def cities(self) -> tuple[str, ...]:
        """All of them, folded."""
        return tuple(self._cities)

    def place(self, words: Phrase, city: str | None) -> Place | None:
        """The circle around the venues that have these words in name or address, all in one city."""
        asked = " AND ".join(f'"{word}"' for word in words)
        rows = self._db.execute(
            "SELECT v.city_key, v.upcoming, v.latitude, v.longitude FROM venue_texts t JOIN venues v ON v.id = t.rowid"
            " WHERE venue_texts MATCH ?",
            (asked,),
        ).fetchall()
        if city:
            spellings = vocabulary().spellings(city)
            rows = [row for row in rows if row[0] in spellings] or rows
        if not rows:
            return None
        best = self._best_city(rows)
        points = [Point(latitude, longitude) for key, _, latitude, longitude in rows if key == best]
        centre = Point(
            sum(each.latitude for each in points) / len(points), sum(each.longitude for each in points) / len(points)
        )
        reach = max(distance_km(centre, each) for each in points) + MARGIN_KM
        radius = CITY_KM if " ".join(words) in self._cities else min(FARTHEST_KM, max(NEAREST_KM, reach))
        return Place(
            name=" ".join(words).title(),
            latitude=round(centre.latitude, 5),
            longitude=round(centre.longitude, 5),
            radius_km=round(radius, 1),
        )

    def _best_city(self, rows: list[tuple[str, int, float, float]]) -> str:
        here = self._here
        if here:
            return min((distance_km(here, Point(*where)), key) for key, _, *where in rows)[1]
        events: dict[str, int] = {}
        for key, upcoming, *_ in rows:
            events[key] = events.get(key, 0) + upcoming
        return min(events, key=lambda key: (-events[key], key))

    def is_name(self, words: Phrase, whole: bool) -> bool:
        """Whether an artist or a venue is called so, or so to begin with."""
        asked = "name : ^ " + " + ".join(f'"{word}"' for word in words)
        for table in ("performer_texts", "venue_texts"):
            named = f"SELECT 1 FROM {table} WHERE {table} MATCH ? AND (name = ? OR NOT ?) LIMIT 1"  # noqa: S608
            if self._db.execute(named, (asked, " ".join(words), whole)).fetchone():
                return True
        return False

    def knows(self, word: str) -> bool:
        """Whether an event has the word, or one that begins so."""
        return (
            self._db.execute("SELECT 1 FROM texts WHERE texts MATCH ? LIMIT 1", (f'"{word}"*',)).fetchone() is not None
        )
