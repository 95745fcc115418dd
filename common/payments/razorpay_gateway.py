"""Razorpay, through its own SDK in worker threads: an order per order of ours, refunds, signed events."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from functools import cached_property, partial
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
    ProviderPayment,
    RefundResult,
    RefundStatus,
    header,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

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
        standing = await self._refunds_of(payment_id)
        refund = next((each for each in standing if _notes(each).get("refundKey") == refund_key), None)
        if refund is None:
            notes = {"refundKey": refund_key, "orderId": order_id, "reason": reason[:NOTE_LENGTH]}
            refund = await _call(lambda: self._new_refund(payment_id, amount, notes))
        status = REFUND_STATUSES.get(refund["status"], RefundStatus.PENDING)
        return RefundResult(refund["id"], status, refund["amount"])

    def _new_refund(self, payment_id: str, amount: Money, notes: dict[str, str]) -> Any:
        # The header takes ten or more letters, digits, hyphens and underscores: a digest always fits.
        key = hashlib.sha256(notes["refundKey"].encode()).hexdigest()
        return self._client.payment.refund(
            payment_id,
            {"amount": amount.amount_minor, "speed": "normal", "notes": notes},
            headers={"X-Refund-Idempotency": key},
            timeout=CALL_TIMEOUT_S,
        )

    async def facts_of(self, reference: str) -> tuple[PaymentEvent, ...]:
        """Every payment that was tried for the order, and their refunds. Razorpay lists no disputes by payment."""
        tried = (await _call(lambda: self._client.order.payments(reference, timeout=CALL_TIMEOUT_S)))["items"]
        # What was never captured is returned by Razorpay itself.
        refunds = [await self._refunds_of(payment["id"]) if payment["captured"] else () for payment in tried]
        return tuple(fact for each in zip(tried, refunds, strict=True) for fact in _facts(*each))

    async def payments_between(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayment]:
        """Its payments page by page; those of earlier days that were refunded since come last."""
        begin, end = int(since.timestamp()), int(until.timestamp())
        refunds: dict[str, dict[str, Any]] = {}
        async for refund in self._pages(self._client.refund.all, {"from": begin}):
            refunds.setdefault(refund["payment_id"], {})[refund["id"]] = refund
        seen = set()
        async for payment in self._pages(self._client.payment.all, {"from": begin, "to": end}):
            seen.add(payment["id"])
            if payment["captured"]:
                yield _provider_payment(payment, refunds.get(payment["id"], {}).values())
        for payment_id in refunds.keys() - seen:
            found = await self.find_payment(payment_id)
            if found is not None:
                yield found

    async def find_payment(self, payment_id: str) -> ProviderPayment | None:
        """The payment of this id, when it was captured."""
        try:
            payment = await _call(lambda: self._client.payment.fetch(payment_id, timeout=CALL_TIMEOUT_S))
        except GatewayRefused as unknown:
            if UNKNOWN_ID in (unknown.detail or ""):
                return None
            raise
        return _provider_payment(payment, await self._refunds_of(payment_id)) if payment["captured"] else None

    async def _refunds_of(self, payment_id: str) -> list[Any]:
        listed = self._pages(partial(self._client.payment.fetch_multiple_refund, payment_id), {})
        return list({each["id"]: each async for each in listed}.values())

    async def _pages(self, read: Callable[..., Any], asked: Mapping[str, Any]) -> AsyncIterator[Any]:
        skip = 0
        while True:
            # What is new comes first: a page may repeat items of the one before, and leaves none out.
            paged = {**asked, "count": PAGE, "skip": skip}
            items = (await _call(partial(read, paged, timeout=CALL_TIMEOUT_S)))["items"]
            for item in items:
                yield item
            if len(items) < PAGE:
                return
            skip += PAGE

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
    kind: PaymentEventKind, event_id: str, payment: Mapping[str, Any], about: Mapping[str, Any], at: datetime
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
        fee_minor=_fee(payment) if kind is PaymentEventKind.CAPTURED else None,
    )


def _facts(payment: Mapping[str, Any], refunds: Iterable[Mapping[str, Any]]) -> Iterator[PaymentEvent]:
    """What the present state of a payment and of its refunds says, as the events that told of it."""
    kind = PAYMENT_STATUSES.get(payment["status"])
    if kind is not None:
        yield _fact(kind, f"{kind}:{payment['id']}", payment, payment, _moment(payment))
    for refund in refunds:
        ended = REFUND_KINDS.get(REFUND_STATUSES.get(refund["status"], RefundStatus.PENDING))
        if ended is not None:
            yield _fact(ended, f"{ended}:{refund['id']}", payment, refund, _moment(refund))


def _moment(entity: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(entity["created_at"], UTC)


def _provider_payment(payment: Mapping[str, Any], refunds: Iterable[Mapping[str, Any]]) -> ProviderPayment:
    # A payment without an order was not made by a checkout of ours.
    is_ours = isinstance(payment["order_id"], str)
    return ProviderPayment(
        gateway=GatewayName.RAZORPAY,
        reference=payment["order_id"] if is_ours else str(payment["id"]),
        payment_id=str(payment["id"]),
        order_id=_notes(payment).get("orderId"),
        amount=Money(amount_minor=payment["amount"], currency=payment["currency"]),
        fee_minor=_fee(payment),
        captured_at=_moment(payment),
        facts=tuple(_facts(payment, refunds)) if is_ours else (),
    )


def _fee(payment: Mapping[str, Any]) -> int | None:
    """What Razorpay keeps, with the tax on it; of a payment in another currency it is in the account's own."""
    return payment.get("fee") if payment.get("base_currency", payment["currency"]) == payment["currency"] else None


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
