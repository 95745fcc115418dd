"""A circle in SQL finds exactly the points that the distance says, and mostly without asking for it."""

from __future__ import annotations

import math
import random
import sqlite3

import pytest

from common.feed.bounding_box import box_around, within_circle
from common.geo import Point, distance_km

CENTERS = [
    Point(19.076, 72.8777),
    Point(-33.87, 151.21),
    Point(0, 0),
    Point(0.01, 179.99),
    Point(-16.8, -179.97),
    Point(64.1, -21.9),
    Point(89.9, 20),
    Point(-89.95, -170),
]
RADII = (0.01, 1, 5, 25, 100, 500)


def scattered(center: Point, radius_km: float, count: int) -> list[tuple[float, float]]:
    """Points in and around the circle, some exactly on its rim's latitudes."""
    dice = random.Random(f"{center} {radius_km}")
    reach = 1.3 * radius_km / 111.2
    width = min(180.0, reach / max(0.001, math.cos(math.radians(center.latitude))))
    return [
        (
            max(-90.0, min(90.0, center.latitude + dice.uniform(-reach, reach))),
            (center.longitude + dice.uniform(-width, width) + 180) % 360 - 180,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("center", CENTERS, ids=str)
def test_the_circle_is_exact(center: Point) -> None:
    asked = []

    def counted(latitude: float, longitude: float, *other: float) -> float:
        asked.append((latitude, longitude))
        return distance_km(Point(latitude, longitude), Point(*other))

    db = sqlite3.connect(":memory:")
    db.create_function("distance_km", 4, counted)
    db.execute("CREATE TABLE points (latitude REAL, longitude REAL)")
    inside = 0
    for radius_km in RADII:
        points = scattered(center, radius_km, 400)
        db.execute("DELETE FROM points")
        db.executemany("INSERT INTO points VALUES (?, ?)", points)
        sql, values = within_circle(center, radius_km)
        found = db.execute(f"SELECT latitude, longitude FROM points WHERE {sql}", values).fetchall()
        wanted = [point for point in points if distance_km(center, Point(*point)) <= radius_km]
        assert sorted(found) == sorted(wanted)
        inside += len(wanted)
    assert inside > 400
    if abs(center.latitude) < 60 and abs(center.longitude) < 170:
        assert len(asked) < inside / 10


@pytest.mark.parametrize("center", CENTERS, ids=str)
def test_the_box_holds_the_circle(center: Point) -> None:
    for radius_km in RADII:
        box = box_around(center, radius_km)
        for latitude, longitude in scattered(center, radius_km, 300):
            if distance_km(center, Point(latitude, longitude)) <= radius_km:
                assert box.south <= latitude <= box.north
                assert any(west <= longitude <= east for west, east in box.longitudes)
