"""A holder's lists and a single ticket, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from common import clock
from common.tickets import qr, rules, store
from common.tickets.qr_picture import svg
from common.tickets.schemas import Holder, TicketStatus
from tests.support.people import accepted, refused

if TYPE_CHECKING:
    import httpx
    import pytest

    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.tickets.conftest import Box


def ids(tickets: list[Json]) -> list[str]:
    return [ticket["ticketId"] for ticket in tickets]


def test_the_lists_hold_the_callers_tickets_and_nobody_elses(box: Box, buyer: Person, sign_in: SignIn) -> None:
    now = clock.now()
    mine = box.ticket(buyer)
    used = box.ticket(buyer, status=TicketStatus.USED, used_at=now, used_gate="north")
    tomorrow = box.ticket(buyer, starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=2))
    over = box.ticket(buyer, starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    cancelled = box.ticket(buyer, status=TicketStatus.CANCELLED)
    sent = box.ticket(
        None, holder_phone=buyer.phone, starts_at=now + timedelta(days=3), ends_at=now + timedelta(days=4)
    )
    box.ticket(sign_in("other", phone="+919844444444"))
    box.ticket(None, holder_phone="+919844444444")
    # Its holder signed in since: the number on it no longer makes it the buyer's.
    box.ticket(sign_in("claimer"), holder_phone=buyer.phone)
    lists = accepted(buyer.get("/v1/tickets"))
    assert set(ids(lists["upcoming"])[:2]) == {mine.ticket_id, used.ticket_id}
    assert ids(lists["upcoming"])[2:] == [tomorrow.ticket_id, sent.ticket_id]
    assert ids(lists["past"]) == [over.ticket_id]
    assert ids(lists["cancelled"]) == [cancelled.ticket_id]


def test_a_caller_without_a_phone_sees_no_ticket_that_waits_for_one(box: Box, sign_in: SignIn) -> None:
    box.ticket(None, holder_phone=None)
    box.ticket(None, holder_phone="+919844444444")
    assert accepted(sign_in("nophone").get("/v1/tickets")) == {"upcoming": [], "past": [], "cancelled": []}


def test_the_lists_are_bounded_and_keep_the_latest(box: Box, buyer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_TICKETS", 3)
    starts = [clock.now() + timedelta(days=day) for day in range(1, 6)]
    issued = [box.ticket(buyer, starts_at=at, ends_at=at + timedelta(hours=1)) for at in starts]
    lists = accepted(buyer.get("/v1/tickets"))
    assert ids(lists["upcoming"]) == [ticket.ticket_id for ticket in issued[2:]]


def test_the_holder_gets_a_ticket_with_its_code_and_picture(box: Box, buyer: Person) -> None:
    mine = box.ticket(buyer, holder=Holder(name="Meera"), version=3)
    body = accepted(buyer.get(f"/v1/tickets/{mine.ticket_id}"))
    assert qr.decode(body["qr"]) == rules.code_of(mine)
    assert body["qrSvg"] == svg(body["qr"])
    assert (body["ticketNumber"], body["status"]) == (mine.ticket_number, "valid")
    assert body["holder"] == {"name": "Meera"}
    # What identifies the seat's sale and its buyer stays with us.
    assert not {"buyerId", "holderId", "version", "unit", "priceMinor"} & set(body)


def test_who_a_ticket_was_sent_to_gets_it(box: Box, buyer: Person) -> None:
    sent = box.ticket(None, holder_phone=buyer.phone)
    assert accepted(buyer.get(f"/v1/tickets/{sent.ticket_id}"))["ticketId"] == sent.ticket_id


def test_for_everybody_else_there_is_no_such_ticket(box: Box, buyer: Person, host: Person, sign_in: SignIn) -> None:
    mine = box.ticket(buyer)
    for other in (host, sign_in("other", phone="+919844444444"), sign_in("nophone")):
        refused(other.get(f"/v1/tickets/{mine.ticket_id}"), 404, "not_found")
    refused(buyer.get("/v1/tickets/tkt_unknown"), 404, "not_found")


def test_tickets_need_a_sign_in(anonymous: httpx.Client) -> None:
    refused(anonymous.get("/v1/tickets"), 401, "unauthenticated")
    refused(anonymous.get("/v1/tickets/tkt_a"), 401, "unauthenticated")
