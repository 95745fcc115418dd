"""Bookings under fire: publish_event, create_order, cancel_order, release_hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tests.fire.process import unwatched
from tests.fire.scenario import Scenario, no_client
from tests.fire.world import HOLD, Guest, World
from tests.support.people import tier_body

if TYPE_CHECKING:
    from tests.support.people import Json


async def book(world: World, who: Guest, *quantities: int, name: str = "order", done: str | None = None) -> Json:
    """A hold under a key of its own: as many units of the first, second … tier. `done` may be the answer, too."""
    tiers = [tier["tierId"] for tier in world.event["tiers"]]
    lines = [{"tierId": tier, "quantity": count} for tier, count in zip(tiers, quantities, strict=False) if count]
    body = {"eventId": world.event["eventId"], "lines": lines}
    return await world.ask(name, who, "POST", "/v1/orders", body, key=f"book-{name}", done=done)


async def orders_by_status(world: World) -> dict[str, list[Json]]:
    """What was ordered, by how it ended."""
    found: dict[str, list[Json]] = {}
    for order in (await world.documents("orders")).values():
        found.setdefault(order["status"], []).append(order)
    return found


async def bought(world: World, who: Guest) -> list[int]:
    """What counts towards the person's limit."""
    counts: dict[str, Any] = await world.documents(f"events/{world.event['eventId']}/buyers")
    return [count for path, each in counts.items() if path.endswith(who.user_id) for count in each["tiers"].values()]


# -- publish_event


async def drafted(world: World) -> None:
    await world.draft(tier_body(capacity=4))


async def put_on_sale(world: World) -> None:
    await world.put_on_sale()


async def all_can_be_had(world: World) -> None:
    await book(world, world.buyer, 4)
    refusal = await book(world, world.guest("late"), 1, name="late", done="sold_out")
    assert refusal.get("code") == "sold_out", refusal
    await world.settle_down()


# -- create_order


async def on_sale(world: World) -> None:
    await world.publish(tier_body(capacity=5), tier_body("Balcony", capacity=4, maxPerPerson=3))
    await world.settle_down()


async def two_tiers_one_limited(world: World) -> None:
    await book(world, world.buyer, 2, 2)


async def one_order_of_four(world: World) -> None:
    [order] = (await orders_by_status(world))["held"]
    assert len(order["units"]) == 4, order
    assert await bought(world, world.buyer) == [2]
    planned = [task for task in world.platform.tasks.values() if task.function == "release_hold"]
    assert len(planned) == 1, "nobody will release the hold"


async def two_in_one_commit(world: World) -> None:
    """The first order warms the process up: the next two need no read, so they meet in one commit."""
    with unwatched():
        await book(world, world.host, 1, name="warm-up")
    rivals = [book(world, world.guest(name), 1, name=name) for name in ("first", "second")]
    await asyncio.gather(*rivals)


async def three_orders(world: World) -> None:
    held = (await orders_by_status(world))["held"]
    assert sorted(order["buyerId"] for order in held) == sorted({order["buyerId"] for order in held}), (
        "two of one buyer"
    )
    assert len(held) == 3, held


async def almost_all(world: World) -> None:
    await book(world, world.buyer, 3, done="sold_out")


async def rival_wants_as_many(world: World) -> None:
    await book(world, world.guest("rival"), 3, name="rival", done="sold_out")


async def two_of_three(world: World) -> None:
    await book(world, world.buyer, 0, 2, done="limit_reached")


async def two_more_elsewhere(world: World) -> None:
    """The same person, on another device."""
    await book(world, world.buyer, 0, 2, name="elsewhere", done="limit_reached")


async def one_of_them_has_it(world: World) -> None:
    """The other was told why not."""
    held = (await orders_by_status(world))["held"]
    assert len(held) == 1, f"both have it: {[order['orderId'] for order in held]}"
    refusals = [answer["code"] for answer in world.answers.values() if "code" in answer]
    assert len(refusals) == 1, refusals
    assert sum(await bought(world, world.buyer)) in {0, 2}


async def sold_out_to_holds_that_ran_out(world: World) -> None:
    await with_a_hold(world)
    await book(world, world.guest("second"), 1, name="second")
    await world.settle_down()
    world.advance(HOLD)


async def take_it_over(world: World) -> None:
    await book(world, world.guest("late"), 3, name="late")


async def taken_over(world: World) -> None:
    orders = await orders_by_status(world)
    assert {status: len(each) for status, each in orders.items()} == {"expired": 2, "held": 1}, orders


# -- cancel_order and release_hold


async def with_a_hold(world: World) -> None:
    await world.publish(tier_body(capacity=4, maxPerPerson=3))
    await book(world, world.buyer, 3)
    await world.settle_down()


async def with_a_hold_that_ran_out(world: World) -> None:
    await with_a_hold(world)
    world.advance(HOLD)


async def cancel(world: World) -> None:
    order_id = world.answers["order"]["orderId"]
    answer = await world.ask("cancel", world.buyer, "POST", f"/v1/orders/{order_id}/cancel")
    assert answer["status"] == "cancelled"


async def cancelled(world: World) -> None:
    await _all_is_free_again(world, "cancelled")


async def expired(world: World) -> None:
    await _all_is_free_again(world, "expired")


async def _all_is_free_again(world: World, status: str) -> None:
    [order] = (await orders_by_status(world))[status]
    assert order["units"] == [], order
    assert await bought(world, world.buyer) == [0]
    await book(world, world.buyer, 3, name="again")
    await book(world, world.guest("next"), 1, name="last")
    await world.settle_down()


SCENARIOS: Final = (
    Scenario("publish_event", drafted, put_on_sale, all_can_be_had),
    Scenario("create_order", on_sale, two_tiers_one_limited, one_order_of_four),
    Scenario("create_order, two buyers in one commit", on_sale, two_in_one_commit, three_orders),
    Scenario("create_order, a rival meanwhile", on_sale, almost_all, one_of_them_has_it, meanwhile=rival_wants_as_many),
    Scenario(
        "create_order, the same person meanwhile",
        on_sale,
        two_of_three,
        one_of_them_has_it,
        meanwhile=two_more_elsewhere,
    ),
    Scenario("create_order over holds that ran out", sold_out_to_holds_that_ran_out, take_it_over, taken_over),
    Scenario("cancel_order", with_a_hold, cancel, cancelled),
    Scenario("release_hold", with_a_hold_that_ran_out, no_client, expired, tasks=("release_hold",)),
)
