"""Stripe, through its own SDK: a payment intent per order, refunds on its charge, signed events."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import replace
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
    ProviderPayment,
    RefundResult,
    RefundStatus,
    header,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from stripe import Dispute, PaymentIntent, Refund, StripeClient
    from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams, RefundCreateParams, RefundListParams

    from common.config import Config

SIGNATURE_TOLERANCE_S = 300
PAGE = 100
FEE = "latest_charge.balance_transaction"
REFUND_STATUSES = {
    "succeeded": RefundStatus.SUCCEEDED,
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
REFUND_KINDS = {
    RefundStatus.SUCCEEDED: PaymentEventKind.REFUNDED,
    RefundStatus.FAILED: PaymentEventKind.REFUND_FAILED,
}
INTENT_KINDS = {
    "payment_intent.amount_capturable_updated": (PaymentEventKind.AUTHORIZED, "amount_capturable"),
    "payment_intent.succeeded": (PaymentEventKind.CAPTURED, "amount_received"),
    "payment_intent.payment_failed": (PaymentEventKind.FAILED, "amount"),
}
INTENT_STATUSES = {
    "requires_capture": (PaymentEventKind.AUTHORIZED, "amount_capturable"),
    "succeeded": (PaymentEventKind.CAPTURED, "amount_received"),
}
# charge.refunded tells the same without the refund's id, so it is not acted on.
REFUND_TYPES = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
DISPUTE_TYPE = "charge.dispute."
# An inquiry that is closed has cost nothing. Any other status is of a dispute that is open.
DISPUTE_KINDS = {
    "won": PaymentEventKind.DISPUTE_WON,
    "warning_closed": PaymentEventKind.DISPUTE_WON,
    "prevented": PaymentEventKind.DISPUTE_WON,
    "lost": PaymentEventKind.DISPUTE_LOST,
}


class StripeGateway:
    """One Stripe account. The SDK is imported by the first call that needs it."""

    name = GatewayName.STRIPE

    def __init__(self, configuration: Config) -> None:
        self._config = configuration

    @cached_property
    def _client(self) -> StripeClient:
        from stripe import StripeClient

        from common.payments.stripe_transport import SharedTransport

        return StripeClient(
            self._config.stripe_secret_key,
            base_addresses={"api": self._config.stripe_api_base},
            http_client=SharedTransport(CALL_TIMEOUT_S),
            max_network_retries=1,
        )

    async def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """A payment intent; the app pays it with the client secret."""
        params: PaymentIntentCreateParams = {
            "amount": request.amount.amount_minor,
            "currency": request.amount.currency.lower(),
            "description": request.description,
            # The app's payment sheet stays in the app: methods that leave for another page are not offered.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {
                "orderId": request.order_id,
                "orderNumber": request.order_number,
                "eventId": request.event_id,
            },
        }
        if request.buyer_email:
            params["receipt_email"] = request.buyer_email
        with _provider_errors():
            intent = await self._client.v1.payment_intents.create_async(
                params, {"idempotency_key": request.idempotency_key}
            )
        secret, publishable = intent.client_secret or "", self._config.stripe_publishable_key
        return Checkout(intent.id, {"clientSecret": secret, "publishableKey": publishable})

    async def order_of(self, reference: str) -> str | None:
        """The order in the payment intent's metadata."""
        from stripe import InvalidRequestError

        with _provider_errors():
            try:
                intent = await self._client.v1.payment_intents.retrieve_async(reference)
            except InvalidRequestError as unknown:
                if unknown.code == "resource_missing":
                    return None
                raise
        return _order_in(intent.metadata.to_dict() if intent.metadata else None)

    async def refund(
        self, payment_id: str, amount: Money, *, refund_key: str, order_id: str, reason: str
    ) -> RefundResult:
        """Refund a charge (or a payment intent's charge)."""
        with _provider_errors():
            # Stripe forgets idempotency keys after a day or so; what it holds under our key it never forgets.
            standing = await self._standing_refund(payment_id, refund_key)
            if standing:
                return standing
            params: RefundCreateParams = {
                "amount": amount.amount_minor,
                "reason": "requested_by_customer",
                "metadata": {"refundKey": refund_key, "orderId": order_id, "reason": reason[:500]},
            }
            params["charge" if _is_charge(payment_id) else "payment_intent"] = payment_id
            refund = await self._client.v1.refunds.create_async(params, {"idempotency_key": f"refund:{refund_key}"})
        return _refund_result(refund.id, refund.status, refund.amount)

    async def _standing_refund(self, payment_id: str, refund_key: str) -> RefundResult | None:
        if _is_charge(payment_id):
            refunds = await self._client.v1.refunds.list_async({"charge": payment_id, "limit": 100})
        else:
            refunds = await self._client.v1.refunds.list_async({"payment_intent": payment_id, "limit": 100})
        async for refund in refunds.auto_paging_iter():
            if refund.metadata and refund.metadata.to_dict().get("refundKey") == refund_key:
                return _refund_result(refund.id, refund.status, refund.amount)
        return None

    async def facts_of(self, reference: str) -> tuple[PaymentEvent, ...]:
        """The payment intent with its fee, its refunds and its disputes."""
        with _provider_errors():
            intent, disputes = await asyncio.gather(
                self._client.v1.payment_intents.retrieve_async(reference, {"expand": [FEE]}),
                self._client.v1.disputes.list_async({"payment_intent": reference, "limit": PAGE}),
            )
            things: list[Any] = [intent]
            things += [refund async for refund in self._refunds({"payment_intent": reference})]
            things += [dispute async for dispute in disputes.auto_paging_iter()]
        return _facts_of(things)

    async def payments_between(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayment]:
        """Its payment intents page by page; those of earlier days that were refunded since come last."""
        refunds: dict[str, dict[str, Refund]] = {}
        async for refund in self._refunds({"created": {"gte": int(since.timestamp())}}):
            if isinstance(refund.payment_intent, str):
                refunds.setdefault(refund.payment_intent, {})[refund.id] = refund
        span: PaymentIntentListParams = {
            "created": {"gte": int(since.timestamp()), "lt": _ceiling(until)},
            "limit": PAGE,
            "expand": [f"data.{FEE}"],
        }
        seen = set()
        with _provider_errors():
            intents = await self._client.v1.payment_intents.list_async(span)
            async for intent in intents.auto_paging_iter():
                seen.add(intent.id)
                if intent.status == "succeeded":
                    yield _provider_payment(intent, refunds.get(intent.id, {}).values())
        for payment_id in refunds.keys() - seen:
            found = await self.find_payment(payment_id)
            if found is not None:
                yield found

    async def find_payment(self, payment_id: str) -> ProviderPayment | None:
        """The payment intent of this id, when it was captured."""
        from stripe import InvalidRequestError

        with _provider_errors():
            try:
                intent = await self._client.v1.payment_intents.retrieve_async(payment_id, {"expand": [FEE]})
            except InvalidRequestError as unknown:
                if unknown.code == "resource_missing":
                    return None
                raise
        if intent.status != "succeeded":
            return None
        return _provider_payment(intent, [each async for each in self._refunds({"payment_intent": payment_id})])

    async def _refunds(self, asked: RefundListParams) -> AsyncIterator[Refund]:
        with _provider_errors():
            page = await self._client.v1.refunds.list_async({**asked, "limit": PAGE})
            async for refund in page.auto_paging_iter():
                yield refund

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Stripe's own check of signature and age."""
        from stripe import SignatureVerificationError, WebhookSignature

        secret = self._config.stripe_webhook_secret
        if not secret:
            raise GatewayUnavailable("no Stripe webhook secret is configured")
        try:
            WebhookSignature.verify_header(
                body.decode(), header(headers, "stripe-signature"), secret, SIGNATURE_TOLERANCE_S
            )
        except (SignatureVerificationError, UnicodeDecodeError, TypeError) as wrong:
            # TypeError: the SDK compares the header as ASCII and lets the comparison fail on other text.
            raise BadSignature from wrong

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedEvent:
        """A payment intent's, refund's or dispute's event."""
        try:
            document = json.loads(body)
            event_id, event_type, thing = document["id"], document["type"], document["data"]["object"]
            if not (isinstance(event_id, str) and event_id and isinstance(event_type, str)):
                raise TypeError("id and type must be texts")
            occurred_at = datetime.fromtimestamp(document["created"], UTC)
            event = _payment_event(event_id, event_type, thing, occurred_at)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError) as wrong:
            raise MalformedEvent(f"{type(wrong).__name__}: {wrong}") from wrong
        return ParsedEvent(event_id, event_type, event)


