"""What follows from what people do: which wishes exclude each other, who may review, and what is trending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import log2
from typing import TYPE_CHECKING, Final, NamedTuple

from common.errors import NotFound, Problem
from common.events.rules import EventCancelled
from common.events.schemas import EventStatus
from common.outbox import PlannedTask
from common.social.schemas import Counted, FollowKind, FollowReply, InterestKind, InterestReply, ReviewReply, Taste
from common.tickets.schemas import TicketStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from common.events.schemas import Event
    from common.social.schemas import Follow, Interest, Review
    from common.tickets.schemas import Ticket

Since = dict[str, datetime]

MOST_FOLLOWED: Final = 1_000
MOST_HIDDEN: Final = 500
FOLLOWED: Final = {FollowKind.VENUE: "venue_ids", FollowKind.ARTIST: "artist_ids", FollowKind.ORGANIZATION: "org_ids"}
WANTED: Final = frozenset({InterestKind.LIKED, InterestKind.INTERESTED, InterestKind.GOING})
# How often each is counted while it changes. Attendees change with every sale, and nobody minds a minute.
COUNTED_EVERY_S: Final = {Counted.INTEREST: 5, Counted.RATING: 5, Counted.ATTENDEES: 60}
FOLLOWERS_EVERY_S: Final = 10
ATTENDEE_WEIGHT: Final = 3
POST_WEIGHT: Final = 2
HALF_LIFE: Final = timedelta(days=2)
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


class FollowLimitReached(Problem):
    status, code, title = 409, "follow_limit_reached", "You follow as many of these as one can"


class EventNotStarted(Problem):
    status, code, title = 409, "event_not_started", "The event has not begun"


class NotAttended(Problem):
    status, code, title = 403, "not_attended", "Only those who were there can review an event"


class OwnReview(Problem):
    status, code, title = 409, "own_review", "One's own event or review is for others to judge"


def counts_of(event_id: str, counted: Counted) -> PlannedTask:
    """The task that counts something of an event again, however much changes until it runs."""
    return PlannedTask(
        function="refresh_counts",
        name=f"{event_id}-{counted}",
        payload={"eventId": event_id, "counted": counted.value},
        once_every_s=COUNTED_EVERY_S[counted],
    )


def followers_of(target_id: str) -> PlannedTask:
    """The task that counts the followers of somebody again."""
    return PlannedTask(
        function="refresh_followers",
        name=target_id,
        payload={"targetId": target_id},
        once_every_s=FOLLOWERS_EVERY_S,
    )


def following(taste: Taste, kind: FollowKind, target_id: str) -> Taste:
    """The taste of somebody who follows this from now on."""
    name = FOLLOWED[kind]
    known: tuple[str, ...] = getattr(taste, name)
    if target_id in known:
        return taste
    if len(known) >= MOST_FOLLOWED:
        raise FollowLimitReached
    return taste.model_copy(update={name: (*known, target_id)})


def unfollowing(taste: Taste, kind: FollowKind, target_id: str) -> Taste:
    """The taste of somebody who does not follow this any more."""
    name = FOLLOWED[kind]
    return taste.model_copy(update={name: tuple(each for each in getattr(taste, name) if each != target_id)})


def hiding(taste: Taste, event_id: str, *, hidden: bool) -> Taste:
    """The taste of somebody who never wants to see the event again, or after all does; old ones make room."""
    others = tuple(each for each in taste.hidden_event_ids if each != event_id)
    kept = (*others, event_id)[-MOST_HIDDEN:] if hidden else others
    return taste.model_copy(update={"hidden_event_ids": kept})


def noted(since: Mapping[str, datetime], kind: InterestKind, now: datetime) -> Since:
    """What a person did with an event, once they did this too.

    Who is going is interested. Not being interested ends liking, interest and going, and each of those ends it;
    views and shares happened and stay.
    """
    ended = WANTED if kind is InterestKind.NOT_INTERESTED else {InterestKind.NOT_INTERESTED} if kind in WANTED else ()
    kept = {each: moment for each, moment in since.items() if each not in ended}
    added = {kind, InterestKind.INTERESTED} if kind is InterestKind.GOING else {kind}
    return {each.value: now for each in added} | kept


def withdrawn(since: Mapping[str, datetime], kind: InterestKind) -> Since:
    """What is left once a person takes this back; nobody goes without being interested."""
    ended = {kind, InterestKind.GOING} if kind is InterestKind.INTERESTED else {kind}
    return {each: moment for each, moment in since.items() if each not in ended}


def check_review_time(event: Event, now: datetime) -> None:
    """Refuse to review what has not begun or never took place."""
    if event.status is EventStatus.CANCELLED:
        raise EventCancelled
    if now < event.starts_at:
        raise EventNotStarted


def proof_of_attendance(tickets: Iterable[Ticket], *, over: bool) -> TicketStatus | None:
    """Which of a person's tickets show that they were there: a used one does.

    A valid one does after the end of an event at whose door nobody was scanned.
    """
    statuses = {ticket.status for ticket in tickets}
    if TicketStatus.USED in statuses:
        return TicketStatus.USED
    return TicketStatus.VALID if over and TicketStatus.VALID in statuses else None


class Trend(NamedTuple):
    """Where an event stands among those that are trending, and how much of what happened is in that."""

    key: float = 0.0
    weighed: int = 0


def activity(attendees: int, posts: int) -> int:
    """What happened at an event until now."""
    return attendees * ATTENDEE_WEIGHT + posts * POST_WEIGHT


def trend(before: Trend, total: int, at: datetime) -> Trend:
    """The trend once so much happened in all, the last of it at this time.

    What happened counts half after each `HALF_LIFE`. All events decay alike, so their order can be kept by what each
    would weigh at one fixed moment: the key is its logarithm, and it changes only when something happens. What is
    undone takes its share of old and new alike.
    """
    if total <= 0:
        return Trend()
    if not before.weighed or not before.key:
        return Trend(log2(total) + (at - EPOCH) / HALF_LIFE, total)
    if total <= before.weighed:
        return Trend(before.key + log2(total / before.weighed), total)
    new = log2(total - before.weighed) + (at - EPOCH) / HALF_LIFE
    low, high = sorted((before.key, new))
    return Trend(high + log2(1 + 2 ** (low - high)), total)


def follow_kind(text: str) -> FollowKind:
    """The kind that a path names."""
    try:
        return FollowKind(text)
    except ValueError:
        raise NotFound("Only a venue, artist or organization can be followed.") from None


def interest_kind(text: str) -> InterestKind:
    """The kind that a path names."""
    try:
        return InterestKind(text)
    except ValueError:
        raise NotFound("There is no such kind of interest.") from None


def follow_reply(follow: Follow) -> FollowReply:
    """A follow as its owner sees it."""
    return FollowReply(**follow.model_dump(include=set(FollowReply.model_fields)))


def interest_reply(interest: Interest) -> InterestReply:
    """What a person did with an event, as they see it."""
    return InterestReply(event_id=interest.event_id, since=interest.since)


def review_reply(review: Review) -> ReviewReply:
    """A review as everybody sees it: of who wrote it only the name."""
    return ReviewReply(**review.model_dump(include=set(ReviewReply.model_fields)))
