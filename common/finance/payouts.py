"""The daily run: settle what ended, correct commissions, pay what is owed. Every step may be repeated or overtaken."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from common import clock, log
from common.config import config
from common.events import store as events
from common.events.schemas import EventStatus
from common.finance import rules, store, sums
from common.finance.schemas import EventSettlement, Payout, PayoutReply
from common.finance.store import Due, Seen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from common.events.schemas import Event

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
AT_ONCE: Final = 20


async def settle_ended() -> list[BaseException]:
    """Settle the events that ended long enough ago; what failed is tried again by the next run."""
    now = clock.now()
    through = await store.settled_through()
    ended = await events.ended_between(through, now - timedelta(days=config().payout_after_days))
    _, failures = await _each(_settle, [event for event in ended if event.status is not EventStatus.DRAFT])
    if ended and not failures:
        await store.note_settled_through(ended[-1].ends_at)
    return failures


async def _settle(event: Event) -> None:
    # What is booked while this runs is not in these sums: the next step corrects the commission, or the next run.
    organization, settled, _ = await store.terms_of(event)
    if settled is not None:
        return
    now = clock.now()
    found, volume = await asyncio.gather(
        sums.of_event(event.event_id, event.currency),
        sums.trailing_volume(event.org_id, event.currency, event.ends_at),
    )
    settlement = EventSettlement(
        event_id=event.event_id,
        org_id=event.org_id,
        event_title=event.title,
        currency=event.currency,
        country=event.country,
        cancelled=event.status is EventStatus.CANCELLED,
        basis_points=rules.commission_rate(organization, volume, event.ends_at),
        settled_at=now,
    )
    await store.settle(settlement, rules.due_commission(settlement, found), now)


async def pay_out() -> list[BaseException]:
    """Pay each organization what the ledger owes it on its settled events, in each currency."""
    dues, failures = await _each(_due, await store.open_settlements())
    accounts: defaultdict[tuple[str, str], list[Due]] = defaultdict(list)
    for due in dues:
        if due is not None:
            settlement = due.seen.settlement
            accounts[settlement.org_id, settlement.currency].append(due)
    _, unpaid = await _each(_pay, accounts.values())
    return failures + unpaid


async def _due(seen: Seen) -> Due | None:
    """What is owed on an event, after its commission was brought up to date. None when another run is at it.

    The settlement was read before the sums: a payout that follows them has changed it, and refuses ours.
    """
    now = clock.now()
    found = await sums.of_event(seen.settlement.event_id, seen.settlement.currency)
    charge, owed = rules.due_commission(seen.settlement, found), found.owed_minor
    if charge != rules.Charge():
        corrected = await store.correct(seen, charge, now)
        if corrected is None:
            return None
        seen, owed = corrected, owed - charge.total_minor
    if rules.may_close(seen.settlement, owed, now):
        await store.close(seen)
        return None
    if rules.is_withheld(seen.settlement, owed):
        log.alert("a cancelled event is not refunded in full", eventId=seen.settlement.event_id)
    return Due(seen, owed)


async def _pay(dues: list[Due]) -> None:
    lines = rules.payout_lines((due.seen.settlement, due.owed_minor) for due in dues)
    if not lines:
        return
    payout = rules.new_payout(dues[0].seen.settlement.org_id, lines, clock.now())
    if await store.create_payout(payout, dues):
        log.info("payout created", payoutId=payout.payout_id, orgId=payout.org_id)


async def retry_failed() -> list[BaseException]:
    """Put what the bank gave back into today's batch."""
    retry = partial(store.change_payout, decide=lambda payout: rules.retried(payout, clock.now()))
    _, failures = await _each(retry, await store.failed_payouts())
    return failures


async def _each(
    work: Callable[[ItemT], Awaitable[ResultT]], items: Iterable[ItemT]
) -> tuple[list[ResultT], list[BaseException]]:
    """Do the work for each, some at a time: what failed stops nobody else."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: ItemT) -> Any:
        async with gate:
            return await work(item)

    outcomes = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)], failures


def payout_reply(payout: Payout) -> PayoutReply:
    """A payout as it is shown."""
    return PayoutReply(**{name: getattr(payout, name) for name in PayoutReply.model_fields})
