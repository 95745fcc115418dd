"""The event as an iCalendar file (RFC 5545): imported again, it changes the entry instead of adding one."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from common.events.schemas import EventStatus
from common.pages import links

if TYPE_CHECKING:
    from icalendar import Timezone

    from common.events.schemas import Event

ZONES_KEPT: Final = 64
MEDIA_TYPE: Final = "text/calendar"


def calendar_file(event: Event) -> bytes:
    """One VEVENT in the event's time zone. It depends on the event alone: the same event is the same file."""
    from icalendar import Calendar
    from icalendar import Event as Entry

    page = links.absolute(links.page_path(event))
    zone = ZoneInfo(event.timezone)
    venue = event.venue
    entry = Entry()
    entry.add("uid", f"{event.event_id}@marquee")
    entry.add("dtstamp", event.updated_at)
    entry.add("created", event.created_at)
    entry.add("last-modified", event.updated_at)
    # A later state of the event has a higher number, by which calendars know it from an older copy.
    entry.add("sequence", int((event.updated_at - event.created_at).total_seconds()))
    entry.add("dtstart", event.starts_at.astimezone(zone))
    entry.add("dtend", event.ends_at.astimezone(zone))
    entry.add("summary", event.title)
    entry.add("description", f"{event.description}\n\n{page}")
    entry.add("location", f"{venue.name}, {venue.address}, {venue.city}")
    entry.add("geo", (venue.latitude, venue.longitude))
    entry.add("url", page)
    entry.add("status", "CANCELLED" if event.status is EventStatus.CANCELLED else "CONFIRMED")
    if event.genres:
        entry.add("categories", list(event.genres))
    calendar = Calendar()
    calendar.add("prodid", "-//Marquee//Events//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(_clock_changes(event.timezone))
    calendar.add_component(entry)
    return bytes(calendar.to_ical())


@lru_cache(maxsize=ZONES_KEPT)
def _clock_changes(timezone: str) -> Timezone:
    """The VTIMEZONE of a zone; the library tries every hour of 68 years to find it, which takes 12 ms."""
    from icalendar import Timezone

    return Timezone.from_tzid(timezone)
