"""Where things are on the sphere: distance, the geohash a point is stored under, and the ranges that cover a circle."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import geohash2

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of WGS 84 (IUGG). A sphere is within 0.5 % of the ellipsoid."""

GEOHASH_PRECISION = 10
"""Base-32 characters of every stored geohash: 50 bits, a cell of at most 1.2 m by 0.6 m."""

MAX_RANGES = 30
"""Firestore refuses a query with more disjunctions than this."""

PAST_EVERY_GEOHASH = "~"
"""Sorts after every geohash: the end of a range that holds the last cell."""

_ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
_BITS = 5 * GEOHASH_PRECISION
_BOUNDARY_CELLS = 112
"""Boundary cells after which a cover is cut no finer: more gain nothing once 16 ranges are left of them."""


@dataclass(frozen=True, slots=True)
class Point:
    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not -90 <= self.latitude <= 90:
            raise ValueError("latitude must be from -90 to 90")
        if not -180 <= self.longitude <= 180:
            raise ValueError("longitude must be from -180 to 180")


@dataclass(frozen=True, slots=True)
class GeohashRange:
    """The stored geohashes with start <= geohash < end: ask Firestore with `>=` and `<`."""

    start: str
    end: str


def distance_km(a: Point, b: Point) -> float:
    """The great-circle distance by haversine."""
    haversine = _haversine(math.radians(a.latitude), math.radians(b.latitude), math.radians(a.longitude - b.longitude))
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine)))


def geohash(point: Point, precision: int = GEOHASH_PRECISION) -> str:
    encoded: str = geohash2.encode(point.latitude, point.longitude, precision)
    return encoded


def cover(center: Point, radius_km: float, max_ranges: int = 16) -> tuple[GeohashRange, ...]:
    """At most `max_ranges` disjoint ranges, in order, that hold the geohash of every point within the radius.

    They also hold some points outside it: callers filter on the exact distance.
    """
    if not 0 < radius_km < math.inf:
        raise ValueError("radius must be positive and finite")
    if not 1 <= max_ranges <= MAX_RANGES:
        raise ValueError(f"a cover has from 1 to {MAX_RANGES} ranges")
    runs = _runs(sorted(_quadtree(_Circle.around(center, radius_km)), key=_first))
    # A range more costs nothing, a read more does: keep the widest gaps open and read through the rest.
    widest = sorted(range(1, len(runs)), key=lambda i: (-runs[i].gap_before, i))[: max_ranges - 1]
    cuts = [0, *sorted(widest), len(runs)]
    return tuple(
        GeohashRange(_text(runs[cut].first), _text(runs[following - 1].end))
        for cut, following in itertools.pairwise(cuts)
    )


def _haversine(latitude: float, other_latitude: float, longitude_difference: float) -> float:
    """sin² of half the angle between two points; radians. It grows with distance and is precise near 0."""
    north = math.sin((latitude - other_latitude) / 2)
    east = math.sin(longitude_difference / 2)
    return north * north + math.cos(latitude) * math.cos(other_latitude) * east * east


class _Cell(NamedTuple):
    """A rectangle of the quadtree: the geohashes whose leading `level` bits are `prefix`; edges in radians."""

    prefix: int
    level: int
    south: float
    north: float
    west: float
    east: float

    @property
    def area(self) -> float:
        return (self.east - self.west) * (math.sin(self.north) - math.sin(self.south))

    def halves(self) -> tuple[_Cell, _Cell]:
        prefix, level = self.prefix << 1, self.level + 1
        south, north, west, east = self.south, self.north, self.west, self.east
        if self.level % 2:
            middle = (south + north) / 2
            return (
                _Cell(prefix, level, south, middle, west, east),
                _Cell(prefix | 1, level, middle, north, west, east),
            )
        middle = (west + east) / 2
        return (
            _Cell(prefix, level, south, north, west, middle),
            _Cell(prefix | 1, level, south, north, middle, east),
        )


_WORLD = _Cell(0, 0, -math.pi / 2, math.pi / 2, -math.pi, math.pi)


