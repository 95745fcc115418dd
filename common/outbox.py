"""What a commit sets off travels with it: one outbox document says which event to publish and which tasks to create."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import Field

from common import tracing
from common.ids import new_id
from common.wire import Record, UtcDatetime

OUTBOX: Final = "outbox"
TOPIC: Final = "domain-events"
# A relay that is late by more than this has failed or was never called: the sweeper takes over.
OVERDUE: Final = timedelta(seconds=30)


class DomainEvent(Record):
    """A fact that other functions may act on, such as `order.ticketed`. Consumers dedupe on its id."""

    id: str
    type: str
    occurred_at: UtcDatetime
    data: dict[str, Any]


class PlannedTask(Record):
    """A call of a private function, at a time. The name makes a second creation harmless.

    With `once_every_s`, all of a name that are handed over within so many seconds become one call at their end.
    """

    function: str
    name: str
    payload: dict[str, Any]
    at: UtcDatetime | None = None
    once_every_s: int = 0


class OutboxEntry(Record):
    """Everything one commit sets off. The document is deleted once all of it was handed over.

    `traceparent` is there only where what caused the commit is recorded (common/tracing.py).
    """

    created_at: UtcDatetime
    event: DomainEvent | None = None
    tasks: tuple[PlannedTask, ...] = ()
    traceparent: str | None = Field(default=None, exclude_if=lambda value: value is None)


def event(type_: str, occurred_at: datetime, **data: Any) -> DomainEvent:
    """A new domain event; `data` in camelCase, as consumers read it."""
    return DomainEvent(id=new_id("evn"), type=type_, occurred_at=occurred_at, data=data)


def entry(
    now: datetime, event: DomainEvent | None = None, *tasks: PlannedTask, traceparent: str | None = None
) -> tuple[str, dict[str, Any]]:
    """The path and the fields of a new outbox document, for the batch or transaction that needs it.

    `traceparent` says what causes it where that is not the present span: a commit may be shared with others.
    """
    cause = traceparent or tracing.traceparent()
    planned = OutboxEntry(created_at=now, event=event, tasks=tasks, traceparent=cause)
    return f"{OUTBOX}/{new_id('out')}", planned.document()


def queue_of(function: str) -> str:
    """Every task function has a queue of its own, named after it (queue names know no underscore)."""
    return function.replace("_", "-")
