"""The feed over HTTP: each mode, filter and order finds what a search through all listings finds."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from common import clock
from common.catalogue.genres import with_ancestors
from common.feed import facets
from common.listings import index as listing_index
from common.memory import Memory
from common.social.schemas import Taste
from tests.discovery.feed_world import (
    LAGOS,
    MUMBAI,
    NEW_YORK,
    NOW,
    City,
    expected,
    keep_taste,
    listing,
    scattered,
    store,
)
from tests.support.people import accepted, create_organization, eventually, publish_event, refused

if TYPE_CHECKING:
    import httpx

    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread


@pytest.fixture(autouse=True)
def _as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a test waits until what it wrote is two seconds or half a minute old."""
    monkeypatch.setattr(listing_index, "FRESH_FOR_S", 0.0)
    monkeypatch.setattr(facets, "kept", Memory[Any](0.0))


def sent(query: Json) -> Json:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in query.items()}


def feed(client: httpx.Client | Person, **query: Any) -> Json:
    return accepted(client.get("/v1/events/feed", params=sent(query)))


def ids(page: Json) -> list[str]:
    return [item["eventId"] for item in page["items"]]


def walk(client: httpx.Client | Person, limit: int, **query: Any) -> list[str]:
    """All pages of a feed."""
    page = feed(client, limit=limit, **query)
    found = ids(page)
    while "nextCursor" in page:
        assert len(page["items"]) == limit
        page = feed(client, limit=limit, cursor=page["nextCursor"], **query)
        assert "facets" not in page
        found += ids(page)
    return found


def near(city: City, **more: Any) -> Json:
    return {"latitude": city.place.latitude, "longitude": city.place.longitude} | more


QUESTIONS: dict[str, Json] = {
    "by date": {"sort": "date"},
    "by popularity": {"sort": "popularity"},
    "by price": {"sort": "price", "currency": "INR"},
    "trending": {"mode": "trending"},
    "trending in a city": {"mode": "trending", "city": "Mumbai"},
    "tonight": {"mode": "tonight"},
    "tonight in a city": {"mode": "tonight", "city": "New York"},
    "weekend": {"mode": "weekend"},
    "weekend by popularity": {"mode": "weekend", "sort": "popularity"},
    "nearby": near(LAGOS, mode="nearby"),
    "nearby, 5 km": near(LAGOS, mode="nearby", radiusKm=5),
    "nearby, by price": near(LAGOS, mode="nearby", sort="price", currency="NGN"),
    "around a place": near(MUMBAI, radiusKm=12, sort="date"),
    "in a city by price": {"sort": "price", "city": "Lagos", "currency": "NGN"},
    "in a city by popularity": {"sort": "popularity", "city": "Lagos"},
    "sub-genres": {"sort": "date", "genres": "electronic,jazz"},
    "one genre": {"sort": "popularity", "genres": "hard techno"},
    "a genre of nobody": {"sort": "date", "genres": "polka"},
    "a genre outside the tree": {"sort": "date", "genres": "unheard of"},
    "dates": {"sort": "date", "from": NOW + timedelta(hours=10), "to": NOW + timedelta(hours=60)},
    "prices": {"sort": "date", "minPriceMinor": 20_000, "maxPriceMinor": 50_000, "currency": "USD"},
    "age": {"sort": "date", "age": 17},
    "free": {"sort": "date", "free": True},
    "available": {"mode": "trending", "available": True},
    "everything at once": near(MUMBAI, mode="weekend", genres="techno,house", age=30)
    | {"city": "Mumbai", "available": True, "radiusKm": 40, "sort": "popularity"},
}


@pytest.mark.parametrize("query", QUESTIONS.values(), ids=QUESTIONS)
def test_it_finds_what_a_search_through_all_finds(gateway: GatewayThread, anonymous: httpx.Client, query: Json) -> None:
    listings = scattered(150)
    store(gateway, listings)
    wanted = expected(listings, **query)
    assert walk(anonymous, 7, **query) == wanted
    assert ids(feed(anonymous, limit=100, **query)) == wanted[:100]
    assert wanted or query.get("genres") == "polka"


