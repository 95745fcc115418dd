"""What searches find, in which order, on pages that neither repeat nor skip, decided on an index without a database."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.catalogue.rules import artist_id, venue_id
from common.errors import InvalidCursor
from common.listings.index import ListingIndex
from common.paging import encode_cursor
from common.search import names, search, suggestions, text_search
from common.search import ranking as event_ranking
from common.search.schemas import FoundEvents, Interpretation, SearchQuery
from common.search.spelling import alike
from common.search.text_search import terms
from tests.support.listings import corpus

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from common.listings.schemas import Listing
    from common.search.schemas import Suggestion

NOW: Final = datetime(2026, 11, 24, 9, tzinfo=UTC)
PLAIN: Final = next(corpus(1, NOW))


def listing(number: int = 0, **more: Any) -> Listing:
    """An event of ours among none; what follows from names follows."""
    plain: dict[str, Any] = {
        "title": "Night",
        "summary": "A night.",
        "org_name": "Mill Nights",
        "artists": ("Somebody",),
        "attendees": 0,
    }
    fields = plain | {"genres": ("techno",), "event_id": f"evt_{number:06}"} | more
    venue = fields.get("venue", PLAIN.venue)
    fields |= {"venue_id": venue_id(venue.name, venue.city), "artist_ids": tuple(map(artist_id, fields["artists"]))}
    return PLAIN.model_copy(update=fields)


def index_of(*listings: Listing) -> ListingIndex:
    index = ListingIndex()
    index.apply([(each, NOW) for each in listings], NOW)
    return index


def find(index: ListingIndex, q: str = "", now: datetime = NOW, **more: Any) -> FoundEvents:
    return search.events_page(index, index.db, SearchQuery(q=q, **more), now)


def ids(page: FoundEvents) -> list[int]:
    return [int(each.event_id[-6:]) for each in page.items]


@pytest.fixture(scope="module")
def city() -> ListingIndex:
    return index_of(*corpus(800, NOW))


FELA = "Fẹlá Kútì Tribute"


@pytest.mark.parametrize(
    ("field", "said", "typed"),
    [
        ("title", FELA, "fela kuti"),
        ("title", FELA, "FẸLÁ KÚTÌ"),
        ("artists", ("अरिजीत सिंह",), "arijit"),
        ("artists", ("Arijit Singh",), "अरिजीत"),
        ("artists", ("Tiwa Savage",), "tiwa savge"),
        ("artists", ("Clara D'Souza & the Night Watch",), "clara dsouza"),
        ("artists", ("Clara D'Souza & the Night Watch",), "clara d'souza"),
        ("artists", ("Anoushka Shankar",), "anouska shanker"),
        ("artists", ("Wizkid",), "wizk"),
        ("title", "Sundown Sessions", "sundwon sesions"),
        ("title", "Sundown Sessions", "sund"),
        ("title", "Ọ̀ṣun Òṣogbo Festival", "osun osogbo"),
        ("title", "Ọ̀ṣun Òṣogbo Festival", "ọṣun"),
        ("title", "शास्त्रीय संगीत संध्या", "संगीत"),
        ("org_name", "Saltwater Nights", "saltwater"),
        ("summary", "With a talking drum ensemble.", "talking drum"),
        ("genres", ("hard techno",), "hard techno"),
        ("genres", ("gabber",), "gabber"),
    ],
)
def test_what_is_meant_is_found(city: ListingIndex, field: str, said: Any, typed: str) -> None:
    index = index_of(*corpus(300, NOW), listing(900_000, **{field: said}))
    page = find(index, typed)
    assert 900_000 in ids(page), page.interpretation
    assert page.relaxed == ()


@pytest.mark.parametrize("typed", ["qzx", "wvut mnop", "😀", "!!!", "\x00", '""', "* * *"])
def test_what_means_nothing_finds_nothing(city: ListingIndex, typed: str) -> None:
    page = find(city, typed)
    assert (page.items, page.next_cursor) == ((), None)


def test_a_search_does_not_mind_who_else_reads() -> None:
    """The feed reads on the event loop while a search does in its thread. SQLite refuses to replace a function then."""
    index = index_of(listing(1), listing(2))
    here: dict[str, Any] = {"latitude": PLAIN.venue.latitude, "longitude": PLAIN.venue.longitude, "radius_km": 5}
    assert len(find(index, **here).items) == 2
    reading = index.db.execute("SELECT event_id FROM facts")
    assert reading.fetchone() is not None
    assert len(find(index, **here).items) == 2
    assert reading.fetchone() is not None


def test_without_words_everything_is_shown_by_what_happens_around_it(city: ListingIndex) -> None:
    assert len(find(city).items) == 20


def test_a_correction_is_told(city: ListingIndex) -> None:
    [correction] = find(city, "paper mosnoon").corrections
    assert (correction.typed, correction.used) == ("mosnoon", ("monsoon",))
    assert find(city, "paper monsoon").corrections == ()
    # The first letters of a word are no misspelling of another.
    assert find(city, "paper mons").corrections == ()


def test_a_word_that_others_have_may_be_misspelt_too() -> None:
    many = [listing(number, title="Mansoon Manor") for number in range(10, 20)]
    index = index_of(listing(1, title="Paper Monsoon"), *many)
    page = find(index, "paper mansoon")
    assert (ids(page), [each.typed for each in page.corrections]) == ([1], ["mansoon"])
    assert 1 not in ids(find(index, "mansoon"))


@pytest.mark.parametrize(
    ("typed", "known", "near"),
    [
        ("tehcno", "techno", True),
        ("jaz", "jazz", False),
        ("jazzz", "jazz", True),
        ("teknoo", "techno", False),
        ("amapaino", "amapiano", True),
        ("afrobets", "afrobeats", True),
        ("2026", "2027", False),
    ],
)
def test_how_wrong_a_word_may_be(typed: str, known: str, near: bool) -> None:
    assert bool(list(alike(typed, [known]))) == near


def test_where_a_word_stands_decides_first() -> None:
    index = index_of(
        listing(1, summary="An evening of thunder."),
        listing(2, org_name="Thunder Nights"),
        listing(3, title="Thunder Road"),
        listing(4, artists=("Thunder Road",)),
        listing(5, title="Thunderbird"),
    )
    assert ids(find(index, "thunder"))[:3] == [3, 4, 5]
    assert ids(find(index, "thunder"))[3:] == [2, 1]


def test_then_popularity_time_and_tickets_decide() -> None:
    later = {"starts_at": PLAIN.starts_at + timedelta(days=20), "ends_at": PLAIN.ends_at + timedelta(days=20)}
    index = index_of(
        listing(1),
        listing(2, attendees=300),
        listing(3, **later),
        listing(4, available=False),
    )
    assert ids(find(index, "night")) == [2, 1, 4, 3]


def test_everything_a_filter_leaves_fits_it(city: ListingIndex) -> None:
    page = find(city, "jazz mumbai under 1500 next month", limit=100)
    assert page.relaxed == () and len(page.items) > 3
    said = page.interpretation
    assert said.from_ and said.to
    for each in page.items:
        assert each.venue.city == "Mumbai" and "jazz" in each.genres and each.min_price.amount_minor <= 150_000
        assert said.from_ <= each.starts_at < said.to
    everything = [each for each in corpus(800, NOW) if each.venue.city == "Mumbai" and "jazz" in each.genres]
    fitting = [
        each for each in everything if said.from_ <= each.starts_at < said.to and each.min_price_minor <= 150_000
    ]
    assert {each.event_id for each in page.items} == {each.event_id for each in fitting}


def test_parameters_stand_above_words(city: ListingIndex) -> None:
    page = find(city, "jazz mumbai under 500 free tonight", city="Bombay", genre="comedy", max_price_minor=70_000,
                from_=NOW, to=NOW + timedelta(days=40), available=True, limit=100)  # fmt: skip
    said = page.interpretation
    assert (said.city, said.genres, said.max_price_minor, said.available) == ("Mumbai", ("comedy",), 70_000, True)
    assert (said.from_, said.to, said.when, page.relaxed) == (NOW, NOW + timedelta(days=40), None, ())
    assert page.items and {each.venue.city for each in page.items} == {"Mumbai"}


def test_a_city_has_several_names() -> None:
    places = {1: "Bombay", 2: "Mumbai", 3: "मुंबई", 4: "Pune"}
    index = index_of(
        *(listing(number, venue=PLAIN.venue.model_copy(update={"city": city})) for number, city in places.items())
    )
    for typed in ("night in mumbai", "night bombay", "मुंबई"):
        page = find(index, typed)
        assert (sorted(ids(page)), page.interpretation.city) == ([1, 2, 3], "Mumbai"), typed
    assert sorted(ids(find(index, city="bombay"))) == [1, 2, 3]
    assert ids(find(index, city="Poona")) == [4]


def test_bounds_of_parameters_are_included() -> None:
    index = index_of(listing(1))
    assert ids(find(index, from_=PLAIN.starts_at, to=PLAIN.starts_at)) == [1]
    assert ids(find(index, to=PLAIN.starts_at - timedelta(seconds=1))) == []
    assert ids(find(index, min_price_minor=PLAIN.min_price_minor, max_price_minor=PLAIN.min_price_minor)) == [1]


def test_a_radius_is_a_circle(city: ListingIndex) -> None:
    where: dict[str, Any] = {"latitude": 18.9256, "longitude": 72.8199}
    near = find(city, limit=100, radius_km=3, **where)
    assert {each.venue.name for each in near.items} == {"NCPA Tata Theatre", "The Taj Mahal Palace, Ballroom"}
    # Somewhere else nothing is made up: a radius that was given is never left out.
    assert find(city, "jazz", latitude=0, longitude=0, radius_km=5).items == ()


@pytest.mark.parametrize("longitude", [179.99, -179.99])
@pytest.mark.parametrize("latitude", [0.0, 89.9])
def test_a_radius_over_the_antimeridian_and_the_pole(latitude: float, longitude: float) -> None:
    venue = PLAIN.venue.model_copy(update={"latitude": latitude, "longitude": 180.0})
    index = index_of(listing(1, venue=venue))
    assert ids(find(index, latitude=latitude, longitude=longitude, radius_km=10)) == [1]


def test_tonight_has_what_began_and_not_what_ends_at_once() -> None:
    def at(number: int, starts: float, hours: float) -> Listing:
        begins = NOW.replace(hour=11, minute=30) + timedelta(hours=starts)  # from 17:00 in Mumbai on
        return listing(number, starts_at=begins, ends_at=begins + timedelta(hours=hours))

    index = index_of(
        at(1, 0, 0.5), at(2, -3, 8), at(3, -1, 2), at(4, -1, 1.5), at(5, 11.9, 4), at(6, 12, 4), at(7, -48, 72)
    )
    assert sorted(ids(find(index, "tonight"))) == [1, 2, 5, 7]


@pytest.mark.parametrize(
    ("typed", "relaxed"),
    [
        ("techno under 400", ["price"]),
        ("amapiano near bandra", ["near"]),
        ("techno 24 feb", ["dates"]),
        ("hard techno", ["subGenres"]),
        ("opera", ["subGenres"]),
        ("techno in bhopal somewhere", ["unknownWords"]),
        ("industrial goa 24 feb under 1", ["dates", "price", "subGenres"]),
        ("paper monsoon comedy kozhikode", ["unknownWords", "genres"]),
    ],
)
def test_wishes_go_in_their_order(city: ListingIndex, typed: str, relaxed: list[str]) -> None:
    page = find(city, typed)
    left_out = [str(each) for each in page.relaxed]
    assert page.items
    assert left_out == [each for each in left_out if each in relaxed] == relaxed, page.interpretation


def test_any_word_is_enough_at_last() -> None:
    index = index_of(listing(1, title="Thunder Road"), listing(2, title="Silver Lining"), listing(3))
    page = find(index, "thunder lining")
    assert (sorted(ids(page)), page.relaxed) == ([1, 2], ("anyWord",))


def pages(
    index: ListingIndex, query: dict[str, Any], meanwhile: Any = lambda: None, limit: int = 7
) -> Iterator[list[int]]:
    cursor, now = None, NOW
    while True:
        page = find(index, now=now, limit=limit, cursor=cursor, **query)
        yield ids(page)
        cursor = page.next_cursor
        if cursor is None:
            return
        meanwhile()
        now += timedelta(minutes=2)


QUERIES = [
    {"q": ""},
    {"q": "paper monsoon"},
    {"q": "night ferry"},
    {"q": "jazz under 900"},
    {"q": "techno near bandra"},
    {"q": "monsoon thunder"},  # nobody has thunder until an event of the second page is added
    {"q": "jazz", "latitude": 19.0, "longitude": 72.8, "radius_km": 30.0},
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: str(query["q"]) + str(len(query)))
def test_pages_have_everything_once_while_events_are_added(query: dict[str, Any]) -> None:
    index = index_of(*corpus(600, NOW))
    at_once = [each for page in pages(index, query, limit=100) for each in page]
    added = iter(range(700_000, 700_100))

    def add() -> None:
        title = "Paper Monsoon Thunder, Night Ferry: the Paper, the Monsoon"
        new = listing(next(added), title=title, genres=("jazz", "techno"), attendees=100_000, min_price_minor=0)
        index.apply([(new, NOW)], NOW)

    paged = [each for page in pages(index, query, add) for each in page]
    assert len(paged) == len(set(paged))
    assert [each for each in paged if each < 700_000] == at_once


def test_a_query_that_is_understood_anew_for_each_page_would_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the second page would ask for a word that the first one left out as unknown."""
    index = index_of(*corpus(600, NOW))
    query = {"q": "monsoon thunder"}
    at_once = [each for page in pages(index, query, limit=100) for each in page]
    kept = search._continued

    def anew(cursor: str, question: str) -> Any:
        basis, after = kept(cursor, question)
        asked = SearchQuery(**query)
        return search._understood(index, index.db, asked, NOW).model_copy(update={"level": basis.level}), after

    def add() -> None:
        index.apply([(listing(700_000, title="Thunder"), NOW)], NOW)

    monkeypatch.setattr(search, "_continued", anew)
    paged = [each for page in pages(index, query, add) for each in page]
    assert [each for each in paged if each < 700_000] != at_once


