"""A cover misses nothing inside the circle and reads little outside it, everywhere on the sphere."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import geohash2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.geo import (
    EARTH_RADIUS_KM,
    MAX_RANGES,
    Box,
    GeohashRange,
    Point,
    bounds,
    cover,
    distance_km,
    geohash,
    share_before,
)

HALF_EARTH_KM = math.pi * EARTH_RADIUS_KM
ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"

MUMBAI = Point(19.0760, 72.8777)
DELHI = Point(28.6139, 77.2090)
CENTERS = [
    MUMBAI,
    Point(6.4281, 3.4219),
    Point(0.0, 0.0),
    Point(-16.8, 180.0),
    Point(-16.8, -180.0),
    Point(-16.8, 179.9999),
    Point(89.9, 10.0),
    Point(-89.9, -180.0),
    Point(90.0, 0.0),
    Point(-90.0, 123.0),
    Point(0.0, 180.0),
    Point(45.0, 0.0),
]

latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([0.0, 89.9, -89.9, 90.0, -90.0, 45.0]))
longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([0.0, 180.0, -180.0, 179.9999, -179.9999, 90.0, -45.0]))
points = st.builds(Point, latitudes, longitudes)
radii_km = st.floats(-2, math.log10(20_000)).map(lambda exponent: 10**exponent)


def held(code: str, ranges: tuple[GeohashRange, ...]) -> bool:
    return any(piece.start <= code < piece.end for piece in ranges)


def taken(point: Point, ranges: tuple[GeohashRange, ...]) -> bool:
    code = geohash(point)
    return any(piece.start <= code < piece.end and boxed(point, piece.box) for piece in ranges)


def boxed(point: Point, box: Box) -> bool:
    return box.south <= point.latitude <= box.north and box.west <= point.longitude <= box.east


def destination(origin: Point, bearing: float, kilometers: float) -> Point:
    """The point reached from `origin` along a great circle."""
    angle, latitude = kilometers / EARTH_RADIUS_KM, math.radians(origin.latitude)
    sine = math.sin(latitude) * math.cos(angle) + math.cos(latitude) * math.sin(angle) * math.cos(bearing)
    turned = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(latitude), math.cos(angle) - math.sin(latitude) * sine
    )
    longitude = (origin.longitude + math.degrees(turned) + 180) % 360 - 180
    return Point(math.degrees(math.asin(max(-1.0, min(1.0, sine)))), longitude)


def test_distance_between_known_cities() -> None:
    assert distance_km(MUMBAI, DELHI) == pytest.approx(1148.1, abs=1)
    assert distance_km(Point(0, 0), Point(0, 180)) == pytest.approx(HALF_EARTH_KM)
    assert distance_km(Point(10, 179.9), Point(10, -179.9)) == pytest.approx(21.9, abs=0.1)
    assert distance_km(Point(90, 12), Point(90, -77)) == pytest.approx(0, abs=1e-9)


@given(points, points)
def test_distance_agrees_with_the_angle_between_vectors(a: Point, b: Point) -> None:
    def vector(point: Point) -> tuple[float, float, float]:
        latitude, longitude = math.radians(point.latitude), math.radians(point.longitude)
        flat = math.cos(latitude)
        return flat * math.cos(longitude), flat * math.sin(longitude), math.sin(latitude)

    chord = math.dist(vector(a), vector(b))
    opposite = math.dist(vector(a), tuple(-part for part in vector(b)))
    assert distance_km(a, b) == pytest.approx(2 * EARTH_RADIUS_KM * math.atan2(chord, opposite), abs=1e-3)
    assert distance_km(a, b) == distance_km(b, a)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(90.1, 0), (-90.1, 0), (0, 180.1), (0, -180.1), (math.nan, 0), (0, math.nan), (math.inf, 0)],
)
def test_coordinates_outside_the_earth_are_refused(latitude: float, longitude: float) -> None:
    with pytest.raises(ValueError, match="must be from"):
        Point(latitude, longitude)


@pytest.mark.parametrize("radius_km", [0.0, -1.0, math.nan, math.inf])
def test_a_radius_that_is_no_length_is_refused(radius_km: float) -> None:
    with pytest.raises(ValueError, match="radius"):
        cover(MUMBAI, radius_km)


@pytest.mark.parametrize("max_ranges", [0, -1, MAX_RANGES + 1])
def test_more_ranges_than_a_query_takes_are_refused(max_ranges: int) -> None:
    with pytest.raises(ValueError, match="ranges"):
        cover(MUMBAI, 5, max_ranges)


def test_geohash_is_the_standard_one_at_fixed_length() -> None:
    assert geohash(Point(57.64911, 10.40744)) == "u4pruydqqv"
    assert geohash(Point(90, 180)) == "z" * 10
    assert geohash(Point(-90, -180)) == "0" * 10


@settings(max_examples=400, deadline=None)
@given(points, radii_km, st.floats(0, math.tau), st.floats(0, 1) | st.just(1.0), st.sampled_from([1, 2, 8, 16, 30]))
@example(Point(0, 180), 0.01, math.pi / 2, 1.0, 16)
@example(Point(89.9, -180), 25.0, 0.0, 1.0, 16)
@example(Point(-89.9, 180), 12.0, math.pi, 1.0, 16)
@example(Point(0, 0), 20_000.0, math.pi / 2, 1.0, 16)
def test_no_point_inside_the_circle_is_missed(
    center: Point, radius_km: float, bearing: float, fraction: float, max_ranges: int
) -> None:
    ranges = cover(center, radius_km, max_ranges)
    point = destination(center, bearing, min(radius_km * fraction, HALF_EARTH_KM))
    distance = distance_km(center, point)
    if distance <= radius_km:
        assert taken(point, ranges)
        assert boxed(point, bounds(center, radius_km))
        for inner_km in (distance, distance * 0.9):
            assert taken(point, cover(center, radius_km, max_ranges, inner_km))


@pytest.mark.parametrize("center", CENTERS, ids=str)
@pytest.mark.parametrize("radius_km", [0.01, 1.0, 25.0, 500.0, 9_000.0, 20_000.0])
def test_brute_force_over_many_points_finds_none_missed(center: Point, radius_km: float) -> None:
    source = random.Random(1)
    ranges = cover(center, radius_km)
    inside = 0
    for _ in range(400):
        reach = radius_km * math.sqrt(source.random())
        point = destination(center, source.uniform(0, math.tau), reach)
        if distance_km(center, point) <= radius_km:
            inside += 1
            assert taken(point, ranges), point
    assert inside > 390


@settings(max_examples=200, deadline=None)
@given(points, radii_km, st.integers(1, MAX_RANGES))
def test_ranges_are_ordered_disjoint_and_made_of_whole_length_geohashes(
    center: Point, radius_km: float, max_ranges: int
) -> None:
    ranges = cover(center, radius_km, max_ranges)
    assert 1 <= len(ranges) <= max_ranges
    ends = [end for piece in ranges for end in (piece.start, piece.end)]
    # Strictly: two ranges that touch would be one range, and a place in the query wasted.
    assert all(a < b for a, b in pairwise(ends))
    assert all(piece.box.south <= piece.box.north and piece.box.west <= piece.box.east for piece in ranges)
    assert all(end == "~" or (len(end) == 10 and set(end) <= set(ALPHABET)) for end in ends)
    assert ranges == cover(center, radius_km, max_ranges)


def test_the_last_cell_of_the_world_is_held() -> None:
    corner = cover(Point(90, 180), 0.01)
    assert corner[-1].end == "~"
    assert held("z" * 10, corner)


def test_the_whole_world_is_one_range() -> None:
    for radius_km in (HALF_EARTH_KM, 1e9):
        [world] = cover(MUMBAI, radius_km)
        assert (world.start, world.end) == ("0" * 10, "~")
        assert world.box == pytest.approx((-90, 90, -180, 180), abs=1e-6)


def test_how_much_of_the_ranges_lies_before_a_geohash() -> None:
    ranges = cover(MUMBAI, 5)
    assert share_before(ranges[0].start, ranges) == 0
    assert share_before(ranges[-1].end, ranges) == 1
    assert share_before("~", cover(Point(90, 180), 0.01)) == 1
    shares = [share_before(edge, ranges) for piece in ranges for edge in (piece.start, piece.end)]
    assert shares == sorted(shares)
    assert 0.2 < share_before(geohash(MUMBAI), ranges) < 0.8


def test_a_circle_over_the_antimeridian_reads_both_sides_and_not_the_world_between() -> None:
    ranges = cover(Point(-16.8, 180), 5)
    assert held(geohash(Point(-16.8, 179.99)), ranges)
    assert held(geohash(Point(-16.8, -179.99)), ranges)
    assert not held(geohash(Point(-16.8, 179)), ranges)
    assert not held(geohash(Point(-16.8, 0)), ranges)


def test_a_circle_at_the_pole_holds_every_meridian() -> None:
    ranges = cover(Point(89.95, 0), 25)
    assert all(held(geohash(Point(89.9, longitude)), ranges) for longitude in (-180, -90, 0, 90, 180))
    assert not held(geohash(Point(10, 0)), ranges)


def test_a_range_ends_on_the_first_cell_that_is_not_read() -> None:
    """Ends are exclusive: the cell of an end lies outside the circle, the cell of a start belongs to the range."""
    for piece in cover(MUMBAI, 5):
        latitude, longitude, *_ = geohash2.decode_exactly(piece.end)
        assert distance_km(MUMBAI, Point(latitude, longitude)) > 5
        assert geohash(Point(latitude, longitude)) == piece.end
        assert held(piece.start, (piece,))
        assert not held(piece.end, (piece,))


def read_ratio(center: Point, radius_km: float, points: list[Point], max_ranges: int) -> tuple[int, int]:
    ranges = cover(center, radius_km, max_ranges)
    read = sum(taken(point, ranges) for point in points)
    return read, sum(distance_km(center, point) <= radius_km for point in points)


@pytest.mark.parametrize(
    ("radius_km", "max_ranges", "bound"),
    [(1.0, 16, 1.15), (5.0, 16, 1.15), (25.0, 16, 1.15), (100.0, 16, 1.15), (5.0, 8, 1.2), (5.0, 30, 1.15)],
)
def test_few_points_are_read_in_vain(radius_km: float, max_ranges: int, bound: float) -> None:
    """Uniform points: a circle looks the same at every radius, so the ratio is the same too."""
    source = random.Random(2)
    read = inside = 0
    for _ in range(40):
        center = Point(source.uniform(-35, 35), source.uniform(-170, 170))
        around = [
            destination(center, source.uniform(0, math.tau), 3 * radius_km * math.sqrt(source.random()))
            for _ in range(600)
        ]
        more_read, more_inside = read_ratio(center, radius_km, around, max_ranges)
        read, inside = read + more_read, inside + more_inside
    assert inside > 2_000
    assert 1 <= read / inside <= bound


@pytest.mark.parametrize(
    ("inner_share", "of_ring", "of_circle"), [(0.5, 1.35, 1.05), (0.84, 2.5, 0.75), (0.93, 4.3, 0.6)]
)
def test_a_ring_leaves_out_some_of_what_lies_within_it(inner_share: float, of_ring: float, of_circle: float) -> None:
    source = random.Random(4)
    read = inside = whole = 0
    for _ in range(40):
        center = Point(source.uniform(-35, 35), source.uniform(-170, 170))
        ranges = cover(center, 5, 16, 5 * inner_share)
        for _ in range(400):
            point = destination(center, source.uniform(0, math.tau), 7 * math.sqrt(source.random()))
            is_read, distance = taken(point, ranges), distance_km(center, point)
            wanted = 5 * inner_share <= distance <= 5
            assert is_read or not wanted
            read, inside, whole = read + is_read, inside + wanted, whole + (distance <= 5)
    assert inside > 500
    assert inside < read <= min(of_ring * inside, of_circle * whole)


@pytest.mark.parametrize(
    ("center", "radius_km", "all_longitudes"),
    [
        (MUMBAI, 25.0, False),
        (Point(-16.8, 179.9), 5.0, False),
        (Point(-16.8, 179.9), 25.0, True),
        (Point(89.9, 10), 25.0, True),
        (Point(-89.9, 10), 25.0, True),
        (MUMBAI, 20_000.0, True),
    ],
    ids=str,
)
def test_a_box_around_a_circle(center: Point, radius_km: float, all_longitudes: bool) -> None:
    box = bounds(center, radius_km)
    assert ((box.west, box.east) == (-180, 180)) is all_longitudes
    rim = [destination(center, math.tau * step / 720, min(radius_km, HALF_EARTH_KM)) for step in range(720)]
    assert all(boxed(point, box) for point in rim)
    assert -90 <= box.south < box.north <= 90
    if not all_longitudes:
        assert box.north == pytest.approx(max(point.latitude for point in rim), abs=1e-5)
        assert box.east == pytest.approx(max(point.longitude for point in rim), abs=1e-5 * radius_km)


def test_few_documents_of_a_city_are_read_in_vain_at_25_km() -> None:
    """Events crowd a city's middle, so most of what a wide circle reads is inside it."""
    source = random.Random(3)
    city = [destination(MUMBAI, source.uniform(0, math.tau), abs(source.gauss(0, 12))) for _ in range(2_000)]
    read = inside = 0
    for _ in range(40):
        center = destination(MUMBAI, source.uniform(0, math.tau), 8 * math.sqrt(source.random()))
        more_read, more_inside = read_ratio(center, 25, city, 16)
        read, inside = read + more_read, inside + more_inside
    assert 1 <= read / inside <= 1.1
