"""The public addresses of an event: its page, its calendar file, its place on a map, its tickets in the app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from common.caching import event_tag
from common.config import config
from common.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.events.schemas import Event, Venue

EVENT_ID: Final = re.compile(r"evt_[a-z2-7]{24}")


def event_id_of(slug: str) -> str:
    """The id that ends a slug. It alone says which event is meant; the words before it are for people."""
    event_id = slug.rpartition("-")[2]
    if not EVENT_ID.fullmatch(event_id):
        raise NotFound("There is no such event.")
    return event_id


def by_slug(path: Mapping[str, str]) -> str:
    """The cache tag of a route that names its event by a slug."""
    return event_tag(event_id_of(path["slug"]))


def page_path(event: Event) -> str:
    """The path of the event's page, under its present title."""
    return f"/e/{event.slug or event.event_id}"


def calendar_path(event: Event) -> str:
    """The path of the event's calendar file."""
    return f"{page_path(event)}/event.ics"


def absolute(path: str) -> str:
    """The address that others reach a path of ours at."""
    return config().public_base_url.rstrip("/") + path


def in_app(event: Event) -> str:
    """Opens the event in the app."""
    return config().app_link_template.format(event_id=event.event_id)


def on_map(venue: Venue) -> str:
    """The venue on a map, by its coordinates: names are ambiguous."""
    where = urlencode({"api": 1, "query": f"{venue.latitude},{venue.longitude}"})
    return f"https://www.google.com/maps/search/?{where}"
