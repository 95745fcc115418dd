"""The states and times of an event, decided without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Problem, ValidationFailed
from common.events import rules
from common.events.schemas import Event, EventPatch, EventRequest, EventStatus, TierFields, Venue, Visibility
from common.money import Money

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
VENUE = Venue(name="Mill", address="Lower Parel", city="Mumbai", latitude=18.9953, longitude=72.83)
HOUR = timedelta(hours=1)


def tier(price_minor: int = 500, more: dict[str, object] | None = None) -> TierFields:
    fields = {"name": "General", "price": Money(amount_minor=price_minor, currency="INR"), "capacity": 10}
    return TierFields.model_validate(fields | (more or {}))


def request(*tiers: TierFields, **more: object) -> EventRequest:
    fields = {
        "org_id": "org_a",
        "title": "Night at the Mill",
        "description": "Four rooms, two floors.",
        "starts_at": NOW + 24 * HOUR,
        "ends_at": NOW + 30 * HOUR,
        "timezone": "Asia/Kolkata",
        "venue": VENUE,
        "genres": ("techno",),
        "tiers": tiers or (tier(),),
    }
    return EventRequest.model_validate(fields | more)


def draft(*tiers: TierFields, **more: object) -> Event:
    return rules.new_event(request(*tiers, **more), "evt_a", "INR", "IN", NOW)


def codes(problem: Problem) -> set[str]:
    errors = problem.extensions["errors"]
    assert isinstance(errors, list)
    return {error["code"] for error in errors}


def test_a_new_event_is_a_draft_with_ids_price_and_place() -> None:
    event = draft(tier(900), tier(300), genres=("techno", "House", "techno"))
    assert event.status is EventStatus.DRAFT
    assert event.min_price_minor == 300
    assert event.genres == ("techno", "house")
    assert event.geohash.startswith("te7")
    assert len({tier.tier_id for tier in event.tiers}) == 2
    assert draft(tier(900), tier(300)).tiers == event.tiers


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"ends_at": NOW + 24 * HOUR}, "ends_before_start"),
        ({"starts_at": NOW - 6 * HOUR, "ends_at": NOW}, "ends_in_past"),
        ({"ends_at": NOW + 24 * HOUR + timedelta(days=30, seconds=1)}, "event_too_long"),
    ],
)
def test_impossible_times(times: dict[str, datetime], code: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        draft(**times)
    assert codes(refused.value) == {code}


def test_times_at_the_edge() -> None:
    draft(starts_at=NOW - HOUR, ends_at=NOW + timedelta(microseconds=1))
    draft(ends_at=NOW + 24 * HOUR + timedelta(days=30))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"price": Money(amount_minor=1, currency="USD")}, "currency_mismatch"),
        ({"sale_starts_at": NOW + 30 * HOUR}, "sale_after_event"),
        ({"sale_ends_at": NOW + 31 * HOUR}, "sale_after_event"),
        ({"sale_starts_at": NOW + 2 * HOUR, "sale_ends_at": NOW + 2 * HOUR}, "sale_ends_before_start"),
    ],
)
def test_impossible_tiers(fields: dict[str, object], code: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        draft(tier(), tier(more=fields))
    assert codes(refused.value) == {code}
    errors = refused.value.extensions["errors"]
    assert isinstance(errors, list)
    assert errors[0]["field"].startswith("tiers.1.")


def test_what_a_publication_needs() -> None:
    assert rules.published(draft(), NOW + HOUR).status is EventStatus.PUBLISHED
    with pytest.raises(rules.EventIncomplete) as refused:
        rules.published(draft(genres=()).model_copy(update={"tiers": ()}), NOW + 30 * HOUR)
    errors = refused.value.extensions["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == ["genres", "tiers", "endsAt"]


DRAFT = draft()
PUBLISHED = rules.published(DRAFT, NOW)
CANCELLED = rules.cancelled(PUBLISHED, NOW)
OVER = NOW + 30 * HOUR


@pytest.mark.parametrize(
    ("event", "at", "publish", "change", "cancel"),
    [
        (DRAFT, NOW, None, None, None),
        (PUBLISHED, NOW, rules.AlreadyPublished, None, None),
        (PUBLISHED, OVER, rules.EventCompleted, rules.EventCompleted, rules.EventCompleted),
        (CANCELLED, NOW, rules.EventCancelled, rules.EventCancelled, rules.EventCancelled),
        (CANCELLED, OVER, rules.EventCancelled, rules.EventCancelled, rules.EventCancelled),
    ],
    ids=["draft", "published", "completed", "cancelled", "cancelled-and-over"],
)
def test_the_state_machine(
    event: Event,
    at: datetime,
    publish: type[Problem] | None,
    change: type[Problem] | None,
    cancel: type[Problem] | None,
) -> None:
    patch = EventPatch(title="Another night")
    attempts = (
        (publish, lambda: rules.published(event, at)),
        (change, lambda: rules.changed(event, patch, at)),
        (cancel, lambda: rules.cancelled(event, at)),
    )
    for conflict, attempt in attempts:
        if conflict is None:
            assert attempt() != event
        else:
            with pytest.raises(conflict):
                attempt()


def test_an_event_is_completed_from_the_moment_it_ends() -> None:
    assert rules.status_at(PUBLISHED, OVER - timedelta(microseconds=1)) is EventStatus.PUBLISHED
    assert rules.status_at(PUBLISHED, OVER) is EventStatus.COMPLETED
    assert rules.event_reply(PUBLISHED, OVER).status is EventStatus.COMPLETED
    assert rules.status_at(DRAFT, OVER) is EventStatus.DRAFT


def test_a_change_moves_what_follows_from_it() -> None:
    lagos = VENUE.model_copy(update={"latitude": 6.45, "longitude": 3.39})
    after = rules.changed(DRAFT, EventPatch(venue=lagos, tiers=(tier(50), tier(20))), NOW + HOUR)
    assert (after.geohash[:3], after.min_price_minor) == ("s14", 20)
    assert not {tier.tier_id for tier in after.tiers} & {tier.tier_id for tier in DRAFT.tiers}
    assert (after.created_at, after.updated_at, after.title) == (NOW, NOW + HOUR, DRAFT.title)


def test_a_published_event_keeps_what_it_was_published_with() -> None:
    with pytest.raises(rules.TiersFixed):
        rules.changed(PUBLISHED, EventPatch(tiers=(tier(),)), NOW)
    with pytest.raises(rules.EventIncomplete):
        rules.changed(PUBLISHED, EventPatch(genres=()), NOW)
    later = rules.changed(PUBLISHED, EventPatch(starts_at=NOW + 48 * HOUR, ends_at=NOW + 50 * HOUR), NOW)
    assert (later.starts_at, later.status) == (NOW + 48 * HOUR, EventStatus.PUBLISHED)
    hidden = rules.changed(PUBLISHED, EventPatch(visibility=Visibility.PRIVATE), NOW)
    assert rules.is_visible_to_all(PUBLISHED)
    assert not rules.is_visible_to_all(hidden)
    assert not rules.is_visible_to_all(DRAFT)


PAST_AND_FUTURE = st.integers(-1_000, 1_000).map(lambda hours: NOW + hours * HOUR)


@given(starts_at=PAST_AND_FUTURE, ends_at=PAST_AND_FUTURE)
def test_any_accepted_event_ends_after_it_starts_and_after_now(starts_at: datetime, ends_at: datetime) -> None:
    sane = starts_at < ends_at <= starts_at + timedelta(days=30) and ends_at > NOW
    try:
        event = draft(starts_at=starts_at, ends_at=ends_at)
    except ValidationFailed:
        assert not sane
    else:
        assert sane
        assert (event.starts_at, event.ends_at) == (starts_at, ends_at)
