"""What an organizer changes while it sells, under fire: capacity, and promo codes at the limit of their uses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tests.fire.bookings import book, bought, orders_by_status, with_a_hold
from tests.fire.scenario import Scenario
from tests.support.people import tier_body

if TYPE_CHECKING:
    from tests.fire.world import World

CODE: Final = "EARLY"


async def change(world: World, capacity: int) -> None:
    tier = world.event["tiers"][0]["tierId"]
    path = f"/v1/events/{world.event['eventId']}/tiers/{tier}"
    await world.ask("change", world.host, "PATCH", path, {"capacity": capacity})


async def as_many_as_said(world: World, capacity: int) -> None:
    """All of them can be had, and not one more."""
    for number in range(capacity - 3):
        await book(world, world.guest(f"buyer-{number}"), 1, name=f"unit-{number}")
    await world.settle_down()
    sold = [unit["number"] for order in (await orders_by_status(world))["held"] for unit in order["units"]]
    assert len(sold) == len(set(sold)) == capacity, sold
    late = {"eventId": world.event["eventId"], "lines": [{"tierId": world.event["tiers"][0]["tierId"], "quantity": 1}]}
    refusal = await world.ask("late", world.guest("late"), "POST", "/v1/orders", late, key="late", done="sold_out")
    assert refusal.get("code") == "sold_out", refusal


async def with_a_code(world: World) -> None:
    """Good for one use."""
    await world.publish(tier_body(capacity=4, maxPerPerson=3))
    path = f"/v1/events/{world.event['eventId']}/promo-codes/{CODE}"
    await world.ask("code", world.host, "PUT", path, {"kind": "percent", "basisPoints": 1_000, "maxUses": 1})
    await world.settle_down()


async def book_with_the_code(world: World) -> None:
    await _with_code(world, "order", None)


async def _with_code(world: World, name: str, done: str | None) -> str:
    line = {"tierId": world.event["tiers"][0]["tierId"], "quantity": 2}
    body = {"eventId": world.event["eventId"], "lines": [line], "promoCode": CODE}
    who = world.buyer if name == "order" else world.guest(name)
    answer = await world.ask(name, who, "POST", "/v1/orders", body, key=f"book-{name}", done=done)
    return str(answer.get("code"))


async def used_once(world: World) -> None:
    [order] = (await orders_by_status(world))["held"]
    assert order["amounts"]["discount"]["amountMinor"] == 10_000, order
    assert max(await bought(world, world.buyer)) == 2
    assert await _with_code(world, "second", "promo_code_used_up") == "promo_code_used_up"


SCENARIOS: Final = (
    Scenario("raise the capacity", with_a_hold, partial(change, capacity=6), partial(as_many_as_said, capacity=6)),
    Scenario("lower the capacity", with_a_hold, partial(change, capacity=3), partial(as_many_as_said, capacity=3)),
    Scenario("create_order with a promo code", with_a_code, book_with_the_code, used_once),
)