def test_random_questions(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    listings = scattered(200, seed=5)
    store(gateway, listings)
    dice = random.Random(9)
    sizes = []
    for _ in range(60):
        city = dice.choice((MUMBAI, LAGOS, NEW_YORK))
        possible: list[Json] = [
            {"city": city.name},
            {"genres": ",".join(dice.sample(("electronic", "jazz", "opera", "african"), 2))},
            {"from": NOW + timedelta(hours=dice.randint(0, 40))},
            {"to": NOW + timedelta(hours=dice.randint(40, 160))},
            {"minPriceMinor": 20_000, "currency": city.currency},
            {"maxPriceMinor": dice.choice((0, 50_000)), "currency": city.currency},
            {"age": dice.choice((0, 17, 40))},
            {"free": True},
            {"available": True},
            near(city, radiusKm=dice.choice((5, 15, 200))),
        ]
        query: Json = {"sort": dice.choice(("date", "popularity"))}
        query |= {"mode": dice.choice(("recommended", "tonight", "weekend", "trending"))}
        for chosen in dice.sample(possible, dice.randint(0, 4)):
            query |= chosen
        found = walk(anonymous, dice.randint(1, 30), **query)
        assert found == expected(listings, **query), query
        sizes.append(len(found))
    assert sum(size > 5 for size in sizes) > 20


def moved(monkeypatch: pytest.MonkeyPatch, city: City, text: str) -> datetime:
    """Make it this time on the walls of a city."""
    now = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(city.timezone))
    monkeypatch.setattr(clock, "now", lambda: now)
    return now


@pytest.mark.parametrize("city", [MUMBAI, LAGOS, NEW_YORK], ids=lambda city: city.name)
def test_tonight_reaches_past_midnight(
    gateway: GatewayThread, anonymous: httpx.Client, monkeypatch: pytest.MonkeyPatch, city: City
) -> None:
    now = moved(monkeypatch, city, "2030-07-17 01:00")

    def at(event_id: str, starts: float, hours: float) -> Any:
        start = now + timedelta(hours=starts)
        more = {"starts_at": start, "ends_at": start + timedelta(hours=hours)}
        return listing(event_id, city, published_at=now - timedelta(days=9), **more)

    listings = [
        at("evt_runs", -3, 6),
        at("evt_is_over", -6, 5),
        at("evt_after_hours", 2, 3),
        at("evt_breakfast", 4.5, 2),
        at("evt_next_evening", 20, 5),
    ]
    store(gateway, listings)
    assert ids(feed(anonymous, mode="tonight")) == ["evt_runs", "evt_after_hours"]
    moved(monkeypatch, city, "2030-07-17 12:00")
    assert ids(feed(anonymous, mode="tonight")) == ["evt_next_evening"]


