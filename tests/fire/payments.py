"""Money under fire: checkout, settle_payment, refunds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tests.fire.bookings import book
from tests.fire.scenario import Scenario
from tests.fire.world import HOLD, Guest, World
from tests.support.people import tier_body

if TYPE_CHECKING:
    from tests.fire.scenario import Step
    from tests.support.people import Json

SETTLE: Final = ("settle_payment", "execute_refund")


async def checkout(world: World, gateway: str, name: str = "checkout") -> Json:
    """What the buyer's app asks for, to pay."""
    order_id = world.answers["order"]["orderId"]
    return await world.ask(name, world.buyer, "POST", f"/v1/orders/{order_id}/checkout", {"gateway": gateway})


async def held(world: World, price_minor: int = 50_000) -> None:
    await world.publish(tier_body(price_minor=price_minor, capacity=4))
    await book(world, world.buyer, 2)
    await world.settle_down()


async def paid(world: World, gateway: str) -> None:
    """The provider has the money; we were not told."""
    await held(world)
    await checkout(world, gateway)
    world.provider(gateway).pay(world.answers["checkout"]["gatewayReference"])


async def ticketed(world: World, gateway: str) -> None:
    await paid(world, gateway)
    await notified(world, gateway)
    await world.settle_down()


async def notified(world: World, gateway: str) -> None:
    """The provider tells of every payment."""
    side = world.provider(gateway)
    for notice in side.notices(side.paid):
        await world.send(notice)


async def notified_of_refunds(world: World, gateway: str) -> None:
    """The provider tells of every refund, also of one whose call we do not know the outcome of."""
    side = world.provider(gateway)
    for notice in side.notices(*side.refunded):
        await world.send(notice)


async def the_order(world: World) -> Json:
    orders = await world.documents("orders")
    return orders[f"orders/{world.answers['order']['orderId']}"]


async def tickets(world: World) -> list[Json]:
    """Those that open the door."""
    found = (await world.documents("tickets")).values()
    return [ticket for ticket in found if ticket["status"] in {"valid", "used"}]


async def refunds(world: World) -> list[Json]:
    return list((await world.documents("refunds")).values())


# -- checkout


async def one_payment(world: World, gateway: str) -> None:
    """One at the provider, and ours is about it."""
    [payment] = (await world.documents("payments")).values()
    assert world.provider(gateway).references() == {payment["reference"]}, "more than one payment at the provider"
    assert world.answers["checkout"]["gatewayReference"] == payment["reference"]


async def held_for_free(world: World) -> None:
    await held(world, price_minor=0)


async def has_its_tickets(world: World) -> None:
    order = await the_order(world)
    assert order["status"] == "ticketed", order
    assert sorted(ticket["ticketId"] for ticket in await tickets(world)) == sorted(order["ticketIds"])
    assert len(order["ticketIds"]) == 2
    mails = world.mails(world.buyer)
    assert len(mails) == 1, f"{len(mails)} mails"


# -- settle_payment


async def paid_after_the_hold(world: World, gateway: str = "stripe") -> None:
    await paid(world, gateway)
    world.advance(HOLD)
    await world.settle_down()
    assert (await the_order(world))["status"] == "expired"


async def paid_after_sell_out(world: World) -> None:
    await paid_after_the_hold(world)
    await book(world, world.guest("rival"), 4, name="rival")
    await world.settle_down()


async def rival_lets_go(world: World) -> None:
    """The units come back while nobody knows how far the settlement of the late payment came."""
    order_id = world.answers["rival"]["orderId"]
    rival = Guest(f"rival-{world.suffix}", world.guest("rival").token, "")
    await world.ask("let go", rival, "POST", f"/v1/orders/{order_id}/cancel")


async def tickets_or_money(world: World) -> None:
    """Either is right; both, or neither, is not."""
    order, back = await the_order(world), await refunds(world)
    assert (order["status"], len(back)) in {("ticketed", 0), ("expired", 1)}, (order, back)


async def paid_twice(world: World) -> None:
    await held(world)
    for gateway in ("stripe", "razorpay"):
        world.provider(gateway).pay((await checkout(world, gateway, name=gateway))["gatewayReference"])
    await notified(world, "stripe")
    await world.settle_down()


