"""The door, over HTTP: who may scan, every answer, and that a ticket admits once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clock
from common.ids import new_id
from common.tickets import qr, store
from common.tickets.schemas import TicketCode, TicketStatus
from tests.support.people import Json, accepted, publish_event, refused
from tests.tickets.conftest import code

if TYPE_CHECKING:
    import httpx
    from google.cloud.firestore import AsyncWriteBatch, DocumentSnapshot

    from tests.conftest import SignIn
    from tests.support.people import Person
    from tests.tickets.conftest import Box


def post(person: Person, event: Json, text: str, **more: Any) -> httpx.Response:
    return person.post(f"/v1/events/{event['eventId']}/check-ins", {"qr": text} | more)


def scan(person: Person, box: Box, text: str, **more: Any) -> Json:
    return accepted(post(person, box.event, text, **more))


def records(box: Box) -> dict[str, Json]:
    return box.documents(f"events/{box.event['eventId']}/checkIns")


def test_a_ticket_is_admitted_once(box: Box, buyer: Person, host: Person) -> None:
    mine = box.ticket(buyer)
    before = clock.now()
    first = scan(host, box, code(mine), gate="north", deviceId="scanner-1")
    assert (first["result"], first["usedGate"]) == ("admitted", "north")
    assert (first["ticket"]["ticketId"], first["ticket"]["status"]) == (mine.ticket_id, "used")
    assert before <= datetime.fromisoformat(first["usedAt"]) <= clock.now()
    second = scan(host, box, code(mine), gate="south")
    assert (second["result"], second["usedGate"], second["usedAt"]) == ("already_used", "north", first["usedAt"])
    stored = box.read(mine.ticket_id)
    assert (stored.status, stored.used_gate, stored.version) == (TicketStatus.USED, "north", 1)


def test_every_scan_is_recorded_and_only_an_admission_is_told(box: Box, buyer: Person, host: Person) -> None:
    mine = box.ticket(buyer)
    scan(host, box, code(mine), gate="north", deviceId="scanner-1", scanId="scan-1")
    scan(host, box, code(mine))
    kept = records(box)
    assert sorted(record["result"] for record in kept.values()) == ["admitted", "already_used"]
    admitted = kept["scan-1"]
    assert admitted["ticketId"] == mine.ticket_id
    assert (admitted["gate"], admitted["deviceId"], admitted["by"]) == ("north", "scanner-1", host.user_id)
    [told] = box.events_told()
    assert told["type"] == "ticket.checked_in"
    assert told["data"]["ticketId"] == mine.ticket_id
    assert told["data"]["eventId"] == box.event["eventId"]


def test_each_dead_or_foreign_code_has_its_answer(box: Box, buyer: Person, host: Person) -> None:
    good = box.ticket(buyer)
    older = code(good.model_copy(update={"version": 0}))
    assert scan(host, box, older)["result"] == "revoked"
    for status in (TicketStatus.CANCELLED, TicketStatus.TRANSFERRED):
        assert scan(host, box, code(box.ticket(buyer, status=status)))["result"] == "revoked"
    never_issued = qr.encode(TicketCode(new_id("tkt"), box.event["eventId"], 1))
    assert scan(host, box, never_issued) == {"result": "unknown"}
    assert box.read(good.ticket_id) == good
    assert box.events_told() == []


def test_a_ticket_of_another_night_is_at_the_wrong_event(box: Box, buyer: Person, host: Person) -> None:
    mine = box.ticket(buyer)
    other = publish_event(host, org_id=box.event["orgId"], title="Another night")
    assert accepted(post(host, other, code(mine))) == {"result": "wrong_event"}
    assert box.read(mine.ticket_id) == mine


def test_before_the_doors_and_long_after_the_end(
    box: Box, buyer: Person, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = box.ticket(buyer)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now - timedelta(hours=4))
    assert scan(host, box, code(mine))["result"] == "not_yet_valid"
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=14))
    assert scan(host, box, code(mine))["result"] == "revoked"
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=12))
    assert scan(host, box, code(mine))["result"] == "admitted"


def test_nobody_is_admitted_to_a_cancelled_event(box: Box, buyer: Person, host: Person) -> None:
    mine = box.ticket(buyer)
    accepted(host.post(f"/v1/events/{box.event['eventId']}/cancel"))
    assert scan(host, box, code(mine))["result"] == "revoked"


def test_a_text_that_we_never_signed_changes_nothing(box: Box, buyer: Person, host: Person) -> None:
    text = code(box.ticket(buyer))
    forged = text[:-1] + ("A" if text[-1] != "A" else "B")
    for garbage in (forged, "https://example.com/menu", text.lower()):
        problem = refused(post(host, box.event, garbage), 422, "qr_invalid")
        assert problem["result"] == "unknown"
    assert records(box) == {}


def test_the_same_scan_again_gets_the_same_answer(box: Box, buyer: Person, host: Person) -> None:
    mine = box.ticket(buyer)
    first = scan(host, box, code(mine), gate="north", scanId="scan-1")
    assert scan(host, box, code(mine), gate="north", scanId="scan-1") == first
    assert scan(host, box, code(mine), gate="north", scanId="scan-2")["result"] == "already_used"
    assert scan(host, box, code(mine), gate="north", scanId="scan-2")["result"] == "already_used"
    assert len(records(box)) == 2
    assert len(box.events_told()) == 1


def test_a_scan_id_admits_no_second_ticket(box: Box, buyer: Person, host: Person) -> None:
    scan(host, box, code(box.ticket(buyer)), scanId="scan-1")
    refused(post(host, box.event, code(box.ticket(buyer)), scanId="scan-1"), 422, "scan_id_reused")


def test_a_scan_made_offline_counts_from_when_it_was_made(box: Box, buyer: Person, host: Person) -> None:
    earlier = clock.now() - timedelta(minutes=30)
    for made_at, used_at in (
        (earlier, earlier),
        (clock.now() + timedelta(hours=1), None),
        (earlier - timedelta(days=1), None),
    ):
        reply = scan(host, box, code(box.ticket(buyer)), scannedAt=made_at.isoformat())
        assert reply["result"] == "admitted"
        told = datetime.fromisoformat(reply["usedAt"])
        if used_at is not None:
            assert told == used_at
        else:
            assert abs(told - clock.now()) < timedelta(seconds=10)


@pytest.mark.parametrize("role", ["door", "coordinator", "manager", "owner"])
def test_the_organizations_people_may_scan(box: Box, buyer: Person, host: Person, sign_in: SignIn, role: str) -> None:
    staff = sign_in("staff")
    accepted(host.call("PUT", f"/v1/organizations/{box.event['orgId']}/members/{staff.user_id}", {"role": role}))
    assert scan(staff, box, code(box.ticket(buyer)))["result"] == "admitted"


def test_nobody_else_may_scan(box: Box, buyer: Person, sign_in: SignIn, anonymous: httpx.Client) -> None:
    mine = box.ticket(buyer)
    owner_elsewhere = sign_in("elsewhere")
    accepted(owner_elsewhere.post("/v1/organizations", {"name": "Else", "country": "IN", "currency": "INR"}))
    for stranger in (buyer, owner_elsewhere, sign_in("admin", admin=True)):
        refused(post(stranger, box.event, code(mine)), 403, "forbidden")
        # Nor do they learn whether a text is genuine.
        refused(post(stranger, box.event, "garbage"), 403, "forbidden")
    path = f"/v1/events/{box.event['eventId']}/check-ins"
    refused(anonymous.post(path, json={"qr": code(mine)}), 401, "unauthenticated")
    refused(post(buyer, {"eventId": "evt_unknown"}, code(mine)), 404, "not_found")
    assert box.read(mine.ticket_id) == mine
    assert records(box) == {}


@pytest.mark.parametrize(
    "more",
    [{"qr": ""}, {"qr": "x" * 1025}, {"scanId": "a/b"}, {"scannedAt": "yesterday"}, {"gate": ""}, {"admit": True}],
)
def test_a_malformed_scan_is_refused(box: Box, buyer: Person, host: Person, more: Json) -> None:
    body = {"qr": code(box.ticket(buyer))} | more
    refused(host.post(f"/v1/events/{box.event['eventId']}/check-ins", body), 422, "validation_failed")
    assert records(box) == {}


def race(box: Box, host: Person, text: str, scanners: int, monkeypatch: pytest.MonkeyPatch, **more: Any) -> list[Json]:
    """The answers to scans that have all read the ticket as valid before the first of them writes."""
    arrived = asyncio.Barrier(scanners)
    committed, first_round = store._committed, iter(range(scanners))

    async def together(batch: AsyncWriteBatch) -> bool:
        if next(first_round, None) is not None:
            await arrived.wait()
        return await committed(batch)

    monkeypatch.setattr(store, "_committed", together)
    with ThreadPoolExecutor(scanners) as pool:
        return list(pool.map(lambda _: scan(host, box, text, **more), range(scanners)))


def test_of_many_scanners_at_once_exactly_one_admits(
    box: Box, buyer: Person, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = box.ticket(buyer)
    replies = race(box, host, code(mine), 5, monkeypatch)
    assert sorted(reply["result"] for reply in replies) == ["admitted", *["already_used"] * 4]
    assert len({reply["usedAt"] for reply in replies}) == 1
    assert len(records(box)) == 5
    assert len(box.events_told()) == 1


def test_without_the_guard_all_of_them_would_admit(
    box: Box, buyer: Person, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it is the ticket's update_time in the commit that admits once, nothing else."""

    def unguarded(batch: AsyncWriteBatch, seen: DocumentSnapshot, fields: Json) -> None:
        batch.update(seen.reference, fields)

    monkeypatch.setattr(store, "_guarded_update", unguarded)
    mine = box.ticket(buyer)
    replies = race(box, host, code(mine), 5, monkeypatch)
    assert [reply["result"] for reply in replies] == ["admitted"] * 5