def test_each_event_is_judged_by_the_clock_of_its_place(
    gateway: GatewayThread, anonymous: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A Sunday at 23:00 in New York is a Monday at 04:00 in Lagos, still the weekend, and at 08:30 in Mumbai.
    now = moved(monkeypatch, NEW_YORK, "2030-07-14 23:00")
    soon = {"starts_at": now + timedelta(minutes=30), "published_at": now - timedelta(days=9)}
    store(gateway, [listing(f"evt_{city.currency}", city, **soon) for city in (MUMBAI, LAGOS, NEW_YORK)])
    assert ids(feed(anonymous, mode="weekend")) == ["evt_NGN", "evt_USD"]
    assert ids(feed(anonymous, mode="tonight")) == ["evt_NGN", "evt_USD"]


def test_followed_and_hidden(gateway: GatewayThread, anonymous: httpx.Client, buyer: Person) -> None:
    listings = scattered(120)
    store(gateway, listings)
    shown = [each for each in listings if each.listed and each.artist_ids]
    taste = Taste(
        venue_ids=(shown[0].venue_id,),
        artist_ids=(shown[1].artist_ids[0],),
        org_ids=("org_3",),
        hidden_event_ids=tuple(each.event_id for each in shown[:40]),
    )
    assert feed(buyer, mode="followed")["items"] == []
    keep_taste(gateway, buyer.user_id, taste)
    wanted = expected(listings, taste, mode="followed")
    assert walk(buyer, 5, mode="followed") == wanted
    assert len(wanted) > 10
    for query in ({"mode": "trending"}, {"sort": "date"}, near(MUMBAI, mode="nearby"), {"mode": "weekend"}):
        assert walk(buyer, 50, **query) == expected(listings, taste, **query)
    assert not set(walk(buyer, 50)) & set(taste.hidden_event_ids)
    assert set(walk(anonymous, 50)) & set(taste.hidden_event_ids)
    (reasons,) = {tuple(r["code"] for r in item["reasons"]) for item in feed(buyer, mode="followed", limit=1)["items"]}
    assert set(reasons) <= {"followed_artist", "followed_venue", "followed_organizer"}
    refused(anonymous.get("/v1/events/feed", params={"mode": "followed"}), 401, "unauthenticated")


def test_recommended_suits_the_person(gateway: GatewayThread, anonymous: httpx.Client, buyer: Person) -> None:
    accepted(buyer.post("/v1/session", {}))
    accepted(buyer.call("PATCH", "/v1/me", {"musicPreferences": ["jazz"], "city": "Lagos"}))
    dull = [listing(f"evt_dull_{n}", NEW_YORK, venue_name=f"V {n}", genres=("opera",)) for n in range(30)]
    liked = listing("evt_liked", NEW_YORK, venue_name="W", genres=("bebop",))
    home = listing("evt_home", LAGOS, venue_name="X", genres=("opera",))
    both = listing("evt_both", LAGOS, venue_name="Y", genres=("jazz",))
    artist = listing("evt_artist", NEW_YORK, venue_name="Z", genres=("opera",), artists=("Nina",))
    store(gateway, [*dull, liked, home, both, artist])
    keep_taste(gateway, buyer.user_id, Taste(artist_ids=artist.artist_ids))
    page = feed(buyer)
    first = {item["eventId"]: item for item in page["items"][:4]}
    assert list(first) == ["evt_both", "evt_liked", "evt_artist", "evt_home"]
    texts = {
        event_id: {reason["code"]: reason["text"] for reason in item["reasons"]} for event_id, item in first.items()
    }
    assert texts["evt_both"]["genre"] == "Because you like jazz"
    assert texts["evt_both"]["near_you"] == "In Lagos"
    assert texts["evt_liked"]["genre"] == "Because you like jazz"
    assert texts["evt_artist"]["followed_artist"] == "With Nina, whom you follow"
    # genre 0.30, city 0.25, tomorrow 0.15, the usual price 0.05; nobody goes yet, so a fifth rests on nothing.
    assert (first["evt_both"]["score"], first["evt_both"]["confidence"]) == (0.75, 0.8)
    assert all(item["reasons"] for item in page["items"])
    assert feed(anonymous)["items"][0]["confidence"] == 0.25


def test_recommended_serves_fifty_at_most_and_two_of_a_venue_among_ten(
    gateway: GatewayThread, anonymous: httpx.Client
) -> None:
    store(gateway, scattered(180))
    page = feed(anonymous, limit=100)
    assert len(page["items"]) == 50
    assert "nextCursor" not in page
    assert max(Counter(item["venueId"] for item in page["items"][:10]).values()) <= 2
    assert walk(anonymous, 8) == ids(page)
    scores = [item["score"] for item in page["items"]]
    assert all(0 < score <= 1 for score in scores)
    assert len(walk(anonymous, 9, mode="weekend", sort="recommended", city="Mumbai")) > 9


def test_prices_are_compared_in_one_currency(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    rupees = [listing(f"evt_inr_{n}", MUMBAI, min_price_minor=n * 10_000) for n in range(5)]
    dollars = [listing(f"evt_usd_{n}", NEW_YORK, min_price_minor=n * 10) for n in range(3)]
    store(gateway, [*rupees, *dollars])
    page = feed(anonymous, sort="price", limit=2)
    assert page["facets"]["price"] == {
        "min": {"amountMinor": 0, "currency": "INR"},
        "max": {"amountMinor": 40_000, "currency": "INR"},
        "currency": "INR",
    }
    assert walk(anonymous, 2, sort="price") == [each.event_id for each in rupees]
    assert walk(anonymous, 2, sort="price", city="new york") == [each.event_id for each in dollars]
    assert walk(anonymous, 2, sort="date", maxPriceMinor=10_000) == ["evt_inr_0", "evt_inr_1"]
    assert walk(anonymous, 9, sort="date", maxPriceMinor=10, currency="USD") == ["evt_usd_0", "evt_usd_1"]
    assert walk(anonymous, 9, sort="date", free=True) == ["evt_inr_0", "evt_usd_0"]


def test_an_early_bird_price_is_the_price_until_it_ends(
    gateway: GatewayThread, anonymous: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = NOW + timedelta(hours=1)
    store(gateway, [listing("evt_bird", min_price_minor=900, min_prices=({"until": until, "amount_minor": 100},))])
    assert feed(anonymous, maxPriceMinor=500)["items"][0]["minPrice"]["amountMinor"] == 100
    monkeypatch.setattr(clock, "now", lambda: until)
    store(gateway, [listing("evt_other", min_price_minor=100)])
    assert ids(feed(anonymous, maxPriceMinor=500)) == ["evt_other"]


def test_facets_leave_their_own_filter_out(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    listings = scattered(150)
    store(gateway, listings)
    query: Json = {"sort": "date", "genres": "techno", "currency": "INR", "maxPriceMinor": 20_000, "age": 20}
    query |= {"from": NOW + timedelta(hours=5)}
    by_id = {each.event_id: each for each in listings}

    def without(*names: str) -> list[Any]:
        kept = {name: value for name, value in query.items() if name not in names}
        return [by_id[event_id] for event_id in expected(listings, **kept)]

    found = feed(anonymous, **query)["facets"]
    counts = Counter(
        genre
        for each in without("genres")
        for genre in {above for genre in each.genres for above in with_ancestors(genre)}
    )
    assert {facet["genre"]: facet["count"] for facet in found["genres"]} == counts
    assert found["genresEstimated"] is False
    assert {facet["genre"]: facet.get("parent") for facet in found["genres"]}["hard techno"] == "techno"
    prices = [each.min_price_minor for each in without("maxPriceMinor")]
    assert (found["price"]["min"]["amountMinor"], found["price"]["max"]["amountMinor"]) == (min(prices), max(prices))
    starts = [each.starts_at for each in without("from")]
    assert [datetime.fromisoformat(found["dates"][name]) for name in ("from", "to")] == [min(starts), max(starts)]
    assert feed(anonymous, genres="polka", free=True, city="Nowhere")["facets"] == {
        "genres": [],
        "genresEstimated": False,
    }


def test_above_a_number_genres_are_counted_by_sample(
    gateway: GatewayThread, anonymous: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "SAMPLE", 40)
    store(gateway, [listing(f"evt_{n:03d}", genres=("techno",) if n % 3 else ("jazz",)) for n in range(240)])
    found = feed(anonymous)["facets"]
    counts = {facet["genre"]: facet["count"] for facet in found["genres"]}
    assert found["genresEstimated"] is True
    assert 160 <= counts["techno"] + counts["jazz"] <= 320
    assert counts["techno"] > counts["jazz"]


def test_a_card(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    more: Json = {"rating_count": 3, "rating_sum": 13, "attendees": 7, "image_url": "https://cdn.example/a.jpg"}
    there = listing("evt_card", artists=("Nina",), interest={"going": 4, "interested": 9}, **more)
    store(gateway, [there])
    (card,) = feed(anonymous, **near(MUMBAI))["items"]
    assert card["ratingAverage"] == 4.33
    assert (card["attendees"], card["going"], card["interested"], card["ratingCount"]) == (7, 4, 9, 3)
    assert (card["orgName"], card["slug"], card["imageUrl"]) == ("Mill Nights", "night-evt_card", there.image_url)
    assert (card["artists"], card["artistIds"], card["venueId"]) == (["Nina"], [*there.artist_ids], there.venue_id)
    assert (card["distanceKm"], card["available"], card["currency"]) == (0, True, "INR")
    assert {"code": "popular", "text": "Liked, wanted or visited by 20 people"} in card["reasons"]
    assert {"code": "near_you", "text": "0.0 km from you"} in card["reasons"]


def test_an_event_comes_with_its_publication_and_goes_with_its_cancellation(
    deployed: str, anonymous: httpx.Client, host: Person, buyer: Person, gateway: GatewayThread
) -> None:
    org_id = create_organization(host)
    event = publish_event(host, org_id=org_id, lineup=[{"artist": "Fẹlá Kútì"}])
    path = f"/v1/events/{event['eventId']}"
    eventually(lambda: ids(feed(anonymous)) or None)
    keep_taste(gateway, buyer.user_id, Taste(artist_ids=tuple(event["artistIds"])))
    (card,) = feed(buyer, mode="followed")["items"]
    assert (card["title"], card["slug"], card["minPrice"]) == (
        event["title"],
        event["slug"],
        event["tiers"][0]["price"],
    )
    assert card["reasons"][0]["text"] == "With Fẹlá Kútì, whom you follow"
    accepted(
        host.call("PATCH", path, {"venue": event["venue"] | {"city": "Pune", "latitude": 18.52, "longitude": 73.85}})
    )
    eventually(lambda: ids(feed(anonymous, city="Pune")) or None)
    assert ids(feed(anonymous, city="Mumbai")) == []
    accepted(host.post(f"{path}/cancel"))
    eventually(lambda: ids(feed(anonymous)) == [] or None)
