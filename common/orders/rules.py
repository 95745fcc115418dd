"""What may be sold to whom, at which price, and what may be refunded: pure decisions over plain values."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.errors import Problem
from common.events.schemas import Event, EventStatus
from common.ids import readable_number
from common.money import Money, share
from common.orders.inventory import SalesClosed
from common.orders.schemas import Amounts, Order, OrderLine, OrderRequest, OrderStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.events.schemas import Tier
    from common.tokens import Caller

MOST_UNITS_PER_ORDER: Final = 50
# On the platform's own fee, in basis points: GST in India, VAT in Nigeria.
FEE_TAX: Final = {"IN": 1_800, "NG": 750}
REFUND_CLOSES: Final = timedelta(hours=24)


class LimitReached(Problem):
    status, code, title = 409, "limit_reached", "More tickets than one order or person may have"


class UnknownTier(Problem):
    status, code, title = 422, "unknown_tier", "The event has no such tier"


class RepeatedTier(Problem):
    status, code, title = 422, "repeated_tier", "Each tier may stand in one line only"


class TooManyHolders(Problem):
    status, code, title = 422, "too_many_holders", "A line names more holders than it has tickets"


class UnknownPromoCode(Problem):
    status, code, title = 422, "unknown_promo_code", "This promo code does not exist"


class OrderStateConflict(Problem):
    status, code, title = 409, "order_state_conflict", "The order's state does not allow this"


class HoldExpired(Problem):
    status, code, title = 409, "hold_expired", "The hold has expired"


def check_request(request: OrderRequest) -> None:
    """Refuse what no event could sell."""
    tiers = Counter(line.tier_id for line in request.lines)
    if max(tiers.values()) > 1:
        raise RepeatedTier
    if request.promo_code is not None:
        raise UnknownPromoCode
    if sum(line.quantity for line in request.lines) > MOST_UNITS_PER_ORDER:
        raise LimitReached(f"One order holds at most {MOST_UNITS_PER_ORDER} tickets.", limit=MOST_UNITS_PER_ORDER)
    if any(len(line.holders) > line.quantity for line in request.lines):
        raise TooManyHolders


def check_sale(event: Event, request: OrderRequest, now: datetime) -> None:
    """Refuse what this event does not sell now, or not in this number."""
    if event.status is not EventStatus.PUBLISHED or now >= event.ends_at:
        raise SalesClosed
    for line in request.lines:
        tier = _tier(event, line.tier_id)
        not_yet = tier.sale_starts_at is not None and now < tier.sale_starts_at
        over = tier.sale_ends_at is not None and now >= tier.sale_ends_at
        if not_yet or over:
            raise SalesClosed(tierId=tier.tier_id)
        if line.quantity > tier.max_per_order:
            raise LimitReached(f"One order holds at most {tier.max_per_order}.", limit=tier.max_per_order)


def check_person(event: Event, request: OrderRequest, held: Mapping[str, int]) -> None:
    """Refuse more of a tier than one person may have; `held` is what they hold or own already."""
    for line in request.lines:
        most = _tier(event, line.tier_id).max_per_person
        if most is not None and held.get(line.tier_id, 0) + line.quantity > most:
            raise LimitReached(f"One person may have at most {most}.", limit=most)


def counts_per_person(event: Event, request: OrderRequest) -> bool:
    """Whether any line counts towards a limit per person."""
    return any(_tier(event, line.tier_id).max_per_person is not None for line in request.lines)


def _tier(event: Event, tier_id: str) -> Tier:
    tier = event.tier(tier_id)
    if tier is None:
        raise UnknownTier(tierId=tier_id)
    return tier


def price(event: Event, lines: tuple[OrderLine, ...], fee_basis_points: int) -> Amounts:
    """The amounts of an order: the booking fee is a share of what is paid for tickets, taxed at its country's rate."""
    subtotal = sum(line.unit_price.amount_minor * line.quantity for line in lines)
    fee = share(subtotal, fee_basis_points)
    tax = share(fee, FEE_TAX.get(event.country, 0))
    money = {"subtotal": subtotal, "discount": 0, "fee": fee, "tax": tax, "total": subtotal + fee + tax}
    return Amounts(**{name: Money(amount_minor=amount, currency=event.currency) for name, amount in money.items()})


def draft_order(
    event: Event,
    request: OrderRequest,
    buyer: Caller,
    order_id: str,
    fingerprint: str,
    now: datetime,
    hold: timedelta,
    fee_basis_points: int,
) -> Order:
    """The order as it will be held, but for its units."""
    lines = tuple(
        OrderLine(
            tier_id=line.tier_id,
            tier_name=_tier(event, line.tier_id).name,
            quantity=line.quantity,
            unit_price=_tier(event, line.tier_id).price,
            holders=line.holders,
            limited=_tier(event, line.tier_id).max_per_person is not None,
        )
        for line in request.lines
    )
    return Order(
        order_id=order_id,
        order_number=readable_number("MQ", order_id),
        event_id=event.event_id,
        org_id=event.org_id,
        buyer_id=buyer.user_id,
        buyer_email=buyer.email,
        buyer_phone=buyer.phone,
        status=OrderStatus.HELD,
        fingerprint=fingerprint,
        lines=lines,
        units=(),
        amounts=price(event, lines, fee_basis_points),
        event_title=event.title,
        venue_name=event.venue.name,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        created_at=now,
        hold_expires_at=now + hold,
    )


def check_cancel(order: Order) -> None:
    """Only a hold can be cancelled; what is paid is refunded."""
    if order.status is not OrderStatus.HELD:
        raise OrderStateConflict(f"The order is {order.status}.", orderStatus=order.status)


def check_checkout(order: Order, now: datetime) -> None:
    """Only a live hold can be paid."""
    if order.status is OrderStatus.EXPIRED or (order.status is OrderStatus.HELD and now >= order.hold_expires_at):
        raise HoldExpired
    if order.status is not OrderStatus.HELD:
        raise OrderStateConflict(f"The order is {order.status}.", orderStatus=order.status)
