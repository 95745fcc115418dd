"""The fake payment providers as a person, a bank and the provider's own webhook sender use them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.people import Json, accepted

if TYPE_CHECKING:
    from collections.abc import Iterable

    import httpx

JSON: Final = {"Accept": "application/json"}


@dataclass(frozen=True)
class Notice:
    """One webhook, signed and ready to be posted, however often."""

    path: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Account:
    """What a provider has taken from people and given back, in minor units."""

    captured: int
    refunded: int
    refunds: int


class StripeSide:
    """One account at the fake Stripe, which sends no webhook by itself."""

    paid: Final = "payment_intent.succeeded"
    refunded: Final = ("refund.created",)

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._base, self._key = os.environ["STRIPE_API_BASE"], os.environ["STRIPE_SECRET_KEY"]

    def pay(self, reference: str) -> None:
        """A person pays."""
        accepted(self._client.post(f"{self._base}/pay/{reference}/pay", headers=JSON))

    def refund(self, reference: str) -> None:
        """Somebody gives it all back in the provider's dashboard."""
        headers = {"Authorization": f"Bearer {self._key}"}
        accepted(self._client.post(f"{self._base}/v1/refunds", data={"payment_intent": reference}, headers=headers))

    def notices(self, *types: str) -> list[Notice]:
        """The webhooks of these types that the provider would send."""
        secret = os.environ["STRIPE_WEBHOOK_SECRET"].encode()
        found = []
        for event in self._events(types):
            body, at = json.dumps(event["payload"]).encode(), int(time.time())
            signed = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            headers = {"Stripe-Signature": f"t={at},v1={signed}", "Content-Type": "application/json"}
            found.append(Notice("/v1/webhooks/stripe", body, headers))
        return found

    def _events(self, types: Iterable[str]) -> list[Json]:
        answer = self._client.get(f"{self._base}/_control/events", params={"key": self._key})
        return [event for event in accepted(answer)["events"] if event["type"] in types]

    def references(self) -> set[str]:
        """The payments that the provider expects or has."""
        return {intent["id"] for intent in self._list("payment_intents")}

    def money(self) -> Account:
        """The provider's own books."""
        charges = [charge for charge in self._list("charges") if charge["paid"]]
        refunds = self._list("refunds")
        captured = sum(charge["amount_captured"] for charge in charges)
        return Account(captured, sum(refund["amount"] for refund in refunds), len(refunds))

    def _list(self, what: str) -> list[Json]:
        headers = {"Authorization": f"Bearer {self._key}"}
        answer = self._client.get(f"{self._base}/v1/{what}", params={"limit": 100}, headers=headers)
        return list(accepted(answer)["data"])


class RazorpaySide:
    """One account at the fake Razorpay."""

    paid: Final = "payment.captured"
    refunded: Final = ("refund.processed",)

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._base = os.environ["RAZORPAY_API_BASE"]
        self._keys = (os.environ["RAZORPAY_KEY_ID"], os.environ["RAZORPAY_KEY_SECRET"])

    def pay(self, reference: str) -> None:
        """A person pays."""
        accepted(self._client.post(f"{self._base}/pay/{reference}/pay", headers=JSON))

    def refund(self, reference: str) -> None:
        """Somebody gives it all back in the provider's dashboard."""
        [payment] = [each for each in self._list(f"orders/{reference}/payments") if each["captured"]]
        path = f"{self._base}/v1/payments/{payment['id']}/refund"
        accepted(self._client.post(path, json={"amount": payment["amount"]}, auth=self._keys))

    def notices(self, *types: str) -> list[Notice]:
        """The webhooks of these types that the provider would send."""
        secret = os.environ["RAZORPAY_WEBHOOK_SECRET"].encode()
        answer = self._client.get(f"{self._base}/_control/events", params={"key": self._keys[0]})
        found = []
        for event in accepted(answer)["events"]:
            if event["type"] in types:
                body = json.dumps(event["payload"], separators=(",", ":")).encode()
                signed = hmac.new(secret, body, hashlib.sha256).hexdigest()
                headers = {"X-Razorpay-Signature": signed, "X-Razorpay-Event-Id": event["id"]}
                headers["Content-Type"] = "application/json"
                found.append(Notice("/v1/webhooks/razorpay", body, headers))
        return found

    def references(self) -> set[str]:
        """The orders that wait for a payment or have one."""
        return {order["id"] for order in self._list("orders")}

    def money(self) -> Account:
        """The provider's own books."""
        payments = [payment for payment in self._list("payments") if payment["captured"]]
        refunds = [refund for payment in payments for refund in self._list(f"payments/{payment['id']}/refunds")]
        captured = sum(payment["amount"] for payment in payments)
        return Account(captured, sum(refund["amount"] for refund in refunds), len(refunds))

    def _list(self, what: str) -> list[Json]:
        answer = self._client.get(f"{self._base}/v1/{what}", params={"count": 100}, auth=self._keys)
        return list(accepted(answer)["items"])


Provider = StripeSide | RazorpaySide
SIDES: Final[dict[str, type[Provider]]] = {"stripe": StripeSide, "razorpay": RazorpaySide}
