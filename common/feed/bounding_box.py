"""A circle on the sphere as a condition in SQL: the rectangle that holds it, and the exact distance at its rim only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.geo import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from common.geo import Point

# What rounding may take from an edge: a millimetre.
SLACK: Final = 1e-8


@dataclass(frozen=True, slots=True)
class Box:
    """Latitudes from south to north; longitudes in one range, or two where it crosses the antimeridian."""

    south: float
    north: float
    longitudes: tuple[tuple[float, float], ...]

    @property
    def crosses_antimeridian(self) -> bool:
        """Whether a difference of two longitudes in the box says nothing."""
        return len(self.longitudes) > 1

    @property
    def sql(self) -> str:
        """The box as a condition on the columns `latitude` and `longitude`."""
        ranges = " OR ".join(["longitude BETWEEN ? AND ?"] * len(self.longitudes))
        return f"latitude BETWEEN ? AND ? AND ({ranges})"

    @property
    def values(self) -> tuple[float, ...]:
        """The values of `sql`."""
        return (self.south, self.north, *(edge for edges in self.longitudes for edge in edges))


def box_around(center: Point, radius_km: float) -> Box:
    """The smallest box that holds every point within the radius."""
    angle = radius_km / EARTH_RADIUS_KM
    reach = math.degrees(angle) + SLACK
    south, north = center.latitude - reach, center.latitude + reach
    if south <= -90 or north >= 90:  # a pole lies inside, and with it every longitude
        return Box(south, north, ((-180, 180),))
    sine = math.sin(angle) / math.cos(math.radians(center.latitude))
    width = math.degrees(math.asin(min(1.0, sine))) + SLACK
    return Box(south, north, _ranges(center.longitude - width, center.longitude + width))


def within_circle(center: Point, radius_km: float) -> tuple[str, tuple[float, ...]]:
    """The condition, which calls `distance_km` only where two bounds of the distance leave it open."""
    box = box_around(center, radius_km)
    here = (center.latitude, center.longitude)
    if box.crosses_antimeridian or box.south <= -90 or box.north >= 90:
        return f"{box.sql} AND distance_km(latitude, longitude, ?, ?) <= ?", (*box.values, *here, radius_km)
    least, most = _width_factors(center, box)
    # hav(d) = sin²(Δφ/2) + cos φ cos φ' sin²(Δλ/2), and x²(1 - x²/3) <= sin²(x) <= x².
    widest = math.radians(max(box.north - box.south, box.longitudes[0][1] - box.longitudes[0][0]) / 2) / 2
    flattened = 1 - widest * widest / 3
    limit = 4 * math.sin(radius_km / EARTH_RADIUS_KM / 2) ** 2 * math.degrees(1) ** 2
    surely = "(latitude - ?) * (latitude - ?) + (longitude - ?) * (longitude - ?) * ? <= ?"
    sql = f"{box.sql} AND ({surely} OR ({surely} AND distance_km(latitude, longitude, ?, ?) <= ?))"
    doubled = (here[0], here[0], here[1], here[1])
    inside = (*doubled, most, limit * (1 - SLACK))
    not_outside = (*doubled, least, limit / flattened * (1 + SLACK))
    return sql, (*box.values, *inside, *not_outside, *here, radius_km)


def _width_factors(center: Point, box: Box) -> tuple[float, float]:
    """Between which values cos φ cos φ' lies for the points of the box."""
    cosines = [math.cos(math.radians(latitude)) for latitude in (box.south, box.north)]
    widest = 1.0 if box.south <= 0 <= box.north else max(cosines)
    here = math.cos(math.radians(center.latitude))
    return here * min(cosines), here * widest


def _ranges(west: float, east: float) -> tuple[tuple[float, float], ...]:
    if west < -180:
        return ((west + 360, 180), (-180, east))
    if east > 180:
        return ((west, 180), (-180, east - 360))
    return ((west, east),)
