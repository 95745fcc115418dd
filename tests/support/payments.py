"""Paying at the fake providers, as a person or a mobile SDK would."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from typing import TYPE_CHECKING, Any

import httpx

from tests.support.people import Json, Person, accepted, eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = {"Accept": "application/json"}
# The variable that names a project's own account at each fake provider.
ACCOUNTS = {"stripe": "STRIPE_SECRET_KEY", "razorpay": "RAZORPAY_KEY_ID", "paystack": "PAYSTACK_SECRET_KEY"}


def pay_on_page(gateway: str, reference: str, action: str = "pay") -> httpx.Response:
    """Press the button on the provider's page."""
    base = os.environ[f"{gateway.upper()}_API_BASE"]
    return httpx.post(f"{base}/pay/{reference}/{action}", headers=JSON, trust_env=False)


def control(gateway: str, route: str, /, **body: Any) -> Json:
    """Ask a fake provider for an oddity."""
    key = os.environ[ACCOUNTS[gateway]]
    base = os.environ[f"{gateway.upper()}_API_BASE"]
    return accepted(httpx.post(f"{base}/_control/{route}", json={"key": key, **body}, trust_env=False))


def provider_events(gateway: str, type_: str) -> list[Json]:
    """The events of one type that a fake provider has sent or holds back."""
    key = os.environ[ACCOUNTS[gateway]]
    base = os.environ[f"{gateway.upper()}_API_BASE"]
    answer = httpx.get(f"{base}/_control/events", params={"key": key, "type": type_}, trust_env=False)
    events: Sequence[Json] = accepted(answer)["events"]
    return list(events)


def checkout(buyer: Person, order_id: str, gateway: str = "stripe") -> Json:
    return accepted(buyer.post(f"/v1/orders/{order_id}/checkout", {"gateway": gateway}))


def order_in(buyer: Person, order_id: str, *statuses: str) -> Json:
    """The order once it has one of these statuses."""

    def look() -> Json | None:
        order = accepted(buyer.get(f"/v1/orders/{order_id}"))
        return order if order["status"] in statuses else None

    return eventually(look)


def stripe_event(reference: str, amount_minor: int, currency: str = "inr", **more: Any) -> Json:
    """A payment_intent.succeeded as Stripe sends it, as far as it matters here."""
    intent = {
        "id": reference,
        "object": "payment_intent",
        "amount": amount_minor,
        "amount_received": amount_minor,
        "currency": currency,
        "latest_charge": f"ch_{reference}",
        "status": "succeeded",
        "metadata": more.pop("metadata", {}),
    }
    event = {
        "id": f"evt_{reference}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": intent},
    }
    return event | more


def send_stripe(
    client: httpx.Client, event: Json, *, at: int | None = None, secret: str | None = None
) -> httpx.Response:
    """Post an event with a signature over exactly these bytes."""
    body = json.dumps(event)
    moment = at or int(time.time())
    key = (secret or os.environ["STRIPE_WEBHOOK_SECRET"]).encode()
    signature = hmac.new(key, f"{moment}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={moment},v1={signature}", "Content-Type": "application/json"}
    return client.post("/v1/webhooks/stripe", content=body, headers=headers)
