"""The seed is plausible, the same every time, valid at the border, and sown once however often it runs."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import httpx
import pytest

from common.catalogue.schemas import ArtistDescription, VenueDescription
from common.events.schemas import EventRequest
from common.geo import Point, distance_km
from emulators.seed import IN_FLIGHT, SeedRefused, Sown, sow
from emulators.seed_data import (
    RUNNING_EVENT_TITLE,
    SeedDescription,
    SeedEvent,
    descriptions,
    events,
    organizations,
    tours_of,
)

NOW = datetime(2026, 10, 6, 13, 20, 11, tzinfo=UTC)
# Any hour of the day and any weekday, so that what depends on either is met.
MOMENTS = [NOW + timedelta(hours=13 * step) for step in range(13)]

# South, north, west, east of each city as people draw it.
BOXES = {
    "Mumbai": (18.88, 19.30, 72.77, 73.05),
    "Delhi": (28.40, 28.88, 76.84, 77.35),
    "Bengaluru": (12.80, 13.15, 77.40, 77.80),
    "Hyderabad": (17.20, 17.60, 78.25, 78.65),
    "Chennai": (12.80, 13.25, 80.10, 80.35),
    "Pune": (18.40, 18.68, 73.70, 74.00),
    "Kolkata": (22.40, 22.70, 88.20, 88.50),
    "Goa": (14.90, 15.80, 73.65, 74.35),
    "Jaipur": (26.75, 27.05, 75.65, 75.95),
    "Kochi": (9.85, 10.15, 76.18, 76.45),
    "Ahmedabad": (22.90, 23.20, 72.40, 72.75),
    "Shillong": (25.50, 25.65, 91.80, 91.98),
    "Lagos": (6.35, 6.70, 3.20, 3.65),
}


def read(event: SeedEvent) -> EventRequest:
    return EventRequest.model_validate({"orgId": "org_1", **event.body})


@cache
def requests(now: datetime) -> tuple[tuple[SeedEvent, EventRequest], ...]:
    return tuple((each, read(each)) for each in events(now))


def test_two_hundred_events_in_every_city_and_many_genres() -> None:
    made = events(NOW)
    cities = Counter(each.body["venue"]["city"] for each in made)
    genres = Counter(genre for each in made for genre in each.body["genres"])
    assert len(made) == len({each.key for each in made}) == 200
    assert set(cities) == set(BOXES)
    assert min(cities.values()) >= 4
    assert cities["Mumbai"] >= 20
    assert cities["Lagos"] >= 15
    assert len({each.body["venue"]["name"] for each in made}) >= 60
    for genre in ("techno", "house", "jazz", "hip-hop", "bollywood", "indie", "classical", "comedy"):
        assert genres[genre] >= 5, genre
    for genre in ("afrobeats", "amapiano", "highlife"):
        assert genres[genre] >= 2, genre


def test_the_same_moment_makes_the_same_events() -> None:
    assert events(NOW) == events(NOW)
    assert json.dumps([each.body for each in events(NOW)]) == json.dumps([each.body for each in events(NOW)])


def test_later_the_same_day_only_the_running_event_moves() -> None:
    later = {each.key: each.body for each in events(NOW + timedelta(hours=3))}
    before = {each.key: each.body for each in events(NOW)}
    assert len(before.keys() - later.keys()) == 1
    assert all(body == later[key] for key, body in before.items() if key in later)


def test_organizations_and_hosts() -> None:
    known = organizations()
    assert 8 <= len(known) <= 10
    assert known[0].host_phone == "+919900000001"
    assert len({each.host_phone for each in known}) == len({each.name for each in known}) == len(known)
    for each in known:
        assert (each.country, each.currency) in {("IN", "INR"), ("NG", "NGN")}
        pattern = r"\+9199000000\d\d" if each.country == "IN" else r"\+234\d{10}"
        assert re.fullmatch(pattern, each.host_phone)
    owners = [each.organization.name for each in events(NOW)]
    # Grouped: each organization's events are neighbours, in the order of organizations.
    assert [name for name, following in pairwise([*owners, ""]) if name != following] == [each.name for each in known]


def test_every_venue_lies_in_its_city_and_every_event_in_its_host_country() -> None:
    for event, request in requests(NOW):
        venue = request.venue
        south, north, west, east = BOXES[venue.city]
        assert south <= venue.latitude <= north, venue
        assert west <= venue.longitude <= east, venue
        country = "NG" if venue.city == "Lagos" else "IN"
        assert event.organization.country == country
        assert request.timezone == ("Africa/Lagos" if country == "NG" else "Asia/Kolkata")
        assert {tier.price.currency for tier in request.tiers} == {event.organization.currency}


def test_no_two_venues_share_a_place() -> None:
    places = {(each.body["venue"]["latitude"], each.body["venue"]["longitude"]) for each in events(NOW)}
    assert len(places) == len({each.body["venue"]["name"] + each.body["venue"]["city"] for each in events(NOW)})


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_every_event_is_accepted_at_the_border_whatever_the_hour(now: datetime) -> None:
    for event, request in requests(now):
        assert 3 <= len(request.title) <= 100
        assert len(request.description) >= 10
        assert "{" not in request.title + request.description
        assert 1 <= len(request.genres) <= 3
        assert request.age_restriction in {0, 18, 21}
        assert now < request.ends_at
        assert request.starts_at < request.ends_at
        assert request.starts_at <= now + timedelta(days=31)
        hour = request.starts_at.astimezone(ZoneInfo(request.timezone)).hour
        assert 14 <= hour <= 22 or request.title == RUNNING_EVENT_TITLE
        assert request.tiers
        assert len({tier.name for tier in request.tiers}) == len(request.tiers)
        assert 40 <= sum(tier.capacity for tier in request.tiers) <= 5000, event
        for tier in request.tiers:
            assert tier.sale_ends_at is not None
            assert now < tier.sale_ends_at <= request.ends_at
        assert [entry.headliner for entry in request.lineup] == [True] + [False] * (len(request.lineup) - 1)
        assert all(
            entry.starts_at is not None and request.starts_at <= entry.starts_at < request.ends_at
            for entry in request.lineup
        )


def test_there_is_something_free_something_early_and_something_dear() -> None:
    tiers = [tier for _, request in requests(NOW) for tier in request.tiers]
    assert sum(tier.price.amount_minor == 0 for tier in tiers) >= 5
    assert sum(tier.name == "Early bird" for tier in tiers) >= 50
    assert sum(tier.name == "VIP" for tier in tiers) >= 50
    assert all(tier.price.amount_minor % 100 == 0 for tier in tiers)


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_one_event_runs_now_close_to_the_tour_with_a_free_and_a_paid_tier(now: datetime) -> None:
    (event,) = [each for each in events(now) if each.body["title"] == RUNNING_EVENT_TITLE]
    request = read(event)
    assert event.organization.host_phone == "+919900000001"
    assert distance_km(Point(request.venue.latitude, request.venue.longitude), Point(19.0760, 72.8777)) < 5
    assert request.starts_at <= now - timedelta(hours=1)
    assert request.ends_at >= now + timedelta(hours=6)
    assert [tier.price.amount_minor > 0 for tier in request.tiers] == [False, True]
    assert all(tier.sale_starts_at is None and tier.sale_ends_at == request.ends_at for tier in request.tiers)


def test_tours_are_series_of_one_host_on_several_nights() -> None:
    series: dict[str, list[SeedEvent]] = {}
    for event in events(NOW):
        if event.tour:
            series.setdefault(event.tour.title, []).append(event)
    assert len(series) == sum(len(tours_of(each)) for each in organizations()) == 5
    for held in series.values():
        assert len(held) >= 3
        assert len({event.organization.name for event in held}) == 1
    assert sum(len({event.body["venue"]["city"] for event in held}) > 1 for held in series.values()) >= 4


@cache
def described(now: datetime) -> tuple[SeedDescription, ...]:
    return tuple(descriptions(events(now)))


@pytest.mark.parametrize("now", MOMENTS, ids=range(len(MOMENTS)))
def test_venues_and_artists_are_described_by_who_has_an_event_there(now: datetime) -> None:
    for said in described(now):
        shape = VenueDescription if said.path == "/v1/venues" else ArtistDescription
        assert shape.model_validate({"orgId": "org_1", **said.body}).description
        here = [event.body for event in events(now) if event.organization == said.organization]
        names = {body["venue"]["name"] for body in here} | {on["artist"] for body in here for on in body["lineup"]}
        assert said.is_about["name"] in names
    assert len(described(now)) >= 13


def test_events_have_doors_and_some_a_dress_code() -> None:
    for _, request in requests(NOW):
        assert request.doors_at is not None
        assert timedelta() < request.starts_at - request.doors_at <= timedelta(hours=2)
        assert request.images == (), "nobody serves them, and a page with a broken picture looks broken"
    dressed = sum(request.dress_code is not None for _, request in requests(NOW))
    assert 20 <= dressed <= 150


@dataclass
class FakeCloud:
    """The routes that the seed calls, with the contract's idempotency; sign-in as the Auth emulator does it."""

    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    replies: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str | None] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    refuse: str = ""
    busy_once: bool = False
    in_flight: int = 0
    most_in_flight: int = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0)
        try:
            return self._disturbance(request) or (
                self._auth(request) if request.url.host == "auth" else self._gateway(request)
            )
        finally:
            self.in_flight -= 1

    def _disturbance(self, request: httpx.Request) -> httpx.Response | None:
        if self.busy_once:
            self.busy_once = False
            return httpx.Response(429, headers={"Retry-After": "0"}, json={"code": "rate_limited"})
        if self.refuse and request.url.path.endswith(self.refuse):
            return httpx.Response(422, json={"code": "validation_failed", "detail": "no such thing"})
        return None

    def _auth(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            listed = [{"sessionInfo": session, "code": code} for session, (_, code) in self.codes.items()]
            return httpx.Response(200, json={"verificationCodes": listed})
        body = json.loads(request.content)
        if "phoneNumber" in body:
            session = f"session-{len(self.codes)}-{body['phoneNumber']}"
            self.codes[session] = (body["phoneNumber"], f"{len(self.codes):06d}")
            return httpx.Response(200, json={"sessionInfo": session})
        phone, code = self.codes[body["sessionInfo"]]
        return httpx.Response(200 if code == body["code"] else 400, json={"idToken": f"token-{phone}"})

    def _gateway(self, request: httpx.Request) -> httpx.Response:
        path, caller = request.url.path, request.headers["authorization"].removeprefix("Bearer token-")
        if path == "/v1/session":
            self.sessions.add(caller)
            return httpx.Response(200, json={})
        if path in {"/v1/organizations", "/v1/tours", "/v1/events"}:
            return self._create(request, caller)
        if path.startswith(("/v1/organizations/", "/v1/venues", "/v1/artists")):
            return self._describe(request, path.removeprefix("/v1/"), caller)
        event_id = path.split("/")[3]
        if request.method == "GET":
            return httpx.Response(200, json={"status": self.status[event_id]})
        if self.status[event_id] != "draft":
            return httpx.Response(409, json={"code": "not_a_draft"})
        self.status[event_id] = "published"
        return httpx.Response(200, json={})

    def _create(self, request: httpx.Request, caller: str) -> httpx.Response:
        assert caller in self.sessions
        kept = self.replies.get((caller, request.headers["idempotency-key"]))
        if kept is not None:
            same = kept[0] == request.content
            return httpx.Response(201 if same else 422, json=kept[1] if same else {"code": "idempotency_key_reused"})
        kind = {"/v1/organizations": "org", "/v1/tours": "tour"}.get(request.url.path, "event")
        reply, body = {f"{kind}Id": f"{kind}_{len(self.replies)}"}, json.loads(request.content)
        if kind != "org":
            assert body["orgId"].startswith("org_")
        if kind == "event":
            assert body.get("tourId", "tour_").startswith("tour_")
            self.status[reply["eventId"]] = "draft"
        self.replies[caller, request.headers["idempotency-key"]] = (request.content, reply)
        return httpx.Response(201, json=reply)

    def _describe(self, request: httpx.Request, path: str, caller: str) -> httpx.Response:
        """As the API: a page is made before it is described, and its first describer keeps it."""
        body = json.loads(request.content)
        if request.method == "POST":
            page = f"{path}/{body['name']}"
            self.pages.setdefault(page, None)
            return httpx.Response(201, json={f"{path[:-1]}Id": body["name"]})
        if request.method == "PATCH":
            self.pages[path] = caller
            return httpx.Response(200, json={})
        if self.pages[path] not in {None, caller}:
            return httpx.Response(409, json={"code": "described_by_another"})
        self.pages[path] = caller
        return httpx.Response(200, json={})


def sow_into(cloud: FakeCloud, now: datetime, progress: list[tuple[int, int]] | None = None) -> Sown:
    async def run() -> Sown:
        async with httpx.AsyncClient(transport=httpx.MockTransport(cloud.answer)) as client:
            seen: list[tuple[int, int]] = [] if progress is None else progress
            return await sow(client, "http://gateway", "auth", "demo", now, lambda *count: seen.append(count))

    return asyncio.run(run())


def test_a_second_run_repeats_nothing() -> None:
    cloud, progress = FakeCloud(), list[tuple[int, int]]()
    assert sow_into(cloud, NOW, progress) == Sown(organizations=len(organizations()), events=200)
    assert progress[0] == (0, 200)
    assert progress[-1] == (200, 200)
    created = dict(cloud.replies)
    assert Counter(cloud.status.values()) == {"published": 200}
    assert sow_into(cloud, NOW + timedelta(minutes=5)).events == 200
    assert cloud.replies == created
    assert len(cloud.pages) == len(described(NOW)) + len(organizations())
    assert None not in cloud.pages.values()
    assert 1 < cloud.most_in_flight <= IN_FLIGHT


@pytest.mark.parametrize(
    "path", ["/v1/session", "/v1/organizations", "/v1/tours", "/v1/events", "/publish", "/v1/venues", "/v1/artists"]
)
def test_a_refusal_stops_the_seed_with_the_problem(path: str) -> None:
    with pytest.raises(SeedRefused, match=r"422.*validation_failed"):
        sow_into(FakeCloud(refuse=path), NOW)


def test_a_publish_refused_for_another_reason_is_not_taken_for_an_earlier_run() -> None:
    cloud = FakeCloud()
    sow_into(cloud, NOW)
    cloud.status = dict.fromkeys(cloud.status, "cancelled")
    with pytest.raises(SeedRefused, match="not_a_draft"):
        sow_into(cloud, NOW)


def test_too_many_requests_are_asked_again_when_told() -> None:
    cloud = FakeCloud(busy_once=True)
    assert sow_into(cloud, NOW).events == 200
