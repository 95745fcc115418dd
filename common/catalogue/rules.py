"""Who is who in the catalogue: the same name is the same artist, the same name in the same city the same venue."""

from __future__ import annotations

from common.ids import derived_id
from common.text import fold


def venue_id(name: str, city: str) -> str:
    """The id of the venue's page, whoever spells it and with whatever accents."""
    return derived_id("ven", _key(name), _key(city))


def artist_id(name: str) -> str:
    """The id of the artist's page."""
    return derived_id("art", _key(name))


def _key(name: str) -> str:
    return fold(name) or name.casefold()
