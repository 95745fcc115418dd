"""Firestore counts and adds up itself: no document is read, and a thousand index entries cost what one read costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

COUNT = "count"


async def sums(query: Any, *fields: str, at: datetime | None = None, count: bool = False) -> dict[str, int]:
    """The sums of up to five whole-numbered fields over what the query finds; with `count` also how many those are.

    All of them are as of one moment: now, or `at` within the last hour.
    """
    from google.cloud.firestore_v1.async_aggregation import AsyncAggregationQuery

    aggregation = AsyncAggregationQuery(query)
    for place, name in enumerate(fields):
        aggregation.sum(name, alias=f"sum_{place}")
    if count:
        aggregation.count(alias=COUNT)
    [found] = await aggregation.get(read_time=at)
    # Over whole numbers a sum is whole; of nothing it may come as 0.0.
    values = {each.alias: int(each.value) for each in found}
    counted = {COUNT: values.pop(COUNT)} if count else {}
    return counted | {fields[int(alias.removeprefix("sum_"))]: value for alias, value in values.items()}


async def count_of(query: Any) -> int:
    """How many documents the query finds."""
    return (await sums(query, count=True))[COUNT]
