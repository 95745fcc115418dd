"""The same name is one page however it is spelled, an address is what its id says, the first description stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.catalogue import rules
from common.catalogue.kinds import ARTIST, ORGANIZER, TOUR, VENUE, Kind
from common.catalogue.schemas import ArtistEntry
from common.errors import NotFound
from common.ids import derived_id, new_id

NOW = datetime(2026, 10, 6, 13, tzinfo=UTC)
FELA = rules.artist_id("Fẹlá Kútì")


def entry(**more: object) -> ArtistEntry:
    return ArtistEntry.model_validate({"name": "Fẹlá Kútì", "created_at": NOW} | more)


@pytest.mark.parametrize("spelled", ["fela kuti", "FELA  KUTI", "Fela Kuti", "Féla-Kuti", " fela kuti "])
def test_another_spelling_is_the_same_artist(spelled: str) -> None:
    assert rules.artist_id(spelled) == FELA


@pytest.mark.parametrize("other", ["Femi Kuti", "Fela", "felakuti", "!!!", "???"])
def test_another_name_is_another_artist(other: str) -> None:
    assert rules.artist_id(other) != FELA
    assert rules.artist_id("!!!") != rules.artist_id("???")


def test_a_venue_is_its_name_in_its_city() -> None:
    assert rules.venue_id("Mill No. 5", "Mumbai") == rules.venue_id("mill no 5", "MUMBAI")
    assert rules.venue_id("Mill No. 5", "Mumbai") != rules.venue_id("Mill No. 5", "Pune")
    assert rules.venue_id("a b", "c") != rules.venue_id("a", "b c")


def test_an_address_is_the_id_at_its_end() -> None:
    for kind in (VENUE, ARTIST, ORGANIZER, TOUR):
        for own in (new_id(kind.prefix), derived_id(kind.prefix, "x")):
            for address in (
                own,
                f"mill-no-5-{own}",
                f"an-older-name-{own}",
                f"-{own}",
                rules.slug_of("Été à Goa", own),
            ):
                assert kind.id_in(address) == own
    assert rules.slug_of("Été à Goa", FELA) == f"ete-a-goa-{FELA}"
    assert rules.slug_of("!!!", FELA) == FELA


@pytest.mark.parametrize("kind", [VENUE, ARTIST, ORGANIZER, TOUR], ids=lambda kind: kind.noun)
@pytest.mark.parametrize(
    "address",
    [
        "",
        "-",
        "mill",
        "ven_",
        "ven_short",
        "__x__",
        "a-__x__",
        f"{FELA}x",
        f"x{FELA}",
        f"{FELA}-",
        FELA.upper(),
        "evt_a",
    ],
)
def test_what_has_no_id_is_nothing(kind: Kind, address: str) -> None:
    with pytest.raises(NotFound, match=f"no such {kind.noun}"):
        kind.id_in(address)
    for other in {VENUE, ORGANIZER, TOUR} - {kind}:
        with pytest.raises(NotFound):
            other.id_in(FELA)


def test_the_first_description_stays_until_an_admin_says_otherwise() -> None:
    ours = entry(described_by="org_1", described_at=NOW, description="Ours")
    theirs = entry(described_by="org_2", described_at=NOW, description="Theirs")
    admins = entry(described_at=NOW, description="An admin's")
    later = entry(described_by="org_1", described_at=NOW + timedelta(days=1), created_at=NOW + timedelta(days=1))
    assert rules.described(None, ours, by_admin=False) == ours
    assert rules.described(entry(), theirs, by_admin=False) == theirs
    changed = rules.described(ours, later, by_admin=False)
    assert (changed.description, changed.created_at, changed.described_at) == (None, NOW, later.described_at)
    for before, new in ((ours, theirs), (admins, ours)):
        with pytest.raises(rules.DescribedByAnother):
            rules.described(before, new, by_admin=False)
    for before, new in ((ours, theirs), (ours, admins), (admins, theirs)):
        assert rules.described(before, new, by_admin=True) == new
