"""Giving a ticket away: one living ticket for the seat, always."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from common import clock
from common.tickets.schemas import TicketStatus
from tests.support.people import Json, accepted, refused

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Person
    from tests.tickets.conftest import Box

RAVI: Json = {"recipientPhone": "+919822222222", "recipientName": "Ravi"}


@pytest.fixture
def ravi(sign_in: SignIn) -> Person:
    return sign_in("ravi", phone=RAVI["recipientPhone"])


def give(giver: Person, ticket_id: str, to: Json = RAVI, key: str | None = None) -> httpx.Response:
    return giver.post(f"/v1/tickets/{ticket_id}/transfer", to, key)


def scan(host: Person, box: Box, text: str) -> str:
    path = f"/v1/events/{box.event['eventId']}/check-ins"
    return str(accepted(host.post(path, {"qr": text}))["result"])


def test_the_recipient_walks_in_and_the_old_code_is_dead(box: Box, buyer: Person, ravi: Person, host: Person) -> None:
    mine = box.ticket(buyer)
    old_code = accepted(buyer.get(f"/v1/tickets/{mine.ticket_id}"))["qr"]
    given = accepted(give(buyer, mine.ticket_id))
    assert (given["ticketId"], given["status"]) == (mine.ticket_id, "transferred")
    assert scan(host, box, old_code) == "revoked"
    # Even a code made now from the old ticket opens nothing.
    assert scan(host, box, accepted(buyer.get(f"/v1/tickets/{mine.ticket_id}"))["qr"]) == "revoked"
    [received] = accepted(ravi.get("/v1/tickets"))["upcoming"]
    assert received["ticketId"] != mine.ticket_id
    assert received["ticketNumber"] != mine.ticket_number
    assert received["holder"] == {"name": "Ravi", "phone": RAVI["recipientPhone"]}
    refused(buyer.get(f"/v1/tickets/{received['ticketId']}"), 404, "not_found")
    assert scan(host, box, accepted(ravi.get(f"/v1/tickets/{received['ticketId']}"))["qr"]) == "admitted"
    assert [ticket["ticketId"] for ticket in accepted(buyer.get("/v1/tickets"))["cancelled"]] == [mine.ticket_id]


def test_the_recipient_is_told_once(box: Box, buyer: Person) -> None:
    mine = box.ticket(buyer)
    accepted(give(buyer, mine.ticket_id))
    [told] = box.events_told()
    [received] = [ticket for ticket in box.of_order(mine.order_id) if ticket.status is TicketStatus.VALID]
    assert told["type"] == "ticket.transferred"
    assert told["data"]["ticketId"] == received.ticket_id
    assert told["data"]["previousTicketId"] == mine.ticket_id
    assert told["data"]["recipientPhone"] == RAVI["recipientPhone"]


def test_a_received_ticket_can_be_passed_on(box: Box, buyer: Person, ravi: Person, sign_in: SignIn) -> None:
    mine = box.ticket(buyer)
    accepted(give(buyer, mine.ticket_id))
    [received] = accepted(ravi.get("/v1/tickets"))["upcoming"]
    refused(give(ravi, received["ticketId"], RAVI), 422, "transfer_to_self")
    accepted(give(ravi, received["ticketId"], {"recipientPhone": "+919833333333", "recipientName": "Zoya"}))
    zoya = sign_in("zoya", phone="+919833333333")
    assert len(accepted(zoya.get("/v1/tickets"))["upcoming"]) == 1
    valid = [ticket for ticket in box.of_order(mine.order_id) if ticket.status is TicketStatus.VALID]
    assert len(valid) == 1


def test_a_repeat_with_the_same_key_gives_the_same_answer_and_changes_nothing(box: Box, buyer: Person) -> None:
    mine, key = box.ticket(buyer), uuid4().hex
    first = give(buyer, mine.ticket_id, key=key)
    again = give(buyer, mine.ticket_id, key=key)
    assert accepted(first) == accepted(again)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(box.of_order(mine.order_id)) == 2
    assert len(box.events_told()) == 1
    other = {"recipientPhone": "+919833333333", "recipientName": "Zoya"}
    refused(give(buyer, mine.ticket_id, other, key), 422, "idempotency_key_reused")
    refused(give(buyer, mine.ticket_id), 409, "ticket_not_valid")


def test_a_transfer_whose_reply_was_lost_is_found_by_its_repeat(box: Box, buyer: Person) -> None:
    """The commit took effect, the reply and the kept answer did not: the same key meets what it made."""
    mine, key = box.ticket(buyer), uuid4().hex
    first = accepted(give(buyer, mine.ticket_id, key=key))
    box.forget("idempotency")
    assert accepted(give(buyer, mine.ticket_id, key=key)) == first
    assert len(box.of_order(mine.order_id)) == 2
    assert len(box.events_told()) == 1
    refused(give(buyer, mine.ticket_id, key=uuid4().hex), 409, "ticket_not_valid")


@pytest.mark.parametrize(
    ("changes", "status", "problem"),
    [
        ({"status": TicketStatus.USED}, 409, "ticket_used"),
        ({"status": TicketStatus.CANCELLED}, 409, "ticket_not_valid"),
        ({"status": TicketStatus.TRANSFERRED}, 409, "ticket_not_valid"),
        ({"ends_at": clock.now() - timedelta(hours=1)}, 409, "event_over"),
    ],
)
def test_a_ticket_that_cannot_be_given_stays_as_it_was(
    box: Box, buyer: Person, changes: Json, status: int, problem: str
) -> None:
    mine = box.ticket(buyer, **changes)
    refused(give(buyer, mine.ticket_id), status, problem)
    assert box.of_order(mine.order_id) == [mine]
    assert box.events_told() == []


def test_only_the_holder_gives(box: Box, buyer: Person, host: Person, ravi: Person, anonymous: httpx.Client) -> None:
    mine = box.ticket(buyer)
    for other in (host, ravi):
        refused(give(other, mine.ticket_id), 404, "not_found")
    refused(give(buyer, "tkt_unknown"), 404, "not_found")
    refused(anonymous.post(f"/v1/tickets/{mine.ticket_id}/transfer", json=RAVI), 401, "unauthenticated")
    own = {"recipientPhone": buyer.phone, "recipientName": "Me"}
    refused(give(buyer, mine.ticket_id, own), 422, "transfer_to_self")
    assert box.of_order(mine.order_id) == [mine]


@pytest.mark.parametrize(
    "body",
    [
        {"recipientPhone": "9822222222", "recipientName": "Ravi"},
        {"recipientPhone": "+919822222222", "recipientName": "  "},
        {"recipientPhone": "+919822222222"},
        RAVI | {"price": 1},
    ],
)
def test_a_malformed_transfer_is_refused(box: Box, buyer: Person, body: Json) -> None:
    mine = box.ticket(buyer)
    refused(give(buyer, mine.ticket_id, body), 422, "validation_failed")
    assert box.of_order(mine.order_id) == [mine]


def test_of_two_transfers_at_once_one_wins(box: Box, buyer: Person) -> None:
    mine = box.ticket(buyer)
    others = [{"recipientPhone": f"+91983333333{digit}", "recipientName": "Zoya"} for digit in range(4)]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda other: give(buyer, mine.ticket_id, other), others))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]
    for reply in replies:
        if reply.status_code == 409:
            refused(reply, 409, "ticket_not_valid")
    assert sorted(ticket.status for ticket in box.of_order(mine.order_id)) == ["transferred", "valid"]
    assert len(box.events_told()) == 1
