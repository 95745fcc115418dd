"""What has events: venues, artists, organizers and tours, and how each is named, kept, and found in the listings."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from common.errors import NotFound

# As ids.py makes them. A slug is words, a hyphen and the id: the words do not count, so that an old link keeps working.
ADDRESS: Final = re.compile(r"(?:.*-)?(([a-z]+)_[a-z2-7]{24})")


class Kind(NamedTuple):
    """`collection` keeps it, `field` of a listing names it, and `sql` finds its listings in the index's tables."""

    noun: str
    prefix: str
    collection: str
    field: str
    several: bool
    sql: str

    def id_in(self, address: str) -> str:
        """The id that an address ends with, or is. NotFound where it has none of this kind."""
        found = ADDRESS.fullmatch(address)
        if found is None or found[2] != self.prefix:
            raise self.unknown()
        return found[1]

    def unknown(self) -> NotFound:
        """The refusal where nobody has heard of it."""
        return NotFound(f"There is no such {self.noun}.")


ARTIST_SQL: Final = "id IN (SELECT id FROM artists WHERE artist_id = ?)"
VENUE: Final = Kind("venue", "ven", "venues", "venueId", False, "venue_id = ?")
ARTIST: Final = Kind("artist", "art", "artists", "artistIds", True, ARTIST_SQL)
ORGANIZER: Final = Kind("organizer", "org", "organizations", "orgId", False, "org_id = ?")
TOUR: Final = Kind("tour", "tour", "tours", "tourId", False, "tour_id = ?")
