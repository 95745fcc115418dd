"""A hold ends by its task: units come back, and whoever paid keeps theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common import clients
from common.config import config
from common.operations.audit import audit_event
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import Json, Person, accepted, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from tests.operations.jobs import Jobs
    from tests.support.server import GatewayThread


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    return publish_event(host, tier_body(capacity=4))


@pytest.fixture
def short_holds(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLD_SECONDS", "1")
    config.cache_clear()


def hold(buyer: Person, event: Json, quantity: int = 2) -> Json:
    return accepted(buyer.post("/v1/orders", order_body(event, quantity)))


def available(buyer: Person, event: Json) -> int:
    [tier] = accepted(buyer.get(f"/v1/events/{event['eventId']}/availability"))["tiers"]
    return int(tier["available"])


def units_of(gateway: GatewayThread, event: Json) -> list[str]:
    async def read() -> list[str]:
        tier = f"events/{event['eventId']}/tiers/{event['tiers'][0]['tierId']}"
        return [found.id async for found in clients.firestore().collection(f"{tier}/units").stream()]

    return gateway.run(read())


def test_the_task_itself_ends_the_hold(gateway: GatewayThread, short_holds: None, buyer: Person, event: Json) -> None:
    order = hold(buyer, event, 4)
    assert order_in(buyer, order["orderId"], "expired")["ticketIds"] == []
    assert available(buyer, event) == 4
    assert units_of(gateway, event) == []
    assert gateway.run(audit_event(event["eventId"])) == ()
    assert hold(buyer, event, 4)["status"] == "held"


def test_a_call_before_the_time_is_to_come_again(
    gateway: GatewayThread, jobs: Jobs, buyer: Person, event: Json
) -> None:
    order = hold(buyer, event)
    refused(jobs.call("release_hold", {"orderId": order["orderId"]}), 409, "retry_later")
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"
    assert len(units_of(gateway, event)) == 2


def test_a_paid_order_is_left_alone(gateway: GatewayThread, jobs: Jobs, buyer: Person, event: Json) -> None:
    order = hold(buyer, event)
    pay_on_page("stripe", checkout(buyer, order["orderId"])["gatewayReference"])
    paid = order_in(buyer, order["orderId"], "ticketed")
    assert jobs.call("release_hold", {"orderId": order["orderId"]}).status_code == 204
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}")) == paid
    assert len(units_of(gateway, event)) == 2
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_a_second_call_and_one_for_nothing_are_done(
    gateway: GatewayThread, jobs: Jobs, short_holds: None, buyer: Person, event: Json
) -> None:
    order = hold(buyer, event)
    order_in(buyer, order["orderId"], "expired")
    for order_id in (order["orderId"], "ord_unknown"):
        assert jobs.call("release_hold", {"orderId": order_id}).status_code == 204
    assert available(buyer, event) == 4
    assert gateway.run(audit_event(event["eventId"])) == ()
