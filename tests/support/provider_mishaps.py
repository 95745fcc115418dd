"""What goes wrong at the fake providers, and what people do in their dashboards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import httpx

from tests.support.people import Json, accepted

if TYPE_CHECKING:
    from collections.abc import Iterable


def address_of(gateway: str) -> tuple[str, str]:
    """Where the fake provider listens, and the key of this test's account."""
    key = os.environ["STRIPE_SECRET_KEY" if gateway == "stripe" else "RAZORPAY_KEY_ID"]
    return os.environ[f"{gateway.upper()}_API_BASE"], key


def next_refunds(base: str, key: str, *outcomes: str) -> None:
    """How the account's next refunds go: succeeded, pending or failed."""
    _control(base, "refund-outcomes", key=key, outcomes=list(outcomes))


def end_refund(base: str, key: str, refund_id: str, status: str) -> None:
    """A pending refund ends, or the bank hands one back."""
    _control(base, "refund-end", key=key, refund=refund_id, status=status)


def dispute(base: str, key: str, payment_id: str, status: str, amount: int | None = None) -> Json:
    """The buyer's bank disputes a payment, or decides."""
    return _control(base, "disputes", key=key, payment=payment_id, status=status, amount=amount)


def refund_in_dashboard(gateway: str, payment_id: str, amount: int | None = None) -> str:
    """Somebody gives money back at the provider, without us; the provider's id of the refund."""
    base, key = address_of(gateway)
    asked = {} if amount is None else {"amount": str(amount)}
    if gateway == "stripe":
        form = {"payment_intent": payment_id} | asked
        reply = httpx.post(f"{base}/v1/refunds", data=form, auth=(key, ""), trust_env=False)
    else:
        secret = os.environ["RAZORPAY_KEY_SECRET"]
        path = f"{base}/v1/payments/{payment_id}/refund"
        reply = httpx.post(path, json=asked, auth=(key, secret), trust_env=False)
    return str(accepted(reply)["id"])


def refunds_at(gateway: str, payment_id: str) -> list[Json]:
    """The refunds of a payment as the provider has them, newest first."""
    base, key = address_of(gateway)
    if gateway == "stripe":
        query = {"payment_intent": payment_id, "limit": "100"}
        return list(accepted(httpx.get(f"{base}/v1/refunds", params=query, auth=(key, ""), trust_env=False))["data"])
    path = f"{base}/v1/payments/{payment_id}/refunds"
    auth = (key, os.environ["RAZORPAY_KEY_SECRET"])
    return list(accepted(httpx.get(path, params={"count": "100"}, auth=auth, trust_env=False))["items"])


def gone(refunds: Iterable[Json]) -> int:
    """How much of it the provider has paid out."""
    return sum(refund["amount"] for refund in refunds if refund["status"] in ("succeeded", "processed"))


def _control(base: str, route: str, **body: object) -> Json:
    return accepted(httpx.post(f"{base}/_control/{route}", json=body, trust_env=False))
