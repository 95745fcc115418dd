"""Who gets which units, and whom one commit serves: plain decisions, without a database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from common.orders.allocation import allocate, closed_tier, missing_tier, take
from common.orders.inventory import Change
from common.orders.shards import Shard
from common.orders.waiting_line import MOST_WRITES, Waiting, WaitingLine
from common.tickets.schemas import UnitRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.orders.known_shards import View

TIERS = ("floor", "balcony")


def shard(tier_id: str, index: int, size: int, open: bool = True) -> Shard:
    return Shard(f"{tier_id}/{index}", tier_id, index * 100, size, index * 100, (), open)


def view(sizes: Mapping[str, list[int]]) -> View:
    return {
        tier_id: {item.path: item for item in (shard(tier_id, index, size) for index, size in enumerate(each))}
        for tier_id, each in sizes.items()
    }


def change(
    takes: Mapping[str, int], gives: tuple[UnitRef, ...] = (), writes: int = 3, documents: frozenset[str] = frozenset()
) -> Change:
    return Change("ord", takes, gives, writes, documents, lambda batch, units: None)


def waiting(of: Change) -> Waiting:
    return Waiting(of, asyncio.Future(loop=LOOP))


LOOP = asyncio.new_event_loop()
WISHES = st.lists(st.dictionaries(st.sampled_from(TIERS), st.integers(1, 6), min_size=1), max_size=25)
SIZES = st.fixed_dictionaries({tier_id: st.lists(st.integers(0, 12), min_size=1, max_size=4) for tier_id in TIERS})


@given(SIZES, WISHES)
def test_everybody_gets_all_or_nothing_and_no_unit_twice(
    sizes: dict[str, list[int]], wishes: list[dict[str, int]]
) -> None:
    known = view(sizes)
    plan = allocate([waiting(change(wish)) for wish in wishes], known)
    assert len(plan.served) + len(plan.short) == len(wishes)
    for each, units in plan.served:
        assert {tier_id: [unit.tier_id for unit in units].count(tier_id) for tier_id in each.change.takes} == dict(
            each.change.takes
        )
    taken = [(unit.tier_id, unit.number) for _, units in plan.served for unit in units]
    assert len(taken) == len(set(taken))
    left = {tier_id: sum(item.available for item in known[tier_id].values()) for tier_id in TIERS}
    for tier_id in TIERS:
        assert left[tier_id] + sum(1 for tier, _ in taken if tier == tier_id) == sum(sizes[tier_id])
    # Nobody is short who could still be served from what is left, and their first reason is named.
    for each in plan.short:
        assert take(each.change, known) is None
        tier_id, count = missing_tier(each.change, known)
        assert count == left[tier_id] < each.change.takes[tier_id]
    # What is written is what was seen without the units taken, shard by shard.
    assert plan.before.keys() == plan.after.keys()
    for path, after in plan.after.items():
        gone = sum(1 for tier, number in taken if tier == after.tier_id and number // 100 == after.first // 100)
        assert plan.before[path].available - after.available == gone > 0


def test_units_return_to_their_own_shard_or_not_at_all() -> None:
    known = view({"floor": [10, 10]})
    bought = take(change({"floor": 12}), known)
    assert bought is not None
    units, touched = bought
    for after in touched.values():
        known["floor"][after.path] = after
    back = take(change({}, units), known)
    assert back is not None
    assert [item.available for item in back[1].values()] == [10, 10]
    assert take(change({}, (*units, units[0])), known) is None, "twice the same"
    assert take(change({}, (UnitRef(tier_id="floor", number=999),)), known) is None, "no shard that is known"


def test_a_tier_without_an_open_shard_is_closed() -> None:
    closed = {"floor": {"s": shard("floor", 0, 5, open=False)}, "balcony": {"s": shard("balcony", 0, 5)}}
    assert take(change({"floor": 1}), closed) is None
    assert closed_tier(change({"balcony": 1, "floor": 1}), closed) == "floor"
    assert closed_tier(change({"balcony": 1}), closed) is None
    assert missing_tier(change({"floor": 1}), closed) == ("floor", 0)


def line_of(*changes: Change) -> tuple[WaitingLine, list[Waiting]]:
    line, all_of_them = WaitingLine(), [waiting(each) for each in changes]
    for each in all_of_them:
        line.add(each)
    return line, all_of_them


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60))
def test_groups_fit_into_a_commit_and_keep_the_order(quantities: list[int]) -> None:
    line, all_of_them = line_of(*(change({"floor": quantity}) for quantity in quantities))
    served: list[Waiting] = []
    while len(line):
        group = line.next_group(set())
        assert sum(each.change.weight for each in group) <= MOST_WRITES
        served += group
    assert served == all_of_them
    assert line.commits == 0


def test_who_writes_the_same_document_waits_for_the_next_commit() -> None:
    mine, yours = frozenset({"orders/a"}), frozenset({"orders/b"})
    line, (first, again, other) = line_of(*(change({"floor": 1}, documents=paths) for paths in (mine, mine, yours)))
    assert line.next_group(set()) == [first, other]
    assert line.next_group({"orders/a"}) == []
    assert (len(line), line.next_group(set())) == (1, [again])


def test_who_gave_up_is_left_out_and_who_was_put_back_comes_first() -> None:
    line, (first, second, third) = line_of(*(change({"floor": 1}) for _ in range(3)))
    second.outcome.cancel()
    group: Any = line.next_group(set())
    assert group == [first, third]
    late = waiting(change({"floor": 1}))
    line.add(late)
    line.put_back(group)
    assert line.next_group(set()) == [first, third, late]
    first.answer(())
    first.refuse(RuntimeError("too late"))
    second.answer(())
    assert first.outcome.result() == ()
