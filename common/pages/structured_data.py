"""The event as schema.org describes one, with what Google's event search asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from common.events.schemas import EventStatus
from common.pages import wording
from common.pages.view import Sale

if TYPE_CHECKING:
    from datetime import datetime

    from common.pages.view import EventView, TierView

SCHEMA: Final = "https://schema.org"
AVAILABILITY: Final = {Sale.OPEN: "InStock", Sale.NOT_YET: "PreOrder", Sale.SOLD_OUT: "SoldOut"}
# What could end the element it stands in, or a line of JavaScript.
ESCAPED: Final = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def as_json(view: EventView) -> str:
    """JSON-LD that is safe inside a script element, whatever the event is called."""
    return json.dumps(event_data(view), ensure_ascii=False, separators=(",", ":")).translate(ESCAPED)


def event_data(view: EventView) -> dict[str, Any]:
    """The event."""
    event = view.event
    cancelled = view.status is EventStatus.CANCELLED
    data: dict[str, Any] = {
        "@context": SCHEMA,
        "@type": "Event",
        "@id": view.url,
        "name": event.title,
        "description": event.description,
        "url": view.url,
        "startDate": _local(event.starts_at, event.timezone),
        "endDate": _local(event.ends_at, event.timezone),
        "eventStatus": f"{SCHEMA}/{'EventCancelled' if cancelled else 'EventScheduled'}",
        "eventAttendanceMode": f"{SCHEMA}/OfflineEventAttendanceMode",
        "location": _place(view),
        "image": [image.url for image in event.images],
        "performer": [{"@type": "PerformingGroup", "name": entry.artist} for entry in view.lineup],
        "organizer": {"@type": "Organization", "name": view.organizer} if view.organizer else None,
        "offers": [_offer(view, tier) for tier in view.tiers],
        "doorTime": _local(event.doors_at, event.timezone) if event.doors_at else None,
        "typicalAgeRange": f"{event.age_restriction}-" if event.age_restriction else None,
    }
    return {name: value for name, value in data.items() if value}


def _place(view: EventView) -> dict[str, Any]:
    venue = view.event.venue
    return {
        "@type": "Place",
        "name": venue.name,
        "address": {
            "@type": "PostalAddress",
            "streetAddress": venue.address,
            "addressLocality": venue.city,
            "addressCountry": view.event.country,
        },
        "geo": {"@type": "GeoCoordinates", "latitude": venue.latitude, "longitude": venue.longitude},
    }


def _offer(view: EventView, shown: TierView) -> dict[str, Any]:
    event, tier = view.event, shown.tier
    opens = tier.sale_starts_at or event.published_at or event.created_at
    offer = {
        "@type": "Offer",
        "name": tier.name,
        "url": view.url,
        "price": wording.decimal(shown.price),
        "priceCurrency": shown.price.currency,
        "availability": f"{SCHEMA}/{AVAILABILITY.get(shown.sale, 'OutOfStock')}",
        "validFrom": _local(opens, event.timezone),
    }
    if tier.sale_ends_at is not None:
        offer["validThrough"] = _local(tier.sale_ends_at, event.timezone)
    return offer


def _local(moment: datetime, timezone: str) -> str:
    """With the offset of the place: without one, Google would take it for the searcher's time."""
    return moment.astimezone(ZoneInfo(timezone)).isoformat(timespec="seconds")
