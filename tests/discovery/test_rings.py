"""Rings find what is wanted in few queries and few documents, whatever was believed of the density before."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.nearby.rings import Ring, Rings, area, density_of


def walk(rings: Rings, density: float, *, at_one_place: int = 0) -> tuple[list[Ring], float]:
    """The rings that are read in an evenly filled world, and how many documents that takes."""
    ring, asked, reads = rings.first(), [], 0.0
    while True:
        asked.append(ring)
        there = density * area(ring.inner_km, ring.outer_km) + (at_one_place if ring.inner_km <= rings.start_km else 0)
        reads += max(1.0, min(there, ring.guard))
        if there >= ring.guard:
            ring = rings.after_cut(ring, ring.guard / there)
            continue
        found = density * area(rings.start_km, ring.outer_km) + at_one_place
        wider = rings.after_short(ring, int(found)) if found < rings.wanted else None
        if wider is None:
            return asked, reads
        assert wider.inner_km == ring.outer_km < wider.outer_km
        ring = wider


DENSITIES = st.floats(-5, 3).map(lambda exponent: 10**exponent)


@given(
    radius_km=st.floats(0.001, 500),
    share=st.floats(0, 1),
    wanted=st.integers(2, 101),
    density=DENSITIES,
    believed=st.none() | DENSITIES,
    at_one_place=st.sampled_from([0, 0, 5_000]),
)
@example(radius_km=1, share=1, wanted=2, density=1, believed=None, at_one_place=5_000)
def test_no_belief_costs_more_than_some_round_trips(
    radius_km: float, share: float, wanted: int, density: float, believed: float | None, at_one_place: int
) -> None:
    rings = Rings(radius_km, radius_km * share, wanted, believed)
    asked, reads = walk(rings, density, at_one_place=at_one_place)
    assert all(ring.outer_km <= max(radius_km, ring.inner_km + 1e-5) for ring in asked)
    assert len(asked) <= 8
    # What it takes is a page, and what lies at one place; what the guard cut came for nothing.
    assert reads <= 20 * (wanted + 20) + 3 * at_one_place


@pytest.mark.parametrize("radius_km", [1, 5, 25, 100, 500])
def test_an_empty_country_takes_few_round_trips_and_then_one(radius_km: float) -> None:
    asked, _ = walk(Rings(radius_km, 0, 21), 0)
    assert len(asked) <= 5
    known, _ = walk(Rings(radius_km, 0, 21, density_of(0, 0, radius_km)), 0)
    assert [(ring.inner_km, ring.outer_km) for ring in known] == [(0, radius_km)]


@pytest.mark.parametrize("density", [0.5, 5, 50, 500])
def test_what_is_known_takes_one_round_trip(density: float) -> None:
    asked, reads = walk(Rings(25, 0, 21, density), density)
    assert len(asked) == 1
    assert reads < 1.5 * 21
    unknown, more = walk(Rings(25, 0, 21), density)
    assert len(unknown) <= 3
    assert more < 10 * 21


def test_a_density_that_was_wrong_is_made_up_for() -> None:
    for believed in (0.001, 1, 1_000):
        asked, reads = walk(Rings(25, 0, 21, believed), 30)
        assert len(asked) <= 4
        assert reads < 250


def test_without_a_guard_a_stale_density_would_read_the_city(monkeypatch: pytest.MonkeyPatch) -> None:
    def unguarded(self: Rings, inner_km: float, outer_km: float) -> Ring:
        return Ring(inner_km, self.radius_km if outer_km > self.radius_km else outer_km, math.inf)  # type: ignore[arg-type]

    monkeypatch.setattr(Rings, "_ring", unguarded)
    _, reads = walk(Rings(25, 0, 21, 0.001), 30)
    assert reads > 10_000


def test_many_events_at_one_place_are_read_together_in_the_end() -> None:
    asked, reads = walk(Rings(25, 0, 21, 1_000), 1, at_one_place=5_000)
    assert len(asked) <= 6
    assert 5_000 <= reads < 10_000
