"""The shapes of what people follow, like and say of events."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from common.listings.schemas import InterestCounts
from common.paging import CursorText, Page, PageSize
from common.wire import Opaque, Record, UtcDatetime, Wire


class Taste(Record):
    """tastes/{userId}: whom a person follows and what they never want to see again, in one document, for one read."""

    venue_ids: tuple[str, ...] = ()
    artist_ids: tuple[str, ...] = ()
    org_ids: tuple[str, ...] = ()
    # Events marked as not interesting, the newest last.
    hidden_event_ids: tuple[str, ...] = ()


class FollowKind(StrEnum):
    VENUE = "venue"
    ARTIST = "artist"
    ORGANIZATION = "organization"


class FollowRequest(Wire):
    """PUT /v1/follows/{kind}/{targetId}: whether to be told of new events."""

    notify: bool = True


class Follow(Record):
    """follows/{userId}~{targetId}. The name is the one that the target had then."""

    user_id: str
    kind: FollowKind
    target_id: str
    name: str
    notify: bool
    created_at: UtcDatetime


class FollowReply(Wire):
    """Somebody or something that the caller follows."""

    kind: FollowKind
    target_id: str
    name: str
    notify: bool
    created_at: UtcDatetime


class FollowsQuery(Wire):
    """GET /v1/follows: all, or those of one kind."""

    kind: FollowKind | None = None
    limit: PageSize = 20
    cursor: CursorText | None = None


class FollowPage(Page[FollowReply]):
    """GET /v1/follows."""


class FollowTarget(Record):
    """The payload of the task that counts followers."""

    target_id: Opaque


class InterestKind(StrEnum):
    """What a person did with an event; `InterestCounts` counts the people of each."""

    VIEWED = "viewed"
    LIKED = "liked"
    SHARED = "shared"
    INTERESTED = "interested"
    GOING = "going"
    NOT_INTERESTED = "not_interested"


class InterestRequest(Wire):
    """POST /v1/events/{eventId}/interest."""

    kind: InterestKind


class Interest(Record):
    """interests/{userId}~{eventId}: what a person did with an event, and when first; `counts` is one for each of it."""

    user_id: str
    event_id: str
    since: dict[str, UtcDatetime] = Field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The fields as Firestore stores them, with those that it adds up."""
        return super().document() | {"counts": InterestCounts(**dict.fromkeys(self.since, 1)).document()}


class InterestReply(Wire):
    """What the caller did with an event, and when first."""

    event_id: str
    since: dict[InterestKind, UtcDatetime]


class Counted(StrEnum):
    """What is counted of an event."""

    INTEREST = "interest"
    RATING = "rating"
    ATTENDEES = "attendees"


class CountRef(Record):
    """The payload of the task that counts something of an event."""

    event_id: Opaque
    counted: Counted


class EventSocial(Wire):
    """How many people did what with an event, a few seconds ago at most; attendees hold a valid or used ticket."""

    event_id: str
    viewed: int
    liked: int
    shared: int
    interested: int
    going: int
    attendees: int
    rating_count: int
    rating_average: float | None = None


class ReviewRequest(Wire):
    """PUT /v1/events/{eventId}/review."""

    rating: Annotated[int, Field(ge=1, le=5)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)] = ""


class Review(Record):
    """reviews/{reviewId}: one a person and event, its id derived from both, with the author's name as it was then."""

    review_id: str
    event_id: str
    user_id: str
    author_name: str
    rating: int
    text: str
    helpful_count: int = 0
    created_at: UtcDatetime
    updated_at: UtcDatetime


class ReviewReply(Wire):
    """What somebody who was there says of an event."""

    review_id: str
    event_id: str
    author_name: str
    rating: int
    text: str
    helpful_count: int
    created_at: UtcDatetime
    updated_at: UtcDatetime


class ReviewsQuery(Wire):
    """GET /v1/events/{eventId}/reviews."""

    sort: Literal["newest", "helpful"] = "newest"
    limit: PageSize = 20
    cursor: CursorText | None = None


class ReviewPage(Page[ReviewReply]):
    """GET /v1/events/{eventId}/reviews."""


class AnnouncePage(Record):
    """The payload of the task that tells some followers of a new event: of the first of `targets`, those `after` one.

    The publication names no targets: they are then all whom the event has.
    """

    event_id: Opaque
    targets: tuple[Opaque, ...] = ()
    page: int = 0
    after: str | None = None
