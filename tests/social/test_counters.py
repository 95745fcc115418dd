"""Counts of an event: exact once it is quiet, and written a few times however many take part."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore import AsyncWriteBatch

from common import clients
from common.recount import recount
from common.social import counters
from common.social.rules import COUNTED_EVERY_S
from common.social.schemas import Counted
from common.tickets.schemas import TicketStatus
from tests.social.conftest import Night
from tests.support.people import accepted, eventually, publish_event, refused
from tests.tickets.conftest import Box

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from tests.conftest import SignIn
    from tests.operations.jobs import Jobs
    from tests.support.people import Person
    from tests.support.server import GatewayThread

CROWD = 200
PATH = "followCounts/slow"


def like(person: Person, event_id: str) -> None:
    accepted(person.post(f"/v1/events/{event_id}/interest", {"kind": "liked"}))


def test_two_hundred_likes_at_once_are_counted_exactly_in_a_few_writes(
    deployed: str, gateway: GatewayThread, jobs: Jobs, host: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(gateway, jobs, publish_event(host))
    runs: list[str] = []

    async def counted(event_id: str) -> Mapping[str, Any]:
        runs.append(event_id)
        return await counters.interest(event_id)

    monkeypatch.setitem(counters.COUNTS, Counted.INTEREST, counted)
    people = [sign_in(f"fan{number}") for number in range(CROWD)]
    eventually(lambda: night.listing or None)
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda person: like(person, night.event_id), [*people, *people[:20]]))
    eventually(lambda: night.listing.get("interest", {}).get("liked") == CROWD or None, within_s=40)
    windows = math.ceil((time.monotonic() - began) / COUNTED_EVERY_S[Counted.INTEREST])
    # One a window and one for the new listing; a guarded write that met another write counts once more.
    assert 1 <= len(runs) <= 2 * (windows + 2) < CROWD / 4
    assert accepted(people[0].get(f"{night.path}/social"))["liked"] == CROWD


def test_control_a_counter_that_everybody_raises_is_written_by_everybody_and_loses_some(night: Night) -> None:
    written = 0

    async def naive() -> None:
        nonlocal written
        listing = clients.firestore().document(f"listings/{night.event_id}")
        seen = (await listing.get()).to_dict() or {}
        await listing.update({"interest.liked": seen.get("interest", {}).get("liked", 0) + 1})
        written += 1

    async def crowd() -> None:
        await asyncio.gather(*(naive() for _ in range(CROWD)))

    night.gateway.run(crowd())
    assert written == CROWD
    assert night.listing["interest"]["liked"] < CROWD


def test_each_kind_is_counted(night: Night, sign_in: SignIn) -> None:
    people = [sign_in(f"fan{number}") for number in range(3)]
    for person, kinds in zip(people, (["viewed", "going"], ["viewed", "not_interested"], ["shared"]), strict=True):
        for kind in kinds:
            accepted(person.post(f"{night.path}/interest", {"kind": kind}))
    night.count("interest")
    expected = {"viewed": 2, "liked": 0, "shared": 1, "interested": 1, "going": 1}
    assert night.listing["interest"] == expected | {"notInterested": 1}
    social = accepted(people[0].client.get(f"{night.path}/social"))
    rest = {"eventId": night.event_id, "attendees": 0, "ratingCount": 0}
    assert social == expected | rest
    accepted(people[0].call("DELETE", f"{night.path}/interest/going"))
    night.count("interest")
    assert night.listing["interest"]["going"] == 0


def test_counting_what_is_not_there_writes_nothing(night: Night, jobs: Jobs) -> None:
    for counted in Counted:
        accepted(jobs.call("refresh_counts", {"eventId": "evt_unknown", "counted": counted.value}))
    assert night.document("listings/evt_unknown") == {}
    refused(jobs.call("refresh_counts", {"eventId": night.event_id, "counted": "money"}), 400, "malformed_delivery")
    refused(night.jobs.client.get("/v1/events/evt_unknown/social"), 404, "not_found")


def test_a_new_listing_has_its_counts_taken(
    deployed: str, gateway: GatewayThread, jobs: Jobs, host: Person, buyer: Person
) -> None:
    """Whoever counted while there was no listing is not forgotten."""
    night = Night(gateway, jobs, publish_event(host))
    like(buyer, night.event_id)
    eventually(lambda: night.listing.get("interest", {}).get("liked") == 1 or None, within_s=25)


class Slow:
    """A count that waits before it answers what it saw."""

    def __init__(self) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()

    async def count(self) -> Mapping[str, Any]:
        found = await true_value()
        self.began.set()
        await self.may_end.wait()
        return found


async def true_value() -> dict[str, int]:
    return {"followers": ((await clients.firestore().document("truth/slow").get()).to_dict() or {})["value"]}


@pytest.mark.parametrize("value_between", [5, 3], ids=["same as written", "another"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: unguarded"])
def test_an_older_count_never_replaces_a_newer_one(
    project: str, gateway: GatewayThread, monkeypatch: pytest.MonkeyPatch, guarded: bool, value_between: int
) -> None:
    if not guarded:
        update = AsyncWriteBatch.update
        monkeypatch.setattr(
            AsyncWriteBatch, "update", lambda self, document, fields, **_: update(self, document, fields)
        )

    def be(value: int) -> Awaitable[Any]:
        return clients.firestore().document("truth/slow").set({"value": value})

    async def overlap() -> Any:
        slow = Slow()
        await be(5)
        await recount(PATH, true_value, create=True)
        await be(4)
        older = asyncio.ensure_future(recount(PATH, slow.count))
        await slow.began.wait()
        await be(value_between)
        await recount(PATH, true_value)
        slow.may_end.set()
        await older
        return (await clients.firestore().document(PATH).get()).get("followers")

    assert gateway.run(overlap()) == (value_between if guarded else 4)


def test_sold_out_and_back_reaches_the_listing(night: Night, buyer: Person, gateway: GatewayThread) -> None:
    def refreshed() -> bool:
        accepted(night.jobs.call("refresh_availability", {"eventId": night.event_id}))
        return bool(night.listing.get("available", True))

    assert refreshed()
    tier = night.event["tiers"][0]["tierId"]
    accepted(night.jobs.client.get(f"{night.path}/availability"))
    orders = [
        accepted(buyer.post("/v1/orders", {"eventId": night.event_id, "lines": [{"tierId": tier, "quantity": 10}]}))
        for _ in range(10)
    ]
    before = night.listing["changedAt"]
    assert not refreshed(), "it heard of the last unit"
    sold_out = night.listing["changedAt"]
    assert sold_out > before
    assert not refreshed()
    assert night.listing["changedAt"] == sold_out, "nothing is written while nothing flips"
    accepted(buyer.post(f"/v1/orders/{orders[0]['orderId']}/cancel"))
    assert refreshed()


def test_attendees_are_tickets_that_open_the_door_or_did(
    deployed: str, gateway: GatewayThread, jobs: Jobs, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COUNTED_EVERY_S, Counted.ATTENDEES, 1)
    free = {"name": "Free", "price": {"amountMinor": 0, "currency": "INR"}, "capacity": 4}
    night = Night(gateway, jobs, publish_event(host, free))
    tier = night.event["tiers"][0]["tierId"]
    order = accepted(buyer.post("/v1/orders", {"eventId": night.event_id, "lines": [{"tierId": tier, "quantity": 4}]}))
    eventually(lambda: night.listing.get("available") is False or None)
    assert night.listing.get("attendees", 0) == 0, "a hold is nobody's ticket yet"
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/checkout", {"gateway": "stripe"}))
    eventually(lambda: night.listing.get("attendees") == 4 or None)
    tickets = accepted(buyer.get("/v1/tickets"))["upcoming"]
    given_back = {"ticketIds": [tickets[0]["ticketId"]], "reason": "ill"}
    accepted(host.post(f"/v1/orders/{order['orderId']}/refunds", given_back))
    eventually(lambda: (night.listing["attendees"], night.listing["available"]) == (3, True) or None)
    assert accepted(buyer.get(f"{night.path}/social"))["attendees"] == 3


def test_dead_tickets_are_no_attendees(night: Night, buyer: Person) -> None:
    box = Box(night.gateway, night.event)
    for status in TicketStatus:
        box.ticket(buyer, status=status)
    night.count("attendees")
    assert night.listing["attendees"] == 2


def test_what_the_organizer_changes_leaves_the_counts(night: Night, host: Person) -> None:
    counts = {
        "available": False,
        "attendees": 7,
        "interest": {"liked": 3},
        "posts": 2,
        "ratingCount": 2,
        "ratingSum": 9,
        "trending": 1_258.5,
        "weighed": 25,
    }
    night.write(f"listings/{night.event_id}", counts)
    accepted(host.call("PATCH", night.path, {"title": "Night by the Sea"}))
    accepted(night.jobs.call("refresh_listing", {"eventId": night.event_id}))
    after = night.listing
    assert after["title"] == "Night by the Sea"
    assert {name: after[name] for name in counts} == counts
