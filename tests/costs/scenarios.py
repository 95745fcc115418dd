"""For each declared function, one usual call: what must be there before it, and the call itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from tests.costs.shop import pushed
from tests.support import people
from tests.support.people import accepted, event_body, order_body

if TYPE_CHECKING:
    import httpx

    from tests.costs.shop import Shop
Act = Callable[[], "httpx.Response"]
# Sets a scenario up once, and gives a function that prepares one more call of it.
Scenario = Callable[["Shop"], Callable[[], Act]]
SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(set_up: Scenario) -> Scenario:
    """Register a scenario under the name of the function that it calls."""
    SCENARIOS[set_up.__name__] = set_up
    return set_up


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
def list_nearby_events(shop: Shop) -> Callable[[], Act]:
    shop.event()
    query = {"latitude": "19.0", "longitude": "72.83", "radiusKm": "5"}
    return lambda: lambda: shop.http.get("/v1/events/nearby", params=query)


@scenario
def get_feed(shop: Shop) -> Callable[[], Act]:
    """Of somebody who is signed in: it reads what they follow and who they are."""
    shop.event()
    return lambda: lambda: shop.buyer.get("/v1/events/feed")


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
def checkout_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        path = f"/v1/orders/{shop.order(event)['orderId']}/checkout"
        return lambda: shop.buyer.post(path, {"gateway": "stripe"})

    return prepare


@scenario
def refund_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        path = f"/v1/orders/{shop.ticketed(event)['orderId']}/refunds"
        return lambda: shop.host.post(path, {"reason": "The headliner is ill"}, key=uuid4().hex)

    return prepare


@scenario
def confirm_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        order = shop.order(event)
        shop.paid(order)
        return lambda: shop.buyer.post(f"/v1/orders/{order['orderId']}/confirm", {"gateway": "stripe"})

    return prepare


@scenario
def list_refunds(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/orders/{shop.refund(shop.event())['orderId']}/refunds"
    return lambda: lambda: shop.buyer.get(path)


@scenario
def retry_refund(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        refund = shop.refund(event, status="failed")
        return lambda: shop.host.post(f"/v1/refunds/{refund['refundId']}/retry")

    return prepare


@scenario
def get_refund_run(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}"
    accepted(shop.host.post(f"{path}/cancel"))
    return lambda: lambda: shop.host.get(f"{path}/refund-run")


@scenario
def get_statement(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    shop.ticketed(event)
    return lambda: lambda: shop.host.get(f"/v1/events/{event['eventId']}/statement")


@scenario
def agree_commission(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/organizations/{people.create_organization(shop.host)}/commission"
    return lambda: lambda: shop.admin.call("PUT", path, {"basisPoints": 700})


@scenario
def create_payouts(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        shop.close_settlements()
        shop.long_over(shop.event())
        return lambda: shop.trigger("create_payouts", {})

    return prepare


@scenario
def list_payouts(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/organizations/{shop.payout()['orgId']}/payouts"
    return lambda: lambda: shop.host.get(path)


@scenario
def get_payout(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/payouts/{shop.payout()['payoutId']}"
    return lambda: lambda: shop.host.get(path)


@scenario
def get_payout_batch(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/payout-batches/{shop.payout()['batchDate']}"
    return lambda: lambda: shop.admin.get(path)


@scenario
def mark_payout_sent(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        path = f"/v1/payouts/{shop.payout()['payoutId']}/sent"
        return lambda: shop.admin.post(path, {"bankReference": "N1"})

    return prepare


@scenario
def mark_payout_failed(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        path = f"/v1/payouts/{shop.payout()['payoutId']}"
        accepted(shop.admin.post(f"{path}/sent", {"bankReference": "N1"}))
        return lambda: shop.admin.post(f"{path}/failed", {"bankReference": "N1", "reason": "account closed"})

    return prepare


def _webhook(provider: str) -> Scenario:
    def set_up(shop: Shop) -> Callable[[], Act]:
        event = shop.nigerian_event() if provider == "paystack" else shop.event()

        def prepare() -> Act:
            webhook = shop.paid(shop.order(event), provider)
            return lambda: shop.deliver(webhook)

        return prepare

    return set_up


SCENARIOS["receive_stripe_webhook"] = _webhook("stripe")
SCENARIOS["receive_razorpay_webhook"] = _webhook("razorpay")
SCENARIOS["receive_paystack_webhook"] = _webhook("paystack")


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


@scenario
def refresh_listing(shop: Shop) -> Callable[[], Act]:
    payload = {"eventId": shop.event()["eventId"]}
    return lambda: lambda: shop.trigger("refresh_listing", payload)


@scenario
def settle_payment(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        webhook = shop.paid(shop.order(event))
        accepted(shop.deliver(webhook))
        return lambda: shop.trigger("settle_payment", {"webhookId": webhook.id})

    return prepare


@scenario
def refund_event(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        event = shop.event()
        shop.ticketed(event)
        accepted(shop.host.post(f"/v1/events/{event['eventId']}/cancel"))
        return lambda: shop.trigger("refund_event", {"eventId": event["eventId"], "page": 0})

    return prepare


@scenario
def execute_refund(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        refund = shop.refund(event)
        return lambda: shop.trigger("execute_refund", {"refundId": refund["refundId"]})

    return prepare


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


@scenario
def reconcile_payments(shop: Shop) -> Callable[[], Act]:
    shop.ticketed(shop.event())
    return lambda: lambda: shop.trigger("reconcile_payments", {})
