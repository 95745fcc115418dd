"""What an event may become, and when: its states, its times, what it needs before it is published."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from common.errors import Problem, ValidationFailed
from common.events.schemas import Event, EventReply, EventStatus, Tier, Visibility
from common.geo import Point, geohash
from common.ids import derived_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.events.schemas import EventPatch, EventRequest, TierFields, Venue

LONGEST_EVENT: Final = timedelta(days=30)


class EventStateConflict(Problem):
    status, code, title = 409, "event_state_conflict", "The event's state does not allow this"


class AlreadyPublished(EventStateConflict):
    code, title = "already_published", "The event is published already"


class EventCancelled(EventStateConflict):
    code, title = "event_cancelled", "The event is cancelled"


class EventCompleted(EventStateConflict):
    code, title = "event_completed", "The event is over"


class TiersFixed(EventStateConflict):
    code, title = "tiers_fixed", "The tiers of a published event cannot change"


class EventIncomplete(EventStateConflict):
    code, title = "event_incomplete", "The event lacks what a published event needs"


def new_event(request: EventRequest, event_id: str, currency: str, country: str, now: datetime) -> Event:
    """The draft that the request asks for; `currency` and `country` are the organization's."""
    event = Event(
        event_id=event_id,
        org_id=request.org_id,
        status=EventStatus.DRAFT,
        title=request.title,
        description=request.description,
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        timezone=request.timezone,
        venue=request.venue,
        geohash=_geohash(request.venue),
        genres=_distinct(request.genres),
        lineup=request.lineup,
        age_restriction=request.age_restriction,
        visibility=request.visibility,
        currency=currency,
        country=country,
        min_price_minor=_min_price(request.tiers),
        tiers=_with_ids(request.tiers, event_id, now),
        created_at=now,
        updated_at=now,
    )
    _check(event, now)
    return event


def changed(event: Event, patch: EventPatch, now: datetime) -> Event:
    """The event after an organizer's change."""
    given: dict[str, Any] = {name: getattr(patch, name) for name in patch.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None}
    match status_at(event, now):
        case EventStatus.CANCELLED:
            raise EventCancelled
        case EventStatus.COMPLETED:
            raise EventCompleted
        case EventStatus.PUBLISHED if "tiers" in given:
            raise TiersFixed
    if patch.venue is not None:
        given["geohash"] = _geohash(patch.venue)
    if patch.genres is not None:
        given["genres"] = _distinct(patch.genres)
    if patch.tiers is not None:
        given |= {"tiers": _with_ids(patch.tiers, event.event_id, now), "min_price_minor": _min_price(patch.tiers)}
    after = event.model_copy(update=given | {"updated_at": now})
    _check(after, now)
    if after.status is EventStatus.PUBLISHED:
        _require_complete(after, now)
    return after


def published(event: Event, now: datetime) -> Event:
    """The event on sale."""
    match status_at(event, now):
        case EventStatus.PUBLISHED:
            raise AlreadyPublished
        case EventStatus.CANCELLED:
            raise EventCancelled
        case EventStatus.COMPLETED:
            raise EventCompleted
    _require_complete(event, now)
    return event.model_copy(update={"status": EventStatus.PUBLISHED, "updated_at": now})


def cancelled(event: Event, now: datetime) -> Event:
    """The event called off, whether or not it was ever on sale."""
    match status_at(event, now):
        case EventStatus.CANCELLED:
            raise EventCancelled
        case EventStatus.COMPLETED:
            raise EventCompleted
    return event.model_copy(update={"status": EventStatus.CANCELLED, "updated_at": now})


def status_at(event: Event, now: datetime) -> EventStatus:
    """The state that people see: a published event is completed from its end on, without anybody writing it."""
    over = event.status is EventStatus.PUBLISHED and event.ends_at <= now
    return EventStatus.COMPLETED if over else event.status


def is_visible_to_all(event: Event) -> bool:
    """Whether people outside the organization may know of the event."""
    return event.status is not EventStatus.DRAFT and event.visibility is Visibility.PUBLIC


def event_reply(event: Event, now: datetime) -> EventReply:
    """The event as people see it."""
    seen = {name: getattr(event, name) for name in EventReply.model_fields}
    return EventReply(**seen | {"status": status_at(event, now)})


def _check(event: Event, now: datetime) -> None:
    errors = [*_time_errors(event, now)]
    if event.status is EventStatus.DRAFT:  # later the tiers can no longer be mended
        errors += _tier_errors(event)
    if errors:
        raise ValidationFailed(errors=errors)


def _time_errors(event: Event, now: datetime) -> Iterator[dict[str, str]]:
    if event.ends_at <= event.starts_at:
        yield _error("endsAt", "ends_before_start", "must be later than startsAt")
    elif event.ends_at - event.starts_at > LONGEST_EVENT:
        yield _error("endsAt", "event_too_long", f"must be within {LONGEST_EVENT.days} days of startsAt")
    if event.ends_at <= now:
        yield _error("endsAt", "ends_in_past", "must be in the future")


def _tier_errors(event: Event) -> Iterator[dict[str, str]]:
    for place, tier in enumerate(event.tiers):
        opens, closes = tier.sale_starts_at, tier.sale_ends_at
        if tier.price.currency != event.currency:
            yield _error(f"tiers.{place}.price.currency", "currency_mismatch", f"must be {event.currency}")
        if opens is not None and opens >= event.ends_at:
            yield _error(f"tiers.{place}.saleStartsAt", "sale_after_event", "must be before the event's end")
        if closes is not None and closes > event.ends_at:
            yield _error(f"tiers.{place}.saleEndsAt", "sale_after_event", "must not be after the event's end")
        if opens is not None and closes is not None and closes <= opens:
            yield _error(f"tiers.{place}.saleEndsAt", "sale_ends_before_start", "must be later than saleStartsAt")


def _require_complete(event: Event, now: datetime) -> None:
    missing = []
    if not event.genres:
        missing.append(_error("genres", "too_short", "a published event has at least one genre"))
    if not event.tiers:
        missing.append(_error("tiers", "too_short", "a published event has at least one tier"))
    if event.ends_at <= now:
        missing.append(_error("endsAt", "ends_in_past", "must be in the future"))
    if missing:
        raise EventIncomplete(errors=missing)


def _error(field: str, code: str, message: str) -> dict[str, str]:
    return {"field": field, "code": code, "message": message}


def _geohash(venue: Venue) -> str:
    return geohash(Point(venue.latitude, venue.longitude))


def _distinct(genres: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(genres))


def _min_price(tiers: tuple[TierFields, ...]) -> int:
    return min((tier.price.amount_minor for tier in tiers), default=0)


def _with_ids(tiers: tuple[TierFields, ...], event_id: str, now: datetime) -> tuple[Tier, ...]:
    # The moment is part of the id: a tier that replaces another one of a draft is not that one.
    return tuple(
        Tier(
            tier_id=derived_id("tier", event_id, now.isoformat(), str(place)),
            **{name: getattr(tier, name) for name in type(tier).model_fields},
        )
        for place, tier in enumerate(tiers)
    )
