"""The shapes of guest lists: who is invited to an event, by whom, and what they answered."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from common.events.schemas import EventStatus, Venue
from common.paging import CursorText, Page, PageSize
from common.wire import Name, Opaque, PhoneNumber, Record, UtcDatetime, Wire

MOST_AT_ONCE = 200
UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-][A-Za-z0-9_-]{0,127}$")]


class GuestStatus(StrEnum):
    INVITED = "invited"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    REMOVED = "removed"


# Whoever declined may look again and change their mind.
ON_THE_LIST = (GuestStatus.INVITED, GuestStatus.ACCEPTED, GuestStatus.DECLINED)


class GuestRequest(Wire):
    """Somebody to invite: by the phone number they sign in with, or by their user id."""

    phone: PhoneNumber | None = None
    user_id: UserId | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.phone is None) is (self.user_id is None):
            raise ValueError("a guest has either phone or userId")
        return self


class GuestsRequest(Wire):
    """POST /v1/events/{eventId}/guests."""

    guests: Annotated[tuple[GuestRequest, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Guest(Record):
    """events/{eventId}/guests/{guestId}, whose id follows from the phone number or user id that was invited.

    Who is invited by phone gets their `user_id` here with their answer: after that the number alone opens nothing,
    should it move on to somebody else.
    """

    guest_id: Opaque
    event_id: Opaque
    phone: str | None
    user_id: str | None
    name: str | None
    status: GuestStatus
    invited_by: str
    invited_at: UtcDatetime
    answered_at: UtcDatetime | None = None


class GuestReply(Wire):
    """A guest as the organizer sees them."""

    guest_id: str
    phone: str | None = None
    user_id: str | None = None
    name: str | None = None
    status: GuestStatus
    invited_by: str
    invited_at: UtcDatetime
    answered_at: UtcDatetime | None = None


class GuestsReply(Wire):
    """The guests that were asked for, each once, as they stand on the list now."""

    guests: tuple[GuestReply, ...]


class GuestPage(Page[GuestReply]):
    """GET /v1/events/{eventId}/guests."""


class GuestsQuery(Wire):
    """Which guests of an event."""

    status: GuestStatus | None = None
    limit: PageSize = 50
    cursor: CursorText | None = None


class InvitationReply(Wire):
    """What somebody is invited to, and what they answered."""

    event_id: str
    title: str
    status: EventStatus
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: str
    venue: Venue
    answer: GuestStatus
    invited_at: UtcDatetime
    answered_at: UtcDatetime | None = None


class InvitationPage(Page[InvitationReply]):
    """GET /v1/invitations."""


class InvitationsQuery(Wire):
    """Which of the caller's invitations."""

    limit: PageSize = 20
    cursor: CursorText | None = None


class AnswerRequest(Wire):
    """POST /v1/events/{eventId}/invitation."""

    answer: Literal[GuestStatus.ACCEPTED, GuestStatus.DECLINED]
