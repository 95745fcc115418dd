"""docs/deploy.md says what a month costs, as it follows from the code, the prices and the visit of today."""

from __future__ import annotations

import pytest

from bench import monthly
from bench.monthly import (
    ACTS,
    BEGIN,
    KEPT,
    LOOKS,
    PAGE,
    PRICES,
    SET_OFF,
    VOLUMES,
    Month,
    Price,
    functions,
    page,
    per_call,
)


def test_the_page_is_of_today() -> None:
    assert page() in PAGE.read_text(), "run `make costs`, or `python -m bench.monthly`"
    assert PAGE.read_text().count(BEGIN) == 1


def test_control_another_price_makes_the_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRICES, "forwarding_h", Price(0.05, "an hour", "another"))
    assert page() not in PAGE.read_text()


def test_the_visit_names_functions_with_a_price() -> None:
    named = LOOKS.keys() | ACTS.keys() | SET_OFF.keys()
    assert named <= functions().keys()
    assert named <= per_call().keys()
    assert all(functions()[name]["cached"] for name in LOOKS)
    assert KEPT.keys() == set(VOLUMES)


def test_a_month_without_bookings_is_what_runs_by_itself() -> None:
    calls = Month(0).calls()
    assert {name for name, times in calls.items() if times} == monthly.scheduled().keys() | {"list_ticket_keys"}
    assert calls["sweep_outbox"] == 43_800
    assert calls["build_index"] == 4_380
    assert calls["create_payouts"] == pytest.approx(30.4, abs=0.1)


def test_a_booking_costs_the_same_whenever_it_is_made() -> None:
    """Fixed lines do not grow; calls do, in proportion, but for what the CDN takes over."""
    few, many = Month(10_000).lines(), Month(1_000_000).lines()
    assert few["Instances kept warm: 2"] == many["Instances kept warm: 2"] > 0
    calls = "Calls: Firestore, Pub/Sub, Tasks, requests (costs.md)"
    assert 50 * few[calls] < many[calls] < 100 * few[calls]


def test_production_keeps_warm_what_its_variables_say() -> None:
    assert monthly.warm() == {"create_order": 1, "get_event": 1}
    assert monthly.warm().keys() <= functions().keys()
