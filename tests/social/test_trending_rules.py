"""What is trending keeps its order at any later time, though nothing is written while nothing happens."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isclose

from hypothesis import assume, given
from hypothesis import strategies as st

from common.social.rules import HALF_LIFE, Trend, activity, trend
from tests.support.records import NOW

# What happened at an event: (hours ago, how much), the oldest first.
HISTORIES = st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 5_000)), min_size=1, max_size=6)


def moment(hours_ago: int) -> datetime:
    return NOW - timedelta(hours=hours_ago)


def trend_of(history: list[tuple[int, int]]) -> Trend:
    found, total = Trend(), 0
    for hours_ago, amount in sorted(history, reverse=True):
        total += amount
        found = trend(found, total, moment(hours_ago))
    return found


def weight(history: list[tuple[int, int]], at: datetime) -> float:
    """What it says it is: everything that happened, each half as much after every half-life."""
    return sum(amount * 2 ** ((moment(hours_ago) - at) / HALF_LIFE) for hours_ago, amount in history)


def test_attendees_count_three_and_posts_two() -> None:
    assert activity(5, 4) == 23


def test_of_two_alike_the_later_one_leads_and_after_a_half_life_twice_as_many_tie() -> None:
    early, late = trend(Trend(), 100, moment(1)), trend(Trend(), 100, NOW)
    assert late.key > early.key
    doubled = trend(Trend(), 200, NOW - HALF_LIFE)
    assert isclose(doubled.key, late.key)


@given(HISTORIES, HISTORIES, st.integers(0, 10_000))
def test_the_order_is_that_of_the_decayed_sums_at_any_later_time(
    one: list[tuple[int, int]], other: list[tuple[int, int]], hours: int
) -> None:
    at = NOW + timedelta(hours=hours)
    first, second = weight(one, at), weight(other, at)
    assume(min(first, second) > 1e-290)
    assume(not isclose(first, second, rel_tol=1e-6))
    assert (trend_of(one).key > trend_of(other).key) is (first > second)


def test_nothing_is_below_everything() -> None:
    assert trend(Trend(), 0, NOW) == Trend() == trend(Trend(1_200.0, 30), 0, NOW)
    assert trend(Trend(), 1, moment(2_000)).key > Trend().key


@given(HISTORIES)
def test_the_same_again_changes_nothing(history: list[tuple[int, int]]) -> None:
    known = trend_of(history)
    assert isclose(trend(known, known.weighed, NOW).key, known.key)


def test_what_is_undone_takes_its_share() -> None:
    known = trend(trend(Trend(), 30, moment(48)), 60, NOW)
    halved = trend(known, 30, NOW)
    assert isclose(known.key - halved.key, 1)
    assert halved.weighed == 30
    assert trend(halved, 60, NOW).key > halved.key


def test_the_key_stays_exact_for_decades() -> None:
    years = timedelta(days=365 * 40)
    close = [trend(Trend(), amount, NOW + years) for amount in (1_000_000, 1_000_001)]
    assert close[0].key < close[1].key
