"""What an event may become, and when: its states, its times, what it needs before it is published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic.alias_generators import to_camel

from common.catalogue.rules import artist_id, venue_id
from common.errors import NotFound, Problem, ValidationFailed
from common.events.schemas import (
    LARGEST_CAPACITY,
    Event,
    EventFields,
    EventReply,
    EventStatus,
    PriceUntil,
    StoredTier,
    TierFields,
    TierReply,
    Visibility,
)
from common.geo import Point, geohash
from common.ids import derived_id
from common.orders.shards import shard_count
from common.text import slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.events.schemas import EventPatch, EventRequest, LineupEntry, Tier, TierPatch, Venue

LONGEST_EVENT: Final = timedelta(days=30)
EARLIEST_DOORS: Final = timedelta(hours=24)
MAY_LACK: Final = frozenset(name for name, field in EventFields.model_fields.items() if field.default is None)
FIXED_AFTER_START: Final = ("starts_at", "doors_at", "timezone", "venue")
BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


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


class FixedAfterSales(EventStateConflict):
    code, title = "fixed_after_sales", "Tickets are held or sold: this can no longer change"


class FixedAfterStart(EventStateConflict):
    code, title = "fixed_after_start", "The event has started: this can no longer change"


class EventNotPublished(EventStateConflict):
    code, title = "event_not_published", "The event is not published yet"


class EventIncomplete(EventStateConflict):
    code, title = "event_incomplete", "The event lacks what a published event needs"


def new_event(request: EventRequest, event_id: str, currency: str, country: str, now: datetime) -> Event:
    """The draft that the request asks for; `currency` and `country` are the organization's."""
    event = Event(
        event_id=event_id,
        org_id=request.org_id,
        status=EventStatus.DRAFT,
        description=request.description,
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        timezone=request.timezone,
        genres=_distinct(request.genres),
        age_restriction=request.age_restriction,
        visibility=request.visibility,
        images=request.images,
        doors_at=request.doors_at,
        dress_code=request.dress_code,
        tour_id=request.tour_id,
        currency=currency,
        country=country,
        tiers=_with_ids(request.tiers, event_id, now),
        created_at=now,
        updated_at=now,
        **_min_prices(request.tiers),
        **_names(event_id, request.title),
        **_place(request.venue),
        **_bill(request.lineup),
    )
    _check(event, now)
    return event


def changed(event: Event, patch: EventPatch, now: datetime) -> Event:
    """The event after an organizer's change, if its state allows it; what sales forbid is `fixed_once_sold`."""
    given: dict[str, Any] = {name: getattr(patch, name) for name in patch.model_fields_set}
    # Null takes away only what an event can be without.
    given = {name: value for name, value in given.items() if value is not None or name in MAY_LACK}
    require_open(event, now)
    if event.status is EventStatus.PUBLISHED and "tiers" in given:
        raise TiersFixed("Change one of them with PATCH /v1/events/{eventId}/tiers/{tierId}.")
    if patch.title is not None:
        given |= _names(event.event_id, patch.title)
    if patch.venue is not None:
        given |= _place(patch.venue)
    if patch.lineup is not None:
        given |= _bill(patch.lineup)
    if patch.genres is not None:
        given["genres"] = _distinct(patch.genres)
    if patch.tiers is not None:
        given |= {"tiers": _with_ids(patch.tiers, event.event_id, now)} | _min_prices(patch.tiers)
    after = event.model_copy(update=given | {"updated_at": now})
    if event.status is EventStatus.PUBLISHED:
        _require_allowed(event, after, now)
    _check(after, now)
    if after.status is EventStatus.PUBLISHED:
        _require_complete(after, now)
    return after


def fixed_once_sold(before: Event, after: Event) -> list[dict[str, str]]:
    """What of this change is not allowed while a unit is held or sold: nobody loses what they bought by it."""
    if before.status is not EventStatus.PUBLISHED:
        return []
    errors = []
    if after.age_restriction > before.age_restriction:
        errors.append(_error("ageRestriction", FixedAfterSales.code, f"must be at most {before.age_restriction}"))
    if before.visibility is Visibility.PUBLIC and after.visibility is Visibility.PRIVATE:
        errors.append(_error("visibility", FixedAfterSales.code, "must stay public"))
    return errors


