"""One usual call of each function by which people find events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from common.listings import index as listing_index
from tests.costs.scenario import scenario
from tests.support import people
from tests.support.people import accepted, event_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.costs.scenario import Act
    from tests.costs.shop import Shop


@scenario
def list_genres(shop: Shop) -> Callable[[], Act]:
    return lambda: lambda: shop.http.get("/v1/genres")


def _a_page(shop: Shop, noun: str, of: str, rest: str = "") -> Callable[[], Act]:
    path = f"/v1/{noun}s/{shop.listed_event()[of]}{rest}"
    return lambda: lambda: shop.http.get(path)


@scenario
def get_venue(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "venue", "venueId")


@scenario
def list_venue_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "venue", "venueId", "/events")


@scenario
def get_artist(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "artist", "artistId")


@scenario
def list_artist_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "artist", "artistId", "/events")


@scenario
def get_organizer(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "organizer", "orgId")


@scenario
def list_organizer_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "organizer", "orgId", "/events")


@scenario
def get_tour(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "tour", "tourId")


@scenario
def list_tour_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "tour", "tourId", "/events")


@scenario
def create_venue(shop: Shop) -> Callable[[], Act]:
    event = event_body(people.create_organization(shop.host))

    def prepare() -> Act:
        body = {"orgId": event["orgId"]} | event["venue"] | {"name": uuid4().hex}
        return lambda: shop.host.post("/v1/venues", body)

    return prepare


@scenario
def create_artist(shop: Shop) -> Callable[[], Act]:
    org_id = people.create_organization(shop.host)

    def prepare() -> Act:
        body = {"orgId": org_id, "name": uuid4().hex}
        return lambda: shop.host.post("/v1/artists", body)

    return prepare


@scenario
def describe_venue(shop: Shop) -> Callable[[], Act]:
    event = shop.listed_event()
    body = {"orgId": event["orgId"], "description": "A mill, then a club."}
    return lambda: lambda: shop.host.call("PUT", f"/v1/venues/{event['venueId']}", body)


@scenario
def describe_artist(shop: Shop) -> Callable[[], Act]:
    event = shop.listed_event()
    body = {"orgId": event["orgId"], "description": "Four voices, one piano."}
    return lambda: lambda: shop.host.call("PUT", f"/v1/artists/{event['artistId']}", body)


@scenario
def create_tour(shop: Shop) -> Callable[[], Act]:
    body = {"orgId": people.create_organization(shop.host), "title": "Monsoon Tour", "description": "Five cities."}
    return lambda: lambda: shop.host.post("/v1/tours", body, key=uuid4().hex)


@scenario
def update_tour(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/tours/{shop.listed_event()['tourId']}"
    return lambda: lambda: shop.host.call("PATCH", path, {"title": "Winter Tour"})


@scenario
def list_nearby_events(shop: Shop) -> Callable[[], Act]:
    shop.event()
    query = {"latitude": "19.0", "longitude": "72.83", "radiusKm": "5"}
    return lambda: lambda: shop.http.get("/v1/events/nearby", params=query)


def _looks_again(ask: Act) -> Callable[[], Act]:
    """A call more than two seconds after the last one: the process asks what changed, and nothing did."""
    accepted(ask())

    def prepare() -> Act:
        for index in listing_index._indexes.values():
            index.looked_at, index.complete_to = float("-inf"), datetime.now(UTC) + timedelta(minutes=1)
        return ask

    return prepare


@scenario
def search_events(shop: Shop) -> Callable[[], Act]:
    return _looks_again(lambda: shop.http.get("/v1/events/search", params={"q": "techno mumbai under 1000"}))


@scenario
def search_all(shop: Shop) -> Callable[[], Act]:
    return _looks_again(lambda: shop.http.get("/v1/search", params={"q": "night at the mill"}))


@scenario
def suggest_searches(shop: Shop) -> Callable[[], Act]:
    return _looks_again(lambda: shop.http.get("/v1/search/suggestions", params={"q": "nig"}))


@scenario
def get_feed(shop: Shop) -> Callable[[], Act]:
    """Of somebody who is signed in: it reads what they follow and who they are."""
    shop.event()
    return lambda: lambda: shop.buyer.get("/v1/events/feed")


@scenario
def show_event_page(shop: Shop) -> Callable[[], Act]:
    path = f"/e/{shop.event()['slug']}"
    return lambda: lambda: shop.http.head(path)  # a GET costs the same


@scenario
def download_event_calendar(shop: Shop) -> Callable[[], Act]:
    path = f"/e/{shop.event()['slug']}/event.ics"
    return lambda: lambda: shop.http.head(path)


@scenario
def refresh_listing(shop: Shop) -> Callable[[], Act]:
    payload = {"eventId": shop.event()["eventId"]}
    return lambda: lambda: shop.trigger("refresh_listing", payload)


@scenario
def build_index(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        accepted(shop.host.call("PATCH", f"/v1/events/{event['eventId']}", {"description": f"A night, {uuid4()}."}))
        shop.trigger("refresh_listing", {"eventId": event["eventId"]})
        for index in listing_index._indexes.values():
            index.looked_at = float("-inf")
        return lambda: shop.trigger("build_index", {})

    return prepare
