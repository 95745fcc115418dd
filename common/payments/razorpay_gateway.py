"""Razorpay, through its own SDK in worker threads: an order per order of ours, refunds, signed events."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from common.money import Money
from common.payments.gateways import (
    CALL_TIMEOUT_S,
    BadSignature,
    Checkout,
    CheckoutRequest,
    GatewayName,
    GatewayRefused,
    GatewayUnavailable,
    MalformedEvent,
    ParsedEvent,
    PaymentEvent,
    PaymentEventKind,
    RefundResult,
    RefundStatus,
    header,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    from common.config import Config

RECEIPT_LENGTH = 40
NOTE_LENGTH = 256
PAGE = 100
UNKNOWN_ID = "does not exist"
REFUND_STATUSES = {
    "processed": RefundStatus.SUCCEEDED,
    "pending": RefundStatus.PENDING,
    "failed": RefundStatus.FAILED,
}
REFUND_KINDS = {
    RefundStatus.SUCCEEDED: PaymentEventKind.REFUNDED,
    RefundStatus.FAILED: PaymentEventKind.REFUND_FAILED,
}
# order.paid tells the same as payment.captured, and refund.created not yet that the money has left.
PAYMENT_KINDS = {
    "payment.authorized": PaymentEventKind.AUTHORIZED,
    "payment.captured": PaymentEventKind.CAPTURED,
    "payment.failed": PaymentEventKind.FAILED,
}
OTHER_KINDS = {
    "refund.processed": (PaymentEventKind.REFUNDED, "refund"),
    "refund.failed": (PaymentEventKind.REFUND_FAILED, "refund"),
    "payment.dispute.created": (PaymentEventKind.DISPUTED, "dispute"),
    "payment.dispute.under_review": (PaymentEventKind.DISPUTED, "dispute"),
    "payment.dispute.action_required": (PaymentEventKind.DISPUTED, "dispute"),
    "payment.dispute.won": (PaymentEventKind.DISPUTE_WON, "dispute"),
    "payment.dispute.lost": (PaymentEventKind.DISPUTE_LOST, "dispute"),
    # Neither side has won: an inquiry, or a report of fraud, that costs nothing.
    "payment.dispute.closed": (PaymentEventKind.DISPUTE_WON, "dispute"),
}
PAYMENT_STATUSES = {
    "authorized": PaymentEventKind.AUTHORIZED,
    "captured": PaymentEventKind.CAPTURED,
    "refunded": PaymentEventKind.CAPTURED,
    "failed": PaymentEventKind.FAILED,
}


class RazorpayGateway:
    """One Razorpay account. The SDK is imported by the first call that needs it."""

    name = GatewayName.RAZORPAY

    def __init__(self, configuration: Config) -> None:
        self._config = configuration

    @cached_property
    def _client(self) -> Any:
        import razorpay
        import requests

        session = requests.Session()
        session.hooks["response"].append(_raise_if_unavailable)
        keys = (self._config.razorpay_key_id, self._config.razorpay_key_secret)
        return razorpay.Client(session=session, auth=keys, base_url=self._config.razorpay_api_base)

    async def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """An order that captures by itself; orders have no idempotency key, so the receipt stands for it."""
        order = await _call(lambda: self._order_for(request))
        client = {
            "keyId": self._config.razorpay_key_id,
            "orderId": order["id"],
            "amountMinor": str(order["amount"]),
            "currency": order["currency"],
            "name": request.description,
        }
        return Checkout(order["id"], client)

    def _order_for(self, request: CheckoutRequest) -> Any:
        amount, receipt = request.amount, request.order_id[:RECEIPT_LENGTH]
        earlier = self._client.order.all({"receipt": receipt, "count": PAGE}, timeout=CALL_TIMEOUT_S)
        for order in earlier["items"]:
            if (order["amount"], order["currency"]) == (amount.amount_minor, amount.currency):
                return order
        notes = {"orderId": request.order_id, "orderNumber": request.order_number, "eventId": request.event_id}
        asked = {"amount": amount.amount_minor, "currency": amount.currency, "receipt": receipt, "notes": notes}
        return self._client.order.create(asked | {"payment_capture": 1}, timeout=CALL_TIMEOUT_S)

    async def order_of(self, reference: str) -> str | None:
        """The order in the notes of Razorpay's order."""
        try:
            order = await _call(lambda: self._client.order.fetch(reference, timeout=CALL_TIMEOUT_S))
        except GatewayRefused as unknown:
            if UNKNOWN_ID in (unknown.detail or ""):
                return None
            raise
        return _order_in(order)

    async def refund(
        self, payment_id: str, amount: Money, *, refund_key: str, order_id: str, reason: str
    ) -> RefundResult:
        """Refund a payment, with the key in the header that Razorpay takes and in the notes, where it stays."""
        refund = await _call(lambda: self._refund_for(payment_id, amount, refund_key, order_id, reason))
        status = REFUND_STATUSES.get(refund["status"], RefundStatus.PENDING)
        return RefundResult(refund["id"], status, refund["amount"])

    def _refund_for(self, payment_id: str, amount: Money, refund_key: str, order_id: str, reason: str) -> Any:
        standing = self._standing_refund(payment_id, refund_key)
        if standing is not None:
            return standing
        notes = {"refundKey": refund_key, "orderId": order_id, "reason": reason[:NOTE_LENGTH]}
        # The header takes ten or more letters, digits, hyphens and underscores: a digest always fits.
        key = hashlib.sha256(refund_key.encode()).hexdigest()
        return self._client.payment.refund(
            payment_id,
            {"amount": amount.amount_minor, "speed": "normal", "notes": notes},
            headers={"X-Refund-Idempotency": key},
            timeout=CALL_TIMEOUT_S,
        )

    def _standing_refund(self, payment_id: str, refund_key: str) -> Any:
        refunds = self._refunds_of(payment_id)
        return next((each for each in refunds if _notes(each).get("refundKey") == refund_key), None)

    def _refunds_of(self, payment_id: str) -> Iterator[Any]:
        skip = 0
        while True:
            asked = {"count": PAGE, "skip": skip}
            page = self._client.payment.fetch_multiple_refund(payment_id, asked, timeout=CALL_TIMEOUT_S)["items"]
            yield from page
            if len(page) < PAGE:
                return
            skip += PAGE

    async def facts_of(self, reference: str) -> tuple[PaymentEvent, ...]:
        """Every payment that was tried for the order, and their refunds. Razorpay lists no disputes by payment."""
        return await _call(lambda: tuple(self._facts_of(reference)))

    def _facts_of(self, reference: str) -> Iterator[PaymentEvent]:
        for payment in self._client.order.payments(reference, timeout=CALL_TIMEOUT_S)["items"]:
            kind = PAYMENT_STATUSES.get(payment["status"])
            if kind is not None:
                yield _fact(kind, f"{kind}:{payment['id']}", payment, payment, _moment(payment))
            # What was never captured is returned by Razorpay itself.
            for refund in self._refunds_of(payment["id"]) if payment["captured"] else ():
                ended = REFUND_KINDS.get(REFUND_STATUSES.get(refund["status"], RefundStatus.PENDING))
                if ended is not None:
                    yield _fact(ended, f"{ended}:{refund['id']}", payment, refund, _moment(refund))

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Razorpay's own check. It signs no time, so an old event is told from a new one by its id alone."""
        from razorpay.errors import SignatureVerificationError

        secret = self._config.razorpay_webhook_secret
        if not secret:
            raise GatewayUnavailable("no Razorpay webhook secret is configured")
        signature = header(headers, "x-razorpay-signature")
        try:
            self._client.utility.verify_webhook_signature(body.decode(), signature, secret)
        except (SignatureVerificationError, UnicodeDecodeError, TypeError) as wrong:
            # TypeError: the SDK compares the header as ASCII and lets the comparison fail on other text.
            raise BadSignature from wrong

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedEvent:
        """A payment's, refund's or dispute's event; its id is in a header."""
        event_id = header(headers, "x-razorpay-event-id")
        if not event_id:
            raise MalformedEvent("X-Razorpay-Event-Id is missing")
        try:
            document = json.loads(body)
            event_type = document["event"]
            if not isinstance(event_type, str):
                raise TypeError("event must be a text")
            occurred_at = datetime.fromtimestamp(document["created_at"], UTC)
            event = _payment_event(event_id, event_type, document["payload"], occurred_at)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError) as wrong:
            raise MalformedEvent(f"{type(wrong).__name__}: {wrong}") from wrong
        return ParsedEvent(event_id, event_type, event)


