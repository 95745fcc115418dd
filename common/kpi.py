"""The events that the business counts, each with when it is counted. Terraform makes a metric of each (manifest.json).

Most follow from a domain event, and are counted by whoever takes its entry out of the outbox: the commit that makes
the thing true writes one entry, so a repeated request, webhook or task counts nothing again. A process that dies after
taking the entry out and before writing the line loses a count. These numbers steer; what is owed is in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common import log

if TYPE_CHECKING:
    from common.outbox import DomainEvent


@dataclass(frozen=True)
class Kpi:
    """A number of the business.

    `of`: the domain events that it counts. `label`: what it is told apart by. `has_amount`: its events carry money,
    which is summed by currency.
    """

    name: str
    meaning: str
    of: tuple[str, ...] = ()
    label: str | None = None
    has_amount: bool = False


SIGN_UP: Final = Kpi("sign_up", "Somebody signed in for the first time: their profile was made.")
LOG_IN: Final = Kpi("log_in", "Somebody began a session, the first one included. Asked twice, it counts twice.")
EVENT: Final = Kpi("event", "An event went on sale.", of=("event.published",))
BOOKING: Final = Kpi("booking", "An order holds its units, whether it is paid later or not.", of=("order.held",))
PURCHASE: Final = Kpi(
    "purchase",
    "An order has its tickets. The amount is what the buyer pays, fees and tax included: summed, the GMV.",
    of=("order.ticketed",),
    has_amount=True,
)
REFUND: Final = Kpi(
    "refund",
    "Money of a purchase is to go back, whole or in part; not yet that it arrived.",
    of=("order.refunded", "order.partially_refunded"),
    has_amount=True,
)
TRANSFER: Final = Kpi("transfer", "A ticket went to somebody else.", of=("ticket.transferred",))
CHECK_IN: Final = Kpi("check_in", "A ticket was scanned at a door, by the door's answer.", label="result")
ATTENDANCE: Final = Kpi("attendance", "Somebody walked in: a ticket was used up.", of=("ticket.checked_in",))

KPIS: Final = (SIGN_UP, LOG_IN, EVENT, BOOKING, PURCHASE, REFUND, TRANSFER, CHECK_IN, ATTENDANCE)
BY_EVENT: Final = {type_: kpi for kpi in KPIS for type_ in kpi.of}


def count(kpi: Kpi, label: str | None = None) -> None:
    """One more, as a line that holds no person."""
    log.of_business(f"kpi {kpi.name}", kpi=kpi.name, **({kpi.label: label} if kpi.label else {}))


def count_event(event: DomainEvent) -> None:
    """One more of what this domain event stands for, if it stands for any."""
    kpi = BY_EVENT.get(event.type)
    if kpi is None:
        return
    # An entry that the release before wrote may have no amount.
    money = event.data.get("amount", {}) if kpi.has_amount else {}
    log.of_business(f"kpi {kpi.name}", kpi=kpi.name, **money)
