"""Whether the providers' books, the orders and the ledger tell the same story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.orders.schemas import OrderStatus

if TYPE_CHECKING:
    from common.operations.books import Books
    from tests.fire.providers import Account

SOLD: Final = {OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED}


def wrong_money(books: Books, accounts: list[Account]) -> list[str]:
    """Captured at the providers is what tickets cost and what went back; the ledger says the same."""
    captured, returned = sum(each.captured for each in accounts), sum(each.refunded for each in accounts)
    kept = sum(
        order.amounts.total.amount_minor - order.refunded_minor for order in books.orders if order.status in SOLD
    )
    wrong = []
    if captured != kept + returned:
        wrong.append(f"captured {captured} is not ticketed {kept} + refunded {returned}")
    ours, theirs = sum(bool(each.amount.amount_minor) for each in books.refunds), sum(each.refunds for each in accounts)
    if ours != theirs:
        wrong.append(f"{ours} refunds of ours, {theirs} at the providers")
    posted = [posting for entry in books.ledger for posting in entry.postings]
    at_gateways = sum(each.amount_minor for each in posted if each.account.startswith(("gateway:", "gateway_fees:")))
    if at_gateways != captured - returned:
        wrong.append(f"the ledger expects {at_gateways} at the providers, they have {captured - returned}")
    if owed := sum(each.amount_minor for each in posted if each.account.startswith("buyer:")):
        wrong.append(f"{-owed} are owed to buyers although every refund is paid")
    return wrong
