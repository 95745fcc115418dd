"""The invariants that no crash, race or repeat may break, checked on what is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from common import clients, clock
from common.operations.books import Books, books_of
from common.orders.schemas import Order, OrderStatus
from common.payments import ledger
from common.payments.gateways import RefundStatus
from common.payments.schemas import EntryKind, Payment, WebhookStatus
from common.tickets.schemas import TicketStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

# A settlement or a refund that takes longer than this is stuck, not in flight.
IN_FLIGHT: Final = timedelta(minutes=5)
# An order that ended before it was paid has given its promo code back; a refund gives back tickets only.
WITHOUT_PROMO: Final = {OrderStatus.EXPIRED, OrderStatus.CANCELLED}
OWNING: Final = {OrderStatus.HELD, OrderStatus.PAID, OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED}
SOLD: Final = {OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED}


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold, and where."""

    invariant: str
    subject: str
    detail: str


async def audit_event(event_id: str) -> tuple[Violation, ...]:
    """Every violation of one event's invariants, exact even while it sells."""
    return check(await books_of(event_id), clock.now())


def check(books: Books, now: datetime) -> tuple[Violation, ...]:
    """The violations in these books."""
    return (
        *_shards(books),
        *_units(books),
        *_uses(books),
        *_tickets(books),
        *_ledger(books),
        *_income(books),
        *_money(books, now),
        *_balances(books),
    )


def _shards(books: Books) -> Iterable[Violation]:
    """Per shard: taken + returned + withdrawn + never used = size, by number; those on sale are the tier's capacity."""
    sizes: Counter[str] = Counter()
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for tier_id, number in books.units | books.uses:
        numbers[tier_id].add(number)
    for item in books.shards:
        sizes[item.tier_id] += item.capacity
        end = item.first + item.size
        present = numbers[item.tier_id] & set(range(item.first, end))
        numbers[item.tier_id] -= present
        given_back = (*item.returned, *item.withdrawn)
        free = set(given_back)
        taken = set(range(item.first, item.next)) - free
        if taken != present - free or not item.first <= item.next <= end or len(free) != len(given_back):
            wrong = sorted(taken ^ (present - free))
            counts = f"{len(present)} taken + {len(given_back)} given back + {item.unused} unused of {item.size}"
            yield Violation("shard adds up", item.path, f"{counts}; units that do not fit: {wrong}")
        if both := sorted(present & free):
            yield Violation("returned units are free", item.path, f"units {both} are returned and taken")
    for tier_id, outside in numbers.items():
        if outside:
            yield Violation("units are in a shard", tier_id, f"units {sorted(outside)} are in none")
    for tier_id, capacity in books.capacity.items():
        if books.shards and sizes[tier_id] != capacity:
            yield Violation("shards are the capacity", tier_id, f"{sizes[tier_id]} != {capacity}")


def _units(books: Books) -> Iterable[Violation]:
    """An order owns exactly its units, held while it is held, sold once it is ticketed."""
    owned: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for unit, fields in books.units.items():
        owned[fields["orderId"]].add(unit)
    known = {order.order_id for order in books.orders}
    for order_id in owned.keys() - known:
        yield Violation("units have an order", order_id, f"{len(owned[order_id])} units of no order")
    for order in books.orders:
        claimed = {(unit.tier_id, unit.number) for unit in order.units}
        if claimed != owned.get(order.order_id, set()):
            yield Violation("an order owns its units", order.order_id, f"{claimed} != {owned.get(order.order_id)}")
        if claimed and order.status not in OWNING:
            yield Violation("only live orders own units", order.order_id, f"{order.status} with {len(claimed)}")
        wanted = "held" if order.status is OrderStatus.HELD else "sold"
        wrong = [unit for unit in owned.get(order.order_id, set()) if books.units[unit]["state"] != wanted]
        if wrong:
            yield Violation("units are as their order", order.order_id, f"{wrong} are not {wanted}")


