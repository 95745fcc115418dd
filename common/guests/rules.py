"""Who is on a guest list, and how an invitation, an answer and a removal change that: pure decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.events.rules import status_at
from common.guests.schemas import ON_THE_LIST, Guest, GuestReply, GuestStatus, InvitationReply
from common.ids import derived_id

if TYPE_CHECKING:
    from datetime import datetime

    from common.events.schemas import Event
    from common.guests.schemas import GuestRequest
    from common.tokens import Caller


def new_guest(event_id: str, request: GuestRequest, invited_by: str, now: datetime) -> Guest:
    """The guest that a request names; the same number or user is the same guest, however often they are named."""
    address = ("phone", request.phone) if request.phone else ("user", request.user_id or "")
    return Guest(
        guest_id=derived_id("gst", event_id, *address),
        event_id=event_id,
        phone=request.phone,
        user_id=request.user_id,
        name=request.name,
        status=GuestStatus.INVITED,
        invited_by=invited_by,
        invited_at=now,
    )


def invited(known: Guest | None, wanted: Guest) -> Guest:
    """The guest after this invitation: whoever is on the list stays as they are, whoever was removed comes anew."""
    return wanted if known is None or not is_on_the_list(known) else known


def is_on_the_list(guest: Guest) -> bool:
    """Whether they may see the event and book."""
    return guest.status in ON_THE_LIST


def answered(guest: Guest, answer: GuestStatus, caller: Caller, now: datetime) -> Guest:
    """The guest after their answer, which also says who the person behind a phone number is."""
    if (guest.status, guest.user_id) == (answer, caller.user_id):
        return guest
    return guest.model_copy(update={"status": answer, "user_id": caller.user_id, "answered_at": now})


def guest_reply(guest: Guest) -> GuestReply:
    """The guest as the organizer sees them. Who is behind a phone number stays with whoever answered."""
    shown = guest.model_dump(include=set(GuestReply.model_fields))
    return GuestReply(**shown | ({"user_id": None} if guest.phone else {}))


def invitation_reply(guest: Guest, event: Event, now: datetime) -> InvitationReply:
    """The invitation as the guest sees it."""
    return InvitationReply(
        event_id=event.event_id,
        title=event.title,
        status=status_at(event, now),
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        timezone=event.timezone,
        venue=event.venue,
        answer=guest.status,
        invited_at=guest.invited_at,
        answered_at=guest.answered_at,
    )