def test_without_the_moment_of_the_first_page_pages_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: ranked by when each page is asked for, events change places between pages."""
    index = index_of(*corpus(600, NOW))
    soon = event_ranking.events
    clock = iter(range(0, 4000, 40))

    def as_of_now(db: Any, wish: Any, as_of: datetime, *more: Any) -> Any:
        return soon(db, wish, as_of + timedelta(days=next(clock)), *more)

    at_once = [each for page in pages(index, {"q": "jazz"}, limit=100) for each in page]
    monkeypatch.setattr(event_ranking, "events", as_of_now)
    assert [each for page in pages(index, {"q": "jazz"}) for each in page] != at_once


BASIS = search.Basis(as_of=1_795_510_800, filters=Interpretation(genres=("jazz",), timezone="Asia/Kolkata"), words=())


def basis(**changed: Any) -> str:
    return json.dumps(json.loads(BASIS.model_dump_json(by_alias=True)) | changed)


@pytest.mark.parametrize(
    "position",
    [
        (basis(), 1.0),
        (basis(), 1.0, "e", 2),
        (basis(), 1, "e"),
        (basis(), "1", "e"),
        (basis(), 1.0, 7),
        ("", 1.0, "e"),
        ("[]", 1.0, "e"),
        ("{", 1.0, "e"),
        (basis(asOf=-1), 1.0, "e"),
        (basis(asOf=10**18), 1.0, "e"),
        (basis(level=-1), 1.0, "e"),
        (basis(level=99), 1.0, "e"),
        (basis(filters={"nothing": 1}), 1.0, "e"),
        (basis(filters={"near": {"name": "", "latitude": 91, "longitude": 0, "radiusKm": 1}}), 1.0, "e"),
        (basis(filters={"near": {"name": "", "latitude": 1, "longitude": 0, "radiusKm": 0}}), 1.0, "e"),
        (basis(filters={"maxPriceMinor": 10**30}), 1.0, "e"),
        (basis(words=[{"typed": "a", "meant": ['" OR "b']}]), 1.0, "e"),
        (basis(words=[{"typed": "a", "meant": ["a"]}] * 50), 1.0, "e"),
        (basis(words=[{"typed": "a", "meant": ["a"] * 200}]), 1.0, "e"),
    ],
)
def test_a_forged_cursor_is_refused(city: ListingIndex, position: tuple[Any, ...]) -> None:
    question = "search " + SearchQuery(q="jazz").model_dump_json(exclude={"cursor", "limit"})
    with pytest.raises(InvalidCursor):
        find(city, "jazz", cursor=encode_cursor(question, *position))
    # The control: put together right, it is one.
    assert find(city, "jazz", cursor=encode_cursor(question, basis(), 99.0, "e")).items


def test_a_cursor_belongs_to_its_query(city: ListingIndex) -> None:
    cursor = find(city, "jazz", limit=3).next_cursor
    assert find(city, "jazz", limit=5, cursor=cursor).items
    others: list[dict[str, Any]] = [{"q": "techno"}, {"q": "jazz", "city": "Mumbai"}]
    for other in others:
        with pytest.raises(InvalidCursor):
            find(city, cursor=cursor, **other)


def test_a_changed_or_hidden_event_is_found_by_its_new_words_alone() -> None:
    index = index_of(listing(1, title="Thunder Road"), listing(2))
    later = NOW + timedelta(minutes=1)
    index.apply([(listing(1, title="Silver Lining"), later)], later)
    assert (ids(find(index, "thunder")), ids(find(index, "silver"))) == ([], [1])
    # Words that are gone are no correction either.
    assert find(index, "thundr").items == ()
    index.apply([(listing(1, title="Silver Lining", listed=False), later + timedelta(minutes=1))], later)
    assert ids(find(index, "silver")) == []
    assert index.db.execute("SELECT COUNT(*) FROM texts").fetchone() == (1,)


def test_the_only_event_of_an_artist_is_renamed() -> None:
    index = index_of(listing(1, artists=("Thunder",)))
    index.apply([(listing(1, title="Silver Lining", artists=("Thunder",)), NOW + timedelta(seconds=1))], NOW)
    assert found_names(index, "thunder") == ([], ["Thunder"])
    assert found_names(index, "ncpa") == (["NCPA Tata Theatre"], [])
    assert ids(find(index, "thunder")) == [1]


def test_counts_change_without_touching_words() -> None:
    index = index_of(listing(1), listing(2))
    asked = "SELECT id, popularity FROM facts WHERE event_id = 'evt_000002'"
    [(row, _)] = index.db.execute(asked).fetchall()
    index.apply([(listing(2, attendees=500), NOW + timedelta(seconds=1))], NOW)
    # The row of a listing that said something new would be another one.
    assert index.db.execute(asked).fetchall() == [(row, 500)]
    assert find(index, "night").items[0].attendees == 500


TABLES = ("facts", "documents", "texts", "artists", "performers", "performer_texts", "venues", "venue_texts")


def test_what_is_over_leaves_every_table() -> None:
    later = PLAIN.ends_at + timedelta(days=9)
    index = index_of(listing(1, title="Thunder Road", artists=("Thunder",)), listing(2, ends_at=later))
    index.apply([], PLAIN.ends_at)
    counts = {name: index.db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in TABLES}
    assert set(counts.values()) == {1}, counts
    assert index.db.execute("SELECT upcoming FROM venues").fetchone() == (1,)
    assert index.db.execute("SELECT 1 FROM words WHERE word = 'thunder'").fetchone() is None


def found_names(index: ListingIndex, typed: str) -> tuple[list[str], list[str]]:
    words = terms(index, index.db, typed)
    venues, artists = names.venues(index.db, words, 5), names.artists(index.db, words, 5)
    return [each.name for each in venues], [each.name for each in artists]


def test_venues_and_artists_are_found_by_name(city: ListingIndex) -> None:
    assert found_names(city, "paper monsoon")[1] == ["Paper Monsoon"]
    assert found_names(city, "paper mosnoon")[1] == ["Paper Monsoon"]
    assert found_names(city, "prithvi")[0] == ["Prithvi Theatre"]
    assert found_names(city, "prithvi theater")[0] == ["Prithvi Theatre"]
    # Words that only one of several has are enough when no name has all.
    assert "Royal Opera House" in found_names(city, "opera monsoon")[0]
    assert found_names(city, "") == ([], [])
    [venue] = names.venues(city.db, terms(city, city.db, "ncpa"), 5)
    events = [each for each in corpus(800, NOW) if each.venue.name == venue.name]
    assert (venue.upcoming, venue.city) == (len(events), "Mumbai")


def suggested(index: ListingIndex, typed: str, limit: int = 8) -> list[Suggestion]:
    return list(suggestions.of(index, index.db, typed, limit))


@pytest.mark.parametrize(
    ("typed", "kind", "text"),
    [
        ("tech", "genre", "techno"),
        ("m", "city", "Mumbai"),
        ("mum", "city", "Mumbai"),
        ("paper m", "artist", "Paper Monsoon"),
        ("monsoon", "artist", "Paper Monsoon"),
        ("prith", "venue", "Prithvi Theatre"),
        ("antak", "event", "Antakshari Live with Kabir Oberoi Live"),
        ("clara d'", "artist", "Clara D'Souza & the Night Watch"),
    ],
)
def test_what_is_typed_is_completed(city: ListingIndex, typed: str, kind: str, text: str) -> None:
    found = suggested(city, typed, 20)
    assert any(each.kind == kind and (each.text == text or text.startswith(each.text[:12])) for each in found), found


def test_suggestions_leave_room_for_other_kinds(city: ListingIndex) -> None:
    found = suggested(city, "s", 8)
    assert len(found) == 8
    assert max(sum(other.kind is each.kind for other in found) for each in found) <= 4
    assert suggested(city, "😀") == []


@settings(max_examples=150)
@given(st.text(max_size=60), st.integers(1, 20))
@example("a" * 200, 3)
@example('"*^:(){}', 3)
def test_no_text_breaks_a_search(typed: str, limit: int) -> None:
    index = text_search_index()
    assert find(index, typed, limit=limit).items is not None
    assert len(suggested(index, typed, limit)) <= limit
    found_names(index, " ".join(each.typed for each in terms(index, index.db, "")))


_indexes: list[ListingIndex] = []


def text_search_index() -> ListingIndex:
    if not _indexes:
        _indexes.append(index_of(*corpus(200, NOW)))
    return _indexes[0]


def in_two_looks(index: ListingIndex) -> tuple[int, int]:
    """How many listings a question sees at its beginning and at its end, while another one is taken over."""

    async def both() -> tuple[int, int]:
        began = threading.Event()

        def question(db: sqlite3.Connection) -> tuple[int, int]:
            before = db.execute("SELECT COUNT(*) FROM listings").fetchone()[0]
            began.set()
            time.sleep(0.2)
            return before, db.execute("SELECT COUNT(*) FROM listings").fetchone()[0]

        asked = asyncio.ensure_future(index.ask(question))
        await asyncio.to_thread(began.wait)
        index.apply([(listing(2), NOW)], NOW)
        return await asked

    return asyncio.run(both())


def test_a_search_sees_the_tables_of_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_two_looks(index_of(listing(1))) == (1, 1)
    # The control: without the lock the change comes in between.
    index = index_of(listing(1))
    monkeypatch.setattr(index, "_lock", nullcontext())
    assert in_two_looks(index) == (1, 2)


def test_new_words_serve_corrections_after_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(listing(1))
    assert find(index, "thundr").items == ()
    index.apply([(listing(2, title="Thunder"), NOW)], NOW)
    assert ids(find(index, "thunder")) == [2]
    monkeypatch.setattr(text_search, "WORDS_KEPT_S", 0.0)
    assert ids(find(index, "thundr")) == [2]
