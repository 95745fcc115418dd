"""Tickets under fire: transfer_ticket, check_in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tests.fire.bookings import book
from tests.fire.payments import the_order, ticketed, tickets
from tests.fire.scenario import Scenario

if TYPE_CHECKING:
    from tests.fire.world import World

FRIEND: Final = "+919800000099"


async def with_a_code(world: World) -> None:
    """Two paid tickets; somebody has a picture of the first one's code."""
    await ticketed(world, "stripe")
    first = min((await the_order(world))["ticketIds"])
    await world.ask("picture", world.buyer, "GET", f"/v1/tickets/{first}")


async def transfer(world: World) -> None:
    first = world.answers["picture"]["ticketId"]
    body = {"recipientPhone": FRIEND, "recipientName": "Asha"}
    answer = await world.ask("transfer", world.buyer, "POST", f"/v1/tickets/{first}/transfer", body, key="give")
    assert answer["status"] == "transferred"


async def friend_has_one(world: World) -> None:
    """One ticket each; the old one is dead."""
    assert sorted(ticket["holderPhone"] or "" for ticket in await tickets(world)) == ["", FRIEND]
    died = [ticket for ticket in (await world.documents("tickets")).values() if ticket["status"] == "transferred"]
    assert len(died) == 1
    body = {"qr": world.answers["picture"]["qr"], "scanId": "old-code"}
    answer = await world.ask("old", world.host, "POST", f"/v1/events/{world.event['eventId']}/check-ins", body)
    assert answer["result"] == "revoked", answer


async def before_the_door(world: World) -> None:
    """The doors open; the buyer shows a code."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    times = {"startsAt": starts.isoformat(), "endsAt": (starts + timedelta(hours=6)).isoformat()}
    await world.publish(**times)
    await book(world, world.buyer, 1)
    order_id = world.answers["order"]["orderId"]
    await world.ask("free", world.buyer, "POST", f"/v1/orders/{order_id}/checkout", {"gateway": "stripe"})
    await world.settle_down()
    [ticket_id] = (await the_order(world))["ticketIds"]
    await world.ask("ticket", world.buyer, "GET", f"/v1/tickets/{ticket_id}")


async def scan(world: World) -> None:
    body = {"qr": world.answers["ticket"]["qr"], "gate": "A", "scanId": "scan-1"}
    answer = await world.ask("scan", world.host, "POST", f"/v1/events/{world.event['eventId']}/check-ins", body)
    assert answer["result"] == "admitted", answer


async def admitted_once(world: World) -> None:
    [ticket] = await tickets(world)
    assert ticket["status"] == "used"
    assert len(await world.documents(f"events/{world.event['eventId']}/checkIns")) == 1


SCENARIOS: Final = (
    Scenario("transfer_ticket", with_a_code, transfer, friend_has_one),
    Scenario("check_in", before_the_door, scan, admitted_once),
)
