"""Orders over HTTP: holding, replaying, limits, lists, cancelling, and what each bad request gets."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock
from common.events import store as events
from common.operations.audit import audit_event
from common.orders import inventory, store, waiting_line
from common.orders.inventory import EventInventory
from common.orders.shards import unit_path
from tests.support.people import Json, Person, accepted, event_body, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from google.cloud.firestore import AsyncWriteBatch

    from common.orders.inventory import Change
    from common.tickets.schemas import UnitRef
    from tests.conftest import SignIn
    from tests.support.server import GatewayThread


def left(anyone: Person, event: Json) -> list[int]:
    tiers = accepted(anyone.get(f"/v1/events/{event['eventId']}/availability"))["tiers"]
    return [tier["available"] for tier in tiers]


def orders_stored(gateway: GatewayThread) -> int:
    async def count() -> int:
        return len([each async for each in clients.firestore().collection("orders").stream()])

    return gateway.run(count())


def test_a_hold_says_what_it_costs_and_until_when(host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(price_minor=50_000, capacity=10))
    order = accepted(buyer.post("/v1/orders", order_body(event, 2)))
    minor = {name: money["amountMinor"] for name, money in order["amounts"].items()}
    # 10 % booking fee on top, 18 % GST on the fee
    assert minor == {"subtotal": 100_000, "discount": 0, "fee": 10_000, "tax": 1_800, "total": 111_800}
    held_for = datetime.fromisoformat(order["holdExpiresAt"]) - datetime.fromisoformat(order["createdAt"])
    assert (order["status"], held_for) == ("held", timedelta(minutes=10))
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}")) == order
    assert left(buyer, event) == [8]


def test_several_tiers_all_or_nothing(host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body("Floor", capacity=10), tier_body("Balcony", capacity=1))
    floor, balcony = (tier["tierId"] for tier in event["tiers"])
    lines = [{"tierId": floor, "quantity": 3}, {"tierId": balcony, "quantity": 2}]
    problem = refused(buyer.post("/v1/orders", {"eventId": event["eventId"], "lines": lines}), 409, "sold_out")
    assert (problem["tierId"], problem["available"]) == (balcony, 1)
    assert left(buyer, event) == [10, 1]
    lines[1]["quantity"] = 1
    accepted(buyer.post("/v1/orders", {"eventId": event["eventId"], "lines": lines}))
    assert left(buyer, event) == [7, 0]


def test_the_same_key_gets_the_first_reply(host: Person, buyer: Person, sign_in: SignIn) -> None:
    event = publish_event(host, tier_body(capacity=2, maxPerPerson=2))
    first = buyer.post("/v1/orders", order_body(event, 2), key="k")
    again = buyer.post("/v1/orders", order_body(event, 2), key="k")  # sold out and over the limit by now
    assert (again.status_code, again.json()) == (201, first.json())
    refused(buyer.post("/v1/orders", order_body(event, 1), key="k"), 422, "idempotency_key_reused")
    refused(sign_in("other").post("/v1/orders", order_body(event, 1), key="k"), 409, "sold_out")
    accepted(buyer.post(f"/v1/orders/{first.json()['orderId']}/cancel"))
    assert buyer.post("/v1/orders", order_body(event, 2), key="k").json() == first.json()
    assert left(buyer, event) == [2]


def test_one_key_at_once_makes_one_order(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=50))
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: buyer.post("/v1/orders", order_body(event), key="same"), range(16)))
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["orderId"] for reply in replies}) == 1
    assert orders_stored(gateway) == 1
    assert left(buyer, event) == [49]


def test_a_limit_per_person_holds_at_once(gateway: GatewayThread, host: Person, buyer: Person, sign_in: SignIn) -> None:
    event = publish_event(host, tier_body(capacity=50, maxPerPerson=3))
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: buyer.post("/v1/orders", order_body(event)), range(12)))
    assert Counter(reply.status_code for reply in replies) == {201: 3, 409: 9}
    for reply in replies:
        if reply.status_code == 409:
            assert refused(reply, 409, "limit_reached")["limit"] == 3
    accepted(sign_in("other").post("/v1/orders", order_body(event, 3)))
    held = next(reply.json()["orderId"] for reply in replies if reply.status_code == 201)
    accepted(buyer.post(f"/v1/orders/{held}/cancel"))
    accepted(buyer.post("/v1/orders", order_body(event)))
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_control_a_limit_checked_only_before_the_commit_is_passed(
    gateway: GatewayThread, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=50, maxPerPerson=3))
    monkeypatch.setattr(store, "_count", lambda batch, order, bought: None)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: buyer.post("/v1/orders", order_body(event)), range(12)))
    assert Counter(reply.status_code for reply in replies)[201] > 3


def test_cancelling_gives_the_units_back_once(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=5))
    order = accepted(buyer.post("/v1/orders", order_body(event, 5)))
    for _ in range(2):
        assert accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))["status"] == "cancelled"
    assert left(buyer, event) == [5]
    assert gateway.run(audit_event(event["eventId"])) == ()
    accepted(buyer.post("/v1/orders", order_body(event, 5)))


def test_a_cancellation_whose_commit_gave_no_answer_is_found_done(
    gateway: GatewayThread, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=5))
    order = accepted(buyer.post("/v1/orders", order_body(event, 5)))
    release = store.release

    async def done_but_refused(seen: Any, status: Any) -> bool:
        await release(seen, status)
        return False

    monkeypatch.setattr(store, "release", done_but_refused)
    assert accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))["status"] == "cancelled"
    assert left(buyer, event) == [5]
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_an_expired_hold_is_claimable_at_once(
    gateway: GatewayThread, host: Person, buyer: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=3))
    first = accepted(buyer.post("/v1/orders", order_body(event, 3)))
    other = sign_in("other")
    refused(other.post("/v1/orders", order_body(event)), 409, "sold_out")
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=10, seconds=1))
    accepted(other.post("/v1/orders", order_body(event, 3)))
    assert accepted(buyer.get(f"/v1/orders/{first['orderId']}"))["status"] == "expired"
    refused(buyer.post(f"/v1/orders/{first['orderId']}/checkout", {"gateway": "stripe"}), 409, "hold_expired")
    refused(buyer.post(f"/v1/orders/{first['orderId']}/cancel"), 409, "order_state_conflict")
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_the_list_pages_newest_first(host: Person, buyer: Person, sign_in: SignIn) -> None:
    event = publish_event(host, tier_body(capacity=50))
    made = [accepted(buyer.post("/v1/orders", order_body(event)))["orderId"] for _ in range(5)]
    accepted(sign_in("other").post("/v1/orders", order_body(event)))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = accepted(buyer.get("/v1/orders", params={"limit": 2} | ({"cursor": cursor} if cursor else {})))
        seen += [order["orderId"] for order in page["items"]]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert seen == made[::-1]
    refused(buyer.get("/v1/orders", params={"cursor": "bm9wZQ"}), 400, "invalid_cursor")
    foreign = accepted(buyer.get("/v1/orders", params={"limit": 1}))["nextCursor"]
    refused(sign_in("third").get("/v1/orders", params={"cursor": foreign}), 400, "invalid_cursor")


def test_what_is_not_on_sale(host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    event = publish_event(
        host, tier_body("Later", saleStartsAt=tomorrow), tier_body("Over", saleEndsAt=yesterday), tier_body("Now")
    )
    for tier in (0, 1):
        refused(buyer.post("/v1/orders", order_body(event, tier=tier)), 409, "sales_closed")
    accepted(buyer.post("/v1/orders", order_body(event, tier=2)))
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    refused(buyer.post("/v1/orders", order_body(event, tier=2)), 409, "sales_closed")
    draft = accepted(host.post("/v1/events", event_body(event["orgId"])))
    refused(buyer.post("/v1/orders", order_body(draft)), 404, "not_found")
    private = publish_event(host, visibility="private")
    refused(buyer.post("/v1/orders", order_body(private)), 404, "not_found")
    accepted(host.post("/v1/orders", order_body(private)))


def test_an_instance_that_remembers_the_event_cannot_sell_after_its_cancellation(
    gateway: GatewayThread, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event may be seconds old where somebody books; the closed shards are what stops the sale."""
    event = publish_event(host, tier_body(capacity=5))
    accepted(buyer.post("/v1/orders", order_body(event)))
    monkeypatch.setattr(events.memory, "forget", lambda _: None)
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    refused(buyer.post("/v1/orders", order_body(event)), 409, "sales_closed")
    assert orders_stored(gateway) == 1


