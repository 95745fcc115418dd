"""The rectangle of latitudes and longitudes that holds a circle on the sphere, and one that a circle holds."""

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


def _ranges(west: float, east: float) -> tuple[tuple[float, float], ...]:
    if west < -180:
        return ((west + 360, 180), (-180, east))
    if east > 180:
        return ((west, 180), (-180, east - 360))
    return ((west, east),)