def _require_allowed(before: Event, after: Event, now: datetime) -> None:
    """A published event that has started stays when and where it is; before that, its start stays ahead."""
    moved = [name for name in FIXED_AFTER_START if getattr(before, name) != getattr(after, name)]
    if now >= before.starts_at and moved:
        errors = [_error(to_camel(name), FixedAfterStart.code, "the event has started") for name in moved]
        raise FixedAfterStart(errors=errors)
    if "starts_at" in moved and after.starts_at <= now:
        raise ValidationFailed(errors=[_error("startsAt", "starts_in_past", "must be in the future")])


def with_tier_changed(event: Event, tier_id: str, patch: TierPatch, now: datetime) -> Event:
    """The event after a change of one tier, on sale or not. How many shards it has then is the store's to say."""
    require_open(event, now)
    tier = event.tier(tier_id)
    if tier is None:
        raise NotFound("The event has no such tier.")
    given = {name: getattr(patch, name) for name in patch.model_fields_set}
    # Null takes away only what a tier can be without.
    may_lack = {name for name, field in TierFields.model_fields.items() if field.default is None}
    after = tier.model_copy(update={name: each for name, each in given.items() if each is not None or name in may_lack})
    errors = [*_tier_errors(event, after)]
    if errors:
        raise ValidationFailed(errors=errors)
    tiers = tuple(after if each.tier_id == tier_id else each for each in event.tiers)
    return event.model_copy(update={"tiers": tiers, "updated_at": now} | _min_prices(tiers))


def published(event: Event, now: datetime) -> Event:
    """The event on sale."""
    require_open(event, now)
    if event.status is EventStatus.PUBLISHED:
        raise AlreadyPublished
    _require_complete(event, now)
    tiers = tuple(tier.model_copy(update={"shards": shard_count(tier.capacity)}) for tier in event.tiers)
    on_sale = {"status": EventStatus.PUBLISHED, "tiers": tiers, "published_at": now, "updated_at": now}
    return event.model_copy(update=on_sale)


def cancelled(event: Event, now: datetime) -> Event:
    """The event called off, whether or not it was ever on sale."""
    require_open(event, now)
    return event.model_copy(update={"status": EventStatus.CANCELLED, "updated_at": now})


def require_open(event: Event, now: datetime) -> None:
    """Refuse to change what is cancelled or over."""
    match status_at(event, now):
        case EventStatus.CANCELLED:
            raise EventCancelled
        case EventStatus.COMPLETED:
            raise EventCompleted


def require_on_sale(event: Event, now: datetime) -> None:
    """Refuse what needs an event that is published and not over."""
    if event.status is EventStatus.DRAFT:
        raise EventNotPublished
    require_open(event, now)


def status_at(event: Event, now: datetime) -> EventStatus:
    """The state that people see: a published event is completed from its end on, without anybody writing it."""
    over = event.status is EventStatus.PUBLISHED and event.ends_at <= now
    return EventStatus.COMPLETED if over else event.status


def next_change(event: Event, now: datetime) -> datetime | None:
    """When the clock alone changes what people see of the event: a price, a tier's sale or the event begins or ends."""
    if status_at(event, now) is not EventStatus.PUBLISHED:
        return None
    moments = [step.until for tier in event.tiers for step in tier.price_steps]
    moments += [moment for tier in event.tiers for moment in (tier.sale_starts_at, tier.sale_ends_at)]
    return min(moment for moment in (*moments, event.ends_at) if moment is not None and moment > now)


def is_visible_to_all(event: Event) -> bool:
    """Whether people outside the organization may know of the event."""
    return event.status is not EventStatus.DRAFT and event.visibility is Visibility.PUBLIC


def is_visible_to_guests(event: Event) -> bool:
    """Whether those on its guest list may know of the event."""
    return event.status is not EventStatus.DRAFT


def event_reply(event: Event, now: datetime) -> EventReply:
    """The event as people see it."""
    tiers = tuple(_tier_reply(tier, now) for tier in event.tiers)
    seen = {name: getattr(event, name) for name in EventReply.model_fields}
    return EventReply(**seen | {"status": status_at(event, now), "tiers": tiers})