def _uses(books: Books) -> Iterable[Violation]:
    """A use of a promo code belongs to one order, which names it, until that order ends unpaid."""
    named: Counter[tuple[str, int | None, str]] = Counter(
        (order.promo.promo_id, order.promo.number, order.order_id)
        for order in books.orders
        if order.promo is not None and order.status not in WITHOUT_PROMO
    )
    used: Counter[tuple[str, int | None, str]] = Counter(
        (promo_id, number, fields["orderId"]) for (promo_id, number), fields in books.uses.items()
    )
    for promo_id, number, order_id in (named - used) + (used - named):
        yield Violation("promo uses have an order", order_id, f"use {number} of {promo_id}")


def _tickets(books: Books) -> Iterable[Violation]:
    """Every sold unit has exactly one ticket that opens the door, and every such ticket its sold unit."""
    live = Counter(
        (ticket.unit.tier_id, ticket.unit.number)
        for ticket in books.tickets
        if ticket.status in {TicketStatus.VALID, TicketStatus.USED}
    )
    sold = {unit for unit, fields in books.units.items() if fields["state"] == "sold"}
    for unit in sold - live.keys():
        yield Violation("sold units have a ticket", str(unit), "no valid ticket")
    for unit, count in live.items():
        if unit not in sold or count > 1:
            yield Violation("valid tickets are sold units", str(unit), f"{count} tickets, sold: {unit in sold}")


def _ledger(books: Books) -> Iterable[Violation]:
    """Every entry, and so the ledger, adds up to zero; what is summed of it are its postings."""
    for entry in books.ledger:
        rest = sum(posting.amount_minor for posting in entry.postings)
        if rest:
            yield Violation("ledger balances", entry.entry_id, f"off by {rest} {entry.currency}")
        if entry.totals != ledger.totals(entry.postings):
            yield Violation("totals are the postings", entry.entry_id, f"{entry.totals}")


def _income(books: Books) -> Iterable[Violation]:
    """Of each paid order the ledger holds booking fee and tax in the share that was not given back."""
    booked: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    for entry in books.ledger:
        booked[entry.order_id].update(fee=entry.totals.platform_fee, tax=entry.totals.tax)
    entries = {entry.entry_id for entry in books.ledger}
    for order in books.orders:
        if f"{order.payment_id}_sale" not in entries:
            continue
        total = order.amounts.total.amount_minor
        back = min(order.refunded_minor, total)
        for name, whole in (("fee", order.amounts.fee.amount_minor), ("tax", order.amounts.tax.amount_minor)):
            kept = whole - whole * back // total
            if -booked[order.order_id][name] != kept:
                detail = f"{-booked[order.order_id][name]} instead of {kept}"
                yield Violation(f"the {name} of an order is booked", order.order_id, detail)


def _money(books: Books, now: datetime) -> Iterable[Violation]:
    """Captured = ticketed + refunded + in flight, payment by payment, and so it stands in the ledger."""
    orders = {order.order_id: order for order in books.orders}
    refunded: Counter[str] = Counter()
    for refund in books.refunds:
        since = refund.due_at or refund.created_at
        if refund.status is RefundStatus.PENDING and now - since > IN_FLIGHT:
            yield Violation("refunds finish", refund.refund_id, f"pending since {since:%c}")
        elif refund.status is RefundStatus.FAILED:
            yield Violation("refunds finish", refund.refund_id, f"failed: {refund.failure}")
        if not refund.stray:
            refunded[refund.order_id] += refund.amount.amount_minor
    paid = set()
    for payment in books.payments:
        yield from _captures(books, payment, orders.get(payment.order_id), now)
        bought = payment.attempts.get(payment.provider_payment_id or "")
        if bought is not None and bought.captured is not None:
            paid.add(payment.payment_id)
    for order in books.orders:
        if order.status in SOLD and order.amounts.total.amount_minor and order.payment_id not in paid:
            yield Violation("an order with tickets is paid", order.order_id, f"by {order.payment_id}")
        if order.refunded_minor != refunded[order.order_id]:
            detail = f"{order.refunded_minor} on the order, {refunded[order.order_id]} in refunds"
            yield Violation("refunds are of their order", order.order_id, detail)
        if order.status is OrderStatus.HELD and now - order.hold_expires_at > IN_FLIGHT:
            yield Violation("holds end", order.order_id, f"expired at {order.hold_expires_at:%c}")


