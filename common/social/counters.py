"""What is counted of an event stands in its listing, and how many follow somebody in followCounts/{targetId}.

Nobody adds one: a task counts afresh what is stored, however many did something since. So a count is written once in
some seconds at most, and it is exact once the task after the last change has run.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic.alias_generators import to_camel

from common import clients
from common.aggregation import COUNT, count_of, sums
from common.listings import store as listings
from common.listings.cards import average
from common.listings.schemas import InterestCounts
from common.recount import recount
from common.social.interests import INTERESTS
from common.social.reviews import REVIEWS
from common.social.schemas import Counted, EventSocial
from common.social.store import FOLLOWS
from common.tickets import store as tickets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

FOLLOW_COUNTS: Final = "followCounts"
# One query adds up five fields at most, out of an index that has them all.
SUMMED: Final = (("going", "interested", "liked"), ("not_interested", "shared", "viewed"))


async def count_again(event_id: str, counted: Counted) -> None:
    """Bring what the event's listing says of this up to date."""
    await listings.recount(event_id, partial(COUNTS[counted], event_id))


async def of_event(event_id: str) -> EventSocial:
    """What stands in the event's listing; zeros for one that was just published."""
    fields = (await clients.firestore().document(f"{listings.LISTINGS}/{event_id}").get()).to_dict() or {}
    people = InterestCounts.of(fields.get("interest", {})).model_dump(exclude={"not_interested"})
    ratings, total = fields.get("ratingCount", 0), fields.get("ratingSum", 0)
    return EventSocial(
        event_id=event_id,
        **people,
        attendees=fields.get("attendees", 0),
        rating_count=ratings,
        rating_average=average(total, ratings),
    )


async def count_followers(target_id: str) -> None:
    """Bring the number of followers up to date."""

    async def count() -> Mapping[str, Any]:
        return {"followers": await count_of(_where(FOLLOWS, "targetId", target_id))}

    await recount(f"{FOLLOW_COUNTS}/{target_id}", count, create=True)


async def interest(event_id: str) -> Mapping[str, Any]:
    """How many people did what with the event: two reads for each thousand of them."""
    of_event = _where(INTERESTS, "eventId", event_id)
    parts = await asyncio.gather(*(sums(of_event, *(f"counts.{to_camel(each)}" for each in part)) for part in SUMMED))
    counts = {name.removeprefix("counts."): value for part in parts for name, value in part.items()}
    return {"interest": InterestCounts.of(counts).document()}


async def rating(event_id: str) -> Mapping[str, Any]:
    """How many reviewed the event, and the sum of their ratings: one read for each thousand of them."""
    found = await sums(_where(REVIEWS, "eventId", event_id), "rating", count=True)
    return {"ratingCount": found[COUNT], "ratingSum": found["rating"]}


async def attendees(event_id: str) -> Mapping[str, Any]:
    """How many tickets let or will let somebody in: a read for each thousand, two at least."""
    return {"attendees": await tickets.count_alive(event_id)}


COUNTS: Final[dict[Counted, Callable[[str], Awaitable[Mapping[str, Any]]]]] = {
    Counted.INTEREST: interest,
    Counted.RATING: rating,
    Counted.ATTENDEES: attendees,
}


def _where(collection: str, field: str, value: str) -> Any:
    from google.cloud.firestore import FieldFilter

    return clients.firestore().collection(collection).where(filter=FieldFilter(field, "==", value))