def _tier_reply(tier: StoredTier, now: datetime) -> TierReply:
    current = None if tier.stock_priced else tier.price_at(now, 0)
    return TierReply(**tier.model_dump(exclude={"shards"}), current_price=current)


def _check(event: Event, now: datetime) -> None:
    errors = [*_time_errors(event, now)]
    if event.status is EventStatus.DRAFT:  # later the tiers can no longer be mended
        errors += [
            error | {"field": f"tiers.{place}.{error['field']}"}
            for place, tier in enumerate(event.tiers)
            for error in _tier_errors(event, tier)
        ]
    if errors:
        raise ValidationFailed(errors=errors)


def _time_errors(event: Event, now: datetime) -> Iterator[dict[str, str]]:
    if event.ends_at <= event.starts_at:
        yield _error("endsAt", "ends_before_start", "must be later than startsAt")
    elif event.ends_at - event.starts_at > LONGEST_EVENT:
        yield _error("endsAt", "event_too_long", f"must be within {LONGEST_EVENT.days} days of startsAt")
    if event.ends_at <= now:
        yield _error("endsAt", "ends_in_past", "must be in the future")
    if event.doors_at is not None and not event.starts_at - EARLIEST_DOORS <= event.doors_at <= event.starts_at:
        hours = EARLIEST_DOORS // timedelta(hours=1)
        yield _error("doorsAt", "doors_out_of_range", f"must lie within {hours} hours before startsAt")


def _tier_errors(event: Event, tier: Tier) -> Iterator[dict[str, str]]:
    opens, closes = tier.sale_starts_at, tier.sale_ends_at
    prices = {"price": tier.price, "originalPrice": tier.original_price}
    prices |= {f"priceSteps.{place}.price": step.price for place, step in enumerate(tier.price_steps)}
    for field, price in prices.items():
        if price is not None and price.currency != event.currency:
            yield _error(f"{field}.currency", "currency_mismatch", f"must be {event.currency}")
    if opens is not None and opens >= event.ends_at:
        yield _error("saleStartsAt", "sale_after_event", "must be before the event's end")
    if closes is not None and closes > event.ends_at:
        yield _error("saleEndsAt", "sale_after_event", "must not be after the event's end")
    if opens is not None and closes is not None and closes <= opens:
        yield _error("saleEndsAt", "sale_ends_before_start", "must be later than saleStartsAt")


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


def _names(event_id: str, title: str) -> dict[str, Any]:
    """What follows from the title. The id ends the slug: no two are alike, and an old link finds a renamed event."""
    words = slug(title)
    return {"title": title, "slug": f"{words}-{event_id}" if words else event_id}


def _place(venue: Venue) -> dict[str, Any]:
    where = geohash(Point(venue.latitude, venue.longitude))
    return {"venue": venue, "venue_id": venue_id(venue.name, venue.city), "geohash": where}


def _bill(lineup: tuple[LineupEntry, ...]) -> dict[str, Any]:
    return {"lineup": lineup, "artist_ids": tuple(dict.fromkeys(artist_id(entry.artist) for entry in lineup))}


def _distinct(genres: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(genres))


def _min_prices(tiers: Sequence[TierFields]) -> dict[str, Any]:
    """The lowest price over time. A price that the stock may end is not counted on: no card promises what is gone."""
    ends = sorted({step.until for tier in tiers for step in tier.price_steps if step.until is not None})
    lowest = [
        min((tier.price_at(since, LARGEST_CAPACITY).amount_minor for tier in tiers), default=0)
        for since in (BEFORE_ALL, *ends)
    ]
    timed = tuple(PriceUntil(until=until, amount_minor=minor) for until, minor in zip(ends, lowest, strict=False))
    return {"min_price_minor": lowest[-1], "min_prices": timed}


def _with_ids(tiers: tuple[TierFields, ...], event_id: str, now: datetime) -> tuple[StoredTier, ...]:
    # The moment is part of the id: a tier that replaces another one of a draft is not that one.
    return tuple(
        StoredTier(
            tier_id=derived_id("tier", event_id, now.isoformat(), str(place)),
            **{name: getattr(tier, name) for name in type(tier).model_fields},
        )
        for place, tier in enumerate(tiers)
    )
