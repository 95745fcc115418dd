"""Paystack, over HTTP: a transaction per checkout under a reference of ours, refunds by its list, signed events.

Three things it has not, and what stands for them: its events have no ids (what they tell of gives one), its refunds no
idempotency key (ours stands in the merchant's note), and its refund events no refund (the transaction is asked for).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from common.ids import derived_id
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
from common.payments.refund_claims import claimed
from common.rest import http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from common.config import Config

PAGE = 100
# How often an order's checkout may get lost on the way back, or be begun by several devices at once.
MOST_REFERENCES = 8
DUPLICATE, UNKNOWN = "duplicate transaction reference", "not found"
REFUND_KEY = re.compile(r"^refundKey=([\w.-]+)")
REFUND_STATUSES = {"processed": RefundStatus.SUCCEEDED, "failed": RefundStatus.FAILED}
REFUND_KINDS = {
    RefundStatus.SUCCEEDED: PaymentEventKind.REFUNDED,
    RefundStatus.FAILED: PaymentEventKind.REFUND_FAILED,
}
# A transaction is reversed once all of it was refunded.
CAPTURED = ("success", "reversed")
CHARGE_KINDS = {"charge.success": PaymentEventKind.CAPTURED, "charge.failed": PaymentEventKind.FAILED}
DISPUTE_TYPES = ("charge.dispute.create", "charge.dispute.resolve")
REFUND_TYPES = ("refund.processed", "refund.failed")


class PaystackGateway:
    """One Paystack account."""

    name = GatewayName.PAYSTACK

    def __init__(self, configuration: Config) -> None:
        self._config = configuration

    async def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """A transaction. Paystack tells its access code once: where that got lost, the next reference is taken."""
        asked = self._asked(request)
        for attempt in range(1, MOST_REFERENCES + 1):
            reference = _reference(request.order_id, attempt)
            try:
                made = await self._data("POST", "/transaction/initialize", asked | {"reference": reference})
            except GatewayRefused as refused:
                if DUPLICATE not in (refused.detail or "").lower():
                    raise
            else:
                client = {"clientSecret": made["access_code"], "authorizationUrl": made["authorization_url"]}
                return Checkout(reference, client)
            standing = await self._transaction(reference)
            if standing is not None and standing["status"] in CAPTURED:
                # Paid already, and not to be paid again: its webhook settles it.
                return Checkout(reference, {})
        raise GatewayRefused("This order was begun too often.")

    def _asked(self, request: CheckoutRequest) -> dict[str, Any]:
        # It insists on an address: who signed in by phone gets one that receives nothing.
        stand_in = f"{request.buyer_id or request.order_id}@{self._config.paystack_mail_domain}"
        asked: dict[str, Any] = {
            "amount": request.amount.amount_minor,
            "currency": request.amount.currency,
            "email": request.buyer_email or stand_in,
            "metadata": {
                "orderId": request.order_id,
                "orderNumber": request.order_number,
                "eventId": request.event_id,
            },
        }
        if request.split is not None:
            # A flat charge to the subaccount is what we keep, whatever percentage it was made with; the fee is ours.
            asked |= {"subaccount": request.split.subaccount, "bearer": "account"}
            asked["transaction_charge"] = request.split.kept_minor
        return asked

    async def order_of(self, reference: str) -> str | None:
        """The order in the transaction's metadata."""
        transaction = await self._transaction(reference)
        return _order_in(transaction) if transaction is not None else None

    async def refund(
        self, payment_id: str, amount: Money, *, refund_key: str, order_id: str, reason: str
    ) -> RefundResult:
        """Refund a transaction, unless a refund stands under this key; two calls at once are told apart by a claim."""
        transaction = await self._transaction(payment_id)
        if transaction is None:
            raise GatewayRefused("Paystack knows no such transaction.")
        async with claimed(derived_id("claim", str(transaction["id"]), refund_key)):
            for standing in await self._refunds_of(transaction["id"]):
                if _refund_key(standing) == refund_key:
                    return _refund_result(standing)
            asked = {
                "transaction": payment_id,
                "amount": amount.amount_minor,
                "currency": amount.currency,
                "customer_note": reason,
                "merchant_note": f"refundKey={refund_key} order={order_id}",
            }
            return _refund_result(await self._data("POST", "/refund", asked))

    async def facts_of(self, reference: str) -> tuple[PaymentEvent, ...]:
        """What happened to the transaction of this reference, its disputes included."""
        transaction = await self._transaction(reference)
        if transaction is None:
            return ()
        if transaction["status"] == "failed":
            return (_charge_fact(PaymentEventKind.FAILED, transaction, f"failed:{reference}"),)
        if transaction["status"] not in CAPTURED:
            return ()
        paid = _provider_payment(transaction, await self._refunds_of(transaction["id"]))
        disputes = self._pages("/dispute", {"transaction": transaction["id"], "from": transaction["created_at"]})
        told = [_dispute_fact(each | {"transaction": transaction}) async for each in disputes]
        return (*paid.facts, *told)

    async def find_payment(self, payment_id: str) -> ProviderPayment | None:
        """The transaction of this reference, when it was paid."""
        transaction = await self._transaction(payment_id)
        if transaction is None or transaction["status"] not in CAPTURED:
            return None
        return _provider_payment(transaction, await self._refunds_of(transaction["id"]))

    async def payments_between(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayment]:
        """Its transactions page by page; those of earlier days that were refunded since come last."""
        refunds: dict[int, dict[int, Any]] = {}
        async for refund in self._pages("/refund", {"from": since.isoformat()}):
            refunds.setdefault(_transaction_id(refund), {})[refund["id"]] = refund
        seen = set()
        span = {"from": since.isoformat(), "to": until.isoformat()}
        async for transaction in self._pages("/transaction", span):
            seen.add(transaction["id"])
            if transaction["status"] in CAPTURED:
                yield _provider_payment(transaction, refunds.get(transaction["id"], {}).values())
        for transaction_id in refunds.keys() - seen:
            transaction = await self._data("GET", f"/transaction/{transaction_id}")
            yield _provider_payment(transaction, await self._refunds_of(transaction_id))

    async def _transaction(self, reference: str) -> Any:
        try:
            return await self._data("GET", f"/transaction/verify/{quote(reference, safe='')}")
        except GatewayRefused as unknown:
            if UNKNOWN in (unknown.detail or "").lower():
                return None
            raise

    async def _refunds_of(self, transaction_id: int) -> list[Any]:
        listed = self._pages("/refund", {"transaction": transaction_id})
        # A parameter that it should not know would list the refunds of everybody.
        found = {refund["id"]: refund async for refund in listed if _transaction_id(refund) == transaction_id}
        return list(found.values())

    async def _pages(self, path: str, asked: Mapping[str, Any]) -> AsyncIterator[Any]:
        page = 1
        while True:
            document = await self._call("GET", path, params={**asked, "perPage": PAGE, "page": page})
            for item in document["data"]:
                yield item
            last = (document.get("meta") or {}).get("pageCount")
            if not document["data"] or (last is not None and page >= int(last)):
                return
            page += 1

    async def _data(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return (await self._call(method, path, json=body))["data"]

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        import httpx

        headers = {"Authorization": f"Bearer {self._config.paystack_secret_key}"}
        try:
            reply = await http().request(
                method, self._config.paystack_api_base + path, headers=headers, timeout=CALL_TIMEOUT_S, **more
            )
            document = reply.json()
        except (httpx.HTTPError, ValueError) as failure:
            raise GatewayUnavailable(type(failure).__name__) from failure
        if reply.status_code in (409, 429) or reply.status_code >= 500 or not isinstance(document, dict):
            raise GatewayUnavailable(f"Paystack answered {reply.status_code}")
        if reply.is_error or not document.get("status"):
            raise GatewayRefused(str(document.get("message")), providerCode=document.get("code"))
        return document

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """The HMAC-SHA512 of the body under the secret key. It signs no time: an old event is told by its id."""
        secret = self._config.paystack_secret_key
        if not secret:
            raise GatewayUnavailable("no Paystack secret key is configured")
        expected = hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()
        if not hmac.compare_digest(expected.encode(), header(headers, "x-paystack-signature").encode()):
            raise BadSignature

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedEvent:
        """A charge's or dispute's event, or a refund's, which says only what to ask about."""
        try:
            document = json.loads(body)
            event_type, data = document["event"], document["data"]
            if not isinstance(event_type, str):
                raise TypeError("event must be a text")
            if event_type in CHARGE_KINDS:
                event_id = f"{event_type}:{data['id']}"
                return ParsedEvent(event_id, event_type, _charge_fact(CHARGE_KINDS[event_type], data, event_id))
            if event_type in DISPUTE_TYPES:
                fact = _dispute_fact(data)
                return ParsedEvent(fact.event_id, event_type, fact)
            # The same bytes are the same event.
            event_id = f"{event_type}:{hashlib.sha256(body).hexdigest()}"
            asked = str(data["transaction_reference"]) if event_type in REFUND_TYPES else None
            return ParsedEvent(event_id, event_type, None, asked)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as wrong:
            raise MalformedEvent(f"{type(wrong).__name__}: {wrong}") from wrong


def _reference(order_id: str, attempt: int) -> str:
    # Letters, digits and -.= are all that it takes.
    reference = order_id.replace("_", "-")
    return reference if attempt == 1 else f"{reference}.{attempt}"


def _order_in(transaction: Mapping[str, Any]) -> str | None:
    metadata = transaction.get("metadata")
    if isinstance(metadata, str):
        # It gives back what it was given, as an object or as that object's text; without any, "" or 0.
        metadata = json.loads(metadata) if metadata.startswith("{") else None
    order_id = metadata.get("orderId") if isinstance(metadata, dict) else None
    return order_id if isinstance(order_id, str) and order_id else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _money(amount: Any, currency: str) -> Money:
    # Refunds and their events have amounts as numbers and as texts.
    return Money(amount_minor=int(amount) if isinstance(amount, str) else amount, currency=currency)


def _charge_fact(kind: PaymentEventKind, transaction: Mapping[str, Any], event_id: str) -> PaymentEvent:
    reference, captured = str(transaction["reference"]), kind is PaymentEventKind.CAPTURED
    split = transaction.get("fees_split") if captured and transaction.get("subaccount") else None
    return PaymentEvent(
        gateway=GatewayName.PAYSTACK,
        event_id=event_id,
        kind=kind,
        reference=reference,
        # A reference is paid once, so it is the payment too: refunds take it, and every event has it.
        payment_id=reference,
        order_id=_order_in(transaction),
        amount=_money(transaction["amount"], transaction["currency"]),
        refund_id=None,
        occurred_at=_moment(transaction.get("paid_at") or transaction["created_at"]),
        fee_minor=transaction.get("fees") if captured else None,
        split_minor=int(split["subaccount"]) if split else 0,
    )


def _refund_fact(transaction: Mapping[str, Any], refund: Mapping[str, Any], status: RefundStatus) -> PaymentEvent:
    return PaymentEvent(
        gateway=GatewayName.PAYSTACK,
        event_id=f"{REFUND_KINDS[status]}:{refund['id']}",
        kind=REFUND_KINDS[status],
        reference=str(transaction["reference"]),
        payment_id=str(transaction["reference"]),
        order_id=_order_in(transaction),
        amount=_money(refund["amount"], refund["currency"]),
        refund_id=str(refund["id"]),
        occurred_at=_moment(refund.get("refunded_at") or refund["createdAt"]),
        refund_key=_refund_key(refund),
    )


def _dispute_fact(dispute: Mapping[str, Any]) -> PaymentEvent:
    transaction = dispute["transaction"]
    kind, at = PaymentEventKind.DISPUTED, dispute.get("created_at") or dispute["createdAt"]
    if dispute["status"] == "resolved":
        won = dispute["resolution"] == "declined"
        kind, at = PaymentEventKind.DISPUTE_WON if won else PaymentEventKind.DISPUTE_LOST, dispute["resolvedAt"]
    amount = dispute.get("refund_amount")
    return PaymentEvent(
        gateway=GatewayName.PAYSTACK,
        event_id=f"{kind}:{dispute['id']}",
        kind=kind,
        reference=str(transaction["reference"]),
        payment_id=str(transaction["reference"]),
        order_id=_order_in(transaction),
        amount=_money(transaction["amount"] if amount is None else amount, transaction["currency"]),
        refund_id=str(dispute["id"]),
        occurred_at=_moment(at),
    )


def _provider_payment(transaction: Mapping[str, Any], refunds: Iterable[Mapping[str, Any]]) -> ProviderPayment:
    reference = str(transaction["reference"])
    capture = _charge_fact(PaymentEventKind.CAPTURED, transaction, f"captured:{reference}")
    # What a lost dispute took back is told by the dispute.
    ended = [(each, REFUND_STATUSES.get(each["status"])) for each in refunds if not each.get("dispute")]
    return ProviderPayment(
        gateway=GatewayName.PAYSTACK,
        reference=reference,
        payment_id=reference,
        order_id=capture.order_id,
        amount=capture.amount,
        fee_minor=capture.fee_minor,
        captured_at=capture.occurred_at,
        facts=(capture, *(_refund_fact(transaction, each, status) for each, status in ended if status)),
    )


def _transaction_id(refund: Mapping[str, Any]) -> int:
    transaction = refund["transaction"]
    return int(transaction["id"] if isinstance(transaction, dict) else transaction)


def _refund_key(refund: Mapping[str, Any]) -> str | None:
    found = REFUND_KEY.match(refund.get("merchant_note") or "")
    return found[1] if found else None


def _refund_result(refund: Mapping[str, Any]) -> RefundResult:
    status = REFUND_STATUSES.get(refund["status"], RefundStatus.PENDING)
    return RefundResult(str(refund["id"]), status, int(refund["amount"]))
