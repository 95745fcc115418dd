"""The time, read in one place so that a test can move it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The current moment, in UTC."""
    return datetime.now(UTC)


def local_text(moment: datetime, timezone: str) -> str:
    """A moment as people read it who are there: `Friday 3 January, 20:00`."""
    there = moment.astimezone(ZoneInfo(timezone))
    return f"{there:%A} {there.day} {there:%B}, {there:%H:%M}"
