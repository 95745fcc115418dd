"""One usual call of each function that sells: accounts, organizations, events, orders, tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tests.costs.scenario import scenario
from tests.support import people
from tests.support.people import accepted, event_body, order_body

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.costs.scenario import Act
    from tests.costs.shop import Shop


@scenario
def create_session(shop: Shop) -> Callable[[], Act]:
    device = {"id": "device-1", "platform": "ios", "appVersion": "1.0"}
    return lambda: lambda: shop.buyer.post("/v1/session", {"deviceInfo": device})


@scenario
def end_session(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        person = shop.person("leaver")
        return lambda: person.call("DELETE", "/v1/session")

    return prepare


@scenario
def get_me(shop: Shop) -> Callable[[], Act]:
    return lambda: lambda: shop.buyer.get("/v1/me")


@scenario
def update_me(shop: Shop) -> Callable[[], Act]:
    return lambda: lambda: shop.buyer.call("PATCH", "/v1/me", {"city": "Mumbai"})


@scenario
def create_organization(shop: Shop) -> Callable[[], Act]:
    body = {"name": "Mill Nights", "country": "IN", "currency": "INR"}
    return lambda: lambda: shop.host.post("/v1/organizations", body, key=uuid4().hex)


@scenario
def put_member(shop: Shop) -> Callable[[], Act]:
    org_id = people.create_organization(shop.host)
    path = f"/v1/organizations/{org_id}/members/{shop.buyer.user_id}"
    return lambda: lambda: shop.host.call("PUT", path, {"role": "door"})


@scenario
def update_organization(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/organizations/{people.create_organization(shop.host)}"
    return lambda: lambda: shop.host.call("PATCH", path, {"paystackSubaccount": "ACCT_costs"})


@scenario
def create_event(shop: Shop) -> Callable[[], Act]:
    body = event_body(people.create_organization(shop.host))
    return lambda: lambda: shop.host.post("/v1/events", body, key=uuid4().hex)


@scenario
def update_event(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}"
    return lambda: lambda: shop.host.call("PATCH", path, {"description": "Five rooms, three floors, one night."})


@scenario
def update_tier(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    path = f"/v1/events/{event['eventId']}/tiers/{event['tiers'][0]['tierId']}"
    capacities = iter(range(101, 1_000))

    def prepare() -> Act:
        capacity = next(capacities)
        return lambda: shop.host.call("PATCH", path, {"capacity": capacity})

    return prepare


@scenario
def put_promo_code(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/promo-codes/NIGHT"
    uses = iter(range(101, 1_000))

    def prepare() -> Act:
        terms = {"kind": "percent", "basisPoints": 1_000, "maxUses": next(uses)}
        return lambda: shop.host.call("PUT", path, terms)

    return prepare


@scenario
def list_promo_codes(shop: Shop) -> Callable[[], Act]:
    path = shop.promo_code(shop.event())
    return lambda: lambda: shop.host.get(path)


@scenario
def delete_promo_code(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        path = f"{shop.promo_code(event)}/NIGHT"
        return lambda: shop.host.call("DELETE", path)

    return prepare


@scenario
def publish_event(shop: Shop) -> Callable[[], Act]:
    org_id = people.create_organization(shop.host)

    def prepare() -> Act:
        draft = accepted(shop.host.post("/v1/events", event_body(org_id)))
        return lambda: shop.host.post(f"/v1/events/{draft['eventId']}/publish")

    return prepare


@scenario
def cancel_event(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        path = f"/v1/events/{shop.event()['eventId']}/cancel"
        return lambda: shop.host.post(path)

    return prepare


@scenario
def get_event(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}"
    return lambda: lambda: shop.http.get(path)


@scenario
def get_availability(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/availability"
    return lambda: lambda: shop.http.get(path)


@scenario
def create_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    return lambda: lambda: shop.buyer.post("/v1/orders", order_body(event), key=uuid4().hex)


@scenario
def get_order(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/orders/{shop.order(shop.event())['orderId']}"
    return lambda: lambda: shop.buyer.get(path)


@scenario
def list_orders(shop: Shop) -> Callable[[], Act]:
    shop.order(shop.event())
    return lambda: lambda: shop.buyer.get("/v1/orders")


@scenario
def cancel_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        path = f"/v1/orders/{shop.order(event)['orderId']}/cancel"
        return lambda: shop.buyer.post(path)

    return prepare


@scenario
def list_tickets(shop: Shop) -> Callable[[], Act]:
    shop.ticketed(shop.event())
    return lambda: lambda: shop.buyer.get("/v1/tickets")


@scenario
def get_ticket(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/tickets/{shop.ticket(shop.event())['ticketId']}"
    return lambda: lambda: shop.buyer.get(path)


@scenario
def list_ticket_keys(shop: Shop) -> Callable[[], Act]:
    return lambda: lambda: shop.http.get("/v1/ticket-keys")


@scenario
def transfer_ticket(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    recipient = {"recipientPhone": "+919800000077", "recipientName": "Asha"}

    def prepare() -> Act:
        path = f"/v1/tickets/{shop.ticket(event)['ticketId']}/transfer"
        return lambda: shop.buyer.post(path, recipient, key=uuid4().hex)

    return prepare


@scenario
def check_in(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    path = f"/v1/events/{event['eventId']}/check-ins"

    def prepare() -> Act:
        code = shop.ticket(event)["qr"]

        def act() -> httpx.Response:
            reply = shop.host.post(path, {"qr": code, "gate": "North"})
            assert reply.json()["result"] == "admitted"
            return reply

        return act

    return prepare


@scenario
def release_hold(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        order = shop.expired_order(event)
        return lambda: shop.trigger("release_hold", {"orderId": order["orderId"]})

    return prepare


@scenario
def refresh_availability(shop: Shop) -> Callable[[], Act]:
    payload = {"eventId": shop.event()["eventId"]}
    return lambda: lambda: shop.trigger("refresh_availability", payload)
