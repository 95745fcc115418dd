"""Promo codes over HTTP: who makes them, what they take off, and limits that hold whoever comes at once."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock
from common.operations.audit import audit_event
from common.orders import promotions, store
from common.orders.rules import PromoCodeUsedUp
from common.orders.schemas import Order
from common.orders.unit_search import SOLD_OUT_FOR
from tests.payments.test_settlement import succeeded_refunds
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import (
    accepted,
    create_organization,
    event_body,
    order_body,
    publish_event,
    refused,
    tier_body,
)

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

HALF: Json = {"kind": "percent", "basisPoints": 5_000}


def inr(minor: int) -> Json:
    return {"amountMinor": minor, "currency": "INR"}


def path(event: Json, code: str = "") -> str:
    return f"/v1/events/{event['eventId']}/promo-codes" + (f"/{code}" if code else "")


def put(by: Person, event: Json, code: str = "NIGHT", **terms: Any) -> httpx.Response:
    return by.call("PUT", path(event, code), (HALF if "kind" not in terms else {}) | terms)


def book(by: Person, event: Json, code: str = "NIGHT", quantity: int = 1, tier: int = 0) -> httpx.Response:
    return by.post("/v1/orders", order_body(event, quantity, tier) | {"promoCode": code})


def cancel(by: Person, order: Json) -> None:
    accepted(by.post(f"/v1/orders/{order['orderId']}/cancel"))


def uses(host: Person, event: Json) -> dict[str, int]:
    return {promo["code"]: promo["uses"] for promo in accepted(host.get(path(event)))["items"]}


def left(anyone: Person, event: Json) -> list[int]:
    tiers = accepted(anyone.get(f"/v1/events/{event['eventId']}/availability"))["tiers"]
    return [tier["available"] for tier in tiers]


def later(monkeypatch: pytest.MonkeyPatch, **by: float) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(**by))


def assert_clean(gateway: GatewayThread, event: Json) -> None:
    assert gateway.run(audit_event(event["eventId"])) == ()


# --- made and listed


def test_a_code_is_made_changed_listed_and_ended(host: Person, buyer: Person) -> None:
    event = publish_event(host)
    terms = {
        "kind": "amount",
        "amount": inr(5_000),
        "maxUses": 10,
        "maxPerPerson": 2,
        "tierIds": [event["tiers"][0]["tierId"]],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2036-01-01T00:00:00Z",
        "minQuantity": 2,
    }
    made = accepted(put(host, event, "early-1", **terms))
    assert {name: made[name] for name in terms} == terms
    assert (made["code"], made["uses"], made["active"]) == ("EARLY-1", 0, True)
    changed = accepted(put(host, event, "Early-1", kind="percent", basisPoints=250))
    assert (changed["kind"], changed["createdAt"]) == ("percent", made["createdAt"])
    assert not {"amount", "maxUses", "tierIds"} & set(changed)
    accepted(put(host, event, "zeta"))
    accepted(book(buyer, event, "early-1"))
    first = accepted(host.get(path(event), params={"limit": 1}))
    assert [(promo["code"], promo["uses"]) for promo in first["items"]] == [("EARLY-1", 1)]
    second = accepted(host.get(path(event), params={"limit": 1, "cursor": first["nextCursor"]}))
    assert [(promo["code"], promo["uses"]) for promo in second["items"]] == [("ZETA", 0)]
    assert second.get("nextCursor") is None
    for _ in range(2):
        assert host.call("DELETE", path(event, "early-1")).status_code == 204
    assert [promo["active"] for promo in accepted(host.get(path(event)))["items"]] == [False, True]
    refused(host.call("DELETE", path(event, "unknown")), 404, "not_found")
    refused(host.get(path(event), params={"cursor": "x"}), 400, "invalid_cursor")


BAD: list[tuple[Json, str]] = [
    ({}, "kind"),
    ({"kind": "gift"}, "kind"),
    ({"kind": "percent"}, ""),
    ({"kind": "percent", "basisPoints": 0}, "basisPoints"),
    ({"kind": "percent", "basisPoints": 10_001}, "basisPoints"),
    ({"kind": "percent", "basisPoints": 10, "amount": inr(5)}, ""),
    ({"kind": "amount"}, ""),
    ({"kind": "amount", "amount": inr(-1)}, "amount.amountMinor"),
    ({"kind": "amount", "amount": {"amountMinor": 5, "currency": "NGN"}}, "amount.currency"),
    (HALF | {"maxUses": 0}, "maxUses"),
    (HALF | {"maxUses": 1.5}, "maxUses"),
    (HALF | {"maxPerPerson": 0}, "maxPerPerson"),
    (HALF | {"tierIds": []}, "tierIds"),
    (HALF | {"tierIds": ["tier_unknown"]}, "tierIds.0"),
    (HALF | {"startsAt": "2031-01-01T00:00:00Z", "endsAt": "2031-01-01T00:00:00Z"}, ""),
    (HALF | {"minQuantity": 51}, "minQuantity"),
    (HALF | {"code": "OTHER"}, "code"),
]


def test_what_is_no_code_is_refused(host: Person) -> None:
    event = publish_event(host)
    for terms, field in BAD:
        problem = refused(host.call("PUT", path(event, "NIGHT"), terms), 422, "validation_failed")
        assert problem["errors"][0]["field"] == field, problem
    for code in ("ab", "x" * 41):
        refused(put(host, event, code), 422, "validation_failed")
    for code in ("_night", "a.b", "n%20x"):
        refused(put(host, event, code), 404, "not_found")
    assert uses(host, event) == {}


def test_who_may(host: Person, buyer: Person, sign_in: SignIn) -> None:
    event = publish_event(host)
    accepted(put(host, event))
    door = sign_in("door")
    org = f"/v1/organizations/{event['orgId']}/members/{door.user_id}"
    for person in (buyer, door):
        refused(put(person, event), 403, "forbidden")
        refused(person.get(path(event)), 403, "forbidden")
        refused(person.call("DELETE", path(event, "NIGHT")), 403, "forbidden")
        accepted(host.call("PUT", org, {"role": "coordinator"}))
    accepted(host.call("PUT", org, {"role": "manager"}))
    accepted(put(door, event))
    refused(put(host, {"eventId": "evt_unknown"}), 404, "not_found")
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    refused(put(host, event), 409, "event_cancelled")


# --- used


def test_a_code_takes_off_what_it_says(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(price_minor=10_000), tier_body("Other", price_minor=2_000))
    accepted(put(host, event))
    order = accepted(book(buyer, event, " night ", 2))
    assert order["promoCode"] == "NIGHT"
    assert {name: money["amountMinor"] for name, money in order["amounts"].items()} == {
        "subtotal": 20_000,
        "discount": 10_000,
        "fee": 1_000,
        "tax": 180,
        "total": 11_180,
    }
    accepted(put(host, event, "FIVE", kind="amount", amount=inr(500), tierIds=[event["tiers"][1]["tierId"]]))
    both = order_body(event, 2)
    both["lines"] += order_body(event, 1, 1)["lines"]
    five = accepted(buyer.post("/v1/orders", both | {"promoCode": "five"}))
    assert [line["discount"]["amountMinor"] for line in five["lines"]] == [0, 500]
    assert accepted(buyer.get(f"/v1/orders/{five['orderId']}")) == five
    assert uses(host, event) == {"FIVE": 1, "NIGHT": 1}
    assert_clean(gateway, event)


def test_codes_that_do_not_apply_hold_nothing(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=10), tier_body("Free", price_minor=0, capacity=10))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    accepted(put(host, event, "SOON", startsAt=tomorrow))
    accepted(put(host, event, "OVER", endsAt=yesterday))
    accepted(put(host, event, "TWO", minQuantity=2))
    accepted(put(host, event, "FREE", tierIds=[event["tiers"][1]["tierId"]]))
    accepted(put(host, event, "OFF", active=False))
    reasons = {"SOON": "not_started", "OVER": "ended", "TWO": "min_quantity", "FREE": "tier", "OFF": "ended"}
    for code, reason in reasons.items():
        problem = refused(book(buyer, event, code), 422, "promo_code_not_applicable")
        assert (problem["reason"], bool(problem["detail"])) == (reason, True)
    nothing = refused(book(buyer, event, "FREE", tier=1), 422, "promo_code_not_applicable")
    assert nothing["reason"] == "nothing_to_discount"
    for code in ("NOPE", "x", "a b c", "../evil", "__x__", "ÄÖÜ"):
        refused(book(buyer, event, code), 422, "unknown_promo_code")
    malformed: tuple[object, ...] = ("", "x" * 41, 7)
    for wrong in malformed:
        refused(buyer.post("/v1/orders", order_body(event) | {"promoCode": wrong}), 422, "validation_failed")
    assert left(buyer, event) == [10, 10]
    assert set(uses(host, event).values()) == {0}
    assert_clean(gateway, event)


def test_codes_of_a_hidden_event_cannot_be_guessed(host: Person, buyer: Person) -> None:
    hidden = publish_event(host, visibility="private")
    draft = accepted(host.post("/v1/events", event_body(create_organization(host))))
    for event in (hidden, draft):
        accepted(put(host, event))
        for code in ("NIGHT", "WRONG"):
            refused(book(buyer, event, code), 404, "not_found")
    refused(host.post("/v1/orders", order_body(event) | {"promoCode": "NIGHT"}), 404, "not_found")


def test_a_promo_code_is_no_tier(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host)
    accepted(put(host, event))
    pseudo = promotions.promo_id(event["eventId"], "NIGHT")
    body = {"eventId": event["eventId"], "lines": [{"tierId": pseudo, "quantity": 1}]}
    refused(buyer.post("/v1/orders", body), 422, "unknown_tier")
    assert_clean(gateway, event)


def test_what_costs_nothing_any_more_is_ticketed_at_once(
    gateway: GatewayThread, deployed: str, host: Person, buyer: Person
) -> None:
    event = publish_event(host)
    accepted(put(host, event, "ALL", kind="percent", basisPoints=10_000, maxUses=1))
    order = accepted(book(buyer, event, "ALL", 2))
    assert order["amounts"]["total"] == inr(0)
    assert checkout(buyer, order["orderId"])["orderStatus"] == "ticketed"
    assert len(accepted(buyer.get("/v1/tickets"))["upcoming"]) == 2
    refused(book(buyer, event, "ALL"), 409, "promo_code_used_up")
    assert_clean(gateway, event)


def test_an_ended_code_is_ended_for_an_instance_that_remembers_it(
    host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host)
    accepted(put(host, event))
    order = accepted(book(buyer, event))
    monkeypatch.setattr(promotions.memory, "forget", lambda _: None)
    assert host.call("DELETE", path(event, "NIGHT")).status_code == 204
    problem = refused(book(buyer, event), 422, "promo_code_not_applicable")
    assert problem["reason"] == "ended"
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["promoCode"] == "NIGHT"
    accepted(put(host, event))
    accepted(book(buyer, event))


# --- limits


def test_a_use_comes_back_with_the_hold_and_only_then(
    gateway: GatewayThread, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host)
    accepted(put(host, event, maxUses=1, maxPerPerson=1))
    order = accepted(book(buyer, event))
    refused(book(buyer, event), 409, "promo_code_limit_reached")
    cancel(buyer, order)
    order = accepted(book(buyer, event))
    assert uses(host, event) == {"NIGHT": 1}
    later(monkeypatch, minutes=11)
    refused(book(buyer, event), 409, "promo_code_limit_reached")  # whoever is not short waits for the hold's task
    assert gateway.run(store.release_expired(event["eventId"])) is None
    accepted(book(buyer, event))
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "expired"
    assert uses(host, event) == {"NIGHT": 1}
    assert_clean(gateway, event)


def test_a_used_up_code_takes_over_expired_holds(
    gateway: GatewayThread, host: Person, buyer: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host)
    accepted(put(host, event, maxUses=1))
    accepted(book(buyer, event))
    other = sign_in("other")
    problem = refused(book(other, event), 409, "promo_code_used_up")
    assert "tierId" not in problem
    later(monkeypatch, minutes=11)
    accepted(book(other, event))
    assert_clean(gateway, event)


def test_the_number_of_uses_changes_as_a_capacity_does(
    gateway: GatewayThread, host: Person, buyer: Person, sign_in: SignIn
) -> None:
    event = publish_event(host)
    accepted(put(host, event))  # without a limit
    orders = [accepted(book(buyer, event)) for _ in range(3)]
    assert refused(put(host, event, maxUses=2), 409, "max_uses_below_used")["least"] == 3
    assert accepted(put(host, event, maxUses=3))["uses"] == 3
    refused(book(sign_in("other"), event), 409, "promo_code_used_up")
    cancel(buyer, orders[0])
    accepted(book(buyer, event))
    refused(book(buyer, event), 409, "promo_code_used_up")
    accepted(put(host, event, maxUses=5))
    time.sleep(SOLD_OUT_FOR.total_seconds())  # so long the process may still remember that it found none
    for _ in range(2):
        accepted(book(buyer, event))
    refused(book(buyer, event), 409, "promo_code_used_up")
    accepted(put(host, event))
    time.sleep(SOLD_OUT_FOR.total_seconds())
    accepted(book(buyer, event))
    assert uses(host, event) == {"NIGHT": 6}
    assert_clean(gateway, event)


def all_at_once(people: list[Person], event: Json) -> Counter[str]:
    def one(person: Person) -> str:
        reply = book(person, event)
        return "held" if reply.status_code == 201 else str(reply.json()["code"])

    with ThreadPoolExecutor(len(people)) as pool:
        return Counter(pool.map(one, people))


@pytest.mark.usefixtures("two_instances")
def test_a_code_for_seven_is_used_seven_times(gateway: GatewayThread, host: Person, sign_in: SignIn) -> None:
    event = publish_event(host, tier_body(capacity=100))
    accepted(put(host, event, maxUses=7))
    people = [sign_in(f"b{number}") for number in range(24)]
    assert all_at_once(people, event) == {"held": 7, "promo_code_used_up": 17}
    assert (uses(host, event), left(host, event)) == ({"NIGHT": 7}, [93])
    assert_clean(gateway, event)


@pytest.mark.usefixtures("two_instances")
def test_control_a_code_whose_uses_are_only_counted_before_the_commit_is_used_more_often(
    gateway: GatewayThread, host: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count_first(event_id: str, code: str | None) -> Any:
        promo = await recent(event_id, code)
        assert promo is not None
        if await used(event_id) >= 7:
            raise PromoCodeUsedUp
        return promo

    async def used(event_id: str) -> int:
        orders = clients.firestore().collection("orders")
        return len([each async for each in orders.stream()])

    recent = promotions.recent
    monkeypatch.setattr(promotions, "recent", count_first)
    monkeypatch.setattr(promotions, "remembered", lambda *_: None)
    monkeypatch.setattr(Order, "takes", property(lambda order: {line.tier_id: line.quantity for line in order.lines}))
    event = publish_event(host, tier_body(capacity=100))
    accepted(put(host, event, maxUses=7))
    assert all_at_once([sign_in(f"b{number}") for number in range(24)], event)["held"] > 7
    violations = gateway.run(audit_event(event["eventId"]))
    assert "promo uses have an order" in {violation.invariant for violation in violations}


@pytest.mark.usefixtures("two_instances")
def test_one_person_at_once_gets_no_more_than_their_share(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=100))
    accepted(put(host, event, maxPerPerson=2))
    assert all_at_once([buyer] * 8, event) == {"held": 2, "promo_code_limit_reached": 6}
    assert uses(host, event) == {"NIGHT": 2}
    assert_clean(gateway, event)


@pytest.mark.usefixtures("two_instances")
def test_control_a_share_checked_only_before_the_commit_is_passed(
    host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=100))
    accepted(put(host, event, maxPerPerson=2))
    monkeypatch.setattr(store, "_count", lambda batch, order, bought: None)
    assert all_at_once([buyer] * 8, event)["held"] > 2


@pytest.mark.usefixtures("two_instances")
def test_a_used_up_code_fails_only_those_who_use_it(gateway: GatewayThread, host: Person, sign_in: SignIn) -> None:
    event = publish_event(host, tier_body(capacity=100))
    accepted(put(host, event, maxUses=1))
    people = [sign_in(f"b{number}") for number in range(20)]

    def one(number: int) -> int:
        body = order_body(event) | ({"promoCode": "NIGHT"} if number % 2 else {})
        return people[number].post("/v1/orders", body).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(one, range(20)))
    assert set(statuses[::2]) == {201}
    assert Counter(statuses[1::2]) == {201: 1, 409: 9}
    assert_clean(gateway, event)


# --- paid late


def expire(gateway: GatewayThread, event: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, minutes=11)
    gateway.run(store.release_expired(event["eventId"]))


def test_a_late_payment_takes_the_use_again(
    gateway: GatewayThread, deployed: str, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host)
    accepted(put(host, event, maxUses=1, maxPerPerson=1))
    order = accepted(book(buyer, event, quantity=2))
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    expire(gateway, event, monkeypatch)
    assert uses(host, event) == {"NIGHT": 0}
    pay_on_page("stripe", reference)
    done = order_in(buyer, order["orderId"], "ticketed")
    assert (done["amounts"], done["promoCode"], uses(host, event)) == (order["amounts"], "NIGHT", {"NIGHT": 1})
    refused(book(buyer, event), 409, "promo_code_limit_reached")
    asked = {"reason": "cannot come", "ticketIds": done["ticketIds"][:1]}
    refund = accepted(buyer.post(f"/v1/orders/{order['orderId']}/refunds", asked))
    assert refund["amount"]["amountMinor"] * 2 == order["amounts"]["total"]["amountMinor"]
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/refunds", {"reason": "cannot come"}))
    assert uses(host, event) == {"NIGHT": 1}  # what was bought with it and given back has used it
    assert_clean(gateway, event)


def test_a_late_payment_whose_code_others_used_goes_back(
    gateway: GatewayThread,
    deployed: str,
    host: Person,
    buyer: Person,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = publish_event(host)
    accepted(put(host, event, maxUses=1))
    order = accepted(book(buyer, event))
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    expire(gateway, event, monkeypatch)
    accepted(book(sign_in("other"), event))
    pay_on_page("stripe", reference)
    [refund] = succeeded_refunds(gateway, order["orderId"])
    assert (refund["reason"], refund["amount"]) == ("promo_code_used_up", order["amounts"]["total"])
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "expired"
    assert_clean(gateway, event)


def test_nobody_gets_beyond_a_limit_per_person_by_paying_late(
    gateway: GatewayThread, deployed: str, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(maxPerPerson=2))
    order = accepted(buyer.post("/v1/orders", order_body(event, 2)))
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    expire(gateway, event, monkeypatch)
    accepted(buyer.post("/v1/orders", order_body(event, 2)))
    pay_on_page("stripe", reference)
    [refund] = succeeded_refunds(gateway, order["orderId"])
    assert refund["reason"] == "limit_reached"
    assert_clean(gateway, event)