def changed(**fields: Any) -> Callable[[Json], Json]:
    return lambda body: body | fields


def line(**fields: Any) -> Callable[[Json], Json]:
    return lambda body: body | {"lines": [body["lines"][0] | fields]}


BAD = [
    (changed(surprise=1), 422, "validation_failed"),
    (changed(eventId=7), 422, "validation_failed"),
    (changed(eventId="../x"), 422, "validation_failed"),
    (changed(lines=[]), 422, "validation_failed"),
    (changed(lines=None), 422, "validation_failed"),
    (changed(eventId="evt_unknown"), 404, "not_found"),
    (changed(promoCode="FREE"), 422, "unknown_promo_code"),
    (line(quantity=0), 422, "validation_failed"),
    (line(quantity=-1), 422, "validation_failed"),
    (line(quantity=1.5), 422, "validation_failed"),
    (line(quantity="2"), 422, "validation_failed"),
    (line(quantity=10**9), 422, "validation_failed"),
    (line(quantity=11), 409, "limit_reached"),
    (line(tierId="tier_unknown"), 422, "unknown_tier"),
    (line(price=1), 422, "validation_failed"),
    (line(holders=[{"name": "A"}, {"name": "B"}]), 422, "too_many_holders"),
    (line(holders=[{"name": "A", "phone": "12"}]), 422, "validation_failed"),
    (lambda body: body | {"lines": body["lines"] * 2}, 422, "repeated_tier"),
]


