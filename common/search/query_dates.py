"""When somebody means: words of time become a window in local time.

A day lasts from 05:00 to 05:00, as a night out does: at 01:00 it is still the night that began yesterday, and a party
from 23:00 to 04:00 is on the day it began. Night and evening begin at 17:00, the weekend on Friday at 17:00. What has
begun is cut to now. A day of the week is the next such day, today included; "next friday" is that of next week. A date
without a year is its next occurrence.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from common.feed.nights import DAY, EVENING, FRIDAY
from common.feed.nights import MORNING as DAWN
from common.search.query_words import DATE_WORD, NO_YEAR, length, vocabulary

if TYPE_CHECKING:
    from common.search.query_words import Phrase

NOON: Final = time(12)
WEEK: Final = timedelta(days=7)
PARTS: Final = {"morning": (DAWN, NOON), "afternoon": (NOON, EVENING)}
ORDINALS: Final = ("st", "nd", "rd", "th")
DAY_NAMES: Final = ("today", "tomorrow")


@dataclass(frozen=True)
class Window:
    """From `start` until before `end`, both with the time zone of the place."""

    start: datetime
    end: datetime


# What is meant becomes a window once the place, and with it the local time, is known.
When = Callable[[datetime], Window]


def recognise(words: Phrase) -> tuple[int, When] | None:
    """The time that the words begin with, and how many of them say it."""
    for known in (_night_out, _span, _holiday, _date, _weekday, _named_day):
        found = known(words)
        if found is not None:
            return found
    return None


def day_of(now: datetime) -> date:
    """The day that this moment belongs to: before dawn it is still the one before."""
    return (now - timedelta(hours=DAWN.hour)).date()


def windowed(whens: list[When], now: datetime) -> Window | None:
    """From the first to the last of what is meant, cut to now; None when nothing is meant, or all of it is over."""
    if not whens:
        return None
    windows = [when(now) for when in whens]
    window = Window(max(now, min(each.start for each in windows)), max(each.end for each in windows))
    return window if window.start < window.end else None


def _night_out(words: Phrase) -> tuple[int, When] | None:
    taken = vocabulary().length("tonight", words)
    return (taken, lambda now: _part(day_of(now), EVENING, None, now)) if taken else None


def _span(words: Phrase) -> tuple[int, When] | None:
    spans: dict[str, When] = {
        "nextWeekend": lambda now: _weekend(now, WEEK),
        "weekend": lambda now: _weekend(now, timedelta(0)),
        "nextWeek": lambda now: _days(_monday(now) + WEEK, _monday(now) + 2 * WEEK, now),
        "week": lambda now: _days(day_of(now), _monday(now) + WEEK, now),
        "nextMonth": lambda now: _days(_next_month(day_of(now)), _next_month(_next_month(day_of(now))), now),
        "month": lambda now: _days(day_of(now), _next_month(day_of(now)), now),
    }
    for name, when in spans.items():
        if taken := vocabulary().length(name, words):
            return taken, when
    return None


def _holiday(words: Phrase) -> tuple[int, When] | None:
    known = vocabulary().holidays
    taken = length(known, words)
    if not taken:
        return None
    month, day = known[words[:taken]]
    return _on(taken, words, lambda now: _next_date(NO_YEAR, month, day, now))


def _date(words: Phrase) -> tuple[int, When] | None:
    if written := DATE_WORD.fullmatch(words[0]):
        year, month, day = int(written[1][:4]), int(written[1][4:6]), int(written[1][6:])
        return _on(1, words, lambda now: _next_date(year, month, day, now)) if _exists(year, month, day) else None
    if len(words) < 2:
        return None
    named, number = (words[1], words[0]) if _ordinal(words[0]) else (words[0], words[1])
    month, day = int(vocabulary().months.get((named,), 0)), _ordinal(number) or 0
    has_year = len(words) > 2 and words[2].isdigit() and len(words[2]) == 4
    year = int(words[2]) if has_year else NO_YEAR
    if not _exists(year, month, day):
        return None
    return _on(2 + has_year, words, lambda now: _next_date(year, month, day, now))


def _weekday(words: Phrase) -> tuple[int, When] | None:
    known = vocabulary().weekdays
    later = words[0] == "next"
    before = 1 if words[0] in {"next", "this", "on", "coming"} else 0
    taken = length(known, words[before:])
    if not taken:
        return None
    weekday = int(known[words[before : before + taken]])

    def which(now: datetime) -> date:
        today = day_of(now)
        return _monday(now) + WEEK + DAY * weekday if later else today + DAY * ((weekday - today.weekday()) % 7)

    return _on(before + taken, words, which)


def _named_day(words: Phrase) -> tuple[int, When] | None:
    for days, name in enumerate(DAY_NAMES):
        if taken := vocabulary().length(name, words):
            return _on(taken, words, lambda now, ahead=days: day_of(now) + DAY * ahead)  # type: ignore[misc]
    return None


def _on(taken: int, words: Phrase, which: Callable[[datetime], date]) -> tuple[int, When]:
    """A day, or the part of it that the next words name."""
    following = words[taken:]
    if night := vocabulary().length("night", following):
        return taken + night, lambda now: _part(which(now), EVENING, None, now)
    if following and following[0] in PARTS:
        begins, ends = PARTS[following[0]]
        return taken + 1, lambda now: _part(which(now), begins, ends, now)
    return taken, lambda now: _days(which(now), which(now) + DAY, now)


def _part(day: date, begins: time, ends: time | None, now: datetime) -> Window:
    end = datetime.combine(day, ends, now.tzinfo) if ends else _dawn(day + DAY, now)
    return Window(datetime.combine(day, begins, now.tzinfo), end)


def _days(first: date, after: date, now: datetime) -> Window:
    return Window(_dawn(first, now), _dawn(after, now))


def _weekend(now: datetime, later: timedelta) -> Window:
    friday = _monday(now) + later + DAY * FRIDAY
    return Window(datetime.combine(friday, EVENING, now.tzinfo), _dawn(friday + 3 * DAY, now))


def _dawn(day: date, now: datetime) -> datetime:
    return datetime.combine(day, DAWN, now.tzinfo)


def _monday(now: datetime) -> date:
    today = day_of(now)
    return today - DAY * today.weekday()


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _next_date(year: int, month: int, day: int, now: datetime) -> date:
    if year != NO_YEAR:
        return date(year, month, day)
    today = day_of(now)
    # Nine years on there was a leap year, whichever this is.
    dates = (date(year, month, day) for year in range(today.year, today.year + 9) if day <= monthrange(year, month)[1])
    return next(found for found in dates if found >= today)


def _exists(year: int, month: int, day: int) -> bool:
    """Whether there is such a date within our times, or in some year."""
    is_known = (2000 <= year < 2100 or year == NO_YEAR) and 1 <= month <= 12
    return is_known and 1 <= day <= monthrange(year, month)[1]


def _ordinal(word: str) -> int | None:
    number = word[:-2] if word.endswith(ORDINALS) else word
    return int(number) if number.isdigit() and len(number) <= 2 else None
