"""For each declared function, one usual call: what must be there before it, and the call itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from common.listings import index as listing_index
from common.listings import store as listings
from tests.costs.shop import pushed
from tests.support import people
from tests.support.people import accepted, event_body, order_body

if TYPE_CHECKING:
    import httpx

    from tests.costs.shop import Shop
Act = Callable[[], "httpx.Response"]
# Sets a scenario up once, and gives a function that prepares one more call of it.
Scenario = Callable[["Shop"], Callable[[], Act]]
UPDATE: Final = {"title": "Doors", "message": "They open an hour later."}
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
def list_genres(shop: Shop) -> Callable[[], Act]:
    return lambda: lambda: shop.http.get("/v1/genres")


def _a_page(shop: Shop, noun: str, of: str, rest: str = "") -> Callable[[], Act]:
    path = f"/v1/{noun}s/{shop.listed_event()[of]}{rest}"
    return lambda: lambda: shop.http.get(path)


@scenario
def get_venue(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "venue", "venueId")


@scenario
def list_venue_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "venue", "venueId", "/events")


@scenario
def get_artist(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "artist", "artistId")


@scenario
def list_artist_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "artist", "artistId", "/events")


@scenario
def get_organizer(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "organizer", "orgId")


@scenario
def list_organizer_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "organizer", "orgId", "/events")


@scenario
def get_tour(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "tour", "tourId")


@scenario
def list_tour_events(shop: Shop) -> Callable[[], Act]:
    return _a_page(shop, "tour", "tourId", "/events")


@scenario
def create_venue(shop: Shop) -> Callable[[], Act]:
    event = event_body(people.create_organization(shop.host))

    def prepare() -> Act:
        body = {"orgId": event["orgId"]} | event["venue"] | {"name": uuid4().hex}
        return lambda: shop.host.post("/v1/venues", body)

    return prepare


@scenario
def create_artist(shop: Shop) -> Callable[[], Act]:
    org_id = people.create_organization(shop.host)

    def prepare() -> Act:
        body = {"orgId": org_id, "name": uuid4().hex}
        return lambda: shop.host.post("/v1/artists", body)

    return prepare


@scenario
def describe_venue(shop: Shop) -> Callable[[], Act]:
    event = shop.listed_event()
    body = {"orgId": event["orgId"], "description": "A mill, then a club."}
    return lambda: lambda: shop.host.call("PUT", f"/v1/venues/{event['venueId']}", body)


@scenario
def describe_artist(shop: Shop) -> Callable[[], Act]:
    event = shop.listed_event()
    body = {"orgId": event["orgId"], "description": "Four voices, one piano."}
    return lambda: lambda: shop.host.call("PUT", f"/v1/artists/{event['artistId']}", body)


@scenario
def create_tour(shop: Shop) -> Callable[[], Act]:
    body = {"orgId": people.create_organization(shop.host), "title": "Monsoon Tour", "description": "Five cities."}
    return lambda: lambda: shop.host.post("/v1/tours", body, key=uuid4().hex)


@scenario
def update_tour(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/tours/{shop.listed_event()['tourId']}"
    return lambda: lambda: shop.host.call("PATCH", path, {"title": "Winter Tour"})


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


def _looks_again(ask: Act) -> Callable[[], Act]:
    """A call more than two seconds after the last one: the process asks what changed, and nothing did."""
    accepted(ask())

    def prepare() -> Act:
        for index in listing_index._indexes.values():
            index.looked_at, index.complete_to = float("-inf"), datetime.now(UTC) + timedelta(minutes=1)
        return ask

    return prepare


@scenario
def search_events(shop: Shop) -> Callable[[], Act]:
    return _looks_again(lambda: shop.http.get("/v1/events/search", params={"q": "techno mumbai under 1000"}))


@scenario
def search_all(shop: Shop) -> Callable[[], Act]:
    return _looks_again(lambda: shop.http.get("/v1/search", params={"q": "night at the mill"}))


@scenario
def suggest_searches(shop: Shop) -> Callable[[], Act]:
    return _looks_again(lambda: shop.http.get("/v1/search/suggestions", params={"q": "nig"}))


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
def put_follow(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()

    def prepare() -> Act:
        accepted(shop.buyer.call("DELETE", path))
        return lambda: shop.buyer.call("PUT", path, {})

    return prepare


@scenario
def delete_follow(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()

    def prepare() -> Act:
        accepted(shop.buyer.call("PUT", path, {}))
        return lambda: shop.buyer.call("DELETE", path)

    return prepare


@scenario
def list_follows(shop: Shop) -> Callable[[], Act]:
    accepted(shop.buyer.call("PUT", shop.venue(), {}))
    return lambda: lambda: shop.buyer.get("/v1/follows")


@scenario
def refresh_followers(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()
    accepted(shop.buyer.call("PUT", path, {}))
    return lambda: lambda: shop.trigger("refresh_followers", {"targetId": path.rpartition("/")[2]})


@scenario
def announce_event(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()
    accepted(shop.buyer.call("PUT", path, {}))

    def prepare() -> Act:
        payload = {"eventId": shop.event()["eventId"], "targets": [path.rpartition("/")[2]]}
        return lambda: shop.trigger("announce_event", payload)

    return prepare


@scenario
def add_interest(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/interest"

    def prepare() -> Act:
        accepted(shop.buyer.call("DELETE", f"{path}/liked"))
        return lambda: shop.buyer.post(path, {"kind": "liked"})

    return prepare


@scenario
def remove_interest(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/interest"

    def prepare() -> Act:
        accepted(shop.buyer.post(path, {"kind": "liked"}))
        return lambda: shop.buyer.call("DELETE", f"{path}/liked")

    return prepare


@scenario
def get_interest(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/interest"
    accepted(shop.buyer.post(path, {"kind": "liked"}))
    return lambda: lambda: shop.buyer.get(path)


@scenario
def get_event_social(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/social"
    return lambda: lambda: shop.http.get(path)


@scenario
def refresh_counts(shop: Shop) -> Callable[[], Act]:
    event_id = shop.listed_event()["eventId"]

    def prepare() -> Act:
        fan = shop.sign_in("fan")
        accepted(fan.post(f"/v1/events/{event_id}/interest", {"kind": "liked"}))
        return lambda: shop.trigger("refresh_counts", {"eventId": event_id, "counted": "interest"})

    return prepare


@scenario
def refresh_trending(shop: Shop) -> Callable[[], Act]:
    event_id = shop.listed_event()["eventId"]
    attendees = iter(range(1, 1_000))

    def prepare() -> Act:
        shop.gateway.run(listings.update(event_id, attendees=next(attendees)))
        return lambda: shop.trigger("refresh_trending", {})

    return prepare


@scenario
def put_review(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()

    def prepare() -> Act:
        accepted(shop.buyer.call("DELETE", path))
        return lambda: shop.buyer.call("PUT", path, {"rating": 5, "text": "What a night."})

    return prepare


@scenario
def delete_review(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()

    def prepare() -> Act:
        accepted(shop.buyer.call("PUT", path, {"rating": 5}))
        return lambda: shop.buyer.call("DELETE", path)

    return prepare


@scenario
def get_my_review(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()
    accepted(shop.buyer.call("PUT", path, {"rating": 5}))
    return lambda: lambda: shop.buyer.get(path)


@scenario
def list_reviews(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()
    accepted(shop.buyer.call("PUT", path, {"rating": 5}))
    return lambda: lambda: shop.http.get(f"{path}s")


@scenario
def vote_helpful(shop: Shop) -> Callable[[], Act]:
    review = accepted(shop.buyer.call("PUT", shop.attended(), {"rating": 5}))

    def prepare() -> Act:
        fan = shop.sign_in("fan")
        return lambda: fan.post(f"/v1/reviews/{review['reviewId']}/helpful")

    return prepare


@scenario
def unvote_helpful(shop: Shop) -> Callable[[], Act]:
    review = accepted(shop.buyer.call("PUT", shop.attended(), {"rating": 5}))
    path = f"/v1/reviews/{review['reviewId']}/helpful"

    def prepare() -> Act:
        accepted(shop.host.post(path))
        return lambda: shop.host.call("DELETE", path)

    return prepare


@scenario
def invite_guests(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/guests"
    numbers = iter(range(100, 1_000))

    def prepare() -> Act:
        guests = [{"phone": f"+919811100{next(numbers)}"}]
        return lambda: shop.host.post(path, {"guests": guests})

    return prepare


@scenario
def list_guests(shop: Shop) -> Callable[[], Act]:
    path, _ = shop.guest(shop.event())
    return lambda: lambda: shop.host.get(path)


@scenario
def remove_guest(shop: Shop) -> Callable[[], Act]:
    path, guest_id = shop.guest(shop.event())
    return lambda: lambda: shop.host.call("DELETE", f"{path}/{guest_id}")


@scenario
def list_invitations(shop: Shop) -> Callable[[], Act]:
    shop.guest(shop.event())
    return lambda: lambda: shop.buyer.get("/v1/invitations")


@scenario
def answer_invitation(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    shop.guest(event)
    answers = cycle(("accepted", "declined"))

    def prepare() -> Act:
        answer = next(answers)
        return lambda: shop.buyer.post(f"/v1/events/{event['eventId']}/invitation", {"answer": answer})

    return prepare


@scenario
def create_update(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/updates"
    return lambda: lambda: shop.host.post(path, UPDATE, key=uuid4().hex)


@scenario
def list_updates(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/updates"
    accepted(shop.host.post(path, UPDATE))
    return lambda: lambda: shop.http.get(path)


@scenario
def tell_holders(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    shop.ticketed(event)

    def prepare() -> Act:
        update = accepted(shop.host.post(f"/v1/events/{event['eventId']}/updates", UPDATE))
        payload = {"eventId": event["eventId"], "updateId": update["updateId"], "page": 0}
        return lambda: shop.trigger("tell_holders", payload)

    return prepare


@scenario
def show_event_page(shop: Shop) -> Callable[[], Act]:
    path = f"/e/{shop.event()['slug']}"
    return lambda: lambda: shop.http.head(path)  # a GET costs the same


@scenario
def download_event_calendar(shop: Shop) -> Callable[[], Act]:
    path = f"/e/{shop.event()['slug']}/event.ics"
    return lambda: lambda: shop.http.head(path)


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
def build_index(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        accepted(shop.host.call("PATCH", f"/v1/events/{event['eventId']}", {"description": f"A night, {uuid4()}."}))
        shop.trigger("refresh_listing", {"eventId": event["eventId"]})
        for index in listing_index._indexes.values():
            index.looked_at = float("-inf")
        return lambda: shop.trigger("build_index", {})

    return prepare


@scenario
def purge_cache(shop: Shop) -> Callable[[], Act]:
    payload = {"tag": f"event-{shop.event()['eventId']}"}
    return lambda: lambda: shop.trigger("purge_cache", payload)


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
def watch_settlement(shop: Shop) -> Callable[[], Act]:
    return lambda: lambda: shop.trigger("watch_settlement", {})


@scenario
def reconcile_payments(shop: Shop) -> Callable[[], Act]:
    shop.ticketed(shop.event())
    return lambda: lambda: shop.trigger("reconcile_payments", {})
