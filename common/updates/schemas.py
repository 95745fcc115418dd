"""The shapes of what is told about an event to those who hold a ticket for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from common.paging import CursorText, Page, PageSize
from common.wire import Opaque, Record, UtcDatetime, Wire

Headline = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=100)]
Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
# Where the next page of tickets begins: holder, phone and id of the last one.
Position = tuple[str | None, str | None, str]


class UpdateKind(StrEnum):
    """Written by the organizer, or following from a change of what stands on the tickets."""

    ANNOUNCED = "announced"
    CHANGED = "changed"
    CANCELLED = "cancelled"


class UpdateRequest(Wire):
    """POST /v1/events/{eventId}/updates."""

    title: Headline
    message: Body


class EventUpdate(Record):
    """events/{eventId}/updates/{updateId}: what is told, and how far the telling is.

    `urgent` goes out by SMS too. `page` is the next page of tickets, from `position` on; in the `late` round only
    tickets are looked at that still say something else than the event.
    """

    update_id: Opaque
    event_id: Opaque
    event_title: str
    kind: UpdateKind
    title: str
    message: str
    urgent: bool = False
    posted_by: str | None = None
    created_at: UtcDatetime
    page: int = 0
    position: Position | None = None
    late: bool = False
    done: bool = False


class UpdateReply(Wire):
    """An update as people see it."""

    update_id: str
    event_id: str
    kind: UpdateKind
    title: str
    message: str
    created_at: UtcDatetime


class UpdatePage(Page[UpdateReply]):
    """GET /v1/events/{eventId}/updates."""


class UpdatesQuery(Wire):
    """Which updates of an event."""

    limit: PageSize = 20
    cursor: CursorText | None = None


class UpdatePageRef(Record):
    """The payload of the task that tells the holders of one page of tickets."""

    event_id: Opaque
    update_id: Opaque
    page: Annotated[int, Field(ge=0)]
