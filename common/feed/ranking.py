"""What suits somebody best, by fixed rules: a score of five parts and three boosts, the reasons for it, and an order
in which no venue and no kind of music takes the whole page."""

from __future__ import annotations

import statistics
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from common.catalogue.genres import tree, with_ancestors
from common.feed.schemas import ReasonCode
from common.geo import Point, distance_km

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WEIGHTS: Final = {
    ReasonCode.GENRE: 0.30,
    ReasonCode.NEAR_YOU: 0.25,
    ReasonCode.POPULAR: 0.20,
    ReasonCode.SOON: 0.15,
    ReasonCode.GOOD_PRICE: 0.10,
}
BOOSTS: Final = {
    ReasonCode.FOLLOWED_ARTIST: 0.25,
    ReasonCode.FOLLOWED_VENUE: 0.20,
    ReasonCode.NEW: 0.10,
    ReasonCode.FOLLOWED_ORGANIZER: 0.0,  # a reason, though none that counts
}
DISTANCE_BANDS: Final = ((50.0, 0.8), (100.0, 0.6), (200.0, 0.4))
DAY_S: Final = 24 * 60 * 60
TIME_BANDS: Final = ((1 * DAY_S, 1.0), (7 * DAY_S, 0.8), (14 * DAY_S, 0.6), (30 * DAY_S, 0.4))
BEYOND: Final = 0.2
RELATED: Final = 0.5
# So many people make an event half as popular as it can be.
HALF_POPULAR: Final = 20
NEW_FOR_S: Final = DAY_S
# A part that is at least this is told as a reason.
TELLING: Final = 0.5
MOST_SERVED: Final = 50
FIRST: Final = 10
MOST_OF_A_VENUE: Final = 2
# Of one kind of music, no more in a row.
LONGEST_RUN: Final = 3


@cache
def _roots() -> frozenset[str]:
    return frozenset(node.genre for node in tree().values() if node.parent is None)


class Suitor(NamedTuple):
    """An event as the rules see it; moments in seconds since 1970, `genres` with their ancestors.

    `people` counts those who go, went, want to or like it; `followed` says whom of it the visitor follows.
    """

    id: int
    event_id: str
    city: str
    venue_id: str
    starts_at: int
    published_at: int
    price: int
    currency: str
    people: int
    latitude: float
    longitude: float
    genres: frozenset[str]
    followed: frozenset[ReasonCode] = frozenset()

    @property
    def root(self) -> str:
        """The kind of music: the first of the genres from which the tree grows, if it is of one of them."""
        return min(self.genres & _roots() or self.genres, default="")


@dataclass(frozen=True)
class Wishes:
    """What is known of a visitor; nothing of most who are not signed in."""

    genres: tuple[str, ...] = ()
    city: str = ""
    place: Point | None = None

    @cached_property
    def relatives(self) -> frozenset[str]:
        """The genres above the preferred ones: what is below them too is related."""
        return frozenset(each for genre in self.genres for each in with_ancestors(genre))


class Ranked(NamedTuple):
    """An event with its score, how much of that rests on something known, and what speaks for it, strongest first."""

    suitor: Suitor
    score: float
    confidence: float
    reasons: tuple[ReasonCode, ...]


class _Scored(NamedTuple):
    """Sorts the best first; of two alike, the earlier one."""

    minus_score: float
    starts_at: int
    event_id: str
    root: str
    suitor: Suitor


def _typical_prices(suitors: Iterable[Suitor]) -> dict[str, float]:
    """The middle of what is not free, in each currency: cheap is what is cheap here."""
    paid: dict[str, list[int]] = {}
    for each in suitors:
        if each.price:
            paid.setdefault(each.currency, []).append(each.price)
    return {currency: statistics.median(prices) for currency, prices in paid.items()}


