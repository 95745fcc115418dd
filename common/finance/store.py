"""Settlements and payouts in Firestore: settlements/{eventId}, payouts/{payoutId} and finance/settled.

Every change is one commit under derived ids, guarded by what was read before the sums: whoever comes second writes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from common import clients
from common.errors import NotFound
from common.finance.schemas import EventSettlement, Payout, PayoutStatus
from common.organizations.schemas import Organization
from common.paging import decode_cursor, encode_cursor, moment
from common.payments import ledger
from common.payments.store import ledger_path
from common.transaction import in_transaction, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.cloud.firestore import AsyncTransaction, AsyncWriteBatch

    from common.events.schemas import Event
    from common.finance.rules import Charge
    from common.payments.schemas import LedgerEntry

PAYOUTS: Final = "payouts"
SETTLEMENTS: Final = "settlements"
PROGRESS: Final = "finance/settled"
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A settlement as it was read, with the update_time that guards the next write."""

    settlement: EventSettlement
    update_time: datetime


@dataclass(frozen=True)
class Due:
    """A settled event and what the ledger owes its organizer."""

    seen: Seen
    owed_minor: int


def _document(path: str) -> Any:
    return clients.firestore().document(path)


def settlement_path(event_id: str) -> str:
    return f"{SETTLEMENTS}/{event_id}"


def payout_path(payout_id: str) -> str:
    return f"{PAYOUTS}/{payout_id}"


async def terms_of(event: Event) -> tuple[Organization, EventSettlement | None, datetime]:
    """The event's organization, its settlement if there is one, and the moment at which they were read."""
    references = [_document(f"organizations/{event.org_id}"), _document(settlement_path(event.event_id))]
    found = {each.reference.path: each async for each in clients.firestore().get_all(references)}
    organization, settlement = (found[reference.path] for reference in references)
    settled = EventSettlement.of(settlement.to_dict()) if settlement.exists else None
    return Organization.of(organization.to_dict()), settled, settlement.read_time


async def settled_through() -> datetime:
    """All events that ended before this moment are settled."""
    snapshot = await _document(PROGRESS).get()
    return (snapshot.to_dict() or {}).get("through", EARLIEST)


async def note_settled_through(moment: datetime) -> None:
    """Let the next run begin here. One that begins earlier only finds what is settled."""
    await _document(PROGRESS).set({"through": moment})


async def settle(settlement: EventSettlement, charge: Charge, now: datetime) -> None:
    """Fix the event's rate and book its commission, once."""
    batch = clients.firestore().batch()
    batch.create(_document(settlement_path(settlement.event_id)), settlement.document())
    _book(batch, _commission(settlement, charge, now))
    await _commit(batch)


async def correct(seen: Seen, charge: Charge, now: datetime) -> Seen | None:
    """Book a difference of commission; None when another run was quicker."""
    revised = seen.settlement.model_copy(update={"revision": seen.settlement.revision + 1})
    batch = clients.firestore().batch()
    _update(batch, seen, {"revision": revised.revision})
    _book(batch, _commission(revised, charge, now))
    updated = await _commit(batch)
    return Seen(revised, updated) if updated else None


async def close(seen: Seen) -> None:
    """Look at this event no more."""
    batch = clients.firestore().batch()
    _update(batch, seen, {"open": False})
    await _commit(batch)


async def create_payout(payout: Payout, dues: Sequence[Due]) -> bool:
    """Book a payout and its lines, and mark their events as paid with it; False when another run was quicker."""
    seen = {due.seen.settlement.event_id: due.seen for due in dues}
    batch = clients.firestore().batch()
    batch.create(_document(payout_path(payout.payout_id)), payout.document())
    for line in payout.lines:
        _update(batch, seen[line.event_id], {"lastPayoutId": payout.payout_id})
        amount = line.amount
        booked = (payout.payout_id, line.event_id, payout.org_id, amount.currency, amount.amount_minor)
        _book(batch, ledger.payout(*booked, payout.created_at))
    return await _commit(batch) is not None


