"""A cancelled event gives every order back, whatever its state and whatever dies on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.ids import new_id
from common.operations.audit import audit_event
from common.payments import event_refunds, refunds
from tests.payments.test_settlement import hold
from tests.support.payments import checkout, control, order_in, pay_on_page
from tests.support.people import Json, Person, accepted, eventually, publish_event, refused, tier_body
from tests.support.provider_mishaps import gone, refunds_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import SignIn
    from tests.support.server import GatewayThread


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    soon = datetime.now(UTC) + timedelta(hours=2)
    times = {"startsAt": soon.isoformat(), "endsAt": (soon + timedelta(hours=3)).isoformat()}
    free = tier_body("Free", price_minor=0, capacity=10)
    return publish_event(host, tier_body(price_minor=10_001, capacity=80), free, **times)


def paid(buyer: Person, event: Json, count: int = 1) -> list[Json]:
    """Orders of one and two tickets, paid at either gateway."""
    orders = [hold(buyer, event, 1 + number % 2) for number in range(count)]
    for number, order in enumerate(orders):
        provider = "stripe" if number % 2 else "razorpay"
        pay_on_page(provider, checkout(buyer, order["orderId"], provider)["gatewayReference"])
    return [order_in(buyer, order["orderId"], "ticketed") for order in orders]


def run_of(host: Person, event: Json) -> Json:
    return accepted(host.get(f"/v1/events/{event['eventId']}/refund-run"))


def finished(host: Person, event: Json) -> Json:
    def look() -> Json | None:
        run = run_of(host, event)
        return run if run["status"] == "done" else None

    return eventually(look, within_s=60)


def documents(gateway: GatewayThread, collection: str) -> list[Json]:
    async def read() -> list[Json]:
        return [found.to_dict() or {} async for found in clients.firestore().collection(collection).stream()]

    return gateway.run(read())


def all_paid_out(gateway: GatewayThread) -> list[Json]:
    """Every refund, once the providers have paid all of them."""

    def look() -> list[Json] | None:
        found = documents(gateway, "refunds")
        return found if all(refund["status"] == "succeeded" for refund in found) else None

    return eventually(look, within_s=60)


def every_minor_unit_went_back(gateway: GatewayThread) -> int:
    """Capture by capture at the providers; how many captures there were."""
    captures = 0
    for payment in documents(gateway, "payments"):
        for payment_id, attempt in payment["attempts"].items():
            if attempt["captured"] is not None:
                captures += 1
                assert gone(refunds_at(payment["gateway"], payment_id)) == attempt["captured"]["amountMinor"]
    return captures


def in_all_states(gateway: GatewayThread, host: Person, buyer: Person, event: Json) -> dict[str, int]:
    """Thirty orders; how many of them are to be refunded, and how much of their price is left."""
    *orders, refunded_before = paid(buyer, event, 15)
    path = "/v1/orders/{}/refunds"
    for order in orders[:2]:
        asked = {"reason": "goodwill", "amount": {"amountMinor": 500, "currency": "INR"}}
        accepted(host.post(path.format(order["orderId"]), asked))
    accepted(host.post(path.format(orders[3]["orderId"]), {"reason": "ill", "ticketIds": orders[3]["ticketIds"][:1]}))
    for ticket in (orders[4]["ticketIds"][0], orders[5]["ticketIds"][0]):
        code = accepted(buyer.get(f"/v1/tickets/{ticket}"))["qr"]
        scanned = accepted(host.post(f"/v1/events/{event['eventId']}/check-ins", {"qr": code}))
        assert scanned["result"] == "admitted"
    friend = {"recipientPhone": "+919800000055", "recipientName": "Ravi"}
    accepted(buyer.post(f"/v1/tickets/{orders[6]['ticketIds'][0]}/transfer", friend))
    free = [hold(buyer, event, tier=1) for _ in range(4)]
    for order in free:
        checkout(buyer, order["orderId"])
    twice = hold(buyer, event)
    first, second = (checkout(buyer, twice["orderId"], each)["gatewayReference"] for each in ("stripe", "razorpay"))
    pay_on_page("stripe", first)
    orders.append(order_in(buyer, twice["orderId"], "ticketed"))
    pay_on_page("razorpay", second)
    accepted(host.post(path.format(refunded_before["orderId"]), {"reason": "ill"}))
    cancelled = [hold(buyer, event) for _ in range(3)]
    for order in cancelled:
        accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    for _ in range(7):
        hold(buyer, event)
    stored = {order["orderId"]: order for order in documents(gateway, "orders")}
    left = [stored[order["orderId"]] for order in orders]
    money = sum(order["amounts"]["total"]["amountMinor"] - order["refundedMinor"] for order in left)
    return {"orders": len(stored), "refunded": len(orders) + len(free), "amountMinor": money}


class Dies:
    """A function that dies the first times it is called, after it did its work or before."""

    def __init__(self, work: Callable[..., Any], at: set[int], *, after: bool) -> None:
        self._work, self._at, self._after, self.calls = work, at, after, 0

    async def __call__(self, *args: Any) -> Any:
        self.calls += 1
        dies = self.calls in self._at
        if dies and not self._after:
            raise SystemError("the process died before it")
        result = await self._work(*args)
        if dies:
            raise SystemError("the process died after it")
        return result


def test_every_order_of_a_cancelled_event_is_given_back_though_the_run_dies_again_and_again(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = in_all_states(gateway, host, buyer, event)
    assert expected["orders"] == 30
    held = next(order for order in documents(gateway, "orders") if order["status"] == "held")
    late = checkout(buyer, held["orderId"])["gatewayReference"]
    monkeypatch.setattr(event_refunds, "PAGE", 7)
    give_back = Dies(event_refunds._give_back, {3, 20}, after=True)
    progress_before = Dies(event_refunds._progress, {2}, after=False)
    progress = Dies(progress_before, {3}, after=True)
    monkeypatch.setattr(event_refunds, "_give_back", give_back)
    monkeypatch.setattr(event_refunds, "_progress", progress)

    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    run = finished(host, event)
    assert {name: run[name] for name in expected} == expected
    assert (run["failed"], run["currency"]) == (0, "INR")
    assert give_back.calls > expected["orders"], "pages were repeated"
    all_paid_out(gateway)
    statuses = {order["status"] for order in documents(gateway, "orders")}
    # A ticket that was used keeps its place; its money went back all the same.
    assert statuses == {"refunded", "partially_refunded", "cancelled"}
    assert sum(ticket["status"] == "valid" for ticket in documents(gateway, "tickets")) == 0

    pay_on_page("stripe", late)
    eventually(lambda: any(each["reason"] == "order_cancelled" for each in documents(gateway, "refunds")))
    all_paid_out(gateway)
    assert every_minor_unit_went_back(gateway) == 18
    assert gateway.run(audit_event(event["eventId"])) == ()


def small_run(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> Json:
    """Three paid orders; the first run of their page dies before its progress is written."""
    paid(buyer, event, 3)
    monkeypatch.setattr(event_refunds, "_progress", Dies(event_refunds._progress, {1}, after=False))
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    return finished(host, event)


def test_a_page_that_is_repeated_counts_once(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(gateway, host, buyer, event, monkeypatch)
    assert (run["orders"], run["refunded"]) == (3, 3)


def test_control_with_ids_of_its_own_each_time_a_repeated_page_counts_wrong(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refunds, "derived_id", lambda prefix, *_: new_id(prefix))
    run = small_run(gateway, host, buyer, event, monkeypatch)
    assert (run["orders"], run["refunded"]) == (3, 0)


def test_who_may_see_the_run(gateway: GatewayThread, host: Person, buyer: Person, sign_in: SignIn, event: Json) -> None:
    path = f"/v1/events/{event['eventId']}/refund-run"
    refused(host.get(path), 404, "not_found")
    refused(sign_in("stranger").get(path), 403, "forbidden")
    control("stripe", "delivery")
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    run = finished(host, event)
    assert (run["orders"], run["refunded"], run["amountMinor"]) == (0, 0, 0)
    refused(buyer.get(path), 403, "forbidden")
