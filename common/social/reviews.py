"""reviews/{reviewId} in Firestore, and who found one helpful: helpfulVotes/{voteId}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common import clients, outbox
from common.aggregation import count_of
from common.errors import InvalidCursor, NotFound
from common.ids import derived_id
from common.paging import decode_cursor, encode_cursor, moment
from common.social import rules
from common.social.schemas import Counted, Review
from common.transaction import in_transaction, read

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncTransaction

    from common.social.schemas import ReviewRequest, ReviewsQuery

REVIEWS: Final = "reviews"
VOTES: Final = "helpfulVotes"
NOBODYS_NAME: Final = "Guest"
LARGEST_INTEGER: Final = 2**63 - 1
SORTED_BY: Final = {"newest": "createdAt", "helpful": "helpfulCount"}


def review_id(user_id: str, event_id: str) -> str:
    """The id of the one review that this person can have of this event; it does not say who they are."""
    return derived_id("rev", event_id, user_id)


async def find(of: str) -> Review:
    """The review of this id. NotFound where there is none."""
    snapshot = await clients.firestore().document(f"{REVIEWS}/{of}").get()
    if not snapshot.exists:
        raise NotFound("There is no such review.")
    return Review.of(snapshot.to_dict())


async def put(user_id: str, event_id: str, said: ReviewRequest, name: str | None, now: datetime) -> Review:
    """Write or rewrite the person's review of the event. Votes stay with it, even over a deletion."""
    client, of = clients.firestore(), review_id(user_id, event_id)

    async def work(transaction: AsyncTransaction) -> Review:
        [fields] = await read(transaction, f"{REVIEWS}/{of}")
        changes = {"rating": said.rating, "text": said.text, "author_name": name or NOBODYS_NAME, "updated_at": now}
        if fields is None:
            # Nobody votes for a review that is not there, so this count holds until it is.
            votes = await count_of(_votes_for(of))
            about = {"review_id": of, "event_id": event_id, "user_id": user_id}
            review = Review.model_validate(about | changes | {"helpful_count": votes, "created_at": now})
            transaction.create(client.document(f"{REVIEWS}/{of}"), review.document())
        else:
            review = Review.of(fields).model_copy(update=changes)
            # The number of votes is left alone: it may be changing.
            transaction.update(client.document(f"{REVIEWS}/{of}"), _without_votes(review))
        _count_again(transaction, event_id, now)
        return review

    return await in_transaction(work)


def _without_votes(review: Review) -> dict[str, Any]:
    return {name: value for name, value in review.document().items() if name != "helpfulCount"}


async def delete(user_id: str, event_id: str, now: datetime) -> None:
    """Take the person's review back; nothing where there is none."""
    path = f"{REVIEWS}/{review_id(user_id, event_id)}"

    async def work(transaction: AsyncTransaction) -> None:
        [fields] = await read(transaction, path)
        if fields is not None:
            transaction.delete(clients.firestore().document(path))
            _count_again(transaction, event_id, now)

    await in_transaction(work)


def _count_again(transaction: AsyncTransaction, event_id: str, now: datetime) -> None:
    path, entry = outbox.entry(now, None, rules.counts_of(event_id, Counted.RATING))
    transaction.create(clients.firestore().document(path), entry)


async def vote(user_id: str, review: Review, now: datetime) -> None:
    """Find a review helpful: the vote and its count are one commit. A second vote changes nothing."""
    from google.api_core.exceptions import AlreadyExists
    from google.api_core.exceptions import NotFound as NoSuchDocument
    from google.cloud.firestore import Increment

    if review.user_id == user_id:
        raise rules.OwnReview("Nobody votes for their own review.")
    client, of = clients.firestore(), review.review_id
    batch = client.batch()
    batch.create(_vote(user_id, of), {"reviewId": of, "userId": user_id, "createdAt": now})
    batch.update(client.document(f"{REVIEWS}/{of}"), {"helpfulCount": Increment(1)})
    try:
        await batch.commit()
    except AlreadyExists:
        return
    except NoSuchDocument:
        raise NotFound("There is no such review.") from None


async def unvote(user_id: str, of: str) -> None:
    """Take a vote back; nothing where there is none."""
    from google.api_core.exceptions import NotFound as NoSuchDocument
    from google.cloud.firestore import ExistsOption, Increment

    client = clients.firestore()
    batch = client.batch()
    batch.delete(_vote(user_id, of), option=ExistsOption(exists=True))
    batch.update(client.document(f"{REVIEWS}/{of}"), {"helpfulCount": Increment(-1)})
    try:
        await batch.commit()
    except NoSuchDocument:  # the vote, or else the review: with it the vote stays
        await find(of)


def _vote(user_id: str, of: str) -> Any:
    return clients.firestore().document(f"{VOTES}/{derived_id('vot', of, user_id)}")


def _votes_for(of: str) -> Any:
    from google.cloud.firestore import FieldFilter

    return clients.firestore().collection(VOTES).where(filter=FieldFilter("reviewId", "==", of))


async def page(event_id: str, asked: ReviewsQuery) -> tuple[list[Review], str | None]:
    """Reviews of the event in the order that was asked for, and the cursor of the next page."""
    from google.cloud.firestore import FieldFilter, Query

    question, field = f"reviews of {event_id} {asked.sort}", SORTED_BY[asked.sort]
    query = (
        clients.firestore()
        .collection(REVIEWS)
        .where(filter=FieldFilter("eventId", "==", event_id))
        .order_by(field, direction=Query.DESCENDING)
        .order_by("reviewId", direction=Query.DESCENDING)
        .limit(asked.limit + 1)
    )
    if asked.cursor is not None:
        query = query.start_after(_position(asked, question))
    found = [Review.of(snapshot.to_dict()) for snapshot in await query.get()]
    if len(found) <= asked.limit:
        return found, None
    last = found[asked.limit - 1]
    value = last.created_at.isoformat() if asked.sort == "newest" else last.helpful_count
    return found[: asked.limit], encode_cursor(question, value, last.review_id)


def _position(asked: ReviewsQuery, question: str) -> dict[str, Any]:
    kind = str if asked.sort == "newest" else int
    value, of = decode_cursor(asked.cursor or "", question, kind, str)
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise InvalidCursor
    return {SORTED_BY[asked.sort]: value if isinstance(value, int) else moment(value), "reviewId": of}
