"""The shapes of orders: what a buyer asks for, what is stored, what the buyer sees."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from common.events.schemas import LARGEST_CAPACITY, LARGEST_ORDER, MOST_TIERS, DiscountBasisPoints, PerPerson, Price
from common.money import Money, allocate
from common.paging import CursorText, Page, PageSize
from common.tickets.schemas import Holder, UnitRef
from common.wire import Opaque, Record, UtcDatetime, Wire

if TYPE_CHECKING:
    from collections.abc import Iterable


class OrderStatus(StrEnum):
    HELD = "held"
    PAID = "paid"
    TICKETED = "ticketed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"


class OrderLineRequest(Wire):
    """Some units of one tier. `unitPrice` is what the buyer saw: at another price nothing is held."""

    tier_id: Opaque
    quantity: Annotated[int, Field(ge=1, le=LARGEST_ORDER)]
    holders: Annotated[tuple[Holder, ...], Field(max_length=LARGEST_ORDER)] = ()
    unit_price: Money | None = None


class OrderRequest(Wire):
    """POST /v1/orders."""

    event_id: Opaque
    lines: Annotated[tuple[OrderLineRequest, ...], Field(min_length=1, max_length=20)]
    promo_code: Annotated[str, Field(min_length=1, max_length=40)] | None = None


class Amounts(Wire):
    """What an order costs: total = subtotal - discount + fee + tax, all in one currency."""

    subtotal: Money
    discount: Money
    fee: Money
    tax: Money
    total: Money

    @property
    def for_tickets(self) -> Money:
        """What is paid for the tickets themselves, fee and tax aside."""
        paid = self.subtotal.amount_minor - self.discount.amount_minor
        return Money(amount_minor=paid, currency=self.subtotal.currency)


class OrderLine(Record):
    """A line of a stored order, at the price that was held; `discount_minor` is its part of all discounts."""

    tier_id: Opaque
    tier_name: str
    quantity: int
    unit_price: Money
    discount_minor: int = 0
    holders: tuple[Holder, ...] = ()
    # Counts towards the tier's limit per person, as that stood when the order was made.
    limited: bool = False

    @property
    def paid_parts(self) -> tuple[int, ...]:
        """What is paid for each of its tickets, fee and tax aside; they add up to the line exactly."""
        paid = self.unit_price.amount_minor * self.quantity - self.discount_minor
        return allocate(paid, [1] * self.quantity)


class PromoUse(Record):
    """The use of a promo code that an order owns: the code's unit `number`, None once it is given back."""

    code: str
    promo_id: Opaque
    number: int | None = None
    # Counts towards the code's limit per person, as that stood when the order was made.
    limited: bool = False


class Order(Record):
    """orders/{orderId}. `units` are the numbered units it owns while it is held, paid or ticketed."""

    order_id: Opaque
    order_number: str
    event_id: Opaque
    org_id: Opaque
    buyer_id: str
    buyer_email: str | None
    buyer_phone: str | None
    status: OrderStatus
    fingerprint: str
    lines: tuple[OrderLine, ...]
    units: tuple[UnitRef, ...]
    amounts: Amounts
    refunded_minor: int = 0
    event_title: str
    venue_name: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    created_at: UtcDatetime
    hold_expires_at: UtcDatetime
    payment_id: str | None = None
    ticket_ids: tuple[str, ...] = ()
    ticketed_at: UtcDatetime | None = None
    promo: PromoUse | None = None
    # Of the booking, where it is recorded: what a provider sets off later, which knows nothing of it, joins its trace.
    traceparent: str | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def takes(self) -> dict[str, int]:
        """What must be taken from the inventory for it: units of its tiers, and one use of its promo code."""
        return {line.tier_id: line.quantity for line in self.lines} | ({self.promo.promo_id: 1} if self.promo else {})

    @property
    def owned(self) -> tuple[UnitRef, ...]:
        """What it owns of the inventory: its units, and the use of its promo code."""
        if self.promo is None or self.promo.number is None:
            return self.units
        return (*self.units, UnitRef(tier_id=self.promo.promo_id, number=self.promo.number))

    @property
    def counted(self) -> dict[str, int]:
        """What counts towards limits per person: units by tier, and the use of its promo code."""
        counted = {line.tier_id: line.quantity for line in self.lines if line.limited}
        return counted | ({self.promo.promo_id: 1} if self.promo and self.promo.limited else {})

    def owning(self, taken: Iterable[UnitRef]) -> Self:
        """The order once it owns these, which it took."""
        if self.promo is None:
            return self.model_copy(update={"units": tuple(taken)})
        numbers = [unit.number for unit in taken if unit.tier_id == self.promo.promo_id]
        promo = self.promo.model_copy(update={"number": numbers[0] if numbers else None})
        units = tuple(unit for unit in taken if unit.tier_id != promo.promo_id)
        return self.model_copy(update={"units": units, "promo": promo})


