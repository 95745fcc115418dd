"""listings/{eventId} in Firestore: what lists and searches show of each event, kept beside the event itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common import clients, clock, outbox
from common.events.schemas import Event
from common.events.store import EVENTS, refresh_of
from common.listings.schemas import Listing
from common.recount import recount as recount_document
from common.social.rules import counts_of
from common.social.schemas import Counted
from common.transaction import committed, in_transaction, read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.cloud.firestore import AsyncTransaction, AsyncWriteBatch, DocumentSnapshot

LISTINGS: Final = "listings"
SUMMARY_LENGTH: Final = 240
# What counts as something happening at an event, for what is trending.
ACTIVITY: Final = frozenset({"attendees", "posts"})
COUNTED: Final = {
    *("available", "attendees", "interest", "posts", "rating_count", "rating_sum", "trending", "weighed"),
}


async def refresh(event_id: str) -> None:
    """Bring the organizer's part of the listing up to date; the counts in it stay, and those of a new one are taken.

    A private event has one too, for its counts.
    """
    event_path, path = f"{EVENTS}/{event_id}", f"{LISTINGS}/{event_id}"

    async def work(transaction: AsyncTransaction) -> None:
        fields, listed = await read(transaction, event_path, path)
        if fields is None:
            return
        event = Event.of(fields)
        if listed is None and event.published_at is None:
            return
        [organization] = await read(transaction, f"organizations/{event.org_id}")
        said = listing_of(event, (organization or {}).get("name", "")).model_dump(by_alias=True, exclude=COUNTED)
        transaction.set(clients.firestore().document(path), _stamped(said), merge=True)
        if listed is None:
            counts = (counts_of(event_id, counted) for counted in Counted)
            taken, entry = outbox.entry(clock.now(), None, refresh_of(event_id), *counts)
            transaction.create(clients.firestore().document(taken), entry)

    await in_transaction(work)


async def update(event_id: str, **fields: Any) -> None:
    """Write some counts of a listing, in camelCase; nothing where the event was never listed."""
    from google.api_core.exceptions import NotFound

    try:
        await clients.firestore().document(f"{LISTINGS}/{event_id}").update(_stamped(fields))
    except NotFound:
        return


async def update_as_seen(seen: DocumentSnapshot, **fields: Any) -> bool:
    """Write some fields of a listing; False when it was written since it was read, and nothing changed."""
    client = clients.firestore()
    batch = client.batch()
    batch.update(seen.reference, _stamped(fields), option=client.write_option(last_update_time=seen.update_time))
    return await committed(batch)


async def recount(event_id: str, count: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    """Bring counts of the listing up to date; an older count never replaces a newer one."""
    await recount_document(f"{LISTINGS}/{event_id}", count, changed=_stamped)


async def say_available(batch: AsyncWriteBatch, event_id: str, *, available: bool) -> None:
    """Have the commit write that the event sold out, or that it has something left again; usually neither is new."""
    listing = clients.firestore().document(f"{LISTINGS}/{event_id}")
    known = await listing.get(["available"])
    if known.exists and (known.to_dict() or {}).get("available", True) != available:
        batch.update(listing, _stamped({"available": available}))


def listing_of(event: Event, org_name: str) -> Listing:
    """What the organizer says of the event; nothing is counted yet."""
    return Listing(
        event_id=event.event_id,
        listed=event.is_listed,
        org_id=event.org_id,
        org_name=org_name,
        title=event.title,
        summary=event.description[:SUMMARY_LENGTH],
        slug=event.slug,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        timezone=event.timezone,
        venue=event.venue,
        venue_id=event.venue_id,
        genres=event.genres,
        artists=tuple(entry.artist for entry in event.lineup),
        artist_ids=event.artist_ids,
        tour_id=event.tour_id,
        age_restriction=event.age_restriction,
        currency=event.currency,
        country=event.country,
        min_price_minor=event.min_price_minor,
        min_prices=event.min_prices,
        image_url=event.images[0].url if event.images else None,
        published_at=event.published_at or event.created_at,
        event_updated_at=event.updated_at,
    )


def _stamped(fields: Mapping[str, Any]) -> dict[str, Any]:
    """With when the database wrote it: whoever copies listings asks for what was written since it last looked."""
    from google.cloud.firestore import SERVER_TIMESTAMP

    active = {"activeAt": SERVER_TIMESTAMP} if ACTIVITY & fields.keys() else {}
    return {**fields, "changedAt": SERVER_TIMESTAMP, **active}
