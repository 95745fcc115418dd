"""Everybody who holds a ticket is told once, wherever the telling dies; and what their tickets say follows."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.transaction import committed
from common.trigger import RetryLater
from common.updates import telling
from tests.support.people import accepted, order_body, publish_event, refused, tier_body
from tests.support.races import meet_before_committing

if TYPE_CHECKING:
    from google.cloud.firestore_v1.async_batch import AsyncWriteBatch

    from tests.conftest import SignIn
    from tests.operations.jobs import Jobs
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

DOORS = {"title": "Doors", "message": "They open an hour later."}


@pytest.fixture
def event(host: Person) -> Json:
    return publish_event(host, tier_body("Free", price_minor=0))


def buy(buyer: Person, event: Json, quantity: int = 1) -> list[str]:
    """The ids of so many tickets."""
    order = accepted(buyer.post("/v1/orders", order_body(event, quantity)))
    return settle(buyer, order)


def settle(buyer: Person, order: Json) -> list[str]:
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/checkout", {"gateway": "stripe"}))
    return list(accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["ticketIds"])


def post(host: Person, event: Json) -> Json:
    return accepted(host.post(f"/v1/events/{event['eventId']}/updates", DOORS))


def the_update(host: Person, event: Json) -> Json:
    [update] = accepted(host.get(f"/v1/events/{event['eventId']}/updates"))["items"]
    return dict(update)


def run_page(jobs: Jobs, update: Json, page: int) -> int:
    body = {"eventId": update["eventId"], "updateId": update["updateId"], "page": page}
    return jobs.call("tell_holders", body).status_code


def addressed(gateway: GatewayThread) -> Counter[str]:
    """How often each user or number was handed over."""

    async def read() -> list[Json]:
        return [found.to_dict() or {} async for found in clients.firestore().collection("outbox").stream()]

    events = [entry["event"] for entry in gateway.run(read()) if entry["event"]]
    told = [event["data"] for event in events if event["type"] == "update.addressed"]
    return Counter(data["userId"] or data["phone"] for data in told)


def stored(gateway: GatewayThread, path: str) -> Json:
    async def read() -> Json:
        return (await clients.firestore().document(path).get()).to_dict() or {}

    return gateway.run(read())


def planned(gateway: GatewayThread, update: Json) -> list[tuple[str, datetime | None]]:
    async def read() -> list[Json]:
        return [found.to_dict() or {} async for found in clients.firestore().collection("outbox").stream()]

    tasks = [task for entry in gateway.run(read()) for task in entry["tasks"] if task["function"] == "tell_holders"]
    return sorted((task["name"].removeprefix(update["updateId"]), task["at"]) for task in tasks)


@pytest.fixture
def holders(event: Json, sign_in: SignIn) -> list[Person]:
    """Five people with one to three tickets each, and a number that a ticket was sent to."""
    people = [sign_in(f"holder{number}", phone=f"+91981110000{number}") for number in range(5)]
    for number, person in enumerate(people):
        buy(person, event, 1 + number % 3)
    [gift] = buy(people[0], event)
    friend = {"recipientPhone": "+919822200000", "recipientName": "Ravi"}
    accepted(people[0].post(f"/v1/tickets/{gift}/transfer", friend))
    return people


def everybody(holders: list[Person]) -> Counter[str]:
    return Counter([*(person.user_id for person in holders), "+919822200000"])


def test_each_person_once_though_every_page_runs_twice(
    gateway: GatewayThread,
    jobs: Jobs,
    host: Person,
    event: Json,
    holders: list[Person],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "PAGE", 4)
    update = post(host, event)
    for page in range(4):
        assert [run_page(jobs, update, page) for _ in range(2)] == [204, 204]
    told = addressed(gateway)
    assert set(told) == set(everybody(holders))
    # Eleven tickets are three pages: only whoever's tickets lie on both sides of a border is handed over twice, and
    # what was sent is known by the update's id.
    assert sum(told.values()) <= len(told) + 2
    state = stored(gateway, f"events/{event['eventId']}/updates/{update['updateId']}")
    assert (state["done"], state["page"]) == (True, 3)
    assert [name for name, _ in planned(gateway, update)] == ["-0", "-1", "-2"]


def test_pages_that_never_were_or_are_past_do_nothing(
    gateway: GatewayThread, jobs: Jobs, host: Person, event: Json, holders: list[Person]
) -> None:
    update = post(host, event)
    for page in (1, 7):
        assert run_page(jobs, update, page) == 204
    assert run_page(jobs, update | {"updateId": "upd_unknown"}, 0) == 204
    assert not addressed(gateway)
    assert run_page(jobs, update, 0) == 204
    assert addressed(gateway) == everybody(holders)


@pytest.mark.parametrize("after", [False, True], ids=["before its commit", "after its commit"])
def test_a_page_that_dies_is_neither_lost_nor_doubled(
    gateway: GatewayThread,
    jobs: Jobs,
    host: Person,
    event: Json,
    holders: list[Person],
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
) -> None:
    update = post(host, event)

    async def dies(batch: AsyncWriteBatch) -> bool:
        if after:
            await committed(batch)
        raise SystemError("the process died")

    with monkeypatch.context() as dying:
        dying.setattr(telling, "committed", dies)
        assert run_page(jobs, update, 0) == 500
    assert bool(addressed(gateway)) is after
    assert run_page(jobs, update, 0) == 204
    assert addressed(gateway) == everybody(holders)


async def twice_at_once(update: Json) -> list[Any]:
    ids = update["eventId"], update["updateId"], 0
    return list(await asyncio.gather(telling.tell_page(*ids), telling.tell_page(*ids), return_exceptions=True))


@pytest.mark.parametrize("guarded", [True, False], ids=["", "control: without the guard"])
def test_two_runs_of_a_page_at_once_hand_over_once(
    gateway: GatewayThread,
    host: Person,
    event: Json,
    holders: list[Person],
    monkeypatch: pytest.MonkeyPatch,
    guarded: bool,
) -> None:
    update = post(host, event)
    meet_before_committing(monkeypatch, telling)
    if not guarded:
        monkeypatch.setattr(telling, "_as_seen", lambda _: None)
    outcomes = gateway.run(twice_at_once(update))
    assert sum(isinstance(outcome, RetryLater) for outcome in outcomes) == (1 if guarded else 0)
    each = 1 if guarded else 2
    assert addressed(gateway) == Counter(dict.fromkeys(everybody(holders), each))


# --- what tickets say


def moved(host: Person, event: Json) -> tuple[datetime, Json]:
    """The event, three days later at another place; the new start and the update that tells it."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=5)
    fields = {
        "startsAt": starts.isoformat(),
        "endsAt": (starts + timedelta(hours=4)).isoformat(),
        "venue": event["venue"] | {"name": "Fort"},
    }
    accepted(host.call("PATCH", f"/v1/events/{event['eventId']}", fields))
    return starts, the_update(host, event)


