"""Whatever the order, number and lateness of what providers tell, the end is the same. MARQUEE_FIRE=full takes all."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice, permutations
from math import factorial
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common import clients
from common.money import Money
from common.operations.audit import audit_event
from common.orders import store as orders
from common.orders.schemas import OrderStatus
from common.payments import payment_facts, settlement, store
from common.payments.gateways import PaymentEventKind, RefundStatus
from common.payments.outflow_rules import Outflows
from common.payments.payment_facts import fact as fact_of
from common.payments.payment_facts import join
from common.payments.refund_rules import after_failure, next_attempt
from tests.fire.event_sets import PART, SETS, WHOLE
from tests.support.money_world import MoneyWorld, fact
from tests.support.people import Json, Person, accepted, order_body, publish_event, tier_body
from tests.support.records import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.payments.gateways import PaymentEvent
    from tests.support.server import GatewayThread

FULL: Final = os.environ.get("MARQUEE_FIRE") == "full"
MOST_QUICK: Final = 120
STARTS: Final = ("held", "expired", "sold out", "cancelled", "paid elsewhere")
FACTS: Final = {name: tuple(event for event in events if event is not None) for name, events in SETS.items()}


def sequences(events: Sequence[PaymentEvent], most: int = MOST_QUICK) -> Iterator[tuple[PaymentEvent, ...]]:
    """Every order of the events; in the quick run evenly many of them."""
    step = 1 if FULL else max(1, factorial(len(events)) // most)
    return islice(permutations(events), 0, None, step)


def begun(start: str) -> MoneyWorld:
    """An order that is about to hear of its payment."""
    world = MoneyWorld()
    if start == "cancelled":
        world.end_hold(OrderStatus.CANCELLED)
    elif start in {"expired", "sold out"}:
        world.end_hold(OrderStatus.EXPIRED)
    elif start == "paid elsewhere":
        paid = {"status": OrderStatus.EXPIRED, "payment_id": "ord_1_razorpay", "units": ()}
        world.order = world.order.model_copy(update=paid | {"status": OrderStatus.CANCELLED})
    world.units_left = 0 if start == "sold out" else world.units_left
    return world


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", FACTS)
def test_every_order_of_the_events_ends_the_same(name: str, start: str) -> None:
    ends = {}
    for sequence in sequences(FACTS[name]):
        world = begun(start)
        for event in sequence:
            world.hear(event)
        assert world.violations() == [], [event.event_id for event in sequence]
        end = world.state()
        for event in reversed(sequence):
            world.hear(event)
        assert world.state() == end, "a repeat changed something"
        ends[repr(end)] = sequence
    assert len(ends) == 1, [[event.event_id for event in sequence] for sequence in ends.values()]


@pytest.mark.parametrize("name", [name for name, facts in FACTS.items() if len(facts) <= 3])
def test_every_order_of_events_that_each_come_twice_ends_the_same(name: str) -> None:
    ends = set()
    for sequence in sequences(FACTS[name] * 2):
        world = begun("held")
        for event in sequence:
            world.hear(event)
        ends.add(repr(world.state()))
    assert len(ends) == 1


OURS: Final[dict[str, list[tuple[str, str, str | None]]]] = {
    "paid": [("refunded", "re_1", "ref_1")],
    "failed, then paid": [("refund_failed", "re_1", "ref_1"), ("refunded", "re_2", "ref_1.2")],
    "came back, then paid": [
        ("refunded", "re_1", "ref_1"),
        ("refund_failed", "re_1", "ref_1"),
        ("refunded", "re_2", "ref_1.2"),
    ],
    "paid beside one in the dashboard": [("refunded", "re_1", "ref_1"), ("refunded", "re_dashboard", None)],
}


@pytest.mark.parametrize(
    ("name", "amount"),
    # After a refund of all nothing is left that could be given back in the dashboard.
    [(name, amount) for name in OURS for amount in (PART, WHOLE) if amount == PART or "dashboard" not in name],
)
def test_our_own_refund_ends_the_same_whatever_is_heard_first(name: str, amount: int) -> None:
    told = [fact(kind, amount=amount, refund_id=refund_id, refund_key=key) for kind, refund_id, key in OURS[name]]
    ends = set()
    for sequence in permutations([*told, fact("captured")]):
        world = begun("held")
        world.hear(fact("captured"))
        world.request_refund(**({} if amount == WHOLE else {"amount": Money(amount_minor=amount, currency="INR")}))
        for event in sequence:
            world.hear(event)
        assert world.violations() == []
        ends.add(repr(world.state()))
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("switched_off", "name"),
    [("_later", "stripe, refund came back"), ("_union", "stripe, refunded in two parts")],
    ids=["the last word counts", "only the last event is known"],
)
def test_control_without_ranks_or_without_joining_the_order_decides(
    switched_off: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payment_facts, switched_off, lambda _, other, *__: other)
    ends = set()
    for sequence in permutations(FACTS[name]):
        world = begun("held")
        for event in sequence:
            world.hear(event)
        ends.add(repr(world.state()))
    assert len(ends) > 1


EVENTS: Final = [event for facts in FACTS.values() for event in facts]
SOME_FACTS: Final = st.lists(st.sampled_from(EVENTS), max_size=6)


@given(SOME_FACTS, SOME_FACTS, SOME_FACTS)
def test_facts_join_in_any_grouping_and_order_and_twice(
    one: list[PaymentEvent], two: list[PaymentEvent], three: list[PaymentEvent]
) -> None:
    a, b, c = (known(events) for events in (one, two, three))
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(a, {}) == a


def known(events: list[PaymentEvent]) -> payment_facts.Facts:
    """What these events tell together."""
    facts: payment_facts.Facts = {}
    for event in events:
        facts = join(facts, fact_of(event))
    return facts


class Provider:
    """A provider's side: it pays out no more than it took, and tells of everything in its own time."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.refunds: dict[str, tuple[str, int, str | None]] = {}
        self.failed: set[str] = set()
        self.untold: list[PaymentEvent] = []
        self.said: list[PaymentEvent] = []

    def all_told(self) -> list[PaymentEvent]:
        """What it says when it is asked."""
        return [*self.said, *self.untold, fact("failed", "pi_0")]

    def left(self, payment_id: str) -> int:
        paid = [
            amount
            for name, (payment, amount, _) in self.refunds.items()
            if payment == payment_id and name not in self.failed
        ]
        return self.taken.get(payment_id, 0) - sum(paid)

    def take(self, payment_id: str, amount: int) -> None:
        if payment_id not in self.taken:
            self.taken[payment_id] = amount
            self.untold.append(fact("captured", payment_id, amount, fee_minor=amount // 50))

    def refund(self, payment_id: str, amount: int, key: str | None) -> str | None:
        """The refund under this key, or a new one; None when it refuses."""
        standing = next((name for name, each in self.refunds.items() if key is not None and each[2] == key), None)
        if standing is not None:
            return standing
        if not 0 < amount <= self.left(payment_id):
            return None
        name = f"re_{len(self.refunds) + 1}"
        self.refunds[name] = (payment_id, amount, key)
        self.tell("refunded", name)
        return name

    def hand_back(self, name: str) -> None:
        if name in self.refunds and name not in self.failed:
            self.failed.add(name)
            self.tell("refund_failed", name)

    def lose_dispute(self, payment_id: str) -> None:
        """The buyer's bank takes what is left."""
        if self.left(payment_id):
            name = f"du_{len(self.refunds) + 1}"
            self.refunds[name] = (payment_id, self.left(payment_id), None)
            self.untold.append(fact("disputed", payment_id, self.refunds[name][1], name))
            self.tell("dispute_lost", name)

    def tell(self, kind: str, name: str) -> None:
        payment_id, amount, key = self.refunds[name]
        self.untold.append(fact(kind, payment_id, amount, name, refund_key=key))


REFUNDABLE: Final = {OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED}
STEP: Final = st.one_of(
    st.tuples(st.just("pay"), st.integers(1, 2), st.sampled_from([WHOLE, WHOLE, 5])),
    st.tuples(st.just("hear"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("dashboard"), st.integers(1, 2), st.sampled_from([PART, WHOLE, WHOLE - PART, 5])),
    st.tuples(st.just("dispute"), st.integers(1, 2), st.none()),
    st.tuples(st.just("hand back"), st.integers(1, 4), st.none()),
    st.tuples(st.just("ask"), st.sampled_from([None, PART]), st.none()),
    st.tuples(st.just("execute"), st.booleans(), st.none()),
    st.tuples(st.just("try again"), st.none(), st.none()),
    st.tuples(st.just("end"), st.sampled_from([OrderStatus.EXPIRED, OrderStatus.CANCELLED]), st.none()),
    st.tuples(st.just("sell out"), st.none(), st.none()),
)
PAID: Final = [("pay", 1, WHOLE), ("hear", 0, True)]
BEGINNINGS: Final = [[], PAID, PAID, [*PAID, ("ask", PART, None)], [("end", OrderStatus.CANCELLED, None), *PAID]]
STEPS: Final = st.builds(list.__add__, st.sampled_from(BEGINNINGS), st.lists(STEP, max_size=25))


def execute(world: MoneyWorld, provider: Provider, *, answered: bool) -> None:
    """One round of execute_refund for whatever waits; an answer may be lost."""
    for waiting in world.unpaid():
        refund = world.refunds[waiting.refund_id]
        if refund.status is not RefundStatus.PENDING:
            continue
        name = provider.refund(refund.provider_payment_id or "", refund.amount.amount_minor, refund.key)
        if name is None:
            # It refuses: what stands there is looked at before that counts as an attempt.
            world.hear(*provider.all_told())
            if world.refunds[refund.refund_id] == refund:
                world.refunds[refund.refund_id] = after_failure(refund, "refused", NOW)
        elif answered:
            payment_id, amount, key = provider.refunds[name]
            kind = "refund_failed" if name in provider.failed else "refunded"
            world.hear(fact(kind, payment_id, amount, name, refund_key=key))


def act(world: MoneyWorld, provider: Provider, step: tuple[Any, Any, Any]) -> None:
    """One thing happens at the provider, or here."""
    match step:
        case "pay", number, amount:
            provider.take(f"pi_{number}", amount)
        case "dashboard", number, amount:
            provider.refund(f"pi_{number}", amount, None)
        case "dispute", number, _:
            provider.lose_dispute(f"pi_{number}")
        case "hand back", number, _:
            provider.hand_back(f"re_{number}")
        case _:
            act_here(world, provider, step)


def act_here(world: MoneyWorld, provider: Provider, step: tuple[Any, Any, Any]) -> None:
    match step:
        case "hear", number, for_the_last_time if provider.untold:
            told = provider.untold[number % len(provider.untold)]
            world.hear(told)
            if for_the_last_time:
                provider.untold.remove(told)
                provider.said.append(told)
        case "ask", amount, _ if world.payment.provider_payment_id and world.order.status in REFUNDABLE:
            left = WHOLE - world.order.refunded_minor
            if left:
                world.request_refund(amount=Money(amount_minor=min(amount or left, left), currency="INR"))
        case "execute", answered, _:
            execute(world, provider, answered=answered)
        case "try again", _, _:
            for refund in [each for each in world.refunds.values() if each.status is RefundStatus.FAILED]:
                world.refunds[refund.refund_id] = next_attempt(refund, None)
        case "end", status, _:
            world.end_hold(status)
        case "sell out", _, _:
            world.units_left = 0


# Each of these lost money in a draft of the rules.
ASKED: Final = [*PAID, ("ask", PART, None)]
PAID_TWICE_UNDER_TWO_KEYS: Final = [
    *ASKED,
    ("execute", False, None),
    ("dashboard", 1, 5),
    ("ask", None, None),
    ("hear", 1, False),
]
TAKEN_FOR_OURS: Final = [*ASKED, ("dashboard", 1, PART), ("ask", None, None), ("execute", False, None)]
MORE_THAN_WAS_OWED: Final = [
    *ASKED,
    ("ask", PART, None),
    ("execute", True, None),
    ("hand back", 2, None),
    ("dispute", 1, None),
    ("hand back", 1, None),
]


@given(STEPS)
@example(PAID_TWICE_UNDER_TWO_KEYS)
@example(TAKEN_FOR_OURS)
@example(MORE_THAN_WAS_OWED)
def test_whatever_happens_in_whatever_order_no_money_is_lost(steps: list[tuple[Any, Any, Any]]) -> None:
    burn(steps)


def burn(steps: list[tuple[Any, Any, Any]]) -> None:
    """Take the steps, let everything arrive and end, and count the money on both sides."""
    world, provider = MoneyWorld(), Provider()
    for step in steps:
        act(world, provider, step)
        assert world.violations() == []
    for _ in range(12):
        execute(world, provider, answered=True)
        world.hear(*provider.all_told())
    assert world.violations() == []
    assert not world.unpaid()
    for payment_id, taken in provider.taken.items():
        refunds = [each for each in world.refunds.values() if each.provider_payment_id == payment_id]
        succeeded = sum(each.amount.amount_minor for each in refunds if each.status is RefundStatus.SUCCEEDED)
        gone = taken - provider.left(payment_id)
        assert gone == succeeded <= taken, "what left the provider is what we say was paid back"
        if payment_id != world.payment.provider_payment_id:
            owed = sum(each.amount.amount_minor for each in refunds if each.status is RefundStatus.FAILED)
            assert gone + owed == taken, "a capture that bought nothing goes back whole"


def test_control_with_a_new_key_for_what_may_have_been_made_it_is_paid_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    relieve = Outflows.relieve

    def relieve_with_new_keys(work: Outflows, payment_id: str, captured: Money) -> None:
        before = dict(work.refunds)
        relieve(work, payment_id, captured)
        for refund_id, refund in work.refunds.items():
            if refund_id in before and refund.amount != before[refund_id].amount:
                work.refunds[refund_id] = refund.model_copy(update={"attempt": refund.attempt + 1})

    monkeypatch.setattr(Outflows, "relieve", relieve_with_new_keys)
    with pytest.raises(AssertionError, match="what left the provider"):
        burn(PAID_TWICE_UNDER_TWO_KEYS)


# --- the same on Firestore ---

LIVE: Final = (
    "stripe, declined, then paid",
    "stripe, refunded in two parts",
    "stripe, refund came back",
    "stripe, dispute lost",
    "stripe, wrong amount, refunded in the dashboard",
    "razorpay, two attempts both captured",
    "razorpay, refunded in the dashboard",
)


@pytest.fixture
def event(project: str, host: Person) -> Json:
    return publish_event(host, tier_body(capacity=900, maxPerOrder=2))


def of_order(event: PaymentEvent, order_id: str) -> PaymentEvent:
    """The same, about a payment of this order's own."""
    return replace(
        event,
        order_id=order_id,
        payment_id=f"{event.payment_id}_{order_id}",
        reference=f"{event.reference}_{order_id}",
        refund_id=f"{event.refund_id}_{order_id}" if event.refund_id else None,
        occurred_at=datetime.now(UTC),
    )


async def end_of(order_id: str, events: Sequence[PaymentEvent]) -> str:
    """How an order stands in Firestore."""
    seen = await orders.find(order_id)
    payment = await store.find_payment(order_id, events[0].gateway)
    assert seen is not None and payment is not None
    refunds = await store.refunds_of_order(order_id)
    stray = sum(each.amount.amount_minor for each in refunds if each.stray)
    booked = sorted((each.amount.amount_minor, each.status, each.reason) for each in refunds if not each.stray)
    order = seen.order
    return repr((order.status, order.refunded_minor, len(order.units), payment.status, booked, stray))


@pytest.mark.parametrize("name", LIVE)
def test_on_firestore_every_order_of_the_events_ends_the_same(
    name: str, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    ends = set()
    for sequence in sequences(FACTS[name], most=5):
        order_id = accepted(buyer.post("/v1/orders", order_body(event, 2)))["orderId"]

        async def hear(order_id: str = order_id, sequence: Sequence[PaymentEvent] = sequence) -> str:
            for each in sequence:
                await settlement.act_on(of_order(each, order_id))
            return await end_of(order_id, sequence)

        ends.add(gateway.run(hear()))
    assert len(ends) == 1
    assert_clean(gateway, event, name)


@pytest.mark.parametrize("name", LIVE)
def test_on_firestore_all_events_at_once_and_twice_end_the_same(
    name: str, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    ends = set()
    for _ in range(10 if FULL else 2):
        order_id = accepted(buyer.post("/v1/orders", order_body(event, 2)))["orderId"]

        async def hear(order_id: str = order_id) -> str:
            told = [of_order(each, order_id) for each in FACTS[name] * 2]
            await asyncio.gather(*(settlement.act_on(each) for each in told))
            return await end_of(order_id, told)

        ends.add(gateway.run(hear()))
    assert len(ends) == 1
    assert_clean(gateway, event, name)


def assert_clean(gateway: GatewayThread, event: Json, name: str) -> None:
    """Nothing is found; but where the bank handed a refund back, the audit says that it waits for a person."""
    found = {violation.invariant for violation in gateway.run(audit_event(event["eventId"]))}
    assert found == ({"refunds finish"} if name == "stripe, refund came back" else set())


def test_nothing_is_left_of_the_facts_in_another_gateway_s_record(
    gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    """Paid at both: each record has its own facts, the second is returned, the first keeps its tickets."""
    order_id = accepted(buyer.post("/v1/orders", order_body(event, 2)))["orderId"]
    [first], [second] = FACTS["stripe, paid"][-1:], FACTS["razorpay, paid"][-1:]
    assert {first.kind, second.kind} == {PaymentEventKind.CAPTURED}

    async def hear() -> list[Any]:
        for each in (first, second, first, second):
            await settlement.act_on(of_order(each, order_id))
        seen = await orders.find(order_id)
        found = [each.to_dict() or {} async for each in clients.firestore().collection("refunds").stream()]
        assert seen is not None
        return [seen.order, [each for each in found if each["orderId"] == order_id]]

    order, [refund] = gateway.run(hear())
    assert (order.status, order.payment_id, len(order.ticket_ids)) == ("ticketed", f"{order_id}_stripe", 2)
    assert (refund["gateway"], refund["reason"], refund["stray"]) == ("razorpay", "paid_twice", True)
    assert gateway.run(audit_event(event["eventId"])) == ()
