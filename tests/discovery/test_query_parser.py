"""What people type, as filters and text: queries.json has the queries with what is to be understood."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.geo import Point
from common.listings.index import ListingIndex
from common.search import query_dates
from common.search.gazetteer import ListingGazetteer
from common.search.query_parser import parse
from common.search.query_words import words_of
from tests.support.listings import corpus

if TYPE_CHECKING:
    from common.search.schemas import Interpretation

NOW: Final = datetime(2026, 11, 24, 9, tzinfo=UTC)  # a Tuesday, 14:30 in Mumbai
HERE: Final = Point(19.06, 72.83)
MUMBAI: Final = "Asia/Kolkata"
TABLE: Final = json.loads(Path(__file__).with_name("queries.json").read_text())


@cache
def index() -> ListingIndex:
    made = ListingIndex()
    made.apply([(listing, NOW) for listing in corpus(400, NOW)], NOW)
    return made


def understood(query: str, now: datetime = NOW, timezone: str = MUMBAI, here: Point | None = HERE) -> Interpretation:
    return parse(query, now, timezone, ListingGazetteer(index().db, here), here)


def shown(found: Interpretation) -> dict[str, Any]:
    """As the table has it: without what is not said, and without what follows from the rest."""
    document = found.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert document.pop("running", False) == ("from" in document)
    if document["timezone"] == MUMBAI:
        del document["timezone"]
    return document


def test_the_table_is_as_long_as_promised() -> None:
    assert len(TABLE) >= 60
    assert len({(row["now"], row["q"]) for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=[f"{number:02} {row['q']}" for number, row in enumerate(TABLE)])
def test_a_query_is_understood(row: dict[str, Any]) -> None:
    assert shown(understood(row["q"], datetime.fromisoformat(row["now"]))) == row["expected"]


@pytest.mark.parametrize(
    "other",
    [
        "Techno in Mumbai tonight, under Rs. 1000",
        "techno · MUMBAI · tonight · below 1,000 rs",
        "tonight mumbai techno upto ₹1000/-",
        "टेक्नो मुंबई आज रात under 1k rupees",
    ],
)
def test_one_wish_has_many_spellings(other: str) -> None:
    plain = understood("techno mumbai tonight under ₹1000").model_copy(update={"when": None})
    assert understood(other).model_copy(update={"when": None}) == plain


def test_the_local_time_is_that_of_the_city() -> None:
    lagos, delhi = understood("tonight in lagos"), understood("tonight in delhi")
    assert (lagos.from_, delhi.from_) == (NOW.replace(hour=16), NOW.replace(hour=11, minute=30))
    assert understood("tonight", timezone="Africa/Lagos").from_ == lagos.from_


@pytest.mark.parametrize("hour", [0, 1, 4, 5, 12, 16, 17, 23])
def test_a_night_ends_at_dawn(hour: int) -> None:
    """Until 05:00 it is the night that began yesterday; from then on tonight is the next one."""
    now = datetime(2026, 11, 28, hour, 30, tzinfo=ZoneInfo(MUMBAI))
    tonight = understood("tonight", now)
    assert tonight.from_ is not None and tonight.to is not None
    dawn = now.replace(hour=5, minute=0) + timedelta(days=0 if hour < 5 else 1)
    assert tonight.to == dawn
    assert tonight.from_ == max(now, dawn - timedelta(hours=12))


def test_a_window_that_is_over_asks_for_nothing() -> None:
    late = datetime(2026, 11, 24, 18, tzinfo=ZoneInfo(MUMBAI))
    assert understood("2020-01-01", late).from_ is None
    assert understood("today morning", late).from_ is None


def test_a_summer_time_change_moves_no_dawn() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=ZoneInfo("Europe/London"))
    window = query_dates.windowed([query_dates.recognise(("weekend",))[1]], before)  # type: ignore[index]
    assert window is not None
    assert [each.astimezone(UTC).hour for each in (window.start, window.end)] == [11, 5]
    assert window.end.hour == 5


def test_near_prefers_the_city_that_is_named_then_the_one_around() -> None:
    bengaluru, pune = understood("near phoenix in bengaluru").near, understood("near phoenix in pune").near
    assert bengaluru and pune
    assert (round(bengaluru.latitude), round(pune.latitude)) == (13, 19)
    around = understood("near phoenix", here=Point(12.99, 80.21)).near
    assert around and round(around.longitude) == 80


def test_near_me_needs_a_place() -> None:
    assert understood("jazz near me", here=None).near is None


@given(st.text(max_size=200))
@example("\x00")
@example("\u202e\u0645\u0644\u0647\u0649\u202c tonight")
@example('" OR texts MATCH * NEAR(a b, 2) AND NOT ^{title} : "')
@example("'; DROP TABLE facts; --")
@example("under 999999999999999999999999999999")
@example("between 1 and 99999999999 k")
@example("0 jan 31 feb 29/2 99/99 0000-00-00 9999-12-31 1/1/0001 date00000000 date99999999")
@example("near near near in in in")
@example("next next next this on")
@example("99+ plus 0plus \u00b2+ \u0663+ \uff15+ \uff11\uff10\uff10")
@example("9999-12-31 night to 9999-12-31")
def test_no_text_is_too_strange(query: str) -> None:
    found = understood(query)
    assert found.from_ is None or found.to is None or found.from_ < found.to
    assert all(word.isascii() and word.isalnum() for word in words_of(query))
