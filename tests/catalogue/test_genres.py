"""The genre tree is a tree, covers what the seeded city plays, and its colours can be read."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.catalogue import genres
from common.catalogue.genres import tree, with_ancestors
from common.events.schemas import EventRequest
from emulators import seed_data
from tests.support.genres import with_descendants
from tests.support.people import accepted, event_body

if TYPE_CHECKING:
    import httpx

FILE = Path(genres.__file__).with_name("genres.json")
READABLE = 4.5  # WCAG 2.1, level AA, text of any size


def contrast_with_white(colour: str) -> float:
    """By WCAG 2.1: relative luminance of sRGB."""

    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def test_the_contrast_is_that_of_the_standard() -> None:
    assert contrast_with_white("#000000") == pytest.approx(21)
    assert contrast_with_white("#FFFFFF") == pytest.approx(1)
    assert contrast_with_white("#767676") == pytest.approx(4.54, abs=0.01)


def test_no_genre_comes_twice_and_parents_come_first() -> None:
    """A child before its parent would have no ancestors, and a cycle has a child before its parent."""
    names = [each["genre"] for each in json.loads(FILE.read_text())]
    assert len(names) == len(set(names)) == len(tree())
    known: set[str] = set()
    for node in tree().values():
        assert node.parent is None or node.parent in known, node
        known.add(node.genre)


def test_every_genre_is_one_that_an_event_can_name() -> None:
    names = list(tree())
    for few in (names[place : place + 10] for place in range(0, len(names), 10)):
        assert list(EventRequest.model_validate(event_body("org_1", genres=few)).genres) == few


def test_ancestors_and_descendants_agree() -> None:
    for genre in tree():
        for above, below in pairwise(reversed(with_ancestors(genre))):
            assert genre in with_descendants(above) & with_descendants(below)
            assert above not in with_descendants(below)
    assert with_ancestors("3-step") == ("3-step", "amapiano", "house", "electronic")
    assert {"techno", "house", "3-step"} < with_descendants("electronic")
    assert with_descendants("unheard of") == {"unheard of"}
    assert with_ancestors("unheard of") == ("unheard of",)


def test_colours_can_be_read_and_tell_roots_apart() -> None:
    for node in tree().values():
        assert len(node.colour) == 7, node
        assert contrast_with_white(node.colour) >= READABLE, node
    roots = [node.colour for node in tree().values() if node.parent is None]
    assert len(roots) == len(set(roots))


def test_the_seeded_city_plays_what_the_tree_knows() -> None:
    played = {genre for night in seed_data._data().formats for genres in night.genres for genre in genres}
    played |= {genre for artist in seed_data._data().artists for genre in artist.genres}
    assert played - tree().keys() == set()
    for genre in (
        "bollywood",
        "hindustani",
        "carnatic",
        "garba",
        "afrobeats",
        "highlife",
        "fuji",
        "techno",
        "stand-up",
    ):
        assert genre in tree()


def test_the_tree_is_public(anonymous: httpx.Client) -> None:
    listed = accepted(anonymous.get("/v1/genres"))
    assert listed == {"items": [{k: v for k, v in node._asdict().items() if v} for node in tree().values()]}
    assert "nextCursor" not in listed
    assert listed["items"][0] == {"genre": "electronic", "colour": tree()["electronic"].colour}