def test_tickets_and_orders_follow_their_event(
    gateway: GatewayThread, jobs: Jobs, host: Person, buyer: Person, event: Json
) -> None:
    [ticket_id] = buy(buyer, event)
    starts, update = moved(host, event)
    assert run_page(jobs, update, 0) == 204
    [ticket] = accepted(buyer.get("/v1/tickets"))["upcoming"]
    assert (datetime.fromisoformat(ticket["startsAt"]), ticket["venueName"]) == (starts, "Fort")
    order = stored(gateway, f"orders/{stored(gateway, f'tickets/{ticket_id}')['orderId']}")
    assert (order["startsAt"], order["venueName"], order["status"]) == (starts, "Fort", "ticketed")
    assert addressed(gateway) == Counter([buyer.user_id])


def test_who_held_while_it_changed_is_told_in_the_late_round(
    gateway: GatewayThread, jobs: Jobs, host: Person, buyer: Person, sign_in: SignIn, event: Json
) -> None:
    early = sign_in("early")
    buy(early, event)
    held = accepted(buyer.post("/v1/orders", order_body(event)))
    starts, update = moved(host, event)
    assert run_page(jobs, update, 0) == 204
    [ticket_id] = settle(buyer, held)
    afterwards = sign_in("afterwards")
    # The process forgets the event it remembers when it changes it: this buyer sees the new time.
    buy(afterwards, event)
    # The control: after the first round alone one of the tickets is wrong, and its holder does not know.
    assert stored(gateway, f"tickets/{ticket_id}")["startsAt"] != starts
    assert addressed(gateway) == Counter([early.user_id])
    (_, first), (_, late) = planned(gateway, update)
    assert first is None
    assert late is not None
    assert late - datetime.now(UTC) > timedelta(minutes=14)
    for _ in range(2):
        assert run_page(jobs, update, 1) == 204
    assert stored(gateway, f"tickets/{ticket_id}")["startsAt"] == starts
    assert addressed(gateway) == Counter([early.user_id, buyer.user_id])


