"""docs/money.md: its figures are those of the rules, and it leaves out no account and no kind of entry."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from common.finance import rules
from common.money import Money
from common.payments import ledger
from common.payments.gateways import GatewayName
from common.payments.refund_rules import new_refund
from common.payments.schemas import EntryKind, LedgerEntry, Refund, Totals
from tests.finance.conftest import sums_of
from tests.support.records import NOW, an_order, captured_payment

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "money.md"
ORDER = an_order(2, 100_000)
HALF = ORDER.amounts.total.amount_minor // 2


def refund(refund_id: str, amount: int, tickets: tuple[str, ...] = ()) -> Refund:
    money = Money(amount_minor=amount, currency="INR")
    return new_refund(refund_id, ORDER, money, "why", tickets, "host", NOW, (GatewayName.STRIPE, "ch"))


def life_of_an_order() -> list[LedgerEntry]:
    """Two tickets at 1 000 rupees; one is given back before the event, which is then settled and paid out."""
    payment, back = captured_payment(ORDER, "ch"), refund("ref_1", HALF, ("tkt_1",))
    entries = [
        ledger.sale(ORDER, payment, NOW),
        ledger.gateway_fee(payment, 4_472, NOW),
        ledger.refund_owed(ORDER, back, NOW),
        ledger.refund_paid(back, NOW),
    ]
    charge = rules.commission(sums_of(entries).net_sales_minor, rules.DEFAULT_RATE, "IN")
    entries.append(ledger.commission("evt_1", "org_1", "INR", 0, charge.amount_minor, charge.tax_minor, NOW))
    owed = sums_of(entries).owed_minor
    return [*entries, ledger.payout("payout_1", "evt_1", "org_1", "INR", owed, NOW)]


def row(name: str, totals: Totals) -> str:
    return f"| {name} | " + " | ".join(map(rupees, totals.model_dump().values())) + " |"


def rupees(minor: int) -> str:
    whole, rest = divmod(abs(minor), 100)
    return f"{'-' if minor < 0 else ''}{whole}.{rest:02}" if minor else ""


ENTRIES = life_of_an_order()
ASIDE = [
    ledger.stray_capture(refund("ref_2", ORDER.amounts.total.amount_minor), NOW),
    ledger.refund_bounced(refund("ref_1", HALF, ("tkt_1",)), NOW),
    ledger.split(ORDER, captured_payment(ORDER, "ch"), "ch", ORDER.amounts.subtotal.amount_minor, NOW),
]


def end() -> Totals:
    postings = [posting for entry in ENTRIES for posting in entry.postings]
    return ledger.totals(postings)


@pytest.mark.parametrize("entry", [*ENTRIES, *ASIDE], ids=lambda entry: entry.kind)
def test_each_kind_of_entry_stands_there_with_its_postings(entry: LedgerEntry) -> None:
    assert row(f"`{entry.kind}`", entry.totals) in PAGE.read_text()


def test_every_kind_and_every_account_is_explained() -> None:
    assert {entry.kind for entry in [*ENTRIES, *ASIDE]} == set(EntryKind)
    text = PAGE.read_text()
    aliases = [str(field.alias) for field in Totals.model_fields.values()]
    assert "| entry | " + " | ".join(aliases) + " |" in text
    assert row("**what is left**", end()) in text


def test_the_bands_are_those_of_the_rules() -> None:
    text = PAGE.read_text()
    heads = [f"{rate / 100:g} %" for rate in rules.RATES]
    assert "| gross sales of 90 days | " + " | ".join(heads) + " |" in text
    for currency, bands in rules.BANDS.items():
        cells = [f"from {band:,}" for band in bands]
        assert f"| {currency} | below | " + " | ".join(cells) + " |" in text
