"""The catalogue in Firestore: venues/{venueId}, artists/{artistId}, tours/{tourId}, and who follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common import clients
from common.catalogue import rules
from common.catalogue.kinds import TOUR
from common.catalogue.schemas import Tour
from common.events.schemas import EventStatus, Visibility
from common.events.store import EVENTS
from common.shared_reads import shared_reads
from common.transaction import in_transaction, read

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncDocumentReference, AsyncTransaction

    from common.catalogue.kinds import Kind
    from common.catalogue.schemas import Entry, TourPatch

FOLLOW_COUNTS: Final = "followCounts"


def _document(kind: Kind, id_: str) -> AsyncDocumentReference:
    return clients.firestore().collection(kind.collection).document(id_)


async def fields_of(kind: Kind, id_: str) -> dict[str, Any] | None:
    """What is kept of it, None when nothing is."""
    fields: dict[str, Any] | None = (await shared_reads().get(f"{kind.collection}/{id_}")).to_dict()
    return fields


async def followers(id_: str) -> int:
    """How many people follow the venue, artist or organization."""
    counted = (await shared_reads().get(f"{FOLLOW_COUNTS}/{id_}")).to_dict() or {}
    return int(counted.get("followers", 0))


async def add(kind: Kind, id_: str, entry: Entry) -> None:
    """Keep a new entry; one that is there already stays as it is."""
    from google.api_core.exceptions import AlreadyExists

    try:
        await _document(kind, id_).create(entry.document())
    except AlreadyExists:
        return


async def describe(kind: Kind, id_: str, new: Entry, by_admin: bool) -> None:
    """Keep a description, unless it is another organization's to give. Of two at once one is first."""

    async def work(transaction: AsyncTransaction) -> None:
        document = _document(kind, id_)
        [fields] = await read(transaction, document.path)
        before = type(new).of(fields) if fields else None
        transaction.set(document, rules.described(before, new, by_admin).document())

    await in_transaction(work)


async def has_event(kind: Kind, id_: str, org_id: str) -> bool:
    """Whether the organization published an event for everybody there or with them, over or still to come."""
    from google.cloud.firestore import FieldFilter

    query = (
        clients.firestore()
        .collection(EVENTS)
        .where(filter=FieldFilter("orgId", "==", org_id))
        .where(filter=FieldFilter("status", "==", EventStatus.PUBLISHED.value))
        .where(filter=FieldFilter("visibility", "==", Visibility.PUBLIC.value))
        .where(filter=FieldFilter(kind.field, "array_contains" if kind.several else "==", id_))
        .select([kind.field])
        .limit(1)
    )
    return bool(await query.get())


async def create_tour(new: Tour) -> Tour:
    """Keep a new tour. A repeat gets what the first kept."""
    from google.api_core.exceptions import AlreadyExists

    try:
        await _document(TOUR, new.tour_id).create(new.document())
    except AlreadyExists:
        return Tour.of((await _document(TOUR, new.tour_id).get()).to_dict())
    return new


async def find_tour(tour_id: str) -> Tour | None:
    """The tour of this id."""
    snapshot = await _document(TOUR, tour_id).get()
    return Tour.of(snapshot.to_dict()) if snapshot.exists else None


async def change_tour(tour_id: str, patch: TourPatch, now: datetime) -> None:
    """Write what the patch gives and nothing else, so that of two changes at once neither is lost."""
    given = patch.model_dump(by_alias=True, exclude_unset=True)
    if "images" in given:
        given["images"] = given["images"] or ()
    await _document(TOUR, tour_id).update(given | {"updatedAt": now})


async def require_tour(tour_id: str | None, org_id: str) -> None:
    """Refuse a tour that is not the organization's. Whose it is otherwise is nobody's business."""
    if tour_id is None:
        return
    tour = await find_tour(tour_id)
    if tour is None or tour.org_id != org_id:
        raise rules.UnknownTour
