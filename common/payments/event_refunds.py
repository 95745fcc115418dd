"""A cancelled event gives every order back, page by page: each page's progress and the task of the next are one commit.

Whatever dies in between repeats a page, and a repeat finds each order as the first run left it: the refund's id comes
from the order, so nothing is refunded or counted twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common import clients, clock, log, outbox
from common.errors import Problem
from common.events import store as events
from common.events.schemas import EventStatus
from common.orders import store as orders
from common.orders.rules import OrderStateConflict
from common.orders.schemas import Order, OrderStatus
from common.outbox import PlannedTask
from common.payments import refunds
from common.payments.schemas import RefundRun, RefundRunReply, RunStatus
from common.trigger import RetryLater

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

    from common.events.schemas import Event

PAGE: Final = 50
AT_ONCE: Final = 10
LOOKS: Final = 5


@dataclass(frozen=True)
class _Outcome:
    """What became of one order, whether in this run of its page or in one before."""

    refunded: int = 0
    failed: int = 0
    amount_minor: int = 0


def run_path(event_id: str) -> str:
    return f"refundRuns/{event_id}"


async def find(event_id: str) -> RefundRun | None:
    """How far an event's orders are given back; None unless it was cancelled."""
    snapshot = await clients.firestore().document(run_path(event_id)).get()
    if snapshot.exists:
        return RefundRun.of(snapshot.to_dict())
    event = await events.find(event_id)
    return _new_run(event) if event is not None and event.status is EventStatus.CANCELLED else None


def _new_run(event: Event) -> RefundRun:
    return RefundRun(
        event_id=event.event_id,
        status=RunStatus.RUNNING,
        currency=event.currency,
        started_at=event.updated_at,
        updated_at=event.updated_at,
    )


def run_reply(run: RefundRun) -> RefundRunReply:
    """The progress as the organizer sees it."""
    return RefundRunReply(**run.model_dump(include=set(RefundRunReply.model_fields)))


async def give_back_page(event_id: str, page: int) -> None:
    """Give the next page of orders back; nothing if it was done before."""
    snapshot = await clients.firestore().document(run_path(event_id)).get()
    run = RefundRun.of(snapshot.to_dict()) if snapshot.exists else await find(event_id)
    if run is None or run.page != page or run.status is RunStatus.DONE:
        return
    found = await _page_after(event_id, run.cursor)
    at_once = asyncio.Semaphore(AT_ONCE)

    async def give_back(order_id: str) -> _Outcome:
        async with at_once:
            return await _give_back(order_id)

    outcomes = await asyncio.gather(*(give_back(order.order_id) for order in found))
    await _progress(snapshot, _after(run, found, outcomes))


async def _page_after(event_id: str, cursor: str | None) -> list[Order]:
    from google.cloud.firestore import FieldFilter

    query = (
        clients.firestore()
        .collection("orders")
        .where(filter=FieldFilter("eventId", "==", event_id))
        .order_by("__name__")
        .limit(PAGE)
    )
    if cursor is not None:
        query = query.start_after({"__name__": clients.firestore().document(orders.order_path(cursor))})
    return [Order.of(snapshot.to_dict()) for snapshot in await query.get()]


async def _give_back(order_id: str) -> _Outcome:
    """Release or refund one order. What can never be done is counted and raised as an alert, and stops nobody else."""
    try:
        for _ in range(LOOKS):
            seen = await orders.find(order_id)
            if seen is None or seen.order.status is not OrderStatus.HELD:
                break
            await orders.release(seen, OrderStatus.CANCELLED)
        else:
            raise RetryLater("The order kept changing.")
        if seen is None:
            return _Outcome()
        refund = await refunds.give_back_cancelled(seen)
    except OrderStateConflict as conflict:
        raise RetryLater(conflict.detail) from conflict
    except Problem as refused:
        if refused.status >= 500:
            raise
        log.alert("order of a cancelled event cannot be refunded", orderId=order_id, code=refused.code)
        return _Outcome(failed=1)
    return _Outcome(refunded=1, amount_minor=refund.amount.amount_minor) if refund is not None else _Outcome()


def _after(run: RefundRun, found: list[Order], outcomes: list[_Outcome]) -> RefundRun:
    return run.model_copy(
        update={
            "status": RunStatus.RUNNING if len(found) == PAGE else RunStatus.DONE,
            "orders": run.orders + len(found),
            "refunded": run.refunded + sum(outcome.refunded for outcome in outcomes),
            "failed": run.failed + sum(outcome.failed for outcome in outcomes),
            "amount_minor": run.amount_minor + sum(outcome.amount_minor for outcome in outcomes),
            "page": run.page + 1,
            "cursor": found[-1].order_id if found else run.cursor,
            "updated_at": clock.now(),
        }
    )


async def _progress(before: DocumentSnapshot, after: RefundRun) -> None:
    """Write how far it is, and have the next page done; whoever did the same page meanwhile was first."""
    from google.api_core.exceptions import AlreadyExists, FailedPrecondition

    client = clients.firestore()
    batch = client.batch()
    if before.exists:
        seen = client.write_option(last_update_time=before.update_time)
        batch.update(before.reference, after.document(), option=seen)
    else:
        batch.create(before.reference, after.document())
    told, tasks = None, []
    if after.status is RunStatus.RUNNING:
        payload = {"eventId": after.event_id, "page": after.page}
        tasks = [PlannedTask(function="refund_event", name=f"{after.event_id}-{after.page}", payload=payload)]
    else:
        told = outbox.event("event.refunded", after.updated_at, eventId=after.event_id, refunded=after.refunded)
    path, entry = outbox.entry(after.updated_at, told, *tasks)
    batch.create(client.document(path), entry)
    try:
        await batch.commit()
    except (AlreadyExists, FailedPrecondition):
        log.info("refund page was done by another", eventId=after.event_id, page=after.page)
