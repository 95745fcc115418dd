"""Commission: which rate, of what, and when an agreed one or the default applies."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.finance import rules
from common.finance.rules import BANDS, DEFAULT_RATE, MINOR_PER_MAJOR, RATES, Charge, commission, commission_rate
from common.organizations.schemas import Organization
from tests.support.records import NOW

OLD = timedelta(days=90)


def organization(age: timedelta = OLD, currency: str = "INR", agreed: int | None = None) -> Organization:
    return Organization(
        org_id="org_1",
        name="Mill Nights",
        country="IN",
        currency=currency,
        owner_ids=("host",),
        created_at=NOW - age,
        updated_at=NOW,
        commission_basis_points=agreed,
    )


@pytest.mark.parametrize(
    ("rupees", "rate"),
    [
        (0, 1_500),
        (499_999, 1_500),
        (500_000, 1_200),
        (1_999_999, 1_200),
        (2_000_000, 1_000),
        (10_000_000, 800),
        (49_999_999, 800),
        (50_000_000, 500),
        (10**12, 500),
    ],
)
def test_the_rate_falls_with_the_volume(rupees: int, rate: int) -> None:
    assert commission_rate(organization(), rupees * 100, NOW) == rate


def test_the_bands_are_of_one_form() -> None:
    assert list(RATES) == sorted(RATES, reverse=True)
    assert (RATES[0], RATES[-1]) == (1_500, 500)
    for bands in BANDS.values():
        assert len(bands) == len(RATES) - 1
        assert all(low < high for low, high in pairwise((0, *bands)))


@given(st.sampled_from(sorted(BANDS)), st.integers(0, 10**14), st.integers(0, 10**14))
def test_more_volume_never_costs_more(currency: str, one: int, other: int) -> None:
    rates = [commission_rate(organization(currency=currency), volume, NOW) for volume in sorted((one, other))]
    assert 1_500 >= rates[0] >= rates[1] >= 500


def test_without_a_full_history_or_a_table_it_is_the_default() -> None:
    almost = OLD - timedelta(seconds=1)
    for volume in (0, 10**12):
        assert commission_rate(organization(almost), volume, NOW) == DEFAULT_RATE == 1_000
        assert commission_rate(organization(currency="JPY"), volume, NOW) == DEFAULT_RATE


def test_an_agreed_rate_goes_first() -> None:
    for age, currency in ((OLD, "INR"), (timedelta(0), "INR"), (OLD, "JPY")):
        assert commission_rate(organization(age, currency, 650), 10**12, NOW) == 650


@pytest.mark.parametrize(
    ("net", "rate", "country", "amount", "tax"),
    [
        (100_000, 1_000, "IN", 10_000, 1_800),
        (100_000, 1_500, "NG", 15_000, 1_125),
        (100_000, 500, "DE", 5_000, 0),
        (29_555, 1_000, "IN", 2_956, 532),
        (4, 1_000, "IN", 0, 0),
        (5, 1_000, "IN", 1, 0),
        (0, 1_500, "IN", 0, 0),
        (-1, 1_500, "IN", 0, 0),
    ],
)
def test_commission_is_a_share_of_net_sales_and_taxed(net: int, rate: int, country: str, amount: int, tax: int) -> None:
    assert commission(net, rate, country) == Charge(amount, tax)


def test_bands_are_in_major_units() -> None:
    first = BANDS["NGN"][0] * MINOR_PER_MAJOR
    assert commission_rate(organization(currency="NGN"), first - 1, NOW) == RATES[0]
    assert commission_rate(organization(currency="NGN"), first, NOW) == RATES[1]
    assert rules.TRAILING == timedelta(days=90)