def test_bad_requests_change_nothing(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=20))
    for change, status, code in BAD:
        refused(buyer.post("/v1/orders", change(order_body(event))), status, code)
    refused(buyer.post("/v1/orders", order_body(event), key="two words"), 422, "invalid_idempotency_key")
    assert orders_stored(gateway) == 0
    assert left(buyer, event) == [20]


def test_what_the_wrapper_refuses(anonymous: httpx.Client, host: Person, buyer: Person) -> None:
    event = publish_event(host)
    token = {"Authorization": f"Bearer {buyer.token}"}
    as_text = token | {"Content-Type": "text/plain"}
    refused(anonymous.post("/v1/orders", json=order_body(event)), 401, "unauthenticated")
    refused(anonymous.post("/v1/orders", content=b"{}", headers=as_text), 415, "unsupported_media_type")
    broken = token | {"Content-Type": "application/json"}
    refused(anonymous.post("/v1/orders", content=b"{", headers=broken), 400, "malformed_json")
    refused(anonymous.post("/v1/orders", content=b" " * 70_000, headers=broken), 413, "body_too_large")
    for limit in (0, -1, 101, "many"):
        refused(buyer.get("/v1/orders", params={"limit": limit}), 422, "validation_failed")
    refused(buyer.get("/v1/orders", params={"page": 1}), 422, "validation_failed")


def test_orders_of_others_do_not_exist(host: Person, buyer: Person, sign_in: SignIn) -> None:
    event = publish_event(host)
    order = accepted(buyer.post("/v1/orders", order_body(event)))
    stranger = sign_in("stranger")
    refused(stranger.get(f"/v1/orders/{order['orderId']}"), 404, "not_found")
    refused(stranger.post(f"/v1/orders/{order['orderId']}/cancel"), 404, "not_found")
    refused(host.get(f"/v1/orders/{order['orderId']}"), 404, "not_found")
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"


