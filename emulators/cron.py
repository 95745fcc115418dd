"""When a cron expression of five fields is due, with cron's own rule for days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SUNDAY: Final = 7


class InvalidCron(ValueError):
    """The expression cannot be read; the text says which part."""


@dataclass(frozen=True)
class Cron:
    """The values that each field allows. A day field that starts with * leaves the other to decide."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Read `minute hour day month weekday` with *, lists, ranges, steps and names."""
        fields = expression.split()
        if len(fields) != 5:
            raise InvalidCron(f"{expression!r} has {len(fields)} fields, not 5")
        minute, hour, day, month, weekday = fields
        weekdays = _values(weekday, 0, SUNDAY, WEEKDAYS)
        return cls(
            minutes=_values(minute, 0, 59),
            hours=_values(hour, 0, 23),
            days=_values(day, 1, 31),
            months=_values(month, 1, 12, MONTHS, first_name=1),
            weekdays=frozenset(value % SUNDAY for value in weekdays),
            any_day=day.startswith("*"),
            any_weekday=weekday.startswith("*"),
        )

    def due(self, at: datetime) -> bool:
        """Whether the job runs in this minute."""
        if at.minute not in self.minutes or at.hour not in self.hours or at.month not in self.months:
            return False
        day = at.day in self.days
        weekday = at.isoweekday() % SUNDAY in self.weekdays
        # Two restricted day fields mean either; one restricted field decides alone.
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)


def _values(field: str, lowest: int, highest: int, names: tuple[str, ...] = (), first_name: int = 0) -> frozenset[int]:
    def number(text: str) -> int:
        if text.lower() in names:
            return names.index(text.lower()) + first_name
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise InvalidCron(f"{text!r} in {field!r} is not within {lowest}-{highest}")
        return int(text)

    found: set[int] = set()
    for part in field.split(","):
        span, slash, step_text = part.partition("/")
        if slash and (not step_text.isascii() or not step_text.isdigit() or int(step_text) == 0):
            raise InvalidCron(f"{step_text!r} in {field!r} is not a step")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = lowest, highest
        elif dash:
            start, end = number(first), number(last)
        else:
            start = number(first)
            end = highest if slash else start
        if start > end:
            raise InvalidCron(f"{span!r} in {field!r} runs backwards")
        found.update(range(start, end + 1, int(step_text) if slash else 1))
    return frozenset(found)