@dataclass(frozen=True, slots=True)
class _Eye:
    """A point that asks how near a cell comes to it; radians."""

    latitude: float
    longitude: float
    sine: float = field(init=False)
    cosine: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sine", math.sin(self.latitude))
        object.__setattr__(self, "cosine", math.cos(self.latitude))

    def nearest(self, cell: _Cell) -> float:
        """The haversine of the nearest point of the cell, exact also over a pole and across the antimeridian."""
        width = cell.east - cell.west
        eastward = (self.longitude - cell.west) % math.tau
        if eastward <= width:
            return _haversine(self.latitude, min(max(self.latitude, cell.south), cell.north), 0.0)
        # At any latitude the nearer of the two meridian edges wins; on it distance falls towards `foot` and
        # grows beyond, so the minimum is there or, when the edge does not reach it, at one of its ends.
        across = min(eastward - width, math.tau - eastward)
        foot = math.atan2(self.sine, self.cosine * math.cos(across))
        if cell.south <= foot <= cell.north:
            return _haversine(self.latitude, foot, across)
        return min(_haversine(self.latitude, cell.south, across), _haversine(self.latitude, cell.north, across))


@dataclass(frozen=True, slots=True)
class _Circle:
    center: _Eye
    antipode: _Eye
    haversine: float

    @classmethod
    def around(cls, center: Point, radius_km: float) -> _Circle:
        # A hair wider than asked, so that no rounding here or in `distance_km` loses a point on the rim.
        angle = (radius_km * (1 + 1e-7) + 1e-6) / EARTH_RADIUS_KM
        latitude, longitude = math.radians(center.latitude), math.radians(center.longitude)
        return cls(
            _Eye(latitude, longitude),
            _Eye(-latitude, longitude + math.pi),
            math.sin(min(angle, math.pi) / 2) ** 2,
        )

    def touches(self, cell: _Cell) -> bool:
        return self.center.nearest(cell) <= self.haversine

    def contains(self, cell: _Cell) -> bool:
        # The farthest point of a cell is the one nearest to the antipode.
        return 1 - self.antipode.nearest(cell) <= self.haversine


def _quadtree(circle: _Circle) -> list[tuple[_Cell, bool]]:
    """The world cut into cells, each with whether a point in it may be in the circle."""
    settled: list[tuple[_Cell, bool]] = []
    boundary = [_WORLD]
    # Level by level: the boundary cells stay alike in size, and their number bounds the work even near a pole,
    # where a circle crosses every meridian.
    while boundary and boundary[0].level < _BITS and len(boundary) < _BOUNDARY_CELLS:
        cut: list[_Cell] = []
        for parent in boundary:
            for cell in parent.halves():
                if not circle.touches(cell):
                    settled.append((cell, False))
                elif circle.contains(cell):
                    settled.append((cell, True))
                else:
                    cut.append(cell)
        boundary = cut
    return settled + [(cell, True) for cell in boundary]


def _first(placed: tuple[_Cell, bool]) -> int:
    cell = placed[0]
    return cell.prefix << (_BITS - cell.level)


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbours in geohash order that are all wanted: indices first <= i < end."""

    first: int
    end: int
    gap_before: float
    """The area left out since the run before."""


def _runs(cells: list[tuple[_Cell, bool]]) -> list[_Run]:
    runs: list[_Run] = []
    gap = 0.0
    for placed in cells:
        cell, wanted = placed
        if not wanted:
            gap += cell.area
            continue
        first = _first(placed)
        end = first + (1 << (_BITS - cell.level))
        if runs and runs[-1].end == first:
            runs[-1] = _Run(runs[-1].first, end, runs[-1].gap_before)
        else:
            runs.append(_Run(first, end, gap))
        gap = 0.0
    return runs


def _text(index: int) -> str:
    if index == 1 << _BITS:
        return PAST_EVERY_GEOHASH
    return "".join(_ALPHABET[index >> shift & 31] for shift in range(_BITS - 5, -1, -5))