def _is_charge(payment_id: str) -> bool:
    return not payment_id.startswith("pi_")


def _order_in(metadata: Mapping[str, Any] | None) -> str | None:
    order_id = (metadata or {}).get("orderId")
    return order_id if isinstance(order_id, str) and order_id else None


def _refund_result(refund_id: str, status: str | None, amount_minor: int) -> RefundResult:
    return RefundResult(refund_id, REFUND_STATUSES.get(status or "", RefundStatus.PENDING), amount_minor)


def _payment_event(event_id: str, event_type: str, thing: dict[str, Any], at: datetime) -> PaymentEvent | None:
    if event_type in INTENT_KINDS:
        kind, amount_field = INTENT_KINDS[event_type]
        return _fact(kind, thing, thing["id"], thing.get(amount_field, thing["amount"]), at, event_id=event_id)
    if event_type in REFUND_TYPES or event_type.startswith(DISPUTE_TYPE):
        told = _fact_of(thing, at)
        return replace(told, event_id=event_id) if told is not None else None
    return None


def _fact_of(thing: dict[str, Any], at: datetime) -> PaymentEvent | None:
    """What the present state of an intent, refund or dispute says; None for what says nothing yet."""
    if thing["object"] == "payment_intent":
        failed = (PaymentEventKind.FAILED, "amount") if thing["last_payment_error"] else None
        told = INTENT_STATUSES.get(thing["status"], failed)
        if told is None:
            return None
        return _fact(told[0], thing, thing["id"], thing[told[1]], at, fee_minor=_fee(thing))
    kind: PaymentEventKind | None = DISPUTE_KINDS.get(thing["status"], PaymentEventKind.DISPUTED)
    if thing["object"] == "refund":
        kind = REFUND_KINDS.get(REFUND_STATUSES.get(thing["status"], RefundStatus.PENDING))
    # A charge that no payment intent made is not one of ours.
    if kind is None or not isinstance(thing["payment_intent"], str):
        return None
    key = (thing.get("metadata") or {}).get("refundKey")
    return _fact(kind, thing, thing["payment_intent"], thing["amount"], at, refund_id=thing["id"], refund_key=key)