def _commission(settlement: EventSettlement, charge: Charge, now: datetime) -> LedgerEntry:
    about = (settlement.event_id, settlement.org_id, settlement.currency, settlement.revision)
    return ledger.commission(*about, charge.amount_minor, charge.tax_minor, now)


def _book(batch: AsyncWriteBatch, entry: LedgerEntry) -> None:
    if entry.postings:
        batch.create(_document(ledger_path(entry.entry_id)), entry.document())


def _update(batch: AsyncWriteBatch, seen: Seen, fields: dict[str, Any]) -> None:
    batch.update(_document(settlement_path(seen.settlement.event_id)), fields, option=_unchanged(seen))


def _unchanged(seen: Seen) -> Any:
    return clients.firestore().write_option(last_update_time=seen.update_time)


async def _commit(batch: AsyncWriteBatch) -> datetime | None:
    """When it took effect; None when a document was there already, or had changed."""
    from google.api_core.exceptions import AlreadyExists, FailedPrecondition

    try:
        [first, *_] = await batch.commit()
    except (AlreadyExists, FailedPrecondition):
        return None
    return first.update_time


async def open_settlements() -> list[Seen]:
    """The settled events on which something may be owed."""
    from google.cloud.firestore import FieldFilter

    query = clients.firestore().collection(SETTLEMENTS).where(filter=FieldFilter("open", "==", True))
    return [Seen(EventSettlement.of(each.to_dict()), each.update_time) async for each in query.stream()]


async def failed_payouts() -> list[str]:
    """The ids of the payouts that the bank gave back."""
    from google.cloud.firestore import FieldFilter

    query = clients.firestore().collection(PAYOUTS).where(filter=FieldFilter("status", "==", PayoutStatus.FAILED))
    return [each.id async for each in query.select(["status"]).stream()]


async def find_payout(payout_id: str) -> Payout | None:
    """The payout of this id."""
    snapshot = await _document(payout_path(payout_id)).get()
    return Payout.of(snapshot.to_dict()) if snapshot.exists else None


async def change_payout(payout_id: str, decide: Callable[[Payout], Payout]) -> Payout:
    """The payout after this decision about it."""

    async def work(transaction: AsyncTransaction) -> Payout:
        [fields] = await read(transaction, payout_path(payout_id))
        if fields is None:
            raise NotFound("There is no such payout.")
        payout = Payout.of(fields)
        changed = decide(payout)
        if changed != payout:
            transaction.update(_document(payout_path(payout_id)), changed.document())
        return changed

    return await in_transaction(work)


async def payouts_of_organization(org_id: str, limit: int, cursor: str | None) -> tuple[list[Payout], str | None]:
    """An organization's payouts, newest first, and the cursor of the next page."""
    from google.cloud.firestore import FieldFilter, Query

    name = f"payouts of {org_id}"
    query = (
        clients.firestore()
        .collection(PAYOUTS)
        .where(filter=FieldFilter("orgId", "==", org_id))
        .order_by("createdAt", direction=Query.DESCENDING)
        .order_by("payoutId", direction=Query.DESCENDING)
        .limit(limit + 1)
    )
    if cursor is not None:
        created_at, payout_id = decode_cursor(cursor, name, str, str)
        query = query.start_after({"createdAt": moment(created_at), "payoutId": payout_id})
    found = [Payout.of(each.to_dict()) for each in await query.get()]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], encode_cursor(name, last.created_at.isoformat(), last.payout_id)


async def payouts_of_batch(date: str, limit: int, cursor: str | None) -> tuple[list[Payout], str | None]:
    """The payouts in a day's file for the bank, and the cursor of the next page."""
    from google.cloud.firestore import FieldFilter

    name = f"payouts of {date}"
    query = (
        clients.firestore()
        .collection(PAYOUTS)
        .where(filter=FieldFilter("batchDate", "==", date))
        .order_by("payoutId")
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.start_after({"payoutId": decode_cursor(cursor, name, str)[0]})
    found = [Payout.of(each.to_dict()) for each in await query.get()]
    if len(found) <= limit:
        return found, None
    return found[:limit], encode_cursor(name, found[limit - 1].payout_id)
