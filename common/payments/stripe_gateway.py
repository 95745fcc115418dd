"""Stripe, through its own SDK: a payment intent per order, refunds on its charge, signed events."""

from __future__ import annotations

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

    from stripe import PaymentIntent, Refund, StripeClient
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
# charge.refunded tells the same without the refund's id, so it is not acted on.
REFUND_TYPES = ("refund.created", "refund.updated")


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
        return _refund_result(refund.id, refund.status)

    async def _standing_refund(self, payment_id: str, refund_key: str) -> RefundResult | None:
        if _is_charge(payment_id):
            refunds = await self._client.v1.refunds.list_async({"charge": payment_id, "limit": 100})
        else:
            refunds = await self._client.v1.refunds.list_async({"payment_intent": payment_id, "limit": 100})
        async for refund in refunds.auto_paging_iter():
            if refund.metadata and refund.metadata.to_dict().get("refundKey") == refund_key:
                return _refund_result(refund.id, refund.status)
        return None

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


def _refund_result(refund_id: str, status: str | None) -> RefundResult:
    return RefundResult(refund_id, REFUND_STATUSES.get(status or "", RefundStatus.PENDING))


def _payment_event(event_id: str, event_type: str, thing: dict[str, Any], at: datetime) -> PaymentEvent | None:
    refund_id = None
    if event_type in INTENT_KINDS:
        kind, amount_field = INTENT_KINDS[event_type]
        reference, amount = thing["id"], thing.get(amount_field, thing["amount"])
    elif event_type in REFUND_TYPES:
        if thing["status"] != "succeeded":
            return None
        kind, refund_id, amount = PaymentEventKind.REFUNDED, thing["id"], thing["amount"]
        reference = thing["payment_intent"]
    elif event_type == "charge.dispute.created":
        kind, amount = PaymentEventKind.DISPUTED, thing["amount"]
        reference = thing["payment_intent"]
    else:
        return None
    if not isinstance(reference, str):
        # A charge that no payment intent made is not one of ours.
        return None
    money = Money(amount_minor=amount, currency=thing["currency"].upper())
    order_id = _order_in(thing.get("metadata"))
    # An intent succeeds once, whichever of its charges did: it is the payment, and what a refund refers to.
    return PaymentEvent(GatewayName.STRIPE, event_id, kind, reference, reference, order_id, money, refund_id, at)


def _ceiling(moment: datetime) -> int:
    """Its times are whole seconds, rounded down."""
    return int(moment.timestamp()) + 1


def _provider_payment(intent: PaymentIntent, refunds: Iterable[Refund]) -> ProviderPayment:
    charge: Any = intent.latest_charge
    entry = charge.balance_transaction
    order_id = _order_in(intent.metadata.to_dict() if intent.metadata else None)
    amount = Money(amount_minor=intent.amount_received, currency=intent.currency.upper())
    capture = PaymentEvent(
        gateway=GatewayName.STRIPE,
        event_id=f"captured:{intent.id}",
        kind=PaymentEventKind.CAPTURED,
        reference=intent.id,
        payment_id=intent.id,
        order_id=order_id,
        amount=amount,
        refund_id=None,
        occurred_at=datetime.fromtimestamp(charge.created, UTC),
        # The fee is in the currency that the account is paid out in, which may be another.
        fee_minor=entry.fee if entry and entry.currency == intent.currency else None,
    )
    return ProviderPayment(
        gateway=capture.gateway,
        reference=capture.reference,
        payment_id=capture.payment_id,
        order_id=order_id,
        amount=amount,
        fee_minor=capture.fee_minor,
        captured_at=capture.occurred_at,
        facts=(capture, *(fact for each in refunds if (fact := _refund_fact(capture, each)))),
    )


def _refund_fact(capture: PaymentEvent, refund: Refund) -> PaymentEvent | None:
    kind = REFUND_KINDS.get(_refund_result(refund.id, refund.status).status)
    if kind is None:
        return None
    metadata = refund.metadata.to_dict() if refund.metadata else {}
    return replace(
        capture,
        event_id=f"{kind}:{refund.id}",
        kind=kind,
        amount=Money(amount_minor=refund.amount, currency=refund.currency.upper()),
        refund_id=refund.id,
        refund_key=metadata.get("refundKey"),
        fee_minor=None,
        occurred_at=datetime.fromtimestamp(refund.created, UTC),
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
