"""What the page of an event says: every decision and every word, ready to be set into HTML."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from common.events import rules
from common.events.schemas import EventStatus, Visibility
from common.pages import links, wording

if TYPE_CHECKING:
    from datetime import datetime

    from common.events.schemas import Availability, Event, Image, StoredTier, TierAvailability
    from common.money import Money

DESCRIPTION_LENGTH: Final = 160


class Sale(StrEnum):
    """Whether somebody can get a ticket of a tier now, and why not."""

    OPEN = "open"
    SOLD_OUT = "sold_out"
    PAUSED = "paused"
    NOT_YET = "not_yet"
    OVER = "over"


@dataclass(frozen=True)
class TierView:
    """A ticket tier on the page."""

    tier: StoredTier
    sale: Sale
    price: Money
    price_text: str
    was_text: str
    note: str


@dataclass(frozen=True)
class LineupView:
    """An artist on the page."""

    artist: str
    headliner: bool
    at: str


@dataclass(frozen=True)
class EventView:
    """The page."""

    event: Event
    organizer: str
    status: EventStatus
    notice: str
    day: str
    hours: str
    doors: str
    facts: tuple[tuple[str, str], ...]
    lineup: tuple[LineupView, ...]
    tiers: tuple[TierView, ...]
    from_text: str
    action: str
    image: Image | None
    summary: str
    url: str
    calendar: str
    map: str
    app: str
    indexed: bool

    @property
    def can_buy(self) -> bool:
        """Whether any ticket can be had now."""
        return any(each.sale is Sale.OPEN for each in self.tiers)


def event_view(event: Event, organizer: str, available: Availability, now: datetime) -> EventView:
    """The page as it is now."""
    status = rules.status_at(event, now)
    day, hours = wording.when(event.starts_at, event.ends_at, event.timezone)
    by_tier = {each.tier_id: each for each in available.tiers}
    tiers = tuple(_tier(event, tier, by_tier[tier.tier_id], status, now) for tier in event.tiers)
    image = event.images[0] if event.images else None
    place = f"{event.venue.name}, {event.venue.city}"
    return EventView(
        event=event,
        organizer=organizer,
        status=status,
        notice=_notice(event, status),
        day=day,
        hours=hours,
        doors=f"Doors {_clock(event.doors_at, event.timezone)}" if event.doors_at else "",
        facts=tuple(_facts(event)),
        lineup=tuple(_lineup(event)),
        tiers=tiers,
        from_text=_from(tiers),
        action=_action(status, tiers),
        image=image,
        summary=wording.shortened(f"{day}, {hours} · {place}. {event.description}", DESCRIPTION_LENGTH),
        url=links.absolute(links.page_path(event)),
        calendar=links.calendar_path(event),
        map=links.on_map(event.venue),
        app=links.in_app(event),
        indexed=rules.is_visible_to_all(event),
    )


def _tier(event: Event, tier: StoredTier, seen: TierAvailability, status: EventStatus, now: datetime) -> TierView:
    sale = _sale(tier, seen, status, now)
    was = tier.original_price or tier.price
    return TierView(
        tier=tier,
        sale=sale,
        price=seen.price,
        price_text=wording.money(seen.price),
        was_text=wording.money(was) if was.amount_minor > seen.price.amount_minor else "",
        note=_note(event, tier, sale),
    )


def _sale(tier: StoredTier, seen: TierAvailability, status: EventStatus, now: datetime) -> Sale:
    if status in {EventStatus.CANCELLED, EventStatus.COMPLETED}:
        return Sale.OVER
    if tier.sale_ends_at is not None and tier.sale_ends_at <= now:
        return Sale.OVER
    if status is EventStatus.DRAFT or (tier.sale_starts_at is not None and now < tier.sale_starts_at):
        return Sale.NOT_YET
    if seen.paused:
        return Sale.PAUSED
    return Sale.SOLD_OUT if seen.sold_out else Sale.OPEN


def _note(event: Event, tier: StoredTier, sale: Sale) -> str:
    match sale:
        case Sale.SOLD_OUT:
            return "Sold out"
        case Sale.PAUSED:
            return "Not on sale at the moment"
        case Sale.OVER:
            return "Sale has ended"
        case Sale.NOT_YET if tier.sale_starts_at is not None:
            return f"On sale from {wording.moment(tier.sale_starts_at, event.timezone)}"
        case Sale.NOT_YET:
            return "Not on sale yet"
    return ""


def _notice(event: Event, status: EventStatus) -> str:
    match status:
        case EventStatus.CANCELLED:
            return "This event is cancelled. Everybody who paid gets their money back."
        case EventStatus.COMPLETED:
            return "This event is over."
        case EventStatus.DRAFT:
            return "A draft: only members of the organization see this page."
    return (
        "A private event: only those who are invited see this page." if event.visibility is Visibility.PRIVATE else ""
    )


def _facts(event: Event) -> list[tuple[str, str]]:
    age = event.age_restriction
    facts = [("Age", f"{age} and older" if age else "All ages")]
    if event.dress_code:
        facts.append(("Dress code", event.dress_code))
    if event.genres:
        facts.append(("Music", ", ".join(event.genres)))
    return facts


def _lineup(event: Event) -> list[LineupView]:
    """The headliners first, the others as the organizer put them."""
    ordered = sorted(event.lineup, key=lambda entry: not entry.headliner)
    return [
        LineupView(
            artist=entry.artist,
            headliner=entry.headliner,
            at=_clock(entry.starts_at, event.timezone) if entry.starts_at else "",
        )
        for entry in ordered
    ]


def _clock(at: datetime, timezone: str) -> str:
    return wording.clock_time(at.astimezone(ZoneInfo(timezone)))


def _from(tiers: tuple[TierView, ...]) -> str:
    prices = [each.price for each in tiers if each.sale is Sale.OPEN]
    if not prices:
        return ""
    lowest = min(prices, key=lambda price: price.amount_minor)
    if len({price.amount_minor for price in prices}) == 1:
        return wording.money(lowest)
    return f"From {wording.money(lowest)}" if lowest.amount_minor else "Free and up"


def _action(status: EventStatus, tiers: tuple[TierView, ...]) -> str:
    """What the page offers to do, or why there is nothing to do."""
    sales = {each.sale for each in tiers}
    if status is EventStatus.CANCELLED:
        return "Cancelled"
    if Sale.OPEN in sales:
        return "Get tickets"
    if Sale.NOT_YET in sales:
        return "Not on sale yet"
    if Sale.PAUSED in sales:
        return "Not on sale at the moment"
    return "Sold out" if Sale.SOLD_OUT in sales else "Sale has ended"
