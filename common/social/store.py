"""What people follow, in Firestore: follows/{userId}~{targetId}, and all of one person's in tastes/{userId}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common import clients, outbox
from common.catalogue.rules import artist_id
from common.errors import NotFound, TemporarilyUnavailable
from common.listings.store import LISTINGS
from common.organizations import store as organizations
from common.paging import decode_cursor, encode_cursor, moment
from common.social import rules
from common.social.schemas import Follow, FollowKind, Taste
from common.transaction import attempts, committed

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncWriteBatch, DocumentSnapshot

    from common.social.schemas import FollowsQuery

TASTES: Final = "tastes"
FOLLOWS: Final = "follows"


async def taste_of(user_id: str) -> Taste:
    """What the person follows and hides; empty for somebody new."""
    return Taste.of((await seen_taste(user_id)).to_dict() or {})


async def seen_taste(user_id: str) -> DocumentSnapshot:
    """The document of the person's taste, to be changed."""
    return await clients.firestore().document(f"{TASTES}/{user_id}").get()


def put_as_seen(batch: AsyncWriteBatch, seen: DocumentSnapshot, fields: dict[str, Any]) -> None:
    """Have the commit write these fields, unless somebody else wrote the document since it was read."""
    if seen.exists:
        as_seen = clients.firestore().write_option(last_update_time=seen.update_time)
        batch.update(seen.reference, fields, option=as_seen)
    else:
        batch.create(seen.reference, fields)


async def name_of(kind: FollowKind, target_id: str) -> str:
    """The name of a venue, artist or organization. NotFound where no public event and no page knows it."""
    match kind:
        case FollowKind.ORGANIZATION:
            organization = await organizations.find(target_id)
            name = organization.name if organization else None
        case FollowKind.VENUE:
            listing = await _listed("venueId", "==", target_id)
            name = listing["venue"]["name"] if listing else await _named_on_page("venues", target_id)
        case FollowKind.ARTIST:
            listing = await _listed("artistIds", "array_contains", target_id)
            names = listing["artists"] if listing else ()
            name = next((each for each in names if artist_id(each) == target_id), None)
            name = name or await _named_on_page("artists", target_id)
    if name is None:
        raise NotFound(f"There is no such {kind}.")
    return name


async def _listed(field: str, op: str, value: str) -> dict[str, Any] | None:
    """A public event with this venue or artist, past ones included."""
    from google.cloud.firestore import FieldFilter

    listings = clients.firestore().collection(LISTINGS).where(filter=FieldFilter(field, op, value))
    query = listings.where(filter=FieldFilter("listed", "==", True)).select(["venue", "artists"]).limit(1)
    return next((snapshot.to_dict() for snapshot in await query.get()), None)


async def _named_on_page(collection: str, target_id: str) -> str | None:
    page = await clients.firestore().document(f"{collection}/{target_id}").get()
    return (page.to_dict() or {}).get("name")


async def follow(user_id: str, kind: FollowKind, target_id: str, name: str, now: datetime, *, notify: bool) -> Follow:
    """Follow this, or only change whether to be told of its events; a repeat changes nothing."""
    client = clients.firestore()
    async for _ in attempts():
        seen, taste = await _seen(user_id, target_id)
        wanted = Follow(user_id=user_id, kind=kind, target_id=target_id, name=name, notify=notify, created_at=now)
        if seen.exists:
            known = Follow.of(seen.to_dict())
            wanted = wanted.model_copy(update={"created_at": known.created_at})
            if wanted == known:
                return known
        batch = client.batch()
        put_as_seen(batch, seen, wanted.document())
        if not seen.exists:
            after = rules.following(Taste.of(taste.to_dict() or {}), kind, target_id)
            put_as_seen(batch, taste, after.document())
            batch.create(*_counted(now, target_id))
        if await committed(batch):
            return wanted
    raise TemporarilyUnavailable("What you follow is being changed from somewhere else.")


async def unfollow(user_id: str, kind: FollowKind, target_id: str, now: datetime) -> None:
    """Follow this no longer; nothing where it was not followed."""
    client = clients.firestore()
    async for _ in attempts():
        seen, taste = await _seen(user_id, target_id)
        if not seen.exists:
            return
        batch = client.batch()
        batch.delete(seen.reference, option=client.write_option(last_update_time=seen.update_time))
        put_as_seen(batch, taste, rules.unfollowing(Taste.of(taste.to_dict() or {}), kind, target_id).document())
        batch.create(*_counted(now, target_id))
        if await committed(batch):
            return
    raise TemporarilyUnavailable("What you follow is being changed from somewhere else.")


async def _seen(user_id: str, target_id: str) -> tuple[DocumentSnapshot, DocumentSnapshot]:
    client = clients.firestore()
    paths = (f"{FOLLOWS}/{user_id}~{target_id}", f"{TASTES}/{user_id}")
    found = {each.reference.path: each async for each in client.get_all([client.document(path) for path in paths])}
    return found[paths[0]], found[paths[1]]


def _counted(now: datetime, target_id: str) -> tuple[Any, dict[str, Any]]:
    path, entry = outbox.entry(now, None, rules.followers_of(target_id))
    return clients.firestore().document(path), entry


async def page_of_follower(user_id: str, query: FollowsQuery) -> tuple[list[Follow], str | None]:
    """Whom the person follows, the newest first, and the cursor of the next page."""
    from google.cloud.firestore import FieldFilter, Query

    question = f"follows of {user_id} {query.kind}"
    follows = clients.firestore().collection(FOLLOWS).where(filter=FieldFilter("userId", "==", user_id))
    if query.kind is not None:
        follows = follows.where(filter=FieldFilter("kind", "==", query.kind))
    down = Query.DESCENDING
    newest = follows.order_by("createdAt", direction=down).order_by("targetId", direction=down).limit(query.limit + 1)
    if query.cursor is not None:
        created_at, target_id = decode_cursor(query.cursor, question, str, str)
        newest = newest.start_after({"createdAt": moment(created_at), "targetId": target_id})
    found = [Follow.of(snapshot.to_dict()) for snapshot in await newest.get()]
    if len(found) <= query.limit:
        return found, None
    last = found[query.limit - 1]
    return found[: query.limit], encode_cursor(question, last.created_at.isoformat(), last.target_id)


async def to_be_told(target_id: str, after: str | None, limit: int) -> list[str]:
    """The next followers who want to be told of new events, by their ids."""
    from google.cloud.firestore import FieldFilter

    follows = clients.firestore().collection(FOLLOWS)
    query = (
        follows.where(filter=FieldFilter("targetId", "==", target_id))
        .where(filter=FieldFilter("notify", "==", True))
        .order_by("__name__")
        .select(["userId"])
        .limit(limit)
    )
    if after is not None:
        query = query.start_after({"__name__": follows.document(f"{after}~{target_id}")})
    return [str(snapshot.get("userId")) for snapshot in await query.get()]
