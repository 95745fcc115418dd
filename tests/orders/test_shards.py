"""The arithmetic of shards: no unit is ever handed out twice, none is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.orders.shards import (
    MOST_SHARDS,
    Shard,
    UnitsNotTaken,
    shard,
    shard_count,
    shard_documents,
)


def new_shard(first: int, size: int) -> Shard:
    return Shard("events/e/tiers/t/shards/00", "t", first, size, first, (), open=True)


@given(st.integers(1, 100_000))
def test_the_shards_of_a_tier_are_its_capacity(capacity: int) -> None:
    shards = [shard(path, fields) for path, fields in shard_documents("e", "t", capacity)]
    assert len(shards) == shard_count(capacity) <= MOST_SHARDS
    numbers = [number for item in shards for number in range(item.first, item.first + item.size)]
    assert numbers == list(range(capacity))
    assert sum(item.on_sale for item in shards) == capacity


@given(st.integers(0, 1000), st.integers(1, 40), st.lists(st.tuples(st.booleans(), st.integers(1, 8)), max_size=60))
def test_every_unit_is_taken_returned_or_unused(first: int, size: int, steps: list[tuple[bool, int]]) -> None:
    current, taken = new_shard(first, size), set[int]()
    for take, quantity in steps:
        if take:
            numbers, current = current.take(quantity)
            assert not taken & set(numbers)
            assert len(numbers) == min(quantity, size - len(taken))
            taken |= set(numbers)
        else:
            back = tuple(sorted(taken)[:quantity])
            current = current.give(back)
            taken -= set(back)
        assert all(first <= number < first + size for number in taken)
        assert current.available == size - len(taken)


def test_what_was_never_taken_cannot_come_back() -> None:
    numbers, current = new_shard(10, 5).take(2)
    assert numbers == (10, 11)
    for wrong in [(12,), (9,), (10, 10)]:
        with pytest.raises(UnitsNotTaken):
            current.give(wrong)
    with pytest.raises(UnitsNotTaken):
        current.give((10,)).give((10,))


def test_a_closed_shard_has_nothing_to_sell() -> None:
    assert replace(new_shard(0, 5), open=False).on_sale == 0