@dataclass(frozen=True)
class Ranking:
    """What the score of an event depends on beside the event: the visitor, the moment, and what others cost."""

    wishes: Wishes
    as_of: int
    typical_prices: dict[str, float]

    @classmethod
    def of(cls, suitors: Sequence[Suitor], wishes: Wishes, as_of: int) -> Ranking:
        """The ranking among these."""
        return cls(wishes, as_of, _typical_prices(suitors))

    def best(self, suitors: Sequence[Suitor]) -> list[Suitor]:
        """At most fifty of them, in the order in which they are shown."""
        scored = (_Scored(-self.score(each), each.starts_at, each.event_id, each.root, each) for each in suitors)
        return [each.suitor for each in _mixed(sorted(scored))]

    def score(self, suitor: Suitor) -> float:
        earned = 0.0
        for weight, part in zip(WEIGHTS.values(), self._parts(suitor), strict=True):
            if part is not None:
                earned += weight * part
        for code in self._boosts(suitor):
            earned += BOOSTS[code]
        return min(1.0, earned)

    def ranked(self, suitor: Suitor) -> Ranked:
        """The reasons are the boosts and the strong parts, or at least the strongest part."""
        known = {code: part for code, part in zip(WEIGHTS, self._parts(suitor), strict=True) if part is not None}
        boosts = self._boosts(suitor)
        earned = {code: WEIGHTS[code] * part for code, part in known.items()} | {code: BOOSTS[code] for code in boosts}
        strongest = sorted(earned, key=lambda code: (-earned[code], code))
        telling = [code for code in strongest if code in boosts or known[code] >= TELLING]
        confidence = sum(WEIGHTS[code] for code in known)
        return Ranked(suitor, self.score(suitor), confidence, tuple(telling or strongest[:1]))

    def _parts(self, suitor: Suitor) -> tuple[float | None, ...]:
        """For each of the weights from 0 to 1; None where nothing is known that it could rest on."""
        typical = self.typical_prices.get(suitor.currency, 0.0)
        return (
            self._genre(suitor),
            self._location(suitor),
            suitor.people / (suitor.people + HALF_POPULAR) if suitor.people else None,
            _band(suitor.starts_at - self.as_of, TIME_BANDS),
            typical / (typical + suitor.price) if suitor.price else 1.0,
        )

    def _boosts(self, suitor: Suitor) -> frozenset[ReasonCode]:
        is_new = self.as_of - suitor.published_at < NEW_FOR_S
        return suitor.followed | {ReasonCode.NEW} if is_new else suitor.followed

    def _genre(self, suitor: Suitor) -> float | None:
        if not self.wishes.genres:
            return None
        if not suitor.genres.isdisjoint(self.wishes.genres):
            return 1.0
        return RELATED if not suitor.genres.isdisjoint(self.wishes.relatives) else 0.0

    def _location(self, suitor: Suitor) -> float | None:
        if self.wishes.city and suitor.city == self.wishes.city:
            return 1.0
        if self.wishes.place is None:
            return None
        return _band(distance_km(self.wishes.place, Point(suitor.latitude, suitor.longitude)), DISTANCE_BANDS)


def _band(value: float, bands: tuple[tuple[float, float], ...]) -> float:
    for reach, part in bands:
        if value <= reach:
            return part
    return BEYOND


@dataclass
class _Page:
    """The places given so far."""

    venues: Counter[str] = field(default_factory=Counter)
    latest: deque[str] = field(default_factory=lambda: deque(maxlen=LONGEST_RUN))
    given: int = 0

    def admits(self, scored: _Scored) -> bool:
        """Among the first ten no venue has more than two."""
        return self.given >= FIRST or self.venues[scored.suitor.venue_id] < MOST_OF_A_VENUE

    def varies(self, scored: _Scored) -> bool:
        """Not the fourth of its kind in a row."""
        return self.latest.count(scored.root) < LONGEST_RUN

    def give(self, scored: _Scored) -> None:
        self.venues[scored.suitor.venue_id] += 1
        self.latest.append(scored.root)
        self.given += 1


def _mixed(best_first: list[_Scored]) -> Iterator[_Scored]:
    """Place by place the best one left that varies, or if none does the best one.

    Who may not be among the first ten, while fewer than ten others are left, is not shown at all.
    """
    left, page = list(best_first), _Page()
    while page.given < MOST_SERVED:
        admitted = (each for each in left if page.admits(each))
        best = next(admitted, None)
        if best is None:
            return
        chosen = best if page.varies(best) else next(filter(page.varies, admitted), best)
        left.remove(chosen)
        page.give(chosen)
        yield chosen
