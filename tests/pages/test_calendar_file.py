"""The calendar file of an event, read back by the library that calendars use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from icalendar import Calendar

from tests.support.people import accepted, publish_event

if TYPE_CHECKING:
    import httpx

    from tests.support.people import Json, Person


def entry(client: httpx.Client, event: Json) -> Any:
    reply = client.get(f"/e/{event['slug']}/event.ics")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert reply.headers["content-disposition"] == f'attachment; filename="{event["slug"]}.ics"'
    assert max(map(len, reply.content.split(b"\r\n"))) <= 75
    calendar = Calendar.from_ical(reply.content)
    assert (calendar["version"], calendar["method"]) == ("2.0", "PUBLISH")
    [found] = calendar.walk("VEVENT")
    [zone] = calendar.walk("VTIMEZONE")
    assert zone["tzid"] == event["timezone"]
    return found


def test_a_calendar_takes_the_event(anonymous: httpx.Client, host: Person) -> None:
    event = publish_event(
        host,
        title="Fẹlá; Kútì, live\\again",
        description="One\nTwo; three, \\n",
        startsAt="2031-07-05T20:00:00Z",
        endsAt="2031-07-06T02:00:00Z",
        timezone="Europe/Berlin",
    )
    found = entry(anonymous, event)
    address = f"{str(anonymous.base_url).rstrip('/')}/e/{event['slug']}"
    assert found["uid"] == f"{event['eventId']}@marquee"
    assert found["summary"] == "Fẹlá; Kútì, live\\again"
    assert found["description"] == f"One\nTwo; three, \\n\n\n{address}"
    start, end = found["dtstart"].dt, found["dtend"].dt
    assert (start.isoformat(), start.tzinfo.key) == ("2031-07-05T22:00:00+02:00", "Europe/Berlin")
    assert end.astimezone(UTC) == datetime(2031, 7, 6, 2, tzinfo=UTC)
    assert (found["geo"].latitude, found["geo"].longitude) == (18.9953, 72.83)
    assert found["location"] == "Mill No. 5, Lower Parel, Mumbai"
    assert (found["url"], found["status"]) == (address, "CONFIRMED")
    updated = datetime.fromisoformat(event["updatedAt"]).replace(microsecond=0)
    assert found["last-modified"].dt == found["dtstamp"].dt == updated


def test_a_later_state_replaces_the_entry(anonymous: httpx.Client, host: Person, monkeypatch: Any) -> None:
    from common import clock

    event = publish_event(host)
    first = entry(anonymous, event)
    later = clock.now() + timedelta(seconds=5)
    monkeypatch.setattr(clock, "now", lambda: later)
    moved = accepted(host.call("PATCH", f"/v1/events/{event['eventId']}", {"title": "Later that night"}))
    second = entry(anonymous, moved)
    assert (second["uid"], second["summary"]) == (first["uid"], "Later that night")
    assert second["sequence"] > first["sequence"]
    assert second["last-modified"].dt > first["last-modified"].dt
    later += timedelta(seconds=5)
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    third = entry(anonymous, moved)
    assert (third["status"], third["uid"]) == ("CANCELLED", first["uid"])
    assert third["sequence"] > second["sequence"]


def test_the_same_event_is_the_same_file(anonymous: httpx.Client, host: Person) -> None:
    path = f"/e/{publish_event(host)['slug']}/event.ics"
    first = anonymous.get(path)
    assert anonymous.get(path).content == first.content
    assert anonymous.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