def _captures(books: Books, payment: Payment, order: Order | None, now: datetime) -> Iterable[Violation]:
    """Each capture buys its order and is booked, or goes back whole; none is given back more than once."""
    for payment_id, attempt in payment.attempts.items():
        if attempt.captured is None:
            continue
        captured = attempt.captured.amount_minor
        refunds = [each for each in books.refunds if each.provider_payment_id == payment_id]
        bought = order is not None and (order.payment_id, payment.provider_payment_id) == (
            payment.payment_id,
            payment_id,
        )
        returned = sum(each.amount.amount_minor for each in refunds)
        in_flight = payment.heard_at is not None and now - payment.heard_at <= IN_FLIGHT
        if not bought and returned != captured and not in_flight:
            yield Violation("a capture buys its order or goes back", payment_id, f"{returned} of {captured} go back")
        if bought and f"{payment.payment_id}_sale" not in {entry.entry_id for entry in books.ledger}:
            yield Violation("a captured payment is booked", payment.payment_id, "no sale in the ledger")
        if returned > captured:
            yield Violation("no more goes back than was captured", payment_id, f"{returned} of {captured}")


def _balances(books: Books) -> Iterable[Violation]:
    """Order by order: what the ledger says that we owe the buyer is unpaid, what the gateways hold was captured."""
    owed: Counter[str | None] = Counter()
    held: Counter[str | None] = Counter()
    # A split changes nothing of what was captured: the gateway owes a part of it to the organizer instead of us.
    for entry in (each for each in books.ledger if each.kind is not EntryKind.SPLIT):
        for posting in entry.postings:
            account = posting.account.partition(":")[0]
            if account == "buyer":
                owed[entry.order_id] -= posting.amount_minor
            elif account in {"gateway", "gateway_fees"}:
                held[entry.order_id] += posting.amount_minor
    for refund in books.refunds:
        paid = refund.status is RefundStatus.SUCCEEDED
        (held if paid else owed)[refund.order_id] += refund.amount.amount_minor * (1 if paid else -1)
    placed = {(each.order_id, each.provider_payment_id) for each in books.refunds if each.stray}
    placed |= {(each.order_id, each.provider_payment_id) for each in books.payments}
    for payment in books.payments:
        for payment_id, attempt in payment.attempts.items():
            if attempt.captured is not None and (payment.order_id, payment_id) in placed:
                held[payment.order_id] -= attempt.captured.amount_minor
    for order_id, rest in owed.items():
        if rest:
            yield Violation("the ledger says what we owe", str(order_id), f"off by {rest}")
    for order_id, rest in held.items():
        if rest:
            yield Violation("the ledger says what gateways hold", str(order_id), f"off by {rest}")


async def unsettled_webhooks(now: datetime) -> tuple[Violation, ...]:
    """Webhooks that were kept and never settled, beyond the time a settlement may take."""
    from google.cloud.firestore import FieldFilter

    query = (
        clients.firestore()
        .collection("webhooks")
        .where(filter=FieldFilter("status", "==", WebhookStatus.STORED))
        .where(filter=FieldFilter("receivedAt", "<", now - IN_FLIGHT))
        .order_by("receivedAt")
    )
    return tuple([Violation("webhooks are settled", found.id, "still waiting") async for found in query.stream()])


async def oldest_unsettled(now: datetime) -> float:
    """For how many seconds the oldest webhook has been waiting for its settlement; 0 when none is."""
    from google.cloud.firestore import FieldFilter

    query = (
        clients.firestore()
        .collection("webhooks")
        .where(filter=FieldFilter("status", "==", WebhookStatus.STORED))
        .order_by("receivedAt")
        .limit(1)
    )
    for found in await query.get():
        return float((now - found.get("receivedAt")).total_seconds())
    return 0.0
