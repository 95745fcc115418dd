"""What an order costs, for all orders: sums that add up, discounts that never exceed, parts that lose nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.events import rules as event_rules
from common.events.schemas import Event, EventRequest, TierFields, Venue
from common.money import Money, allocate
from common.orders.pricing import PriceChanged, PromoCodeNotApplicable, Quote, quote
from common.orders.schemas import OrderRequest, PromoTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FEE = 1_000


def inr(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": "INR"}


def event(*tiers: dict[str, Any], country: str = "IN") -> Event:
    request = EventRequest(
        org_id="org_a",
        title="Night at the Mill",
        description="Four rooms, two floors.",
        starts_at=NOW + 24 * HOUR,
        ends_at=NOW + 30 * HOUR,
        timezone="Asia/Kolkata",
        venue=Venue(name="Mill", address="Lower Parel", city="Mumbai", latitude=19, longitude=72.8),
        tiers=tuple(TierFields.model_validate({"name": "General", "capacity": 100} | tier) for tier in tiers),
    )
    return event_rules.new_event(request, "evt_a", "INR", country, NOW)


def priced(
    of: Event,
    *quantities: int,
    promo: PromoTerms | None = None,
    taken: Mapping[str, int] | None = None,
    at: datetime = NOW,
    **line: Any,
) -> Quote:
    lines = [
        {"tier_id": tier.tier_id, "quantity": count} | line
        for tier, count in zip(of.tiers, quantities, strict=True)
        if count
    ]
    request = OrderRequest.model_validate({"event_id": of.event_id, "lines": lines})
    return quote(of, request, promo, taken or {}, at, FEE)


def terms(**fields: Any) -> PromoTerms:
    kind = "amount" if "amount" in fields else "percent"
    return PromoTerms.model_validate({"kind": kind} | fields)


def minor(quoted: Quote) -> dict[str, int]:
    return {name: getattr(quoted.amounts, name).amount_minor for name in type(quoted.amounts).model_fields}


# --- properties

AMOUNTS = st.integers(0, 100_000_000)
POINTS = st.integers(1, 10_000)
GROUPS = st.none() | st.fixed_dictionaries({"min_quantity": st.integers(2, 10), "basis_points": POINTS})
TIERS = st.lists(st.tuples(AMOUNTS, st.integers(1, 10), GROUPS), min_size=1, max_size=4)
PROMOS = st.none() | st.builds(
    lambda points, amount, some: terms(
        **({"basis_points": points} if points else {"amount": inr(amount)}),
        tier_ids=some,
    ),
    st.none() | POINTS,
    AMOUNTS,
    st.none(),
)


def quoted_or_none(tiers: list[tuple[int, int, Any]], promo: PromoTerms | None, only_first: bool) -> Quote | None:
    of = event(*({"price": inr(price), "group_discount": group} for price, _, group in tiers))
    if promo is not None and only_first:
        promo = promo.model_copy(update={"tier_ids": (of.tiers[0].tier_id,)})
    try:
        return priced(of, *(count for _, count, _ in tiers), promo=promo)
    except PromoCodeNotApplicable as nothing:
        assert nothing.extensions["reason"] == "nothing_to_discount"
        return None


@given(TIERS, PROMOS, st.booleans())
def test_amounts_add_up_and_no_discount_exceeds_what_it_is_taken_from(
    tiers: list[tuple[int, int, Any]], promo: PromoTerms | None, only_first: bool
) -> None:
    quoted = quoted_or_none(tiers, promo, only_first)
    if quoted is None:
        return
    sums = minor(quoted)
    assert min(sums.values()) >= 0
    assert sums["total"] == sums["subtotal"] - sums["discount"] + sums["fee"] + sums["tax"]
    assert sums["subtotal"] == sum(price * count for price, count, _ in tiers)
    assert sums["discount"] == sum(line.discount_minor for line in quoted.lines)
    for line in quoted.lines:
        assert 0 <= line.discount_minor <= line.unit_price.amount_minor * line.quantity
    if promo is not None and promo.amount is not None and not any(group for _, _, group in tiers):
        assert sums["discount"] <= promo.amount.amount_minor
    if promo is not None and only_first:
        bare = quoted_or_none(tiers, None, only_first=False)
        assert bare is not None
        assert [line.discount_minor for line in quoted.lines[1:]] == [line.discount_minor for line in bare.lines[1:]]


@given(TIERS, PROMOS, st.booleans())
def test_what_is_paid_for_the_tickets_is_what_is_paid(
    tiers: list[tuple[int, int, Any]], promo: PromoTerms | None, only_first: bool
) -> None:
    quoted = quoted_or_none(tiers, promo, only_first)
    if quoted is None:
        return
    parts = [part for line in quoted.lines for part in line.paid_parts]
    sums = minor(quoted)
    assert sum(parts) == sums["subtotal"] - sums["discount"]
    for line in quoted.lines:
        assert len(line.paid_parts) == line.quantity
        assert max(line.paid_parts) - min(line.paid_parts) <= 1
        assert 0 <= min(line.paid_parts) <= max(line.paid_parts) <= line.unit_price.amount_minor


@given(AMOUNTS, st.integers(1, 10), POINTS, POINTS)
def test_a_larger_percentage_never_costs_more(price: int, count: int, one: int, other: int) -> None:
    of = event({"price": inr(price)})

    def total(points: int) -> int:
        try:
            return minor(priced(of, count, promo=terms(basis_points=points)))["total"]
        except PromoCodeNotApplicable:
            return minor(priced(of, count))["total"]

    less, more = sorted((one, other))
    assert total(more) <= total(less) <= minor(priced(of, count))["total"]


@given(AMOUNTS, st.integers(1, 9))
def test_another_ticket_never_costs_less_without_group_discounts(price: int, count: int) -> None:
    of = event({"price": inr(price)})
    assert minor(priced(of, count))["total"] <= minor(priced(of, count + 1))["total"]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), st.data())
def test_parts_are_exact_and_within_their_weights(weights: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(weights)))
    parts = allocate(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert 0 <= part <= weight
        assert abs(part * sum(weights) - amount * weight) < max(1, sum(weights))  # less than one off its share


# --- examples


def test_group_discount_first_then_the_code_then_fee_and_tax() -> None:
    of = event({"price": inr(10_000), "group_discount": {"min_quantity": 4, "basis_points": 1_000}})
    assert minor(priced(of, 3))["discount"] == 0
    quoted = priced(of, 4, promo=terms(basis_points=5_000))
    # 40 000 - 4 000 for the group, half of the rest for the code; 10 % fee on what is left, 18 % GST on the fee
    assert minor(quoted) == {"subtotal": 40_000, "discount": 22_000, "fee": 1_800, "tax": 324, "total": 20_124}


def test_an_amount_is_taken_off_once_an_order_and_no_deeper_than_nothing() -> None:
    of = event({"price": inr(500)}, {"price": inr(250)})
    promo = terms(amount=inr(600))
    assert [line.discount_minor for line in priced(of, 1, 1, promo=promo).lines] == [400, 200]
    assert minor(priced(of, 1, 0, promo=promo)) == {"subtotal": 500, "discount": 500, "fee": 0, "tax": 0, "total": 0}


def test_ticket_parts_that_do_not_divide() -> None:
    of = event({"price": inr(100)})
    assert priced(of, 3, promo=terms(amount=inr(100))).lines[0].paid_parts == (67, 67, 66)


STEPS = [
    {"price": inr(300), "until": NOW + HOUR, "until_sold": 10},
    {"price": inr(400), "until": NOW + 2 * HOUR},
    {"price": inr(450), "until_sold": 50},
]


@pytest.mark.parametrize(
    ("hours", "taken", "price"),
    [(0, 0, 300), (0, 9, 300), (0, 10, 400), (1, 0, 400), (1.99, 99, 400), (2, 49, 450), (2, 50, 500), (9, 100, 500)],
)
def test_the_first_step_that_still_holds_is_the_price(hours: float, taken: int, price: int) -> None:
    of = event({"price": inr(500), "price_steps": STEPS})
    quoted = priced(of, 1, at=NOW + hours * HOUR, taken={of.tiers[0].tier_id: taken})
    assert quoted.lines[0].unit_price == Money(**inr(price))
    assert of.tiers[0].stock_priced


def test_the_lowest_price_over_time_counts_on_no_stock() -> None:
    early = {"price": inr(500), "price_steps": [{"price": inr(200), "until": NOW + HOUR}]}
    first_ten = {"price": inr(400), "price_steps": [{"price": inr(100), "until_sold": 10}]}
    of = event(early, first_ten)
    assert of.min_price_minor == 400
    assert [(price.until, price.amount_minor) for price in of.min_prices] == [(NOW + HOUR, 200)]


@pytest.mark.parametrize("seen", [inr(499), {"amount_minor": 500, "currency": "NGN"}])
def test_another_price_than_the_one_that_was_seen_is_refused(seen: dict[str, Any]) -> None:
    of = event({"price": inr(500)})
    assert priced(of, 2, unit_price=inr(500)).lines[0].unit_price.amount_minor == 500
    with pytest.raises(PriceChanged) as changed:
        priced(of, 2, unit_price=seen)
    told = {"tierId": of.tiers[0].tier_id, "price": {"amountMinor": 500, "currency": "INR"}}
    assert changed.value.extensions == told


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"starts_at": NOW + HOUR}, "not_started"),
        ({"ends_at": NOW}, "ended"),
        ({"active": False}, "ended"),
        ({"tier_ids": ("tier_other",)}, "tier"),
        ({"min_quantity": 3}, "min_quantity"),
    ],
)
def test_a_code_that_does_not_apply_says_why(fields: dict[str, Any], reason: str) -> None:
    of = event({"price": inr(500)})
    with pytest.raises(PromoCodeNotApplicable) as refused:
        priced(of, 2, promo=terms(basis_points=1_000, **fields))
    assert refused.value.extensions["reason"] == reason


@pytest.mark.parametrize(("country", "tax"), [("IN", 180), ("NG", 75), ("DE", 0)])
def test_the_fee_is_taxed_by_country(country: str, tax: int) -> None:
    assert minor(priced(event({"price": inr(10_000)}, country=country), 1))["tax"] == tax
