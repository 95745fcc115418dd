"""What Marquee asks of a payment provider and what it hears from one, whichever provider it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from common.errors import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from common.money import Money

# A buyer waits for these calls, and a task that is retried anyway makes the others.
CALL_TIMEOUT_S = 10.0


class GatewayName(StrEnum):
    """The providers, as they are named on the wire."""

    STRIPE = "stripe"
    RAZORPAY = "razorpay"
    PAYSTACK = "paystack"


class PaymentEventKind(StrEnum):
    """What can happen to a payment. REFUNDED means that the money has left us, not that it was asked for."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"


class RefundStatus(StrEnum):
    """How far the provider is with a refund."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class BadSignature(Problem):
    status, code, title = 400, "bad_signature", "The signature does not belong to this body"


class MalformedEvent(Problem):
    status, code, title = 400, "malformed_event", "The event is not of the provider's form"


class GatewayUnavailable(Problem):
    """Worth trying again: what the call did is not known."""

    status, code, title = 503, "gateway_unavailable", "The payment provider cannot be reached"
    retry_after = 2


class GatewayRefused(Problem):
    """Not worth trying again as it is."""

    status, code, title = 502, "gateway_refused", "The payment provider refused"


@dataclass(frozen=True)
class Split:
    """An organizer's own account at the provider, which is paid its share of each payment directly."""

    subaccount: str
    kept_minor: int


@dataclass(frozen=True)
class CheckoutRequest:
    """One of our orders, to be paid. The same idempotency key makes one payment at the provider.

    `split` is for providers that pay organizers directly; `kept_minor` of the amount stays with us.
    """

    order_id: str
    order_number: str
    event_id: str
    amount: Money
    description: str
    buyer_email: str | None
    idempotency_key: str
    buyer_id: str = ""
    split: Split | None = None


@dataclass(frozen=True)
class Checkout:
    """The provider's id for the payment, and what its mobile SDK needs (camelCase, as it goes on the wire)."""

    reference: str
    client: Mapping[str, str]


@dataclass(frozen=True)
class PaymentEvent:
    """A fact about a payment.

    `reference` is what the checkout returned; `payment_id` is what a refund needs; `order_id` is None where the
    provider's event does not carry it (ask `order_of`). The `amount` of a refund or dispute is its own. `refund_id` is
    the provider's id of that refund or dispute, `refund_key` ours: None for a refund that somebody made in the
    provider's dashboard. `fee_minor` is what the provider keeps of a capture, in the currency of `amount`; None where
    the event does not say. `split_minor` is what of a capture it pays the organizer directly.
    """

    gateway: GatewayName
    event_id: str
    kind: PaymentEventKind
    reference: str
    payment_id: str
    order_id: str | None
    amount: Money
    refund_id: str | None
    occurred_at: datetime
    refund_key: str | None = None
    fee_minor: int | None = None
    split_minor: int = 0


@dataclass(frozen=True)
class ParsedEvent:
    """A webhook's identity, and its fact when it is of a kind that we act on.

    `ask_about` is the reference of an event that does not say which thing changed: the provider must be asked
    (`facts_of`) what happened to it.
    """

    event_id: str
    type: str
    event: PaymentEvent | None
    ask_about: str | None = None


@dataclass(frozen=True)
class ProviderPayment:
    """A captured payment as the provider's books have it now. `facts` are its capture and its finished refunds.

    No facts: no checkout of ours made it. `fee_minor` is None where the provider keeps its fee in another currency.
    """

    gateway: GatewayName
    reference: str
    payment_id: str
    order_id: str | None
    amount: Money
    fee_minor: int | None
    captured_at: datetime
    facts: tuple[PaymentEvent, ...]

    @property
    def refunded_minor(self) -> int:
        """What has gone back to the buyer."""
        return sum(fact.amount.amount_minor for fact in self.refunds)

    @property
    def refunds(self) -> tuple[PaymentEvent, ...]:
        """The refunds whose money has left."""
        return tuple(fact for fact in self.facts if fact.kind is PaymentEventKind.REFUNDED)


@dataclass(frozen=True)
class RefundResult:
    """The refund that stands at the provider under a refund key; its amount, where an earlier one is met again."""

    refund_id: str
    status: RefundStatus
    amount_minor: int | None = None


class Gateway(Protocol):
    """A payment provider. Calls raise GatewayUnavailable when they may be repeated, GatewayRefused when not."""

    @property
    def name(self) -> GatewayName:
        """Which provider this is."""

    async def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Have the provider expect this order's payment; a repeat returns the same one."""

    async def order_of(self, reference: str) -> str | None:
        """Which of our orders the provider made this reference for; None when it knows none."""

    async def refund(
        self, payment_id: str, amount: Money, *, refund_key: str, order_id: str, reason: str
    ) -> RefundResult:
        """Give money back once per refund key, however often and however late this is repeated."""

    async def facts_of(self, reference: str) -> tuple[PaymentEvent, ...]:
        """All that the provider says now about the payments of this reference, as the events that it would send."""

    def payments_between(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayment]:
        """Every captured payment that began in this span, or of which something was refunded since its start."""

    async def find_payment(self, payment_id: str) -> ProviderPayment | None:
        """The captured payment of this id; None when the provider knows none."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise BadSignature unless the provider signed exactly this body (and recently, where it says when)."""

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedEvent:
        """Read a verified webhook; raises MalformedEvent."""


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value whatever its case, or an empty text."""
    return next((value for key, value in headers.items() if key.lower() == name), "")
