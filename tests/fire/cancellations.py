"""A called-off event under fire: cancel_event, refund_event, and the refunds that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.fire.bookings import book
from tests.fire.payments import refunds, the_order, ticketed, tickets
from tests.fire.scenario import Scenario

if TYPE_CHECKING:
    from tests.fire.world import World


async def a_paid_order_and_a_hold(world: World) -> None:
    await ticketed(world, "stripe")
    await book(world, world.guest("holder"), 1, name="held")
    await world.settle_down()


async def call_off(world: World) -> None:
    path = f"/v1/events/{world.event['eventId']}/cancel"
    await world.ask("call off", world.host, "POST", path, done="event_cancelled")


async def everybody_has_their_money(world: World) -> None:
    """Counted once, too, however often a page was done."""
    assert (await the_order(world))["status"] == "refunded"
    orders = await world.documents("orders")
    assert orders[f"orders/{world.answers['held']['orderId']}"]["status"] == "cancelled"
    assert await tickets(world) == []
    assert len(await refunds(world)) == 1
    [run] = (await world.documents("refundRuns")).values()
    assert (run["status"], run["orders"], run["refunded"]) == ("done", 2, 1), run


SCENARIOS: Final = (
    Scenario(
        "cancel_event",
        a_paid_order_and_a_hold,
        call_off,
        everybody_has_their_money,
        tasks=("refund_event", "execute_refund"),
    ),
)
