"""Tonight and the weekend by the wall clock of the place, across midnight, time zones and changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.feed.nights import Span, spans, tonight, weekend

LAGOS, KOLKATA, NEW_YORK, LONDON = "Africa/Lagos", "Asia/Kolkata", "America/New_York", "Europe/London"


def wall(zone: str, text: str) -> datetime:
    """`2026-03-08 01:30` on the clocks of the zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def seen(zone: str, span: Span) -> str:
    begins, ends = (moment.astimezone(ZoneInfo(zone)) for moment in (span.begins, span.ends))
    return f"{begins:%a %d %H:%M} - {ends:%a %d %H:%M}"


@pytest.mark.parametrize("zone", [LAGOS, KOLKATA, NEW_YORK])
@pytest.mark.parametrize(
    ("now", "night"),
    [
        ("2026-07-15 05:00", "Wed 15 17:00 - Thu 16 05:00"),
        ("2026-07-15 12:00", "Wed 15 17:00 - Thu 16 05:00"),
        ("2026-07-15 23:59", "Wed 15 17:00 - Thu 16 05:00"),
        ("2026-07-16 00:00", "Wed 15 17:00 - Thu 16 05:00"),
        ("2026-07-16 01:00", "Wed 15 17:00 - Thu 16 05:00"),
        ("2026-07-16 04:59", "Wed 15 17:00 - Thu 16 05:00"),
        ("2026-07-16 05:00", "Thu 16 17:00 - Fri 17 05:00"),
        ("2026-12-31 23:00", "Thu 31 17:00 - Fri 01 05:00"),
    ],
)
def test_a_night_reaches_past_midnight(zone: str, now: str, night: str) -> None:
    assert seen(zone, tonight(zone, wall(zone, now))) == night


@pytest.mark.parametrize("zone", [LAGOS, KOLKATA, NEW_YORK])
@pytest.mark.parametrize(
    ("now", "of"),
    [
        ("2026-07-13 05:00", "Fri 17 17:00 - Mon 20 05:00"),
        ("2026-07-15 12:00", "Fri 17 17:00 - Mon 20 05:00"),
        ("2026-07-17 16:59", "Fri 17 17:00 - Mon 20 05:00"),
        ("2026-07-17 20:00", "Fri 17 17:00 - Mon 20 05:00"),
        ("2026-07-18 12:00", "Fri 17 17:00 - Mon 20 05:00"),
        ("2026-07-19 23:00", "Fri 17 17:00 - Mon 20 05:00"),
        ("2026-07-20 04:59", "Fri 17 17:00 - Mon 20 05:00"),
        ("2026-07-20 05:00", "Fri 24 17:00 - Mon 27 05:00"),
    ],
)
def test_a_weekend_ends_on_monday_morning(zone: str, now: str, of: str) -> None:
    assert seen(zone, weekend(zone, wall(zone, now))) == of


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        (NEW_YORK, "2026-03-07 20:00", 11),  # clocks go forward at 02:00 of the night
        (NEW_YORK, "2026-10-31 20:00", 13),  # and back
        (LONDON, "2026-03-28 23:30", 11),
        (LONDON, "2026-10-24 23:30", 13),
        (KOLKATA, "2026-03-28 23:30", 12),
    ],
)
def test_when_the_clock_changes_the_night_is_an_hour_shorter_or_longer(zone: str, now: str, hours: int) -> None:
    span = tonight(zone, wall(zone, now))
    assert (span.ends - span.begins).total_seconds() == hours * 3_600
    assert seen(zone, span).count("17:00") == seen(zone, span).count("05:00") == 1


def test_one_moment_is_another_night_in_another_zone() -> None:
    now = wall(LAGOS, "2026-07-15 00:30")  # 05:00 in Kolkata, where the next night is meant
    assert seen(LAGOS, tonight(LAGOS, now)) == "Tue 14 17:00 - Wed 15 05:00"
    assert seen(KOLKATA, tonight(KOLKATA, now)) == "Wed 15 17:00 - Thu 16 05:00"
    grouped = spans(tonight, [LAGOS, KOLKATA, "Asia/Colombo"], now)
    assert sorted(grouped.values()) == [[LAGOS], [KOLKATA, "Asia/Colombo"]]


@pytest.mark.parametrize(
    ("starts", "ends", "meets"),
    [
        ("2026-07-15 12:00", "2026-07-15 17:00", False),
        ("2026-07-15 12:00", "2026-07-15 17:01", True),
        ("2026-07-15 22:00", "2026-07-16 04:00", True),
        ("2026-07-16 04:59", "2026-07-16 09:00", True),
        ("2026-07-16 05:00", "2026-07-16 09:00", False),
        ("2026-07-14 10:00", "2026-07-18 10:00", True),
    ],
)
def test_an_event_is_tonight_if_it_is_on_at_some_time_of_it(starts: str, ends: str, meets: bool) -> None:
    span = tonight(KOLKATA, wall(KOLKATA, "2026-07-15 18:00"))
    assert span.meets(wall(KOLKATA, starts), wall(KOLKATA, ends)) is meets


@given(
    st.integers(0, 60 * 366 * 24 * 3_600).map(lambda after: datetime.fromtimestamp(946_684_800 + after, UTC)),
    st.sampled_from(sorted(available_timezones())),
)
def test_nobody_asks_after_the_night_or_the_weekend_is_over(now: datetime, zone: str) -> None:
    night, days = tonight(zone, now), weekend(zone, now)
    assert now < night.ends
    assert now < days.ends
    assert (night.ends - now).total_seconds() <= 25 * 3_600
    assert (days.ends - now).total_seconds() <= 7 * 24 * 3_600 + 3_600
