"""What holders read when something changes, and which of them: decided without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.events import rules as event_rules
from common.events.schemas import EventPatch
from common.notifications.messages import LONGEST_SHORT, invitation_for_guest, update_for_holder
from common.tickets.rules import new_tickets
from common.tickets.schemas import Ticket, TicketStatus
from common.updates import rules
from common.updates.schemas import EventUpdate, UpdateKind, UpdateRequest
from tests.events.test_event_rules import DRAFT, NOW, PUBLISHED, VENUE
from tests.support.records import an_order

# PUBLISHED starts Thursday 2 May 2030, 17:30 in Mumbai.
STARTS = datetime(2030, 5, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def told(patch: EventPatch) -> EventUpdate | None:
    return rules.of_change(PUBLISHED, event_rules.changed(PUBLISHED, patch, LATER))


def test_a_new_time_is_read_as_people_there_read_it() -> None:
    update = told(EventPatch(starts_at=STARTS + timedelta(hours=1)))
    assert update is not None
    assert (update.title, update.urgent, update.kind) == ("New time", True, UpdateKind.CHANGED)
    assert update.message == (
        "Night at the Mill is now from Thursday 2 May, 18:30 to Thursday 2 May, 23:30"
        " (it was from Thursday 2 May, 17:30 to Thursday 2 May, 23:30)."
    )
    assert update_for_holder(update).short == update.message


def test_everything_at_once_is_one_update() -> None:
    fort = VENUE.model_copy(update={"name": "Fort"})
    update = told(EventPatch(starts_at=STARTS + timedelta(hours=1), venue=fort, title="Fort Night"))
    assert update is not None
    assert update.title == "New time, venue and name"
    assert "now takes place at Fort, Lower Parel, Mumbai (it was Mill, Lower Parel, Mumbai)." in update.message
    assert update.message.endswith("Night at the Mill is now called Fort Night.")
    assert update.event_title == "Fort Night"


def test_a_name_alone_is_not_urgent() -> None:
    update = told(EventPatch(title="Fort Night"))
    assert update is not None
    assert not update.urgent


def test_what_reads_the_same_is_not_told() -> None:
    assert told(EventPatch(timezone="Asia/Calcutta")) is None
    assert told(EventPatch(venue=VENUE.model_copy(update={"latitude": 18.9954}))) is None
    assert told(EventPatch(description="Four rooms, two floors, one garden.")) is None
    assert rules.of_change(DRAFT, event_rules.cancelled(DRAFT, LATER)) is None
    assert rules.of_change(DRAFT, PUBLISHED) is None


def test_a_cancellation_says_what_and_when_it_would_have_been() -> None:
    update = rules.of_change(PUBLISHED, event_rules.cancelled(PUBLISHED, LATER))
    assert update is not None
    assert (update.kind, update.urgent) == (UpdateKind.CANCELLED, True)
    assert update.message.startswith("Night at the Mill on Thursday 2 May, 17:30 is cancelled.")


def test_the_same_change_is_the_same_update() -> None:
    first, again = told(EventPatch(title="Fort Night")), told(EventPatch(title="Fort Night"))
    assert first == again


def test_a_long_message_is_cut_for_a_screen_and_whole_in_a_mail() -> None:
    request = UpdateRequest(title="Doors", message="🎉" * 2_000)
    update = rules.announced(PUBLISHED, request, "upd_a", "host", NOW)
    message = update_for_holder(update)
    assert len(message.short) == LONGEST_SHORT
    assert message.short.endswith("…")
    assert request.message in message.long


def test_an_invitation_says_what_when_and_where() -> None:
    text = invitation_for_guest(PUBLISHED).short
    assert text == "You are invited to Night at the Mill on Thursday 2 May, 17:30 at Mill."


def a_ticket(**more: object) -> Ticket:
    [ticket] = new_tickets(an_order(units=1), NOW)
    same = rules.printed(PUBLISHED)
    return ticket.model_copy(update=same | more)


def an_update(kind: UpdateKind, *, late: bool = False) -> EventUpdate:
    update = rules.announced(PUBLISHED, UpdateRequest(title="Doors", message="Later."), "upd_a", "host", NOW)
    return update.model_copy(update={"kind": kind, "late": late})


@pytest.mark.parametrize(
    ("kind", "status", "changed_since", "concerned"),
    [
        (UpdateKind.ANNOUNCED, TicketStatus.VALID, False, True),
        (UpdateKind.ANNOUNCED, TicketStatus.USED, False, True),
        (UpdateKind.ANNOUNCED, TicketStatus.CANCELLED, True, False),
        (UpdateKind.CHANGED, TicketStatus.TRANSFERRED, True, False),
        (UpdateKind.CHANGED, TicketStatus.CANCELLED, True, False),
        (UpdateKind.CANCELLED, TicketStatus.CANCELLED, True, True),
        (UpdateKind.CANCELLED, TicketStatus.CANCELLED, False, False),
        (UpdateKind.CANCELLED, TicketStatus.USED, False, True),
    ],
)
def test_whom_it_concerns(kind: UpdateKind, status: TicketStatus, changed_since: bool, concerned: bool) -> None:
    ticket = a_ticket(status=status)
    assert rules.concerns(an_update(kind), ticket, PUBLISHED, changed_since=changed_since) is concerned


@pytest.mark.parametrize("field", ["event_title", "venue_name", "starts_at", "ends_at"])
def test_the_late_round_looks_for_tickets_with_the_old_words(field: str) -> None:
    late = an_update(UpdateKind.CHANGED, late=True)
    old = a_ticket(**{field: STARTS - timedelta(days=9) if field.endswith("_at") else "Old"})
    assert rules.concerns(late, old, PUBLISHED, changed_since=True)
    assert not rules.concerns(late, a_ticket(), PUBLISHED, changed_since=True)


def test_each_holder_is_one_recipient() -> None:
    mine, sent = {"holder_id": "asha", "buyer_id": "asha"}, {"holder_id": None, "holder_phone": "+919822200000"}
    tickets = [a_ticket(**mine), a_ticket(**mine), a_ticket(**sent), a_ticket(**sent), a_ticket(holder_id="ravi")]
    assert rules.recipients(tickets) == [
        rules.Recipient("asha", None, "ord_1"),
        rules.Recipient(None, "+919822200000", None),
        rules.Recipient("ravi", None, None),
    ]
