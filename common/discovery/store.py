"""Events around a place, in one Firestore query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic.alias_generators import to_camel

from common import clients
from common.discovery.schemas import ListedEvent
from common.events.schemas import EventStatus, Visibility
from common.events.store import EVENTS
from common.geo import Point, cover

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore_v1.base_query import BaseFilter

LISTED_FIELDS: Final = [to_camel(name) for name in ListedEvent.model_fields]


async def events_around(center: Point, radius_km: float, genre: str | None, now: datetime) -> list[ListedEvent]:
    """Public events that are not over, in the cells that cover the circle: all inside it and a few around.

    The order names the index: geohash before end, because the place leaves far fewer than the time does.
    """
    from google.cloud.firestore import And, FieldFilter, Or

    cells: list[BaseFilter] = [
        And([FieldFilter("geohash", ">=", cell.start), FieldFilter("geohash", "<", cell.end)])
        for cell in cover(center, radius_km)
    ]
    wanted: list[BaseFilter] = [
        FieldFilter("status", "==", EventStatus.PUBLISHED.value),
        FieldFilter("visibility", "==", Visibility.PUBLIC.value),
        FieldFilter("endsAt", ">", now),
        Or(cells),
    ]
    if genre is not None:
        wanted.append(FieldFilter("genres", "array_contains", genre))
    query = (
        clients.firestore()
        .collection(EVENTS)
        .where(filter=And(wanted))
        .order_by("geohash")
        .order_by("endsAt")
        .select(LISTED_FIELDS)
    )
    return [ListedEvent.of(snapshot.to_dict()).at(now) for snapshot in await query.get()]