async def second_payment_went_back(world: World) -> None:
    await has_its_tickets_and(world, "paid_twice", gateway="razorpay")


async def has_its_tickets_and(world: World, reason: str, gateway: str) -> None:
    order = await the_order(world)
    assert order["status"] == "ticketed", order
    assert len(await tickets(world)) == 2
    [back] = await refunds(world)
    assert (back["reason"], back["gateway"]) == (reason, gateway), back


async def paid_and_cancelled(world: World) -> None:
    await paid(world, "stripe")
    order_id = world.answers["order"]["orderId"]
    await world.ask("cancel", world.buyer, "POST", f"/v1/orders/{order_id}/cancel")
    await world.settle_down()


async def money_went_back(world: World, reason: str) -> None:
    assert await tickets(world) == []
    [back] = await refunds(world)
    assert back["reason"] == reason, back


# -- refund_order and execute_refund


async def refund_all(world: World) -> None:
    await _refund(world, world.host)


async def refund_one_ticket(world: World) -> None:
    first = min((await the_order(world))["ticketIds"])
    await _refund(world, world.buyer, ticketIds=[first])


async def _refund(world: World, by: Guest, **body: object) -> None:
    path = f"/v1/orders/{world.answers['order']['orderId']}/refunds"
    await world.ask("refund", by, "POST", path, {"reason": "ill", **body}, key="refund")


async def refunded(world: World) -> None:
    order = await the_order(world)
    assert (order["status"], await tickets(world)) == ("refunded", []), order
    await _one_refund(world)


async def one_ticket_left(world: World) -> None:
    order = await the_order(world)
    assert (order["status"], len(await tickets(world))) == ("partially_refunded", 1), order
    await _one_refund(world)


async def _one_refund(world: World) -> None:
    [back] = await refunds(world)
    assert back["refundId"] == world.answers["refund"]["refundId"]
    assert len(world.mails(world.buyer)) == 2, "one with the tickets, one about the refund"


def _of(gateway: str) -> tuple[Scenario, ...]:
    """What every provider must survive."""
    return (
        Scenario(f"checkout, {gateway}", held, _checkout_at(gateway), partial(one_payment, gateway=gateway)),
        Scenario(
            f"settle_payment, {gateway}",
            partial(paid, gateway=gateway),
            partial(notified, gateway=gateway),
            has_its_tickets,
            SETTLE,
        ),
        Scenario(
            f"refund by the organizer, {gateway}",
            partial(ticketed, gateway=gateway),
            refund_all,
            refunded,
            SETTLE,
            meanwhile=partial(notified_of_refunds, gateway=gateway),
        ),
    )


def _checkout_at(gateway: str) -> Step:
    async def client(world: World) -> None:
        await checkout(world, gateway)

    return client


SCENARIOS: Final = (
    *_of("stripe"),
    *_of("razorpay"),
    Scenario("checkout of a free order", held_for_free, _checkout_at("stripe"), has_its_tickets),
    Scenario(
        "settle_payment after the hold",
        paid_after_the_hold,
        partial(notified, gateway="stripe"),
        has_its_tickets,
        SETTLE,
    ),
    Scenario(
        "settle_payment after sell-out",
        paid_after_sell_out,
        partial(notified, gateway="stripe"),
        partial(money_went_back, reason="sold_out"),
        SETTLE,
    ),
    Scenario(
        "settle_payment after sell-out, units return",
        paid_after_sell_out,
        partial(notified, gateway="stripe"),
        tickets_or_money,
        SETTLE,
        meanwhile=rival_lets_go,
    ),
    Scenario(
        "settle_payment of a second payment",
        paid_twice,
        partial(notified, gateway="razorpay"),
        second_payment_went_back,
        SETTLE,
    ),
    Scenario(
        "settle_payment of a cancelled order",
        paid_and_cancelled,
        partial(notified, gateway="stripe"),
        partial(money_went_back, reason="order_cancelled"),
        SETTLE,
    ),
    Scenario(
        "refund of one ticket by the buyer",
        partial(ticketed, gateway="stripe"),
        refund_one_ticket,
        one_ticket_left,
        SETTLE,
    ),
)