def _fact(
    kind: PaymentEventKind, thing: dict[str, Any], reference: str, amount: int, at: datetime, **more: Any
) -> PaymentEvent:
    return PaymentEvent(
        gateway=GatewayName.STRIPE,
        kind=kind,
        # An intent succeeds once, whichever of its charges did: it is the payment, and what a refund refers to.
        reference=reference,
        payment_id=reference,
        order_id=_order_in(thing.get("metadata")),
        amount=Money(amount_minor=amount, currency=thing["currency"].upper()),
        occurred_at=at,
        **{"event_id": "", "refund_id": None} | more,
    )


def _facts_of(things: Iterable[PaymentIntent | Refund | Dispute]) -> tuple[PaymentEvent, ...]:
    """What the present states of these say, as the events that told of it."""
    told = [_fact_of(state, _moment(state)) for state in (thing.to_dict() for thing in things)]
    known = [fact for fact in told if fact is not None]
    return tuple(replace(fact, event_id=f"{fact.kind}:{fact.refund_id or fact.payment_id}") for fact in known)


def _moment(thing: dict[str, Any]) -> datetime:
    """When it began; of a payment intent, when it was charged."""
    charge = thing.get("latest_charge")
    return datetime.fromtimestamp((charge if isinstance(charge, dict) else thing)["created"], UTC)


def _fee(intent: dict[str, Any]) -> int | None:
    """What Stripe keeps, where it is kept in the payment's currency: the account may be paid out in another."""
    charge = intent.get("latest_charge")
    entry = charge.get("balance_transaction") if isinstance(charge, dict) else None
    return entry["fee"] if isinstance(entry, dict) and entry["currency"] == intent["currency"] else None


def _ceiling(moment: datetime) -> int:
    """Its times are whole seconds, rounded down."""
    return int(moment.timestamp()) + 1


def _provider_payment(intent: PaymentIntent, refunds: Iterable[Refund]) -> ProviderPayment:
    capture, *ended = _facts_of([intent, *refunds])
    return ProviderPayment(
        gateway=capture.gateway,
        reference=capture.reference,
        payment_id=capture.payment_id,
        order_id=capture.order_id,
        amount=capture.amount,
        fee_minor=capture.fee_minor,
        captured_at=capture.occurred_at,
        facts=(capture, *ended),
    )


@contextmanager
def _provider_errors() -> Iterator[None]:
    """Turn the SDK's errors into the two that callers tell apart."""
    from stripe import APIConnectionError, APIError, CardError, RateLimitError, StripeError

    try:
        yield
    except (APIConnectionError, APIError, RateLimitError) as failure:
        raise GatewayUnavailable(failure.user_message) from failure
    except CardError as declined:
        raise GatewayRefused(declined.user_message, providerCode=declined.code) from declined
    except StripeError as refused:
        raise GatewayRefused(refused.user_message, providerCode=refused.code) from refused
