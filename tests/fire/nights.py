"""Webhooks that never come, under fire: reconcile_payments finds what was missed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.fire.payments import has_its_tickets, paid, refunds, the_order, ticketed, tickets
from tests.fire.scenario import Scenario

if TYPE_CHECKING:
    from tests.fire.world import World

# A night looks at nothing that is younger than a quarter of an hour.
OLD_ENOUGH: Final = timedelta(minutes=20)


async def paid_and_never_told(world: World, gateway: str) -> None:
    await paid(world, gateway)
    await _later(world)


async def refunded_and_never_told(world: World, gateway: str) -> None:
    await ticketed(world, gateway)
    world.provider(gateway).refund(world.answers["checkout"]["gatewayReference"])
    await _later(world)


async def _later(world: World) -> None:
    world.advance(OLD_ENOUGH)
    await world.settle_down()


async def night(world: World) -> None:
    await world.night()


async def all_went_back(world: World) -> None:
    order = await the_order(world)
    assert (order["status"], await tickets(world)) == ("refunded", []), order
    [back] = await refunds(world)
    assert back["reason"] == "refunded_at_provider", back


def _of(gateway: str) -> tuple[Scenario, ...]:
    missed, refunded = partial(paid_and_never_told, gateway=gateway), partial(refunded_and_never_told, gateway=gateway)
    return (
        Scenario(f"reconcile_payments, {gateway}", missed, night, has_its_tickets),
        Scenario(f"reconcile_payments of a refund at {gateway}", refunded, night, all_went_back),
    )


SCENARIOS: Final = (*_of("stripe"), *_of("razorpay"))