def _notes(entity: Mapping[str, Any]) -> Mapping[str, Any]:
    # Without notes Razorpay sends an empty list.
    notes = entity.get("notes")
    return notes if isinstance(notes, dict) else {}


def _order_in(entity: Mapping[str, Any]) -> str | None:
    order_id = _notes(entity).get("orderId") or entity.get("receipt")
    return order_id if isinstance(order_id, str) and order_id else None


def _payment_event(event_id: str, event_type: str, payload: dict[str, Any], at: datetime) -> PaymentEvent | None:
    if event_type in PAYMENT_KINDS:
        kind, about = PAYMENT_KINDS[event_type], payload["payment"]["entity"]
    elif event_type in OTHER_KINDS:
        kind, entity = OTHER_KINDS[event_type]
        about = payload[entity]["entity"]
    else:
        return None
    payment = payload["payment"]["entity"]
    if not isinstance(payment["order_id"], str):
        # A payment without an order was not made by a checkout of ours.
        return None
    return _fact(kind, event_id, payment, about, at)


def _fact(
    kind: PaymentEventKind, event_id: str, payment: dict[str, Any], about: dict[str, Any], at: datetime
) -> PaymentEvent:
    """A fact about a payment, or about a refund or dispute of it, which has an amount of its own."""
    return PaymentEvent(
        gateway=GatewayName.RAZORPAY,
        event_id=event_id,
        kind=kind,
        reference=payment["order_id"],
        payment_id=str(payment["id"]),
        # The receipt of a refund is the refund's own, so only notes may name the order here.
        order_id=_notes(about).get("orderId") or _notes(payment).get("orderId"),
        amount=Money(amount_minor=about["amount"], currency=about["currency"]),
        refund_id=str(about["id"]) if about is not payment else None,
        occurred_at=at,
        refund_key=_notes(about).get("refundKey") if about is not payment else None,
        # With the tax on it, as Razorpay takes it.
        fee_minor=payment.get("fee") if kind is PaymentEventKind.CAPTURED else None,
    )


def _moment(entity: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(entity["created_at"], UTC)


def _raise_if_unavailable(reply: requests.Response, *_: object, **__: object) -> None:
    # The SDK looks only at the body's error code: it takes a rate limit and a conflict for a bad request, and
    # a proxy's HTML for a defect. These three can be tried again.
    if reply.status_code in (409, 429) or reply.status_code >= 500:
        reply.close()
        raise GatewayUnavailable(f"Razorpay answered {reply.status_code}")


async def _call(work: Callable[[], Any]) -> Any:
    """Run a blocking call in a thread and turn the SDK's errors into the two that callers tell apart."""
    from razorpay.errors import BadRequestError, GatewayError, ServerError
    from requests.exceptions import RequestException

    try:
        return await asyncio.to_thread(work)
    except BadRequestError as refused:
        raise GatewayRefused(str(refused)) from refused
    except (GatewayError, ServerError, RequestException) as failure:
        raise GatewayUnavailable(type(failure).__name__) from failure
