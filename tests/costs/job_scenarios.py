"""One usual call of each job that hands over, tells and audits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.costs.scenario import scenario
from tests.costs.shop import pushed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.costs.scenario import Act
    from tests.costs.shop import Shop


@scenario
def relay_outbox(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    shop.create_topic("domain-events")

    def prepare() -> Act:
        shop.clear_outbox()
        shop.order(event)
        [path] = shop.outbox()
        headers = {"ce-id": uuid4().hex, "ce-document": path}
        return lambda: shop.trigger("relay_outbox", {}, **headers)

    return prepare


@scenario
def sweep_outbox(shop: Shop) -> Callable[[], Act]:
    shop.clear_outbox()
    return lambda: lambda: shop.trigger("sweep_outbox", {})


@scenario
def watch_settlement(shop: Shop) -> Callable[[], Act]:
    return lambda: lambda: shop.trigger("watch_settlement", {})


@scenario
def purge_cache(shop: Shop) -> Callable[[], Act]:
    payload = {"tag": f"event-{shop.event()['eventId']}"}
    return lambda: lambda: shop.trigger("purge_cache", payload)


@scenario
def notify(shop: Shop) -> Callable[[], Act]:
    order = shop.ticketed(shop.event())
    about = {"orderId": order["orderId"], "eventId": order["eventId"], "buyerId": shop.buyer.user_id}

    def prepare() -> Act:
        told = {
            "id": f"evn_{uuid4().hex}",
            "type": "order.ticketed",
            "occurredAt": datetime.now(UTC).isoformat(),
            "data": about,
        }
        return lambda: shop.trigger("notify", pushed("order.ticketed", told))

    return prepare


@scenario
def audit_invariants(shop: Shop) -> Callable[[], Act]:
    shop.ticketed(shop.event())
    return lambda: lambda: shop.trigger("audit_invariants", {})
