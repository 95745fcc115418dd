"""What an order costs: unit prices of the moment, group discount, promo code, fee and tax. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.errors import Problem
from common.money import Money, allocate, share
from common.orders.schemas import Amounts, OrderLine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from common.events.schemas import Event, StoredTier
    from common.orders.schemas import OrderLineRequest, OrderRequest, PromoTerms

# On the platform's own fee, in basis points: GST in India, VAT in Nigeria.
FEE_TAX: Final = {"IN": 1_800, "NG": 750}


class PriceChanged(Problem):
    status, code, title = 409, "price_changed", "The price is not the one that you saw"


class PromoCodeNotApplicable(Problem):
    status, code, title = 422, "promo_code_not_applicable", "The promo code does not apply to this order"


@dataclass(frozen=True)
class Quote:
    """What an order will cost if it is held."""

    lines: tuple[OrderLine, ...]
    amounts: Amounts


def quote(
    event: Event,
    request: OrderRequest,
    promo: PromoTerms | None,
    taken: Mapping[str, int],
    now: datetime,
    fee_basis_points: int,
) -> Quote:
    """The price of each line and of all. `taken` is how many units of each stock-priced tier are held or sold."""
    tiers = [tier for line in request.lines if (tier := event.tier(line.tier_id)) is not None]
    lines = [
        _line(line, tier, tier.price_at(now, taken.get(tier.tier_id, 0)))
        for line, tier in zip(request.lines, tiers, strict=True)
    ]
    if promo is not None:
        lines = _with_promo(lines, promo, now)
    return Quote(tuple(lines), amounts(event.country, event.currency, lines, fee_basis_points))


def amounts(country: str, currency: str, lines: Sequence[OrderLine], fee_basis_points: int) -> Amounts:
    """The sums: the booking fee is a share of what is paid for tickets, taxed at its country's rate."""
    subtotal = sum(line.unit_price.amount_minor * line.quantity for line in lines)
    discount = sum(line.discount_minor for line in lines)
    fee = share(subtotal - discount, fee_basis_points)
    tax = share(fee, FEE_TAX.get(country, 0))
    total = subtotal - discount + fee + tax
    money = {"subtotal": subtotal, "discount": discount, "fee": fee, "tax": tax, "total": total}
    return Amounts(**{name: Money(amount_minor=minor, currency=currency) for name, minor in money.items()})


def _line(line: OrderLineRequest, tier: StoredTier, price: Money) -> OrderLine:
    if line.unit_price not in (None, price):
        raise PriceChanged(tierId=tier.tier_id, price=price.model_dump(by_alias=True))
    group = tier.group_discount
    grouped = group is not None and line.quantity >= group.min_quantity
    return OrderLine(
        tier_id=tier.tier_id,
        tier_name=tier.name,
        quantity=line.quantity,
        unit_price=price,
        discount_minor=share(price.amount_minor * line.quantity, group.basis_points) if group and grouped else 0,
        holders=line.holders,
        limited=tier.max_per_person is not None,
    )


def _with_promo(lines: Sequence[OrderLine], promo: PromoTerms, now: datetime) -> list[OrderLine]:
    """The lines with the code's discount, of what other discounts leave, spread over those that it applies to."""
    applies = [promo.tier_ids is None or line.tier_id in promo.tier_ids for line in lines]
    _check_promo(promo, sum(line.quantity for line, fits in zip(lines, applies, strict=True) if fits), now)
    left = [
        line.unit_price.amount_minor * line.quantity - line.discount_minor if fits else 0
        for line, fits in zip(lines, applies, strict=True)
    ]
    wanted = share(sum(left), promo.basis_points or 0) if promo.amount is None else promo.amount.amount_minor
    discount = min(wanted, sum(left))
    if not discount:  # a use is not spent on nothing
        raise PromoCodeNotApplicable("There is nothing that it could take off.", reason="nothing_to_discount")
    parts = allocate(discount, left)
    return [
        line.model_copy(update={"discount_minor": line.discount_minor + part})
        for line, part in zip(lines, parts, strict=True)
    ]


def _check_promo(promo: PromoTerms, quantity: int, now: datetime) -> None:
    if promo.starts_at is not None and now < promo.starts_at:
        raise PromoCodeNotApplicable("The code is not valid yet.", reason="not_started")
    if not promo.active or (promo.ends_at is not None and now >= promo.ends_at):
        raise PromoCodeNotApplicable("The code has ended.", reason="ended")
    if not quantity:
        raise PromoCodeNotApplicable("The code is for other tiers.", reason="tier")
    if quantity < promo.min_quantity:
        raise PromoCodeNotApplicable(f"The code needs {promo.min_quantity} tickets.", reason="min_quantity")
