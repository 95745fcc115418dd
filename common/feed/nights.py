"""When "tonight" and "this weekend" are: by the clock on the wall of the place where an event is.

A night begins in the evening at 17:00 and ends at 05:00 of the next morning. Until 05:00 it is still the night that
began yesterday. A weekend lasts from Friday 17:00 to Monday 05:00; from then on the next one is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EVENING: Final = time(17)
MORNING: Final = time(5)
FRIDAY, SUNDAY = 4, 6
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to another one, which is not part of it."""

    begins: datetime
    ends: datetime

    def meets(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether an event is on at some time of the span: one that runs already counts."""
        return starts_at < self.ends and ends_at > self.begins


def tonight(timezone: str, now: datetime) -> Span:
    """The night that is, or the one that comes."""
    zone = ZoneInfo(timezone)
    evening = _day(zone, now)
    return Span(_moment(zone, evening, EVENING), _moment(zone, evening + DAY, MORNING))


def weekend(timezone: str, now: datetime) -> Span:
    """The weekend that is, or the one that comes."""
    zone = ZoneInfo(timezone)
    day = _day(zone, now)
    friday = day + DAY * (FRIDAY - day.weekday())
    return Span(_moment(zone, friday, EVENING), _moment(zone, friday + 3 * DAY, MORNING))


def spans(
    of: Callable[[str, datetime], Span], timezones: Iterable[str], now: datetime
) -> dict[tuple[datetime, datetime], list[str]]:
    """The zones in which the span lies at the same time, by its begin and end."""
    found: dict[tuple[datetime, datetime], list[str]] = {}
    for timezone in timezones:
        span = of(timezone, now)
        found.setdefault((span.begins, span.ends), []).append(timezone)
    return found


def _day(zone: ZoneInfo, now: datetime) -> date:
    """The date there, where the hours before the morning belong to the day before."""
    local = now.astimezone(zone)
    return local.date() - DAY if local.time() < MORNING else local.date()


def _moment(zone: ZoneInfo, day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, zone).astimezone(UTC)