def test_one_scan_sent_twice_at_once_is_admitted_in_both_answers(
    box: Box, buyer: Person, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = race(box, host, code(box.ticket(buyer)), 2, monkeypatch, scanId="scan-1")
    assert replies[0] == replies[1]
    assert replies[0]["result"] == "admitted"
    assert len(records(box)) == 1
    assert len(box.events_told()) == 1


def test_a_transfer_and_a_scan_at_once_leave_one_living_ticket(
    box: Box, buyer: Person, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = box.ticket(buyer)
    text = code(mine)
    arrived, committed, first_round = asyncio.Barrier(2), store._committed, iter(range(2))

    async def together(batch: AsyncWriteBatch) -> bool:
        if next(first_round, None) is not None:
            await arrived.wait()
        return await committed(batch)

    monkeypatch.setattr(store, "_committed", together)
    recipient = {"recipientPhone": "+919822222222", "recipientName": "Ravi"}
    with ThreadPoolExecutor(2) as pool:
        scanned = pool.submit(scan, host, box, text)
        given = pool.submit(buyer.post, f"/v1/tickets/{mine.ticket_id}/transfer", recipient)
    admitted = scanned.result()["result"] == "admitted"
    assert admitted == (given.result().status_code == 409)
    alive = [
        ticket for ticket in box.of_order(mine.order_id) if ticket.status in {TicketStatus.VALID, TicketStatus.USED}
    ]
    assert len(alive) == 1
