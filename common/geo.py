"""Where things are on the sphere: distance, the geohash a point is stored under, and the ranges that cover a ring."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import geohash2

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_HAIR_DEGREES = 1e-9
_BOUNDARY_CELLS = 64
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


class Box(NamedTuple):
    """Degrees, edges included."""

    south: float
    north: float
    west: float
    east: float


@dataclass(frozen=True, slots=True)
class GeohashRange:
    """The stored geohashes with start <= geohash < end: ask Firestore with `>=` and `<`.

    What is wanted of it lies in the box: most of the rest of the range does not.
    """

    start: str
    end: str
    box: Box


def distance_km(a: Point, b: Point) -> float:
    """The great-circle distance by haversine."""
    haversine = _haversine(math.radians(a.latitude), math.radians(b.latitude), math.radians(a.longitude - b.longitude))
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine)))


def geohash(point: Point, precision: int = GEOHASH_PRECISION) -> str:
    encoded: str = geohash2.encode(point.latitude, point.longitude, precision)
    return encoded


def bounds(center: Point, radius_km: float) -> Box:
    """The smallest box around the circle, or a hair more: all longitudes if it holds a pole or 180° east."""
    angle = _angle(radius_km)
    latitude, reach = math.radians(center.latitude), math.degrees(angle) + _HAIR_DEGREES
    south, north = center.latitude - reach, center.latitude + reach
    if south > -90 and north < 90:
        aside = math.degrees(math.asin(math.sin(angle) / math.cos(latitude))) + _HAIR_DEGREES
        if center.longitude - aside >= -180 and center.longitude + aside <= 180:
            return Box(south, north, center.longitude - aside, center.longitude + aside)
    return Box(max(south, -90.0), min(north, 90.0), -180.0, 180.0)


@functools.lru_cache(maxsize=256)
def cover(center: Point, radius_km: float, max_ranges: int = 16, inner_km: float = 0.0) -> tuple[GeohashRange, ...]:
    """At most `max_ranges` disjoint ranges, in order, that hold the geohash of every point within the radius.

    They also hold some points outside it, few of them in the boxes: callers filter on the exact distance. Points
    nearer than `inner_km` are not wanted, and held only where that saves a range.
    """
    if not 0 < radius_km < math.inf:
        raise ValueError("radius must be positive and finite")
    if not 1 <= max_ranges <= MAX_RANGES:
        raise ValueError(f"a cover has from 1 to {MAX_RANGES} ranges")
    box, inner = bounds(center, radius_km), _angle(inner_km, hair=-1)
    hole = _Circle.around(center, inner) if inner > 0 else None
    cells = _quadtree(_Cell.around(box), _Circle.around(center, _angle(radius_km)), hole)
    runs = _runs(sorted(cells, key=_first), box)
    # A range more costs nothing, a read more does: keep the widest gaps open and read through the rest.
    widest = sorted(range(1, len(runs)), key=lambda i: (-runs[i].gap_before, i))[: max_ranges - 1]
    cuts = [0, *sorted(widest), len(runs)]
    return tuple(
        GeohashRange(
            _text(runs[cut].first),
            _text(runs[following - 1].end),
            _around_all(box for run in runs[cut:following] for box in run.boxes),
        )
        for cut, following in itertools.pairwise(cuts)
    )


def share_before(code: str, ranges: tuple[GeohashRange, ...]) -> float:
    """How much of the ranges, taken in order, lies before this geohash."""
    reached = _index(code)
    spans = [(_index(piece.start), _index(piece.end)) for piece in ranges]
    return sum(max(0, min(end, reached) - start) for start, end in spans) / sum(end - start for start, end in spans)


def _angle(radius_km: float, hair: int = 1) -> float:
    """The radius as an angle, a hair wider or narrower, so that no rounding loses a point on the rim."""
    return max(0.0, min(math.pi, (radius_km * (1 + hair * 1e-7) + hair * 1e-6) / EARTH_RADIUS_KM))


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

    @classmethod
    def around(cls, box: Box) -> _Cell:
        """The smallest one that holds the box."""
        most = 1 << _BITS // 2
        west, east = (min(int((edge + 180) / 360 * most), most - 1) for edge in (box.west, box.east))
        south, north = (min(int((edge + 90) / 180 * most), most - 1) for edge in (box.south, box.north))
        columns, rows = (west ^ east).bit_length(), (south ^ north).bit_length()
        # Bits take turns, longitude first: as many of each are fixed as both edges share.
        level = min(2 * (_BITS // 2 - columns), 2 * (_BITS // 2 - rows) + 1)
        columns, rows = _BITS // 2 - (level + 1) // 2, _BITS // 2 - level // 2
        prefix = 0
        for bit in range(level):
            place, axis = _BITS // 2 - 1 - bit // 2, south if bit % 2 else west
            prefix = prefix << 1 | axis >> place & 1
        column, row = west >> columns, south >> rows
        width, height = math.tau * (1 << columns) / most, math.pi * (1 << rows) / most
        left, bottom = column * width - math.pi, row * height - math.pi / 2
        return cls(prefix, level, bottom, bottom + height, left, left + width)

    def within(self, box: Box) -> Box:
        """Its part of a box, in radians like its own edges."""
        south, north, west, east = box
        return Box(
            self.south if self.south > south else south,
            self.north if self.north < north else north,
            self.west if self.west > west else west,
            self.east if self.east < east else east,
        )

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
        latitude, south, north = self.latitude, cell.south, cell.north
        width = cell.east - cell.west
        eastward = (self.longitude - cell.west) % math.tau
        if eastward <= width:
            outside = south - latitude if latitude < south else latitude - north if latitude > north else 0.0
            return math.sin(outside / 2) ** 2
        # At any latitude the nearer of the two meridian edges wins; on it distance falls towards `foot` and
        # grows beyond, so the minimum is there or, when the edge does not reach it, at one of its ends.
        across = min(eastward - width, math.tau - eastward)
        foot = math.atan2(self.sine, self.cosine * math.cos(across))
        aside = math.sin(across / 2) ** 2 * self.cosine
        if south <= foot <= north:
            return math.sin((latitude - foot) / 2) ** 2 + aside * math.cos(foot)
        at_south = math.sin((latitude - south) / 2) ** 2 + aside * math.cos(south)
        at_north = math.sin((latitude - north) / 2) ** 2 + aside * math.cos(north)
        return at_south if at_south < at_north else at_north


@dataclass(frozen=True, slots=True)
class _Circle:
    center: _Eye
    antipode: _Eye
    haversine: float

    @classmethod
    def around(cls, center: Point, angle: float) -> _Circle:
        latitude, longitude = math.radians(center.latitude), math.radians(center.longitude)
        return cls(_Eye(latitude, longitude), _Eye(-latitude, longitude + math.pi), math.sin(angle / 2) ** 2)

    def touches(self, cell: _Cell) -> bool:
        return self.center.nearest(cell) <= self.haversine

    def contains(self, cell: _Cell) -> bool:
        # The farthest point of a cell is the one nearest to the antipode.
        return 1 - self.antipode.nearest(cell) <= self.haversine


def _quadtree(whole: _Cell, circle: _Circle, hole: _Circle | None) -> list[tuple[_Cell, bool]]:
    """A cell around the circle cut up, each piece with whether a point in it may be in the circle, not in the hole."""
    settled: list[tuple[_Cell, bool]] = []
    boundary = [whole]
    # Level by level: the boundary cells stay alike in size, and their number bounds the work even near a pole,
    # where a circle crosses every meridian.
    while boundary and boundary[0].level < _BITS and len(boundary) < _BOUNDARY_CELLS:
        cut: list[_Cell] = []
        for parent in boundary:
            for cell in parent.halves():
                if not circle.touches(cell) or (hole and hole.contains(cell)):
                    settled.append((cell, False))
                elif circle.contains(cell) and not (hole and hole.touches(cell)):
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
    boxes: tuple[Box, ...]
    gap_before: float
    """The area within the bounds left out since the run before."""


def _runs(cells: list[tuple[_Cell, bool]], bounded: Box) -> list[_Run]:
    bounded = Box(*map(math.radians, bounded))
    runs: list[_Run] = []
    gap = 0.0
    for placed in cells:
        cell, wanted = placed
        box = cell.within(bounded)
        if not wanted:
            gap += max(0.0, box.north - box.south) * max(0.0, box.east - box.west)
            continue
        first = _first(placed)
        end = first + (1 << (_BITS - cell.level))
        if runs and runs[-1].end == first:
            last = runs[-1]
            runs[-1] = _Run(last.first, end, (*last.boxes, box), last.gap_before)
        else:
            runs.append(_Run(first, end, (box,), gap))
        gap = 0.0
    return runs


def _around_all(boxes: Iterable[Box]) -> Box:
    """In degrees, a hair wider, what holds boxes in radians."""
    souths, norths, wests, easts = zip(*boxes, strict=True)
    return Box(
        math.degrees(min(souths)) - _HAIR_DEGREES,
        math.degrees(max(norths)) + _HAIR_DEGREES,
        math.degrees(min(wests)) - _HAIR_DEGREES,
        math.degrees(max(easts)) + _HAIR_DEGREES,
    )


def _text(index: int) -> str:
    if index == 1 << _BITS:
        return PAST_EVERY_GEOHASH
    return "".join(_ALPHABET[index >> shift & 31] for shift in range(_BITS - 5, -1, -5))


def _index(text: str) -> int:
    if text == PAST_EVERY_GEOHASH:
        return 1 << _BITS
    return functools.reduce(lambda index, letter: index << 5 | _ALPHABET.index(letter), text, 0)
