"""What may be sold to whom, and in which number: pure decisions over plain values."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from common.errors import Problem
from common.events.schemas import LARGEST_ORDER, Event, EventStatus
from common.ids import readable_number
from common.orders.inventory import SalesClosed, SoldOut
from common.orders.pricing import PromoCodeNotApplicable
from common.orders.schemas import Order, OrderRequest, OrderStatus, PromoUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from common.events.schemas import StoredTier
    from common.orders.pricing import Quote
    from common.orders.schemas import OrderLine, OrderLineRequest, PromoCode
    from common.tokens import Caller

PROMO_CODE: Final = re.compile(r"[A-Z0-9-][A-Z0-9_-]{2,39}")


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


class PromoCodeUsedUp(SoldOut):
    code, title = "promo_code_used_up", "The promo code was used as often as it can be"


class PromoCodeLimitReached(LimitReached):
    code, title = "promo_code_limit_reached", "One person may not use the promo code more often"


class OrderStateConflict(Problem):
    status, code, title = 409, "order_state_conflict", "The order's state does not allow this"


class HoldExpired(Problem):
    status, code, title = 409, "hold_expired", "The hold has expired"


def check_request(request: OrderRequest) -> None:
    """Refuse what no event could sell."""
    tiers = Counter(line.tier_id for line in request.lines)
    if max(tiers.values()) > 1:
        raise RepeatedTier
    if sum(line.quantity for line in request.lines) > LARGEST_ORDER:
        raise LimitReached(f"One order holds at most {LARGEST_ORDER} tickets.", limit=LARGEST_ORDER)
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


def stock_priced(event: Event, request: OrderRequest) -> list[str]:
    """The tiers of this request whose price depends on how many units are taken."""
    return [line.tier_id for line in request.lines if _tier(event, line.tier_id).stock_priced]


def promo_code(text: str) -> str | None:
    """The code as it is stored, None if no code is written like this."""
    code = text.strip().upper()
    return code if PROMO_CODE.fullmatch(code) else None


def check_person(
    event: Event,
    promo: PromoCode | None,
    lines: Iterable[OrderLineRequest | OrderLine],
    held: Mapping[str, int],
) -> None:
    """Refuse more of a tier or a code than one person may have; `held` is what they hold or own already."""
    for line in lines:
        most = _tier(event, line.tier_id).max_per_person
        if most is not None and held.get(line.tier_id, 0) + line.quantity > most:
            raise LimitReached(f"One person may have at most {most}.", limit=most)
    uses = promo.terms.max_per_person if promo else None
    if promo is not None and uses is not None and held.get(promo.promo_id, 0) + 1 > uses:
        raise PromoCodeLimitReached(f"One person may use it {uses} times at most.", limit=uses)


def counts_per_person(event: Event, request: OrderRequest, promo: PromoCode | None) -> bool:
    """Whether anything counts towards a limit per person."""
    if promo is not None and promo.terms.max_per_person is not None:
        return True
    return any(_tier(event, line.tier_id).max_per_person is not None for line in request.lines)


def refusal(order: Order, gone: SoldOut | SalesClosed) -> Problem:
    """What the inventory's refusal means to the buyer: it may be about the promo code, which is no tier to them."""
    if order.promo is None or gone.extensions.get("tierId") != order.promo.promo_id:
        return gone
    if isinstance(gone, SoldOut):
        return PromoCodeUsedUp()
    return PromoCodeNotApplicable("The code has ended.", reason="ended")


def _tier(event: Event, tier_id: str) -> StoredTier:
    tier = event.tier(tier_id)
    if tier is None:
        raise UnknownTier(tierId=tier_id)
    return tier


def draft_order(
    event: Event,
    quoted: Quote,
    promo: PromoCode | None,
    buyer: Caller,
    order_id: str,
    fingerprint: str,
    now: datetime,
    hold: timedelta,
) -> Order:
    """The order as it will be held, but for its units."""
    limited = promo is not None and promo.terms.max_per_person is not None
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
        lines=quoted.lines,
        units=(),
        amounts=quoted.amounts,
        event_title=event.title,
        venue_name=event.venue.name,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        created_at=now,
        hold_expires_at=now + hold,
        promo=PromoUse(code=promo.code, promo_id=promo.promo_id, limited=limited) if promo else None,
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