class OrderLineReply(Wire):
    """A line of an order; `discount` is its part of the order's."""

    tier_id: str
    tier_name: str
    quantity: int
    unit_price: Money
    discount: Money
    holders: tuple[Holder, ...] = ()


class OrderReply(Wire):
    """An order as its buyer sees it; `ticketIds` once it is ticketed."""

    order_id: str
    order_number: str
    event_id: str
    event_title: str
    status: OrderStatus
    hold_expires_at: UtcDatetime
    created_at: UtcDatetime
    amounts: Amounts
    refunded: Money
    lines: tuple[OrderLineReply, ...]
    ticket_ids: tuple[str, ...] = ()
    promo_code: str | None = None


class OrderPage(Page[OrderReply]):
    """GET /v1/orders."""


class OrdersQuery(Wire):
    """Which of the caller's orders."""

    limit: PageSize = 20
    cursor: CursorText | None = None


class OrderRef(Record):
    """The payload of tasks about one order."""

    order_id: Opaque


class EventRef(Record):
    """The payload of tasks about one event."""

    event_id: Opaque


class PromoKind(StrEnum):
    PERCENT = "percent"
    AMOUNT = "amount"


class PromoTerms(Wire):
    """PUT /v1/events/{eventId}/promo-codes/{code}: what a code gives, to whom and when.

    Of the lines of `tierIds` (all, where there are none) it takes `basisPoints` of what they cost, or `amount` once an
    order. `minQuantity` counts the units of these lines. Without `maxUses` there are as many uses as tickets.
    """

    kind: PromoKind
    basis_points: DiscountBasisPoints | None = None
    amount: Price | None = None
    max_uses: Annotated[int, Field(ge=1, le=LARGEST_CAPACITY)] | None = None
    max_per_person: PerPerson | None = None
    tier_ids: Annotated[tuple[Opaque, ...], Field(min_length=1, max_length=MOST_TIERS)] | None = None
    starts_at: UtcDatetime | None = None
    ends_at: UtcDatetime | None = None
    min_quantity: Annotated[int, Field(ge=1, le=LARGEST_ORDER)] = 1
    active: bool = True

    @model_validator(mode="after")
    def _one_discount(self) -> Self:
        if (self.basis_points is not None) is not (self.kind is PromoKind.PERCENT):
            raise ValueError("basisPoints belongs to kind percent")
        if (self.amount is not None) is not (self.kind is PromoKind.AMOUNT):
            raise ValueError("amount belongs to kind amount")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("endsAt must be later than startsAt")
        return self


class PromoCode(Record):
    """events/{eventId}/promoCodes/{code}. Its uses are units in shards, as if `promo_id` were a tier."""

    code: str
    promo_id: Opaque
    terms: PromoTerms
    shards: int
    created_at: UtcDatetime
    updated_at: UtcDatetime

    @property
    def capacity(self) -> int:
        """How many uses there are; where there is no limit, one for each unit that an event can have."""
        return self.terms.max_uses or MOST_TIERS * LARGEST_CAPACITY


class PromoCodeReply(PromoTerms):
    """A promo code and how often it is used: by orders that are held, paid or ticketed."""

    code: str
    uses: int
    created_at: UtcDatetime
    updated_at: UtcDatetime


class PromoCodePage(Page[PromoCodeReply]):
    """GET /v1/events/{eventId}/promo-codes."""


class PromoCodesQuery(Wire):
    """Which promo codes of an event."""

    limit: PageSize = 20
    cursor: CursorText | None = None