def test_a_cancellation_is_told_to_those_whose_tickets_die_by_it(
    gateway: GatewayThread, jobs: Jobs, host: Person, buyer: Person, sign_in: SignIn, event: Json
) -> None:
    refunded_before, cancelled_first = sign_in("before"), sign_in("first")
    for person in (refunded_before, cancelled_first, buyer):
        buy(person, event)
    before = stored_order(gateway, refunded_before)
    accepted(host.post(f"/v1/orders/{before}/refunds", {"reason": "cannot come"}))
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    update = the_update(host, event)
    assert (update["kind"], update["title"]) == ("cancelled", "Event cancelled")
    assert jobs.call("refund_event", {"eventId": event["eventId"], "page": 0}).status_code == 204
    lists = accepted(cancelled_first.get("/v1/tickets"))
    assert len(lists["cancelled"]) == 1, "its ticket died before its holder was told"
    assert run_page(jobs, update, 0) == 204
    assert addressed(gateway) == Counter([cancelled_first.user_id, buyer.user_id])


def stored_order(gateway: GatewayThread, person: Person) -> str:
    [order] = accepted(person.get("/v1/orders"))["items"]
    return str(order["orderId"])


def test_nobody_is_told_the_new_time_of_what_was_cancelled_meanwhile(
    gateway: GatewayThread, jobs: Jobs, host: Person, buyer: Person, event: Json
) -> None:
    buy(buyer, event)
    _, update = moved(host, event)
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    assert run_page(jobs, update, 0) == 204
    assert not addressed(gateway)


# --- the route


def test_a_repeated_update_is_one(gateway: GatewayThread, host: Person, event: Json) -> None:
    path = f"/v1/events/{event['eventId']}/updates"
    first = host.post(path, DOORS, key="doors-1")
    again = host.post(path, DOORS, key="doors-1")
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    refused(host.post(path, DOORS | {"title": "Other doors"}, key="doors-1"), 422, "idempotency_key_reused")

    async def forget() -> None:
        async for record in clients.firestore().collection("idempotency").list_documents():
            await record.delete()

    gateway.run(forget())
    assert accepted(host.post(path, DOORS, key="doors-1")) == first.json()
    assert len(planned(gateway, first.json())) == 1
    assert the_update(host, event) == first.json()


def test_updates_are_read_by_all_who_see_the_event(host: Person, buyer: Person, event: Json) -> None:
    path = f"/v1/events/{event['eventId']}/updates"
    posted = [post(host, event)["updateId"] for _ in range(3)]
    first = accepted(buyer.client.get(f"{path}?limit=2"))
    rest = accepted(buyer.get(f"{path}?limit=2&cursor={first['nextCursor']}"))
    assert [each["updateId"] for each in first["items"] + rest["items"]] == posted[::-1]
    assert rest.get("nextCursor") is None
    refused(buyer.get(f"{path}?cursor=x"), 400, "invalid_cursor")
    refused(buyer.get("/v1/events/evt_unknown/updates"), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "Doors"},
        {"title": "ab", "message": "x"},
        {"title": "x" * 101, "message": "x"},
        {"title": "Doors", "message": "   "},
        {"title": "Doors", "message": "x" * 2_001},
        {"title": "Doors", "message": ["x"]},
        DOORS | {"urgent": True},
    ],
)
def test_what_is_no_update_is_refused(host: Person, event: Json, body: Json) -> None:
    refused(host.post(f"/v1/events/{event['eventId']}/updates", body), 422, "validation_failed")


def test_nothing_is_announced_of_what_is_not_on(host: Person, event: Json) -> None:
    path = f"/v1/events/{event['eventId']}"
    accepted(host.post(f"{path}/cancel"))
    refused(host.post(f"{path}/updates", DOORS), 409, "event_cancelled")
