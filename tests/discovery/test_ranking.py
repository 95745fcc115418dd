"""The score by its rules, the reasons that follow from it, and an order that leaves room for others."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from common.catalogue.genres import with_ancestors
from common.feed.ranking import FIRST, LONGEST_RUN, MOST_SERVED, Ranked, Ranking, Suitor, Wishes
from common.feed.schemas import ReasonCode
from common.geo import Point

NOW = 1_800_000_000
DAY = 24 * 3_600
MUMBAI = Point(19.076, 72.8777)
NOTHING_KNOWN = Wishes()
PUNE = Point(18.5204, 73.8567)  # 120 km away


def suitor(number: int = 0, *genres: str, **more: Any) -> Suitor:
    """An event in half a year, of no importance, as expensive as any."""
    fields: dict[str, Any] = {
        "id": number,
        "event_id": f"evt_{number:03d}",
        "city": "nowhere",
        "venue_id": f"ven_{number}",
        "starts_at": NOW + 180 * DAY,
        "published_at": NOW - 30 * DAY,
        "price": 50_000,
        "currency": "INR",
        "people": 0,
        "latitude": 0.0,
        "longitude": 0.0,
        "genres": frozenset(each for genre in genres or ("opera",) for each in with_ancestors(genre)),
    }
    return Suitor(**fields | more)


def ranked(one: Suitor, wishes: Wishes = NOTHING_KNOWN, *others: Suitor) -> Ranked:
    return Ranking.of([one, *others], wishes, NOW).ranked(one)


# With no wishes known: 0.15 times 0.2 for a distant date, 0.10 times 0.5 for the usual price.
PLAIN = 0.15 * 0.2 + 0.10 * 0.5


def test_what_is_not_known_earns_nothing_and_lowers_the_confidence() -> None:
    plain = ranked(suitor())
    assert plain.score == pytest.approx(PLAIN)
    assert plain.confidence == pytest.approx(0.25)
    known = ranked(suitor(people=20), Wishes(("opera",), "", MUMBAI))
    assert known.confidence == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("liked", "part"),
    [(("opera",), 1), (("classical",), 1), (("hindustani",), 0.5), (("techno",), 0), (("techno", "opera"), 1)],
)
def test_genre_counts_three_tenths(liked: tuple[str, ...], part: float) -> None:
    """A preferred genre stands for those below it; a neighbour in the tree is half as good."""
    assert ranked(suitor(), Wishes(liked)).score == pytest.approx(PLAIN + 0.30 * part)


@pytest.mark.parametrize(
    ("km", "part"),
    [(0, 0.8), (49.9, 0.8), (50.1, 0.6), (99.9, 0.6), (100.1, 0.4), (199.9, 0.4), (200.1, 0.2), (9e3, 0.2)],
)
def test_distance_counts_a_quarter_in_bands(km: float, part: float) -> None:
    away = suitor(latitude=km / 111.195, longitude=0.0)
    assert ranked(away, Wishes(place=Point(0, 0))).score == pytest.approx(PLAIN + 0.25 * part)


def test_the_own_city_is_nearest_however_large() -> None:
    here = suitor(city="mumbai", latitude=PUNE.latitude, longitude=PUNE.longitude)
    assert ranked(here, Wishes(city="mumbai", place=MUMBAI)).score == pytest.approx(PLAIN + 0.25)
    assert ranked(here, Wishes(city="thane", place=MUMBAI)).score == pytest.approx(PLAIN + 0.25 * 0.4)


@pytest.mark.parametrize(("people", "part"), [(1, 1 / 21), (20, 0.5), (180, 0.9)])
def test_people_count_a_fifth(people: int, part: float) -> None:
    assert ranked(suitor(people=people)).score == pytest.approx(PLAIN + 0.20 * part)


@pytest.mark.parametrize(
    ("after", "part"),
    [(-3_600, 1), (DAY, 1), (DAY + 1, 0.8), (7 * DAY, 0.8), (14 * DAY, 0.6), (30 * DAY, 0.4), (31 * DAY, 0.2)],
)
def test_the_time_counts_fifteen_hundredths(after: int, part: float) -> None:
    assert ranked(suitor(starts_at=NOW + after)).score == pytest.approx(0.10 * 0.5 + 0.15 * part)


@pytest.mark.parametrize(("price", "part"), [(0, 1), (25_000, 2 / 3), (50_000, 0.5), (150_000, 0.25)])
def test_the_price_counts_a_tenth_beside_what_others_cost(price: int, part: float) -> None:
    others = [suitor(number, price=50_000) for number in range(1, 4)]
    others += [suitor(number, price=10, currency="GBP") for number in range(4, 20)]
    assert ranked(suitor(price=price), Wishes(), *others).score == pytest.approx(0.15 * 0.2 + 0.10 * part)


def test_boosts_and_their_cap() -> None:
    venue = suitor(followed=frozenset({ReasonCode.FOLLOWED_VENUE}))
    artist = suitor(followed=frozenset({ReasonCode.FOLLOWED_ARTIST}))
    organizer = suitor(followed=frozenset({ReasonCode.FOLLOWED_ORGANIZER}))
    assert ranked(venue).score == pytest.approx(PLAIN + 0.20)
    assert ranked(artist).score == pytest.approx(PLAIN + 0.25)
    assert ranked(organizer).score == pytest.approx(PLAIN)
    assert ReasonCode.FOLLOWED_ORGANIZER in ranked(organizer).reasons
    assert ranked(suitor(published_at=NOW - DAY + 1)).score == pytest.approx(PLAIN + 0.10)
    assert ranked(suitor(published_at=NOW - DAY)).score == pytest.approx(PLAIN)
    everything = suitor(
        0,
        "techno",
        city="mumbai",
        people=10_000,
        price=0,
        starts_at=NOW,
        published_at=NOW,
        followed=frozenset({ReasonCode.FOLLOWED_VENUE, ReasonCode.FOLLOWED_ARTIST}),
    )
    assert ranked(everything, Wishes(("techno",), "mumbai")).score == 1


def test_the_strongest_reason_comes_first_and_there_is_always_one() -> None:
    wishes = Wishes(("techno",), "mumbai")
    liked = suitor(0, "techno", city="mumbai", followed=frozenset({ReasonCode.FOLLOWED_VENUE}))
    expected = (ReasonCode.GENRE, ReasonCode.NEAR_YOU, ReasonCode.FOLLOWED_VENUE, ReasonCode.GOOD_PRICE)
    assert ranked(liked, wishes).reasons == expected
    dull = suitor(price=500_000)
    assert ranked(dull, Wishes(), *(suitor(n, price=1) for n in range(1, 9))).reasons == (ReasonCode.SOON,)


def many(count: int, venues: int, genres: tuple[str, ...]) -> list[Suitor]:
    dice = random.Random(count * venues)
    return [
        suitor(
            number,
            dice.choice(genres),
            venue_id=f"ven_{dice.randrange(venues)}",
            people=dice.randrange(500),
            starts_at=NOW + dice.randrange(40 * DAY),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("venues", [1, 4, 5, 30])
def test_no_venue_has_more_than_two_of_the_first_ten(venues: int) -> None:
    suitors = many(200, venues, ("techno", "jazz", "opera"))
    shown = Ranking.of(suitors, Wishes(), NOW).best(suitors)
    assert max(Counter(each.venue_id for each in shown[:FIRST]).values()) <= 2
    # Two of each venue while there are not ten: the third would be among the first ten.
    assert len(shown) == (MOST_SERVED if venues >= 5 else 2 * venues)
    assert len(set(shown)) == len(shown)


def test_of_one_kind_no_more_than_three_in_a_row_while_there_is_another() -> None:
    suitors = many(60, 60, ("techno", "house", "trance", "dub")) + many(1, 1, ("jazz",))
    loved = Ranking.of(suitors, Wishes(("electronic",)), NOW)
    kinds = [each.root for each in loved.best(suitors)]
    others = [place for place, kind in enumerate(kinds) if kind != "electronic"]
    assert others
    assert max(later - earlier for earlier, later in pairwise([-1, *others])) <= LONGEST_RUN + 1
    only = [each for each in suitors if each.root == "electronic"]
    best_first = sorted(map(loved.score, only), reverse=True)
    assert [loved.score(each) for each in loved.best(only)] == best_first[:MOST_SERVED]


def test_the_order_does_not_depend_on_that_of_the_candidates() -> None:
    suitors = many(150, 20, ("techno", "jazz", "opera"))
    shuffled = random.Random(1).sample(suitors, len(suitors))
    wishes = Wishes(("jazz",), "", MUMBAI)
    assert Ranking.of(suitors, wishes, NOW).best(suitors) == Ranking.of(shuffled, wishes, NOW).best(shuffled)
    assert Ranking.of([], wishes, NOW).best([]) == []
