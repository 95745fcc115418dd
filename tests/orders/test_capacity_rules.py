"""Another capacity for shards that sell: the sum is right, no taken number is lost, none can be handed out twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.orders.capacity import CapacityBelowSold, resized
from common.orders.shards import MOST_SHARDS, Shard, shard, shard_documents

STEPS = st.lists(st.tuples(st.sampled_from(["take", "give", "resize"]), st.integers(0, 10**6)), min_size=1, max_size=40)


def new(capacity: int) -> tuple[Shard, ...]:
    return tuple(shard(path, fields) for path, fields in shard_documents("e", "t", capacity))


@given(st.integers(1, 800), STEPS)
def test_whatever_happens_in_whatever_order(capacity: int, steps: list[tuple[str, int]]) -> None:
    shards, taken = new(capacity), set[int]()
    for step, value in steps:
        place = value % len(shards)
        if step == "take":
            numbers, after = shards[place].take(1 + value % 60)
            assert not taken & set(numbers)
            taken |= set(numbers)
            shards = (*shards[:place], after, *shards[place + 1 :])
        elif step == "give":
            mine = sorted(number for number in taken if _within(shards[place], number))[: value % 60]
            taken -= set(mine)
            shards = (*shards[:place], shards[place].give(tuple(mine)), *shards[place + 1 :])
        else:
            shards, capacity = _after_resize(shards, taken, 1 + value % 3_000, capacity)
        assert sum(item.capacity for item in shards) == capacity
        assert sum(item.available for item in shards) == capacity - len(taken)
        assert sum(item.taken for item in shards) == len(taken)


def _within(item: Shard, number: int) -> bool:
    return item.first <= number < item.first + item.size


def _after_resize(
    shards: tuple[Shard, ...], taken: set[int], wanted: int, capacity: int
) -> tuple[tuple[Shard, ...], int]:
    if wanted < len(taken):
        with pytest.raises(CapacityBelowSold) as refused:
            resized(shards, wanted)
        assert refused.value.extensions == {"least": len(taken)}
        return shards, capacity
    after = resized(shards, wanted)
    assert [item.path for item in after[: len(shards)]] == [item.path for item in shards]
    assert len({item.path for item in after}) == len(after) <= MOST_SHARDS
    for item, following in pairwise(after):
        assert item.first + item.size <= following.first, "no number is in two shards"
    assert all(any(_within(item, number) for item in after) for number in taken)
    return after, wanted


def test_never_used_tails_go_first_then_what_was_given_back() -> None:
    [item] = new(10)
    _, item = item.take(6)
    item = item.give((2, 4))
    [cut] = resized([item], 7)
    assert (cut.size, cut.returned, cut.withdrawn, cut.available) == (7, (2, 4), (), 3)
    [drawn] = resized([cut], 5)
    assert (drawn.size, drawn.returned, drawn.withdrawn, drawn.available) == (6, (4,), (2,), 1)
    [back] = resized([drawn], 8)
    assert (back.size, back.returned, back.withdrawn, back.available) == (8, (2, 4), (), 4)


def test_a_small_raise_makes_no_shard_and_a_large_one_as_many_as_the_capacity_asks_for() -> None:
    assert len(resized(new(10), 40)) == 1
    after = resized(new(10), 2_000)
    assert len(after) == len(new(2_000))
    assert [item.path for item in after] == [item.path for item in new(2_000)]


def test_a_withdrawn_number_cannot_be_given_back_again() -> None:
    [item] = new(4)
    _, item = item.take(4)
    [item] = resized([item.give((1,))], 3)
    with pytest.raises(Exception, match="cannot return"):
        item.give((1,))


@pytest.mark.parametrize("fields", [{}, {"withdrawn": [1]}])
def test_a_shard_is_stored_and_read_as_it_was(fields: dict[str, Any]) -> None:
    stored = replace(new(10)[0], next=3).document() | fields
    assert shard("p", stored).document() == stored
    assert shard("p", {name: each for name, each in stored.items() if name != "withdrawn"}).withdrawn == ()
