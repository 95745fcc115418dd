"""The rules of settlement at work without Firestore: an order, its payment at a gateway, its refunds, its ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from common.money import Money
from common.operations import audit
from common.operations.books import Books as EventBooks
from common.orders.schemas import OrderStatus
from common.orders.shards import Shard
from common.payments import ledger, payment_facts, refund_rules
from common.payments.gateways import GatewayName, PaymentEvent, PaymentEventKind, RefundStatus
from common.payments.outflow_rules import Reclaim, VoidOrder
from common.payments.schemas import Payment, PaymentStatus, RefundRequest
from common.payments.settlement_rules import Books, settle
from common.tickets.rules import new_tickets
from common.tickets.schemas import TicketStatus
from tests.support.records import NOW, an_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from common.orders.schemas import Order
    from common.payments.schemas import LedgerEntry, Refund
    from common.payments.settlement_rules import Settled
    from common.tickets.schemas import Ticket


def fact(
    kind: str, payment_id: str = "pi_1", amount: int = 111_800, refund_id: str | None = None, **more: Any
) -> PaymentEvent:
    """A fact as an adapter tells it."""
    return PaymentEvent(
        gateway=GatewayName.STRIPE,
        event_id=f"{kind}:{refund_id or payment_id}",
        kind=PaymentEventKind(kind),
        reference="ref_1",
        payment_id=payment_id,
        order_id="ord_1",
        amount=Money(amount_minor=amount, currency=more.pop("currency", "INR")),
        refund_id=refund_id,
        occurred_at=NOW,
        **more,
    )


@dataclass
class MoneyWorld:
    """What settlement.py and refunds.py do in Firestore, on plain values and through the same rules."""

    order: Order = field(default_factory=an_order)
    units_left: int = 10
    refunds: dict[str, Refund] = field(default_factory=dict)
    entries: dict[str, LedgerEntry] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    alerts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = count(1)
        self.payment = Payment(
            payment_id=f"{self.order.order_id}_stripe",
            order_id=self.order.order_id,
            event_id=self.order.event_id,
            gateway=GatewayName.STRIPE,
            reference="ref_1",
            amount=self.order.amounts.total,
            client={},
            status=PaymentStatus.CREATED,
            created_at=NOW,
        )

    def hear(self, *events: PaymentEvent) -> None:
        """Facts arrive, and what follows is done."""
        nothing_left = None
        for event in events:
            attempts = payment_facts.join(self.payment.attempts, payment_facts.fact(event))
            self.payment = self.payment.model_copy(update={"attempts": attempts})
        for _ in range(5):
            settled = settle(Books(self.order, self.payment, self.refunds), NOW, nothing_left)
            self._apply(settled)
            match settled.first:
                case None:
                    return
                case Reclaim():
                    nothing_left = self._reclaim()
                case VoidOrder(refund, owed):
                    decision = refund_rules.everything(self.order, list(self.tickets.values()), owed)
                    self._give_back(decision, refund)
        raise AssertionError("it does not come to an end")

    def _apply(self, settled: Settled) -> None:
        if settled.books.order.ticketed_at != self.order.ticketed_at:
            self.tickets = {ticket.ticket_id: ticket for ticket in new_tickets(self.order, NOW)}
        self.order, self.payment = settled.books.order, settled.books.payment
        self.refunds = dict(settled.books.refunds)
        self._append(settled.entries)
        self.alerts += settled.alerts

    def _append(self, entries: Iterable[LedgerEntry]) -> None:
        for entry in entries:
            assert entry.entry_id not in self.entries, f"{entry.entry_id} is booked twice"
            self.entries[entry.entry_id] = entry

    def _reclaim(self) -> str | None:
        if self.units_left < len(an_order().units):
            return "sold_out"
        self.units_left -= len(an_order().units)
        self.order = self.order.model_copy(update={"status": OrderStatus.HELD, "units": an_order().units})
        return None

    def _give_back(self, decision: refund_rules.Decision, refund: Refund) -> None:
        assert refund.refund_id not in self.refunds
        self._append(ledger.refund_decided(self.order, refund, decision.amount, NOW))
        self.refunds[refund.refund_id] = refund
        for ticket in decision.tickets:
            self.tickets[ticket.ticket_id] = ticket.model_copy(update={"status": TicketStatus.CANCELLED})
        dead = [ticket.unit for ticket in decision.tickets]
        self.units_left += len(dead)
        given_back = self.order.refunded_minor + decision.amount.amount_minor
        left = tuple(unit for unit in self.order.units if unit not in dead)
        update = {"status": decision.status, "refunded_minor": given_back, "units": left}
        self.order = self.order.model_copy(update=update)

    def end_hold(self, status: OrderStatus) -> None:
        """The hold runs out, or the buyer gives it up."""
        if self.order.status is OrderStatus.HELD:
            self.units_left += len(self.order.units)
            self.order = self.order.model_copy(update={"status": status, "units": ()})

    def request_refund(self, **asked: Any) -> Refund:
        """The organizer gives money back."""
        request = RefundRequest(reason="asked for", **asked)
        decision = refund_rules.decide(self.order, list(self.tickets.values()), request, True, NOW)
        paid_by = (GatewayName.STRIPE, self.payment.provider_payment_id or "")
        dead = tuple(ticket.ticket_id for ticket in decision.tickets)
        refund = refund_rules.new_refund(
            f"ref_{next(self.numbers)}", self.order, decision.amount, "asked for", dead, "host", NOW, paid_by
        )
        self._give_back(decision, refund)
        return refund

    @property
    def valid_tickets(self) -> int:
        return sum(ticket.status is TicketStatus.VALID for ticket in self.tickets.values())

    def balances(self) -> dict[str, int]:
        """What stands on each account."""
        sums: Counter[str] = Counter()
        for entry in self.entries.values():
            for posting in entry.postings:
                sums[posting.account] += posting.amount_minor
        return {account: amount for account, amount in sums.items() if amount}

    def state(self) -> dict[str, Any]:
        """How things stand, whichever way they came about."""
        ours = [each for each in self.refunds.values() if not each.stray]
        strays: Counter[str] = Counter()
        for each in self.refunds.values():
            # Which record stands for which part of a capture that goes back whole is of no account.
            strays[each.status] += each.amount.amount_minor if each.stray else 0
        return {
            "order": (self.order.status, self.order.refunded_minor, len(self.order.units)),
            "tickets": self.valid_tickets,
            "payment": (self.payment.status, self.payment.refunded_minor, self.payment.attempts),
            "refunds": sorted((each.amount.amount_minor, each.status, each.reason) for each in ours),
            "returned": {status: amount for status, amount in sorted(strays.items()) if amount},
            "balances": self.balances(),
        }

    def violations(self) -> list[str]:
        """What the audit finds; refunds that wait for a person are as they should be here."""
        units = self.order.units
        taken = {unit.number for unit in units}
        returned = tuple(number for number in range(10) if number not in taken)
        held = "held" if self.order.status is OrderStatus.HELD else "sold"
        books = EventBooks(
            event_id=self.order.event_id,
            capacity={"tier_1": 10},
            shards=(Shard("shard", "tier_1", 0, 10, 10, returned, open=True),),
            units={(unit.tier_id, unit.number): {"orderId": self.order.order_id, "state": held} for unit in units},
            orders=(self.order,),
            tickets=tuple(self.tickets.values()),
            payments=(self.payment.model_copy(update={"heard_at": NOW - 2 * audit.IN_FLIGHT}),),
            refunds=tuple(self.refunds.values()),
            ledger=tuple(self.entries.values()),
        )
        found = audit.check(books, NOW)
        return [
            f"{each.invariant}: {each.subject}: {each.detail}"
            for each in found
            if not (each.invariant == "refunds finish" and each.detail.startswith("failed"))
        ]

    def unpaid(self) -> list[Refund]:
        """Refunds of ours whose attempt is to be made."""
        return [each for each in self.refunds.values() if each.status is RefundStatus.PENDING and each.attempt]
