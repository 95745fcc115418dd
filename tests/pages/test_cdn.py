"""Behind a CDN nobody sees what an organizer changed for longer than docs/caching.md says."""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from common import cdn
from common.config import config
from common.events import store
from common.listings.store import LISTINGS
from emulators.cdn import Cdn, create_app
from tests.emulators.served import served
from tests.support.people import accepted, eventually, publish_event, tier_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.events.schemas import Event
    from common.outbox import PlannedTask
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

# A purge is due within a second of its commit; the rest is for a busy machine.
UNTIL_PURGED_S = 15


@pytest.fixture
def edge(gateway: GatewayThread, deployed: str) -> Cdn:
    """A CDN in front of the gateway."""
    return Cdn(gateway.url)


@pytest.fixture
def through(edge: Cdn, auth_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A client without a token, behind the CDN, which is told of changes."""
    with served(create_app(edge)) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        monkeypatch.setenv("CDN_URL_MAP", "marquee")
        monkeypatch.setenv("COMPUTE_API_BASE", url)
        monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", auth_emulator)  # no Google credentials are looked for
        config.cache_clear()
        yield client


@pytest.fixture
def event(edge: Cdn, through: httpx.Client, host: Person) -> Json:
    """A published event, whose publication was told already."""
    event = publish_event(host, tier_body(price_minor=50_000))
    eventually(lambda: edge.told or None)
    return event


def detail(event: Json) -> str:
    return f"/v1/events/{event['eventId']}"


def page(event: Json) -> str:
    return f"/e/{event['slug']}"


def calendar(event: Json) -> str:
    return f"/e/{event['slug']}/event.ics"


def told_of(edge: Cdn, event: Json, times: int) -> None:
    eventually(lambda: edge.told.count(f"event-{event['eventId']}") >= times or None)


def seen(client: httpx.Client, path: str) -> tuple[int, str]:
    reply = client.get(path)
    # A refusal names its request, so that no two are alike.
    return reply.status_code, reply.text if reply.status_code == 200 else ""


CHANGES: dict[str, tuple[str, str, Json]] = {
    "another title": ("PATCH", "", {"title": "Night by the Sea"}),
    "another price": ("PATCH", "/tiers/{tier}", {"price": {"amountMinor": 70_000, "currency": "INR"}}),
    "cancelled": ("POST", "/cancel", {}),
    "private": ("PATCH", "", {"visibility": "private"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reaches_whoever_asks_the_cdn(
    edge: Cdn, through: httpx.Client, host: Person, event: Json, change: str
) -> None:
    paths = (detail(event), page(event), calendar(event))
    before = {path: seen(through, path) for path in paths}
    assert {status for status, _ in before.values()} == {200}
    assert [through.get(path).headers["x-cache"] for path in paths] == ["HIT"] * 3
    method, path, body = CHANGES[change]
    address = detail(event) + path.format(tier=event["tiers"][0]["tierId"])
    accepted(host.call(method, address, body or None))
    expected = {path: seen(host.client, path) for path in paths}
    assert expected != before

    began = time.monotonic()
    eventually(lambda: {path: seen(through, path) for path in paths} == expected or None, UNTIL_PURGED_S)
    print(f"{change}: seen after {time.monotonic() - began:.1f} s")


def test_control_without_the_purge_the_old_event_stays(
    gateway: GatewayThread,
    edge: Cdn,
    through: httpx.Client,
    host: Person,
    event: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cdn, "purges", lambda *_: ())
    before = seen(through, detail(event))
    accepted(host.call("PATCH", detail(event), {"title": "Night by the Sea"}))

    async def listed() -> str | None:
        from common import clients

        found = (await clients.firestore().document(f"{LISTINGS}/{event['eventId']}").get()).to_dict() or {}
        return found.get("title")

    # The tasks of the same commit are through, and an hour is not.
    eventually(lambda: gateway.run(listed()) == "Night by the Sea" or None)
    edge.now = lambda: time.monotonic() + 3_500
    assert seen(through, detail(event)) == before
    edge.now = lambda: time.monotonic() + 3_700
    assert "Night by the Sea" in through.get(detail(event)).text


@pytest.mark.parametrize("again", [True, False], ids=["purged again", "control: purged once"])
def test_what_was_read_before_a_change_and_kept_after_its_purge(
    gateway: GatewayThread,
    edge: Cdn,
    through: httpx.Client,
    host: Person,
    event: Json,
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    """The reply was under way while the tag was called back: the CDN keeps it none the less."""
    find, plan = store.find, cdn.purges
    answer = asyncio.Event()
    held: list[Event | None] = []

    async def slow(event_id: str) -> Event | None:
        found = await find(event_id)
        if not held:
            held.append(found)
            await asyncio.wait_for(answer.wait(), 30)
        return found

    def once(tag: str, changed_at: datetime) -> tuple[PlannedTask, ...]:
        return plan(tag, changed_at)[: 2 if again else 1]

    async def release() -> None:
        answer.set()

    monkeypatch.setattr(cdn, "LAST_FILL", timedelta(seconds=6))
    monkeypatch.setattr(cdn, "purges", once)
    monkeypatch.setattr(store, "find", slow)
    times = len(edge.told)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(through.get, detail(event))
        eventually(lambda: held or None)
        accepted(host.call("PATCH", detail(event), {"title": "Night by the Sea"}))
        told_of(edge, event, times + 1)
        gateway.run(release())
        assert late.result().json()["title"] == "Night at the Mill"
    assert through.get(detail(event)).json()["title"] == "Night at the Mill"
    if again:
        eventually(lambda: through.get(detail(event)).json()["title"] == "Night by the Sea" or None, 20)
    else:
        time.sleep(7)
        assert through.get(detail(event)).json()["title"] == "Night at the Mill"


def test_a_cdn_that_refuses_is_asked_again(edge: Cdn, through: httpx.Client, host: Person, event: Json) -> None:
    assert "Night at the Mill" in through.get(detail(event)).text
    edge.answers = [429, 500]
    accepted(host.call("PATCH", detail(event), {"title": "Night by the Sea"}))
    eventually(lambda: "Night by the Sea" in through.get(detail(event)).text or None, 30)
    assert edge.answers == []


def test_members_see_what_is_theirs_and_leave_nothing_behind(
    edge: Cdn, through: httpx.Client, host: Person, event: Json
) -> None:
    private = publish_event(host, org_id=event["orgId"], visibility="private")
    token = {"Authorization": f"Bearer {host.token}"}
    for path in (detail(private), page(private), calendar(private), detail(event)):
        reply = through.get(path, headers=token)
        assert (reply.status_code, reply.headers["x-cache"]) == (200, "BYPASS")
        assert reply.headers["cache-control"] == "private, no-cache"
        again = through.get(path, headers=token | {"If-None-Match": reply.headers["etag"]})
        assert again.status_code == 304
    for path in (detail(private), page(private), calendar(private)):
        for _ in range(2):
            reply = through.get(path)
            assert (reply.status_code, reply.headers["x-cache"]) == (404, "MISS")
            assert reply.headers["cache-control"] == "no-store"


def test_a_price_that_ends_is_not_kept_beyond_its_end(through: httpx.Client, host: Person) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=100)
    step = {"price": {"amountMinor": 40_000, "currency": "INR"}, "until": ends.isoformat()}
    event = publish_event(host, tier_body(price_minor=50_000, priceSteps=[step]))
    control = through.get(detail(event)).headers["cache-control"]
    found = re.search(r"s-maxage=(\d+)", control)
    assert found is not None
    assert 0 < int(found[1]) <= 100


BOUNDS = {
    "/v1/events/{eventId}": 3600,
    "/v1/events/{eventId}/availability": 2,
    "/v1/events/nearby?latitude=19&longitude=72.8": 30,
    "/e/{slug}": 30,
    "/e/{slug}/event.ics": 3600,
    "/v1/ticket-keys": 3600,
}


@pytest.mark.parametrize("path", BOUNDS)
def test_each_route_says_how_long_it_may_be_kept(
    through: httpx.Client, host: Person, event: Json, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = path.format(**event)
    assert f"s-maxage={BOUNDS[path]}," in through.get(address).headers["cache-control"]
    head = through.head(address)
    assert (head.status_code, head.content) == (200, b"")
    if "availability" not in path:  # it says when it was read
        assert through.get(address, headers={"If-None-Match": head.headers["etag"]}).status_code == 304
    monkeypatch.delenv("CDN_URL_MAP")
    config.cache_clear()
    purged = "event" in path and BOUNDS[path] == 3600
    untold = host.client.get(address).headers["cache-control"]
    assert f"s-maxage={30 if purged else BOUNDS[path]}," in untold


def test_sold_out_is_seen_within_the_pages_own_bound(
    edge: Cdn, through: httpx.Client, host: Person, buyer: Person
) -> None:
    event = publish_event(host, tier_body(capacity=1))
    assert "Sold out" not in through.get(page(event)).text
    accepted(buyer.post("/v1/orders", {"eventId": event["eventId"], "lines": [_line(event)]}))
    edge.now = lambda: time.monotonic() + 31
    assert "Sold out" in through.get(page(event)).text


def _line(event: Json) -> Json:
    return {"tierId": event["tiers"][0]["tierId"], "quantity": 1}
