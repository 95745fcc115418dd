"""The shapes of orders: what a buyer asks for, what is stored, what the buyer sees."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from common.money import Money
from common.paging import CursorText, Page, PageSize
from common.tickets.schemas import Holder, UnitRef
from common.wire import Opaque, Record, UtcDatetime, Wire


class OrderStatus(StrEnum):
    HELD = "held"
    PAID = "paid"
    TICKETED = "ticketed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"


class OrderLineRequest(Wire):
    """Some units of one tier."""

    tier_id: Opaque
    quantity: Annotated[int, Field(ge=1, le=50)]
    holders: Annotated[tuple[Holder, ...], Field(max_length=50)] = ()


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


class OrderLine(Record):
    """A line of a stored order, at the price that was held."""

    tier_id: Opaque
    tier_name: str
    quantity: int
    unit_price: Money
    holders: tuple[Holder, ...] = ()
    # Counts towards the tier's limit per person, as that stood when the order was made.
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


class OrderLineReply(Wire):
    """A line of an order."""

    tier_id: str
    tier_name: str
    quantity: int
    unit_price: Money
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