def buy_all(gateway: GatewayThread, sign_in: SignIn, event: Json, buyers: int) -> Counter[int]:
    """That many different people at once over HTTP, 64 connections."""
    import httpx

    people = [sign_in(f"b{number}") for number in range(buyers)]

    async def crowd() -> Counter[int]:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60, limits=limits, trust_env=False) as client:

            async def one(person: Person) -> int:
                headers = {"Authorization": f"Bearer {person.token}"}
                reply = await client.post("/v1/orders", json=order_body(event), headers=headers)
                if reply.status_code == 409:
                    refused(reply, 409, "sold_out")
                return reply.status_code

            return Counter(await asyncio.gather(*map(one, people)))

    return asyncio.run(crowd())


@pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "control: without the bound"])
def test_more_buyers_than_can_be_served_soon_are_asked_to_come_back(
    gateway: GatewayThread, host: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, bounded: bool
) -> None:
    """Five bookings a commit, 0.3 s a commit, two at a time: sixty buyers at once would be almost two seconds' work."""
    from common.firestore_writes import PlainBatch

    commit = PlainBatch.commit

    async def slow(self: PlainBatch, **how: Any) -> Any:
        await asyncio.sleep(0.3)
        return await commit(self, **how)

    event = publish_event(host, tier_body(capacity=200))
    people = [sign_in(f"b{number}") for number in range(60)]
    monkeypatch.setattr(PlainBatch, "commit", slow)
    monkeypatch.setattr(waiting_line, "MOST_WRITES", 20)
    monkeypatch.setattr(inventory, "MOST_WAIT_S", 0.3 if bounded else float("inf"))
    accepted(people[0].post("/v1/orders", order_body(event)))
    with ThreadPoolExecutor(60) as pool:
        replies = list(pool.map(lambda person: person.post("/v1/orders", order_body(event)), people))
    busy = [reply for reply in replies if reply.status_code != 201]
    for reply in busy:
        refused(reply, 503, "busy")
        assert int(reply.headers["Retry-After"]) > 0
    assert len(replies) - len(busy) >= 10
    assert bool(busy) == bounded
    assert left(host, event) == [200 - 1 - len(replies) + len(busy)]
    assert gateway.run(audit_event(event["eventId"])) == ()


def on_sale_at_both(host: Person) -> Json:
    """An event with 500 units left, whose inventory both instances know."""
    event = publish_event(host, tier_body(capacity=502))
    for _ in range(2):
        accepted(host.post("/v1/orders", order_body(event)))
    return event


@pytest.mark.usefixtures("two_instances")
def test_eight_hundred_buyers_for_five_hundred_units(gateway: GatewayThread, host: Person, sign_in: SignIn) -> None:
    event = on_sale_at_both(host)
    assert buy_all(gateway, sign_in, event, 800) == {201: 500, 409: 300}
    assert left(host, event) == [0]
    assert orders_stored(gateway) == 502
    assert gateway.run(audit_event(event["eventId"])) == ()


@pytest.mark.usefixtures("two_instances")
def test_control_without_the_guards_the_same_crowd_oversells(
    gateway: GatewayThread, host: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unguarded(self: EventInventory, batch: AsyncWriteBatch, change: Change, units: tuple[UnitRef, ...]) -> None:
        for unit in units:
            document = clients.firestore().document(unit_path(event["eventId"], unit.tier_id, unit.number))
            batch.set(document, {"orderId": change.order_id, "state": "held"})
        change.write(batch, units)

    event = on_sale_at_both(host)
    monkeypatch.setattr(type(clients.firestore()), "write_option", staticmethod(lambda **_: None))
    monkeypatch.setattr(EventInventory, "_write", unguarded)
    assert buy_all(gateway, sign_in, event, 800)[201] > 500
    violations = gateway.run(audit_event(event["eventId"]))
    assert "an order owns its units" in {violation.invariant for violation in violations}
