"""Who is who in the catalogue: the same name is the same artist, the same name in the same city the same venue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from common.errors import Problem
from common.ids import derived_id
from common.text import fold, slug

if TYPE_CHECKING:
    from datetime import datetime

    from common.catalogue.schemas import Description, Entry

EntryT = TypeVar("EntryT", bound="Entry")


class NoEventThere(Problem):
    status, code, title = 403, "no_event_there", "The organization has no published event there"


class DescribedByAnother(Problem):
    status, code, title = 409, "described_by_another", "This is described by another organization"


class NameDiffers(Problem):
    status, code, title = 422, "name_differs", "This is another name, not another spelling of it"


class UnknownTour(Problem):
    status, code, title = 422, "unknown_tour", "The organization has no such tour"


def venue_id(name: str, city: str) -> str:
    """The id of the venue's page, whoever spells it and with whatever accents."""
    return derived_id("ven", _key(name), _key(city))


def artist_id(name: str) -> str:
    """The id of the artist's page."""
    return derived_id("art", _key(name))


def slug_of(name: str, ending: str) -> str:
    """The address of what has this name and this id."""
    words = slug(name)
    return f"{words}-{ending}" if words else ending


def described(before: EntryT | None, new: EntryT, by_admin: bool) -> EntryT:
    """The entry with its new description. Who describes it first keeps it, until an admin says otherwise."""
    if before is None:
        return new
    is_taken = before.described_at is not None and before.described_by != new.described_by
    if is_taken and not by_admin:
        raise DescribedByAnother("Ask us to change it, or to hand it over to your organization.")
    return new.model_copy(update={"created_at": before.created_at})


def entry_fields(said: Description, name: str, now: datetime) -> dict[str, Any]:
    """What the entries of venues and artists have in common after somebody described one."""
    return {
        "name": name,
        "description": said.description,
        "images": said.images,
        "links": said.links,
        "described_by": said.org_id,
        "described_at": now,
        "created_at": now,
    }


def _key(name: str) -> str:
    return fold(name) or name.casefold()
